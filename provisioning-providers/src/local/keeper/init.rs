//! The verb `init`: stands where `start` put it, separates itself as the machine's level says, and keeps its units.

use std::fs::File;

use provisioning_core::error::{Failure, Result};

use super::super::machine::{self, Machine, Place, Standing};
use super::isolation::{self, Ground};
use super::order::{Answer, Order};
use super::units::{self, Surroundings};

/// What it has to do stands in the folder it begins in; its arguments are for people who look at a list of processes.
pub(super) fn run() -> Result<u8> {
    let order = Order::found()?;
    // It leads a session of its own: what happens to a terminal is not its business. It may lead one already.
    let _ = rustix::process::setsid();
    let stood = stand(order);
    if let Err(error) = &stood {
        Answer::Refused(Failure::from(error)).say();
    }
    stood.map(|()| 0)
}

fn stand(order: Order) -> Result<()> {
    let machine = Place::at(".").expect()?;
    let key = Place::at(".").key()?;
    let mut ground = isolation::separate(&machine, &order)?;
    let _claim = ground.claim.take();
    let limits = order.limits.iter().chain(&ground.limits).cloned().collect();
    let standing = Standing { limits };
    if order.trial {
        Answer::Ready(standing).say();
        return Ok(());
    }
    machine::write(&ground.control.join("standing.json"), &standing)?;
    units::keep(surroundings(&machine, ground, order, key), || {
        Answer::Ready(standing).say();
        hush();
    })
}

fn surroundings(machine: &Machine, ground: Ground, order: Order, key: String) -> Surroundings {
    let mut environment = ground.environment;
    environment.insert(isolation::MARK.to_owned(), Place::at(&order.place).id());
    let prefix = if machine.level.has_namespaces() {
        Vec::new()
    } else {
        order.words.into_iter().map(Into::into).chain(["child".into()]).collect()
    };
    let level = machine.level.as_str().to_owned();
    Surroundings { control: ground.control, home: ground.home, environment, prefix, key, level }
}

/// Lets go of the pipe to whoever started this keeper, who waits for its end.
fn hush() {
    if let Ok(nothing) = File::options().write(true).open("/dev/null") {
        // A keeper that cannot be hushed is still one.
        let _ = rustix::stdio::dup2_stdout(&nothing);
    }
}
