//! The kind `value`: keeps its input in the state and gives it back.
//!
//! It works on values instead of own types, so that a secret input stays a secret in the output.

use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::digest::Digest;
use provisioning_core::error::{Error, Result};
use provisioning_core::provider::{AnyKind, Context, Found, Reply};
use provisioning_core::record::Object;
use provisioning_core::schema::Schema;
use provisioning_core::value::Value as Document;

/// How many digits of the digest identify a value.
const ID_DIGITS: usize = 16;

/// Values in the state.
#[derive(Debug)]
pub(super) struct Value {
    schema: Arc<Schema>,
}

impl Value {
    pub(super) fn new() -> Self {
        Self { schema: Arc::new(Schema::parse(include_str!("value.toml")).expect("the shipped schema parses")) }
    }
}

#[async_trait]
impl AnyKind for Value {
    fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    async fn read(&self, _: &[String]) -> Result<Vec<Option<Object>>> {
        Err(Error::bug("a `value` stands in the state alone and cannot be read"))
    }

    async fn find(&self, _: &Context, _: &Document) -> Result<Found<Object>> {
        Ok(Found::None)
    }

    async fn create(&self, context: &Context, spec: &Document) -> Result<Reply<Object>> {
        let digest = Digest::of(format!("{}/{}", context.workspace, context.resource).as_bytes());
        Ok(Reply::Done(object(&digest.as_str()[..ID_DIGITS], spec)))
    }

    async fn update(&self, _: &Context, prior: &Object, spec: &Document) -> Result<Reply<Object>> {
        Ok(Reply::Done(object(&prior.id, spec)))
    }

    async fn delete(&self, _: &Context, _: &Object) -> Result<Reply<()>> {
        Ok(Reply::Done(()))
    }
}

fn object(id: &str, spec: &Document) -> Object {
    let output = spec.field("input").cloned().unwrap_or_default();
    Object { id: id.to_owned(), outputs: Document::map([("id", id.into()), ("output", output)]) }
}
