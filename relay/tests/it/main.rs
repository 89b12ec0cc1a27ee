//! The relay over sockets, with wiremock as ad platforms.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod delivery;
mod intake;
mod operator;
mod program;
mod support;
