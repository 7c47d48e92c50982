//! Starting and ending a keeper, seen from the engine.
//!
//! A keeper is started through another process that ends at once, so that nobody has to wait for its end.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Failure, Result, Retry};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::super::disk::blocking;
use super::super::error::at;
use super::super::machine::{Level, Machine, Place, Standing};
use super::order::{Answer, Order};
use super::protocol::Request;
use super::{Control, Keeper, isolation};

/// How long a keeper may take to stand.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a keeper that is to stop may take to show that it hears.
const HEARING: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 1 << 16;

impl Keeper {
    /// Starts the keeper of a machine; one that stands already is left alone.
    pub(crate) async fn start(&self, place: &Place) -> Result<Standing> {
        self.ask(place, false).await
    }

    /// Tries whether a machine of a level could be started: everything is made as for a real one, and goes again.
    pub(crate) async fn try_level(&self, folder: &Path, level: Level) -> Result<()> {
        let place = Place::new(folder, level.as_str());
        let made = place.clone();
        blocking(move || {
            let held = if made.as_path().exists() { Some(isolation::end(&made)?) } else { None };
            made.remove()?;
            drop(held);
            made.make(&Machine::plain(String::new(), level))
        })
        .await?;
        let tried = self.ask(&place, true).await.map(|_| ());
        blocking(move || {
            let _held = isolation::end(&place)?;
            place.remove()
        })
        .await?;
        tried
    }

    async fn ask(&self, place: &Place, trial: bool) -> Result<Standing> {
        let order = Order { place: place.as_path().to_owned(), words: self.words.clone(), trial, limits: Vec::new() };
        let mut starter = Command::new(&self.words[0])
            .args(&self.words[1..])
            .args(["start", &order.to_json()?])
            .env_clear()
            .envs(super::start::environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| at(Path::new(&self.words[0]))(error))?;
        let stdout = starter.stdout.take().expect("standard output is piped");
        let mut said = String::new();
        let read = async {
            stdout.take(MAX_ANSWER).read_to_string(&mut said).await?;
            starter.wait().await
        };
        match timeout(PATIENCE, read).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(unclear("could not be followed").with_source(error)),
            Err(_) => return Err(unclear(&format!("did not stand within {} s", PATIENCE.as_secs()))),
        }
        match serde_json::from_str(&said) {
            Ok(Answer::Ready(standing)) => Ok(standing),
            Ok(Answer::Refused(failure)) => Err(of(failure)),
            Err(_) => {
                let log = place.log();
                Err(unclear("ended before it stood").with_hint(format!("`{}` may say why", log.display())))
            }
        }
    }
}

impl Place {
    /// Ends the keeper and with it everything that runs in the machine; one that is not there is a success. None comes as
    /// long as the lock is held which it gives.
    pub(crate) async fn stop(&self) -> Result<File> {
        let control = Control::new(&self.control());
        // One that does not even answer is not asked.
        if let Ok(Ok(Some(_))) = timeout(HEARING, control.ask(&Request::Status)).await {
            // What runs in a server could pretend to be its keeper: it is waited for, but not for ever.
            timeout(PATIENCE, control.stop()).await.unwrap_or(Ok(()))?;
        }
        let place = self.clone();
        blocking(move || isolation::end(&place)).await
    }
}

/// The error that a keeper told of.
pub(super) fn of(failure: Failure) -> Error {
    let error = Error::new(failure.kind, failure.message);
    match failure.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn unclear(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the keeper {what}")).with_retry(Retry::Unsure)
}
