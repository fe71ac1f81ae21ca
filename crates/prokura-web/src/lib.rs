//! The native protocol: what a server says about itself, its keys, its health, the feed of the gateways, its pages, and the
//! administration API.

#![expect(clippy::result_large_err, reason = "a page that ends a request early is an answer like any other")]

mod account;
mod admin;
mod browser;
mod choices;
mod discovery;
mod gateway_feed;
mod health;
mod join;
mod login;
mod oauth;
pub mod pages;
mod visit;

pub use admin::openapi;

use axum::Router;
use prokura_http::Edge;
use prokura_jose::Secret;
use std::sync::Arc;

/// What the native surface is started with besides the engine.
#[derive(Clone, Default)]
pub struct WebConfig {
    /// What gateways on other machines present to read the feed; `None` keeps the feed closed.
    pub gateway_secret: Option<Arc<Secret>>,
}

#[derive(Clone)]
struct Web {
    edge: Edge,
    config: WebConfig,
}

/// Every public route of the native surface.
pub fn router(edge: Edge, config: WebConfig) -> Router {
    let web = Web { edge, config };
    Router::new()
        .merge(discovery::routes())
        .merge(health::routes())
        .merge(gateway_feed::routes())
        .merge(oauth::routes(&web))
        .merge(login::routes())
        .merge(account::routes())
        .merge(join::routes())
        .merge(pages::assets::routes())
        .with_state(web)
}

/// The administration API; may answer on a port of its own.
pub fn admin_router(edge: Edge) -> Router {
    admin::routes().with_state(Web { edge, config: WebConfig::default() })
}
