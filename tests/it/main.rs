//! What needs whole processes: crashes under load, a dead relay, the command line as people use it.

mod ci_over_runs;
mod command_line;
mod crash;
mod snapshots;
mod stand_ins;
