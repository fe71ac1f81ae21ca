//! The storefronts of a tenant, as far as a client needs to start: both storefronts ask for them before they show
//! anything, with a guest's token.

use crate::{caller::Caller, fault::E3, wire};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use prokura_engine::Site;
use prokura_http::Edge;
use serde_json::{Value, json};

pub(crate) fn routes() -> Router<Edge> {
    Router::new().route("/site/{tenant}/sites", get(list)).route("/site/{tenant}/sites/{code}", get(one))
}

/// `GET /site/{tenant}/sites`: the open ones, the default one first.
async fn list(State(edge): State<Edge>, caller: Caller, headers: HeaderMap) -> Result<Response, E3> {
    let sites = edge.engine.sites(&caller.tenant).await?;
    let open: Vec<Value> = sites.iter().filter(|site| site.is_active).map(site).collect();
    let total = open.len();
    let mut response = Json(open).into_response();
    if headers.get("x-total-count").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true")) {
        response.headers_mut().insert("x-total-count", HeaderValue::from(total));
    }
    Ok(response)
}

/// `GET /site/{tenant}/sites/{code}`
async fn one(
    State(edge): State<Edge>,
    caller: Caller,
    Path((_, code)): Path<(String, String)>,
) -> Result<Json<Value>, E3> {
    let sites = edge.engine.sites(&caller.tenant).await?;
    let found = sites.iter().find(|site| site.is_active && site.id.as_str() == code);
    found.map(|found| Json(site(found))).ok_or_else(|| E3::new(StatusCode::NOT_FOUND, "There is no such site."))
}

fn site(site: &Site) -> Value {
    json!({
        "code": site.id.as_str(),
        "name": site.name,
        "active": site.is_active,
        "default": site.is_default,
        "defaultLanguage": site.language,
        "languages": site.languages,
        "currency": site.currency,
        "availableCurrencies": [site.currency],
        "shipToCountries": [site.country],
        "homeBase": { "address": { "country": site.country } },
        "mixins": {},
        "metadata": {
            "version": site.version,
            "createdAt": wire::iso(site.created_at),
            "modifiedAt": wire::iso(site.modified_at),
            "mixins": {},
        },
    })
}
