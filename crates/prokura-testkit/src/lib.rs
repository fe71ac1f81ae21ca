//! What tests stand on: a server on a real socket over a real database, a clock that only moves when told, and
//! randomness that repeats. Nothing of it is ever part of a release.

mod acme;
mod clock;
mod entropy;
mod postgres;
mod provider;
mod server;

pub use acme::{Acme, Tokens, claims};
pub use clock::TestClock;
pub use entropy::SeededEntropy;
pub use provider::{Endpoint, Grant, IdentityProvider, Signature, TokenRequest, Trouble};
pub use server::{Answer, Database, Options, TestServer};
