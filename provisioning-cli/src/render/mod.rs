//! What people read: every renderer is a function from data to text.
//!
//! Colours are in the text as ANSI codes and are taken out by the console where they do not belong; they repeat what
//! a symbol or a word says.

pub(crate) mod back;
pub(crate) mod chaos;
pub(crate) mod config;
pub(crate) mod diff;
pub(crate) mod error;
pub(crate) mod events;
pub(crate) mod graph;
pub(crate) mod log;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod schema;
pub(crate) mod state;
mod table;
mod value;
pub(crate) mod workspaces;

use std::fmt::Display;
use std::time::Duration;

use anstyle::{AnsiColor, Style};

pub(crate) use table::{columns, table};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const RED: Style = AnsiColor::Red.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();

fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `1 resource`, `2 resources`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A duration to about three digits: `40ms`, `3.1s`, `2m 05s`, `1h 03m`.
pub(crate) fn took(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{}ms", duration.as_millis()),
        seconds @ 1..60 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        seconds @ 60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_about_three_digits() {
        let text = [40, 3_140, 125_000, 3_780_000].map(|millis| took(Duration::from_millis(millis))).join(", ");
        assert_eq!(text, "40ms, 3.1s, 2m 05s, 1h 03m");
    }
}
