//! The kind `host`: this machine, as something services run on.
//!
//! It makes nothing and removes nothing; the commands are run by [`transport::local`](crate::transport::local).

use std::collections::BTreeMap;

use async_trait::async_trait;
use provisioning_core::error::Result;
use provisioning_core::host::Facts;
use provisioning_core::provider::{Context, Found, Reply, ResourceKind};
use provisioning_core::schema::Schema;
use serde::{Deserialize, Serialize};

use crate::transport::local::facts;

/// The only identity there is.
const ID: &str = "this-machine";

/// This machine.
#[derive(Debug)]
pub(super) struct Host;

/// Nothing is to be set.
#[derive(Debug, Deserialize)]
pub(super) struct Spec {}

/// What the machine is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    id: String,
    connection: BTreeMap<String, String>,
    host_name: String,
    system: String,
    architecture: String,
}

#[async_trait]
impl ResourceKind for Host {
    type Spec = Spec;
    type State = State;

    fn schema(&self) -> Schema {
        Schema::parse(include_str!("host.toml")).expect("the shipped schema parses")
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Option<State>>> {
        Ok(ids.iter().map(|id| (id == ID).then(this_machine)).collect())
    }

    async fn find(&self, _: &Context, _: &Spec) -> Result<Found<State>> {
        Ok(Found::None)
    }

    async fn create(&self, _: &Context, _: Spec) -> Result<Reply<State>> {
        Ok(Reply::Done(this_machine()))
    }

    async fn update(&self, _: &Context, _: State, _: Spec) -> Result<Reply<State>> {
        Ok(Reply::Done(this_machine()))
    }

    async fn delete(&self, _: &Context, _: State) -> Result<Reply<()>> {
        Ok(Reply::Done(()))
    }
}

fn this_machine() -> State {
    let Facts { host_name, system, architecture } = facts();
    let connection = BTreeMap::from([("transport".to_owned(), "local".to_owned())]);
    State { id: ID.to_owned(), connection, host_name, system, architecture }
}
