//! The binary's own parts: configuration, how the edges are put together, and the commands.

pub mod app;
pub mod config;
