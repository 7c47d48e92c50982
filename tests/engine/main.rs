//! The engine from outside: real engines on a fake cloud, with stores in memory and on disk.

mod applying;
mod bank;
mod canaries;
mod crashing;
mod doubting;
mod failing;
mod fixture;
mod going_back;
mod holding;
mod hosts;
mod keeping;
mod queued;
mod rolling_back;
mod sealing;
mod settling;
mod stopping;
mod sweeps;
