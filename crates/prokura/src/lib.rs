//! The binary's own parts: how the edges are put together, and the commands.

pub mod app;
