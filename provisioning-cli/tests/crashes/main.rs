//! Crashes of every sort, at every place: kills, stops, failing disks and wrong clocks, each followed by a `resume` and a
//! comparison with a world that nothing disturbed.
//!
//! The command is the real one, as a process. `disk.c` is preloaded into it and numbers the calls that change a disk, over
//! all threads; so a place is a number, and a sweep leaves none out. `PROVISIONING_SEEDS=200` raises how many seeds the
//! tests by chance take.

mod chance;
mod clocks;

mod disk;
mod failures;
mod kills;
mod reference;
mod stops;
#[expect(dead_code, reason = "every test file uses a part of it")]
#[path = "../workspace/mod.rs"]
mod workspace;
