//! The sample shop and its storefronts: what stands behind Prokura's gateway in `prokura demo`.
//!
//! Nothing here is privileged and nothing uses Prokura's own crates. [`shop`] is a service that learns who is asking
//! from the headers the gateway injects; [`storefront`] is a website that logs people in over the Emporix-compatible
//! API and reaches the shop through the gateway; [`hybrid`] is a headless and a classic storefront that share one shopper
//! over Salesforce's login. Take any as the starting point for your own.

pub mod data;
pub mod hybrid;
mod money;
pub mod shop;
mod site;
pub mod storefront;
