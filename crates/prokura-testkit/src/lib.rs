//! What tests stand on: a server on a real socket over a real database, a clock that only moves when told, and
//! randomness that repeats. Nothing of it is ever part of a release.

mod acme;
mod clock;
mod entropy;
mod postgres;
mod server;

pub use acme::{Acme, Tokens, claims};
pub use clock::TestClock;
pub use entropy::SeededEntropy;
pub use server::{Answer, Database, Options, TestServer};
