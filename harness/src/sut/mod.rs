//! The system under test: a child process or a URL, and the profile that says how to speak to it.

pub mod process;
pub mod profile;
pub mod template;
