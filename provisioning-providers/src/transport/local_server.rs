//! The transport `local_server`: commands and files in a server that the local provider made.
//!
//! Every deed is done by a keeper that joins the server for it; what keeps its units running is the server's own keeper.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use provisioning_core::error::{Error, Result};
use provisioning_core::host::{Command, Facts, Host, Output, Supervisor};
use provisioning_core::registry::Transport;
use provisioning_core::value::Value;

use super::local::{MAX_OUTPUT, execute, facts};
use crate::local::keeper::{Control, Deed, Keeper, content, outcome};
use crate::local::machine::Place;

/// The name of the transport in a connection.
pub(crate) const NAME: &str = "local_server";
/// The largest file that is read from a server, in bytes.
const MAX_FILE: usize = 64 << 20;

/// Leads to the servers on this machine.
#[derive(Debug, Clone)]
pub struct LocalServerTransport {
    keeper: Keeper,
}

/// A server on this machine.
#[derive(Debug)]
pub struct LocalServer {
    keeper: Keeper,
    place: Place,
    control: Control,
}

impl LocalServerTransport {
    /// A transport that enters servers by starting keepers.
    pub fn new(keeper: Keeper) -> Self {
        Self { keeper }
    }
}

impl Transport for LocalServerTransport {
    fn host(&self, connection: &Value) -> Result<Arc<dyn Host>> {
        let folder = connection.field("directory").and_then(Value::as_str);
        let folder = folder.ok_or_else(|| Error::invalid("a `local_server` connection names no `directory`"))?;
        let place = Place::at(folder);
        Ok(Arc::new(LocalServer { keeper: self.keeper.clone(), control: Control::new(&place.control()), place }))
    }
}

impl LocalServer {
    async fn perform(&self, deed: &Deed, input: &[u8], max_output: usize, like: &Command) -> Result<Output> {
        let (arguments, mut frame) = self.keeper.deed(&self.place, deed)?;
        frame.extend_from_slice(input);
        let command = Command { arguments, input: frame, timeout: like.timeout, ..Command::default() };
        let name = like.arguments.first().map_or("the keeper", String::as_str);
        outcome(execute(&command, name, max_output).await?)
    }
}

#[async_trait]
impl Host for LocalServer {
    async fn run(&self, command: &Command) -> Result<Output> {
        let deed = Deed::Run {
            arguments: command.arguments.clone(),
            directory: command.directory.clone(),
            environment: command.environment.clone().into_iter().collect(),
        };
        self.perform(&deed, &command.input, MAX_OUTPUT, command).await
    }

    async fn put(&self, path: &Path, content: &[u8], mode: u32) -> Result<()> {
        let deed = Deed::Put { path: path.to_owned(), mode };
        self.perform(&deed, content, MAX_OUTPUT, &Command::default()).await.map(|_| ())
    }

    async fn get(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let deed = Deed::Get { path: path.to_owned() };
        content(&self.perform(&deed, &[], MAX_FILE, &Command::default()).await?.stdout)
    }

    async fn facts(&self) -> Result<Facts> {
        Ok(Facts { host_name: self.place.expect()?.host_name, ..facts() })
    }

    fn supervisor(&self) -> Option<&dyn Supervisor> {
        Some(&self.control)
    }

    fn terminal(&self, command: &Command) -> Result<Vec<OsString>> {
        Ok(self.keeper.terminal(&self.place, &command.arguments).into_iter().map(OsString::from).collect())
    }
}
