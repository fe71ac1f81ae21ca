//! How the edges are put together. Deleting a dialect is deleting its crate and its line here.

use axum::{Router, middleware};
use prokura_engine::TenantSettings;
use prokura_http::{Edge, identify};
use prokura_web::WebConfig;

/// Everything that answers on the public port.
pub fn public_router(edge: Edge, config: WebConfig) -> Router {
    prokura_web::router(edge.clone(), config)
        .merge(prokura_emporix::router(edge.clone()))
        .layer(middleware::from_fn_with_state(edge, identify))
}

/// What new tenants start with.
pub fn tenant_template() -> TenantSettings {
    prokura_emporix::tenant_settings()
}
