//! What a unit may be: refused here, so that everything after it need not ask.

use std::time::Duration;

use provisioning_core::error::{Error, Result};
use provisioning_core::host::{Health, Probe, Stop, Unit};
use rustix::process::Signal;

use super::health::Address;

/// Refuses a unit that cannot be kept.
pub(super) fn check(unit: &Unit) -> Result<()> {
    if unit.arguments.first().is_none_or(String::is_empty) {
        return Err(Error::invalid("a unit has no program"));
    }
    no_nul(&unit.arguments)?;
    no_nul([&unit.directory])?;
    no_nul(unit.environment.iter().flat_map(|(name, value)| [name, value]))?;
    if let Some(name) = unit.environment.keys().find(|name| name.is_empty() || name.contains('=')) {
        return Err(Error::invalid(format!("`{}` is not the name of a variable", name.escape_debug())));
    }
    if unit.log.files == 0 || unit.log.max_bytes == 0 {
        return Err(Error::invalid("the log of a unit has room for nothing"));
    }
    signal(&unit.stop).ok_or_else(|| {
        Error::invalid(format!("`{}` is not a signal that stops a unit", unit.stop.signal.escape_debug()))
            .with_hint("take `TERM`, `INT`, `QUIT`, `HUP`, `USR1`, `USR2` or `KILL`")
    })?;
    time("stop.timeout_seconds", unit.stop.timeout_seconds)?;
    unit.health.as_ref().map_or(Ok(()), check_health)
}

/// The signal that a unit is stopped with.
pub(super) fn signal(stop: &Stop) -> Option<Signal> {
    match stop.signal.as_str() {
        "TERM" => Some(Signal::TERM),
        "INT" => Some(Signal::INT),
        "QUIT" => Some(Signal::QUIT),
        "HUP" => Some(Signal::HUP),
        "USR1" => Some(Signal::USR1),
        "USR2" => Some(Signal::USR2),
        "KILL" => Some(Signal::KILL),
        _ => None,
    }
}

/// A checked number of seconds.
pub(super) fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
}

fn check_health(health: &Health) -> Result<()> {
    time("health.interval_seconds", health.interval_seconds)?;
    time("health.timeout_seconds", health.timeout_seconds)?;
    time("health.start_seconds", health.start_seconds)?;
    if health.interval_seconds == 0.0 || health.timeout_seconds == 0.0 || health.failures == 0 {
        return Err(Error::invalid("`interval_seconds`, `timeout_seconds` and `failures` of a health check are more than 0"));
    }
    match &health.probe {
        Probe::Http(url) => Address::of_url(url).map(drop),
        Probe::Tcp(address) => Address::parse(address).map(drop),
        Probe::Command(arguments) if arguments.first().is_none_or(String::is_empty) => {
            Err(Error::invalid("a health check has no program"))
        }
        Probe::Command(arguments) => no_nul(arguments),
    }
}

fn time(field: &str, number: f64) -> Result<()> {
    if number.is_finite() && number >= 0.0 {
        return Ok(());
    }
    Err(Error::invalid(format!("`{field}` is not a number of seconds")))
}

fn no_nul<'a>(words: impl IntoIterator<Item = &'a String>) -> Result<()> {
    if words.into_iter().any(|word| word.contains('\0')) {
        return Err(Error::invalid("a word of a unit contains a zero byte"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{health, unit};
    use super::*;

    fn refused(change: impl FnOnce(&mut Unit)) -> String {
        let mut changed = unit("true");
        change(&mut changed);
        check(&changed).expect_err("is refused").to_string()
    }

    fn asked(probe: Probe) -> String {
        refused(|unit| unit.health = Some(health(probe)))
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_reason() {
        check(&unit("true")).expect("can be kept");
        assert_eq!(refused(|unit| unit.arguments.clear()), "a unit has no program");
        assert_eq!(refused(|unit| unit.arguments.push("\0".into())), "a word of a unit contains a zero byte");
        assert_eq!(refused(|unit| unit.log.files = 0), "the log of a unit has room for nothing");
        assert_eq!(refused(|unit| unit.stop.signal = "STOP".into()), "`STOP` is not a signal that stops a unit");
        assert_eq!(refused(|unit| unit.stop.timeout_seconds = -1.0), "`stop.timeout_seconds` is not a number of seconds");
        assert_eq!(
            refused(|unit| drop(unit.environment.insert("A=".into(), String::new()))),
            "`A=` is not the name of a variable"
        );
    }

    #[test]
    fn a_question_that_cannot_be_asked_is_refused() {
        assert_eq!(asked(Probe::Command(Vec::new())), "a health check has no program");
        assert_eq!(asked(Probe::Tcp("nowhere".into())), "`nowhere` is not `ADDRESS:PORT`");
        assert_eq!(asked(Probe::Http("https://a/".into())), "`https://a/` is not `http://ADDRESS:PORT/PATH`");
    }
}
