//! The gateway over real sockets: what a client sees, and what the journal says of it.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step fails the test; each test joins its own tasks"
)]

#[path = "gateway/basics.rs"]
mod basics;
#[path = "gateway/capture.rs"]
mod capture;
#[path = "gateway/credentials.rs"]
mod credentials;
#[path = "gateway/faults.rs"]
mod faults;
#[path = "gateway/load.rs"]
mod load;
#[path = "gateway/owners.rs"]
mod owners;
#[path = "gateway/real.rs"]
mod real;
#[path = "gateway/support.rs"]
mod support;
#[path = "gateway/tunnel_faults.rs"]
mod tunnel_faults;
#[path = "gateway/tunnels.rs"]
mod tunnels;
#[path = "gateway/unread.rs"]
mod unread;
#[path = "gateway/wire_faults.rs"]
mod wire_faults;
