//! Time and identity as inputs: whoever runs the engine says what time it is and which identifiers are fresh.
//!
//! The only file that names the system clock, the calendar and the system's random numbers.

use std::fmt;
use std::time::Duration;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize, Serializer, de};

/// A length of time in seconds, for JSON.
pub(crate) fn write_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// An instant in milliseconds since 1970-01-01T00:00:00Z; RFC 3339 with milliseconds when written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant of a count of milliseconds since the epoch.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// `20261122-051522`: sortable, and fit for a file name.
    pub fn compact(self) -> String {
        self.instant().strftime("%Y%m%d-%H%M%S").to_string()
    }

    fn instant(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        f.write_str(&PRINTER.timestamp_to_string(&self.instant()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Self(instant.as_millisecond()))
    }
}

/// Says what time it is.
///
/// - It may jump; nothing but what is shown to people and the length of a lease may depend on it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Gives identifiers that nobody has had before.
pub trait Ids: Send + Sync + fmt::Debug {
    /// 128 fresh random bits.
    fn random(&self) -> u128;
}

/// The clock and the random numbers of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

impl Ids for System {
    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system gives random numbers");
        u128::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_what_they_write() {
        let instant = Timestamp::from_millis(1_795_324_522_042);
        assert_eq!(instant.to_string(), "2026-11-22T05:15:22.042Z");
        assert_eq!(instant.compact(), "20261122-051522");
        let text = serde_json::to_string(&instant).expect("serialises");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).expect("parses"), instant);
    }
}
