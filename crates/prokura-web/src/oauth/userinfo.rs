//! `GET` and `POST {issuer}/userinfo` (OpenID Connect Core section 5.3).

use super::{fault::OauthFault, tenant, token::json_answer};
use crate::Web;
use axum::{
    Router,
    extract::{Path, State},
    response::Response,
    routing::get,
};
use http::HeaderMap;
use prokura_engine::Error;
use prokura_http::bearer_token;
use serde_json::Value;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/userinfo", get(userinfo).post(userinfo))
}

async fn userinfo(
    State(web): State<Web>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, OauthFault> {
    let tenant = tenant(&web, &name).await?;
    let token = bearer_token(&headers).map_err(|_| OauthFault::invalid_token())?;
    let verified = web.edge.engine.verify(token).map_err(Error::from)?;
    let standing = &verified.token.standing;
    if standing.tenant != tenant.id {
        return Err(OauthFault::invalid_token());
    }
    web.edge.check_client(&tenant, &standing.client)?;
    let claims = web.edge.engine.userinfo(&tenant, standing).await?;
    Ok(json_answer(&Value::Object(claims)))
}
