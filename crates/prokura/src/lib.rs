//! The binary's own parts: configuration, the command line, how a node is put together, and the commands.

pub mod app;
pub mod cli;
pub mod commands;
pub mod config;
pub mod health;
pub mod import;
pub mod node;
