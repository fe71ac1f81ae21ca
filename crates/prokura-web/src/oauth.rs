//! The native protocol: OAuth 2.1 and OpenID Connect under the issuer of each tenant. A handler reads the request
//! strictly, asks one verb of the engine, and spells the answer; pages are shown by [`crate::pages`].

mod answer;
mod authorize;
mod claims;
mod client;
mod cors;
mod fault;
mod introspect;
mod metadata;
mod register;
mod request;
mod target;
mod token;
mod userinfo;

pub(crate) use answer::{redirect, see_other, with_query};
pub(crate) use metadata::metadata;

use crate::Web;
use axum::Router;
use http::StatusCode;
use prokura_engine::{Error, Refusal, Tenant};
use std::sync::Arc;

/// The name of this dialect in a tenant's settings.
const DIALECT: &str = "oauth";

pub(crate) fn routes(web: &Web) -> Router<Web> {
    let called_by_scripts = Router::new().merge(token::routes()).merge(userinfo::routes());
    Router::new()
        .merge(authorize::routes())
        .merge(introspect::routes())
        .merge(register::routes())
        .merge(called_by_scripts.layer(axum::middleware::from_fn_with_state(web.clone(), cors::answer)))
}

/// The tenant whose issuer the path names, when it speaks the native protocol.
async fn tenant(web: &Web, name: &str) -> Result<Arc<Tenant>, fault::OauthFault> {
    let unknown = || fault::OauthFault::new(StatusCode::NOT_FOUND, "invalid_request", "there is no such issuer");
    let id = name.parse().map_err(|_| unknown())?;
    match web.edge.tenant(&id).await {
        Ok(tenant) if tenant.speaks(DIALECT) => Ok(tenant),
        Err(Error::Refused(refusal @ Refusal::Throttled { .. })) => Err(refusal.into()),
        Ok(_) | Err(Error::Refused(_)) => Err(unknown()),
        Err(Error::Fault(fault)) => Err(fault::OauthFault::broken(&fault)),
    }
}
