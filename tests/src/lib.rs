//! Acceptance tests: this package alone sees both the relay and the harness.

pub mod defective;
