//! The gateway through its front door: raw bytes over the real accept loop, an upstream that shows what it received,
//! and the proxies of other people in front.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, helpers included")]

mod dpop;
mod headers;
mod proxies;
mod remote;
mod requests;
mod streams;
mod support;
mod tokens;
