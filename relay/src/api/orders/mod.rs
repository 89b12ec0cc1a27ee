//! Store webhooks in the formats that stores speak, each turned into the same order.

pub mod generic;
pub mod shopify;
