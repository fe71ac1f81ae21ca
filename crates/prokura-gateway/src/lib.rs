//! The gateway in front of shop services: it takes every identity header off a request, verifies who is here, and adds
//! the headers services may trust, above all `legalEntityId`.
//!
//! [`Gateway`] is a tower service; it runs inside the server or alone at the edge of a network, fed by keys and
//! revocations through [`remote::RemoteSource`]. Its phases are modules of their own: `route`, `strip`, `verify`,
//! `resolve`, `decide`, `inject`, `forward`, `answer`.

mod answer;
mod assertion;
mod body;
mod config;
mod cookies;
mod decide;
mod forward;
mod forward_auth;
mod forwarded;
#[cfg(test)]
mod fuzz;
mod gateway;
mod inject;
mod metrics;
mod path;
mod refusal;
pub mod remote;
mod resolve;
mod route;
mod spelling;
mod strip;
#[cfg(test)]
mod testing;
mod verify;

pub use body::GatewayBody;
pub use config::{ConfigError, GatewayConfig, HeaderNames, Requirement, RouteConfig};
pub use gateway::Gateway;
pub use metrics::Counts;
pub use path::PathOddity;
pub use resolve::{ResolveError, Resolver, Resolving, Using};
