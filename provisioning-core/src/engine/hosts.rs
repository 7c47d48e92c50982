//! The hosts of a workspace: the way to one, and what the programs on it wrote.
//!
//! Hosts are found in the state alone; what is declared is not looked at.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Supervisor, UnitStatus, tail};
use crate::name::{ResourceName, suggestion};
use crate::resource::{Role, StateRow};
use crate::value::Value;

/// The texts of logs, by the name of what wrote them.
pub type Logs = BTreeMap<String, Vec<u8>>;

impl Engine {
    pub(super) async fn host_of(&self, name: &str) -> Result<Arc<dyn Host>> {
        let rows = self.store.rows().await?;
        let outputs = row(&rows, name)?.opened(&self.disclosure_for_looking().await.sealer);
        let connection = outputs.field("connection").ok_or_else(|| unreachable(name))?;
        self.registry.host(connection)
    }

    pub(super) async fn units_of(&self, name: &str) -> Result<BTreeMap<String, UnitStatus>> {
        supervisor(name, self.host_of(name).await?.as_ref())?.units().await
    }

    pub(super) async fn logs_of(&self, name: &str, unit: Option<&str>, max_bytes: u64) -> Result<Logs> {
        let rows = self.store.rows().await?;
        let row = row(&rows, name)?;
        let outputs = row.outputs();
        match (&row.role, outputs.field("log").and_then(Value::as_str)) {
            (Role::Service { host }, _) => self.unit_logs(host.as_str(), Some(unit.unwrap_or(row.name.base())), max_bytes).await,
            (_, Some(path)) if outputs.field("connection").is_none() => {
                Ok(Logs::from([(name.to_owned(), end_of(Path::new(path), max_bytes)?)]))
            }
            _ => self.unit_logs(name, unit, max_bytes).await,
        }
    }

    async fn unit_logs(&self, name: &str, unit: Option<&str>, max_bytes: u64) -> Result<Logs> {
        let host = self.host_of(name).await?;
        let supervisor = supervisor(name, host.as_ref())?;
        let units = supervisor.units().await?;
        if let Some(unknown) = unit.filter(|unit| !units.contains_key(*unit)) {
            let hint = suggestion(unknown, units.keys().map(String::as_str)).unwrap_or_else(|| "it keeps none".to_owned());
            return Err(Error::new(ErrorKind::NotFound, format!("`{name}` keeps no unit `{unknown}`")).with_hint(hint));
        }
        let mut logs = Logs::new();
        for unit in units.into_keys().filter(|known| unit.is_none_or(|unit| unit == known)) {
            let text = supervisor.log(&unit, max_bytes).await?;
            logs.insert(unit, text);
        }
        Ok(logs)
    }
}

fn row<'a>(rows: &'a BTreeMap<ResourceName, StateRow>, name: &str) -> Result<&'a StateRow> {
    rows.get(name).ok_or_else(|| {
        let known = rows.keys().map(AsRef::as_ref);
        let hint = suggestion(name, known).unwrap_or_else(|| "nothing is in the state: apply first".to_owned());
        Error::new(ErrorKind::NotFound, format!("there is no resource `{name}`")).with_hint(hint)
    })
}

fn unreachable(name: &str) -> Error {
    Error::invalid(format!("`{name}` has no `connection`"))
        .with_hint("name a resource that is a host, such as a server; a service runs on the host after its `@`")
}

fn supervisor<'a>(name: &str, host: &'a dyn Host) -> Result<&'a dyn Supervisor> {
    host.supervisor().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("`{name}` keeps no programs running"))
            .with_hint("only what a host keeps running has a log there; a server keeps programs")
    })
}

/// The end of a file on this machine; empty while it does not exist.
fn end_of(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        let kind = if error.kind() == std::io::ErrorKind::PermissionDenied { ErrorKind::Denied } else { ErrorKind::Unavailable };
        Error::new(kind, format!("cannot read `{}`", path.display())).with_source(error)
    };
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        opened => opened.map_err(failed)?,
    };
    let length = file.metadata().map_err(failed)?.len();
    // One byte more tells whether the first one begins a line.
    let begin = length.saturating_sub(max_bytes.saturating_add(1));
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(begin)).map_err(failed)?;
    file.take(length - begin).read_to_end(&mut text).map_err(failed)?;
    Ok(tail(&text, max_bytes).to_vec())
}
