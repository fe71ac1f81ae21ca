//! `GET` and `POST {issuer}/userinfo` (OpenID Connect Core section 5.3).

use super::{fault::OauthFault, tenant, token::json_answer};
use crate::Web;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use http::{HeaderMap, Method};
use prokura_engine::{Error, KeyRefusal, Tenant, Unverified};
use prokura_http::{Presented, presented_token};
use prokura_jose::{Rejection, VerifiedToken, dpop::Target};
use serde_json::Value;
use std::sync::Arc;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/userinfo", get(userinfo).post(userinfo))
}

async fn userinfo(
    State(web): State<Web>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, OauthFault> {
    let tenant = tenant(&web, &name).await?;
    let verified = match presented_token(&headers).map_err(|_| OauthFault::invalid_token())? {
        Presented::Bearer(token) => web.edge.engine.verify(token).map_err(|unverified| match unverified {
            Unverified::Rejected(Rejection::Bound) => OauthFault::invalid_bound_token("invalid_token"),
            unverified @ (Unverified::Rejected(_) | Unverified::Stale) => Error::from(unverified).into(),
        })?,
        Presented::Dpop { token, proof } => bound(&web, &tenant, &method, token, proof).await?,
    };
    let standing = &verified.token.standing;
    if standing.tenant != tenant.id {
        return Err(OauthFault::invalid_token());
    }
    web.edge.check_client(&tenant, &standing.client)?;
    let claims = web.edge.engine.userinfo(&tenant, standing).await?;
    Ok(json_answer(&Value::Object(claims)))
}

/// A token with the proof of the key it is bound to (RFC 9449 section 7.1).
async fn bound(
    web: &Web,
    tenant: &Tenant,
    method: &Method,
    token: &str,
    proof: &str,
) -> Result<Arc<VerifiedToken>, OauthFault> {
    let engine = &web.edge.engine;
    let uri = format!("{}/userinfo", tenant.issuer);
    let target = Target { method: method.as_str(), uri: &uri, access_token: Some(token) };
    let key = engine.check_key(tenant, None, proof, target).map_err(|refusal| match refusal {
        KeyRefusal::Invalid => OauthFault::invalid_bound_token("invalid_dpop_proof"),
        KeyRefusal::NonceNeeded(nonce) => OauthFault::invalid_bound_token("use_dpop_nonce").nonce(nonce),
    })?;
    let verified = engine.verify_bound(token, &key).map_err(|unverified| match unverified {
        Unverified::Rejected(_) => OauthFault::invalid_bound_token("invalid_token"),
        Unverified::Stale => Error::from(unverified).into(),
    })?;
    match engine.use_key(tenant, &key).await {
        Ok(()) => Ok(verified),
        Err(Error::Refused(_)) => Err(OauthFault::invalid_bound_token("invalid_dpop_proof")),
        Err(error @ Error::Fault(_)) => Err(error.into()),
    }
}
