//! Reference relay: api → store → delivery → destinations.
pub mod destinations;
pub mod model;
