//! How a caller stops a run: gently, or at once.

use std::sync::Arc;

use tokio::sync::watch;

use crate::executor::Stop;

/// A handle that stops a run. Clones stop the same one.
#[derive(Debug, Clone)]
pub struct Control(Arc<watch::Sender<Stop>>);

impl Control {
    /// A handle for a run that nobody has stopped.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stop::No)))
    }

    /// Asks the run to begin nothing new; asked a second time, it drops what it is doing. Both can be resumed.
    pub fn cancel(&self) {
        self.0.send_modify(|stop| *stop = if *stop == Stop::No { Stop::Drain } else { Stop::Now });
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
