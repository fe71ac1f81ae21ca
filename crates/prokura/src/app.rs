//! How the edges are put together. Deleting a dialect is deleting its crate and its line here.

use axum::{Router, middleware};
use prokura_engine::TenantSettings;
use prokura_http::{Edge, identify};
use prokura_web::WebConfig;

/// Everything that answers on the public port, with the administration API on it.
pub fn public_router(edge: Edge, config: WebConfig) -> Router {
    dialects_and_protocol(edge.clone(), config)
        .merge(prokura_web::admin_router(edge.clone()))
        .layer(middleware::from_fn_with_state(edge, identify))
}

/// What answers on the public port when the administration API has a port of its own.
pub fn public_router_without_admin(edge: Edge, config: WebConfig) -> Router {
    dialects_and_protocol(edge.clone(), config).layer(middleware::from_fn_with_state(edge, identify))
}

/// The administration API on a port of its own.
pub fn admin_router(edge: Edge) -> Router {
    prokura_web::admin_router(edge.clone()).layer(middleware::from_fn_with_state(edge, identify))
}

fn dialects_and_protocol(edge: Edge, config: WebConfig) -> Router {
    prokura_web::router(edge.clone(), config)
        .merge(prokura_salesforce::router(edge.clone()))
        .merge(prokura_emporix::router(edge))
}

/// What new tenants start with.
pub fn tenant_template() -> TenantSettings {
    prokura_emporix::tenant_settings()
}
