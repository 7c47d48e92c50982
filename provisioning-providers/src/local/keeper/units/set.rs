//! The units that a keeper keeps, by name. Changes of one unit follow one another; those of several run side by side.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use provisioning_core::error::{Error, ErrorKind, Result, Retry};
use provisioning_core::host::Unit;
use rustix::process::Signal;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::check::check;
use super::unit::Kept;
use super::{Keeper, files, log, processes};
use crate::local::error::at;
use crate::local::keeper::protocol::{self, Reply, Request};

/// How many units a keeper keeps.
const MAX_UNITS: usize = 1000;

/// The units of a keeper.
pub(super) struct Units {
    keeper: Rc<Keeper>,
    slots: RefCell<BTreeMap<String, Rc<Slot>>>,
    closing: Cell<bool>,
}

/// The place of a name; whoever changes what is in it holds its turn.
#[derive(Default)]
struct Slot {
    turn: Mutex<()>,
    kept: RefCell<Option<Kept>>,
}

impl Slot {
    /// Stops what is kept; its last status stays.
    async fn stop(&self) -> Result<()> {
        let stopping = self.kept.borrow_mut().as_mut().and_then(Kept::stop);
        match stopping {
            Some(stopping) => stopping.await,
            None => Ok(()),
        }
    }
}

impl Units {
    /// No units yet.
    pub(super) fn new(keeper: Rc<Keeper>) -> Self {
        Self { keeper, slots: RefCell::default(), closing: Cell::new(false) }
    }

    /// What whoever asks for something has to know.
    pub(super) fn key(&self) -> &str {
        &self.keeper.surroundings.key
    }

    /// Starts what the control directory remembers.
    pub(super) fn load(&self) -> Result<()> {
        for (name, unit) in files::load(&self.keeper.surroundings.control)? {
            let kept = match unit {
                Ok(unit) => Kept::start(self.keeper.clone(), &name, unit),
                Err(reason) => Kept::unreadable(reason),
            };
            let slot = Slot { kept: RefCell::new(Some(kept)), ..Slot::default() };
            self.slots.borrow_mut().insert(name, Rc::new(slot));
        }
        Ok(())
    }

    /// Does what is asked, but for ending the keeper itself.
    pub(super) async fn answer(&self, request: Request) -> Result<Reply> {
        match request {
            Request::Put { name, unit } => self.put(&name, *unit).await.map(|()| Reply::Done),
            Request::Remove { name } => self.remove(&name).await.map(|()| Reply::Done),
            Request::Status => Ok(self.status()),
            Request::Stop => Ok(Reply::Done),
        }
    }

    /// Stops every unit, and then whatever else descends from the keeper; `meanwhile` never ends.
    pub(super) async fn close(&self, meanwhile: impl Future<Output = ()>) -> Result<()> {
        self.closing.set(true);
        let close = async {
            let mut stopping = JoinSet::new();
            for slot in self.slots.borrow().values().cloned() {
                stopping.spawn_local(async move {
                    let _turn = slot.turn.lock().await;
                    slot.stop().await
                });
            }
            // What did not end is found again among the descendants.
            stopping.join_all().await;
            let find = || [processes::descendants(), self.keeper.mark.marked()].concat();
            processes::end(None, find, Signal::KILL, Duration::ZERO).await
        };
        tokio::select! {
            ended = close => ended,
            () = meanwhile => Ok(()),
        }
    }

    async fn put(&self, name: &str, unit: Unit) -> Result<()> {
        protocol::check_name(name)?;
        check(&unit)?;
        let slot = self.slot(name)?;
        let _turn = slot.turn.lock().await;
        let done = self.put_into(&slot, name, unit).await;
        self.vacate(&slot, name);
        done
    }

    async fn put_into(&self, slot: &Slot, name: &str, unit: Unit) -> Result<()> {
        self.check_open()?;
        if slot.kept.borrow().as_ref().is_some_and(|kept| kept.is(&unit)) {
            return Ok(());
        }
        // On this thread, which nothing else needs for as long as a small file takes: a thread could be refused.
        files::write(&self.keeper.surroundings.control, name, &unit)?;
        slot.stop().await?;
        slot.kept.replace(Some(Kept::start(self.keeper.clone(), name, unit)));
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<()> {
        protocol::check_name(name)?;
        let slot = self.slots.borrow().get(name).cloned();
        let Some(slot) = slot else { return Ok(()) };
        let _turn = slot.turn.lock().await;
        self.check_open()?;
        slot.stop().await?;
        let control = &self.keeper.surroundings.control;
        files::remove(control, name)?;
        log::remove(control, name).map_err(at(&protocol::log(control, name, 0)))?;
        slot.kept.replace(None);
        self.vacate(&slot, name);
        Ok(())
    }

    /// Gives the place of a name up when nothing is in it. Whoever waits for its turn has it too, and needs it there.
    fn vacate(&self, slot: &Rc<Slot>, name: &str) {
        if slot.kept.borrow().is_none() && Rc::strong_count(slot) == 2 {
            self.slots.borrow_mut().remove(name);
        }
    }

    fn status(&self) -> Reply {
        let slots = self.slots.borrow();
        let kept = slots.iter().filter_map(|(name, slot)| Some((name.clone(), slot.kept.borrow().as_ref()?.status())));
        Reply::Status { units: kept.collect(), level: self.keeper.surroundings.level.clone() }
    }

    fn slot(&self, name: &str) -> Result<Rc<Slot>> {
        let mut slots = self.slots.borrow_mut();
        if slots.len() >= MAX_UNITS && !slots.contains_key(name) {
            let message = format!("`{name}` would be more than {MAX_UNITS} units");
            return Err(Error::new(ErrorKind::Limited, message).with_hint("remove units that are not needed"));
        }
        Ok(slots.entry(name.to_owned()).or_default().clone())
    }

    fn check_open(&self) -> Result<()> {
        if self.closing.get() {
            return Err(Error::new(ErrorKind::Unavailable, "the keeper is ending").with_retry(Retry::Later(None)));
        }
        Ok(())
    }
}
