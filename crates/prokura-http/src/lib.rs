//! What every HTTP edge shares: the accept loop and its limits.

pub mod server;
