//! How a caller stops a run: for now, gently, or at once.

use std::sync::Arc;

use tokio::sync::watch;

use crate::executor::Stop;

/// A handle that stops or pauses a run. Clones stop the same one.
#[derive(Debug, Clone)]
pub struct Control(Arc<watch::Sender<Stop>>);

impl Control {
    /// A handle for a run that nobody has stopped.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stop::No)))
    }

    /// Asks the run to begin nothing new; asked a second time, it drops what it is doing. Both can be resumed.
    pub fn cancel(&self) {
        self.0.send_modify(|stop| *stop = if *stop < Stop::Drain { Stop::Drain } else { Stop::Now });
    }

    /// Asks the run to begin nothing new for now; what it began goes on, and it keeps the workspace. A run that was asked
    /// to stop stays so.
    pub fn pause(&self) {
        self.turn(Stop::No, Stop::Pause);
    }

    /// Asks a paused run to go on.
    pub fn unpause(&self) {
        self.turn(Stop::Pause, Stop::No);
    }

    fn turn(&self, from: Stop, to: Stop) {
        self.0.send_if_modified(|stop| {
            let turns = *stop == from;
            if turns {
                *stop = to;
            }
            turns
        });
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Stop> {
        self.0.subscribe()
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}
