//! What needs whole processes: crashes under load, a dead relay, the command line as people use it, other kinds of relays.

mod ci_over_runs;
mod command_line;
mod crash;
mod first_steps;
mod shapes;
mod snapshots;
mod stand_ins;
