//! What every HTTP edge shares: the accept loop with its limits, where a request came from, bearer tokens, and the two
//! shapes of error answers that are not a dialect's own.

mod bearer;
mod cookie;
mod edge;
#[cfg(test)]
mod fuzz;
mod origin;
mod params;
mod problem;
mod rate;
pub mod server;

pub use bearer::{BearerFault, Presented, bearer_token, dpop_proof, presented_token};
pub use cookie::cookie;
pub use edge::{Edge, router_service};
pub use origin::{RequestOrigin, identify};
pub use params::{Params, Repeated, is_form};
pub use problem::{Problem, fault_id};
pub use prokura_domain::IpPrefix;
pub use rate::{Limiter, Rate, Rates, Supply, TooMany};
