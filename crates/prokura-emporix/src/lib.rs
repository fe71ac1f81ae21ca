//! The Emporix dialect: customer login, B2B token, companies, IAM, segments.

use axum::Router;
use prokura_engine::TenantSettings;
use prokura_http::Edge;

/// Every route of the dialect.
pub fn router(_edge: Edge) -> Router {
    Router::new()
}

/// What a tenant that speaks this dialect starts with.
pub fn tenant_settings() -> TenantSettings {
    let mut settings =
        TenantSettings { switch_grace_seconds: 60, has_implicit_entity: true, ..TenantSettings::default() };
    settings.dialects.push("emporix".to_owned());
    settings.lifetimes.access = 2_591_999;
    settings.lifetimes.refresh = 2_591_999;
    settings
}
