//! The relay's nouns. Plain data and pure functions: nothing here reads a clock, a file or a socket.

pub mod click;
pub mod consent;
pub mod conversion;
pub mod identity;
pub mod landing;
pub mod money;
pub mod order;
