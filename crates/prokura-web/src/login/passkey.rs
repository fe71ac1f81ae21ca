//! `{issuer}/login/passkey`: the way in without a password. What the browser is told to begin with is the same for
//! everybody, and whatever is wrong with its answer is answered alike (S-102).

use super::{Way, identify};
use crate::{
    Web,
    pages::view::{ErrorKind, Field, Problem},
    visit::{Sent, filled},
};
use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderValue, StatusCode, header};
use prokura_engine::{BegunPasskey, Error, PasskeyAnswer, Refusal};
use prokura_http::Params;
use prokura_jose::Secret;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/login/passkey", post(log_in))
        .route("/t/{tenant}/login/passkey/options", post(begin))
}

/// An answer for the script of the pages.
pub(crate) fn told(status: StatusCode, value: Value) -> Response {
    let mut response = (status, Json(value)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A ceremony that began, for the script.
pub(crate) fn begun(begun: &BegunPasskey) -> Response {
    told(StatusCode::OK, json!({ "ceremony": begun.ceremony.expose(), "options": begun.options }))
}

/// What the script filled in; `None` without it.
pub(crate) fn answer_in(form: &Params) -> Option<PasskeyAnswer> {
    let (ceremony, credential) = (filled(form, "ceremony"), filled(form, "credential"));
    let is_filled = !ceremony.is_empty() && !credential.is_empty();
    is_filled.then(|| PasskeyAnswer { ceremony: Secret::from(ceremony.to_owned()), credential: credential.to_owned() })
}

/// `POST {issuer}/login/passkey/options`
async fn begin(State(web): State<Web>, Sent(visit, _): Sent) -> Result<Response, Response> {
    match web.edge.engine.begin_passkey_login(&visit.tenant, &visit.browser.secret).await {
        Ok(ceremony) => Ok(begun(&ceremony)),
        Err(Error::Refused(Refusal::Forbidden(_))) => Err(visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound)),
        Err(error) => Err(visit.broken(error)),
    }
}

/// `POST {issuer}/login/passkey`
async fn log_in(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let way = Way::of(&web, &visit, &form).await?;
    let refused = Field::wrong(Problem::PasskeyRefused);
    let Some(answer) = answer_in(&form) else {
        return identify::identifier(&web, &visit, &way, StatusCode::UNPROCESSABLE_ENTITY, refused).await;
    };
    let (engine, browser) = (&web.edge.engine, visit.at_browser());
    match engine.log_in_by_passkey(&visit.tenant, way.client(), &answer, &browser, &visit.origin).await {
        Ok(login) => Ok(way.come_in(&web, visit, login.cookie).await),
        Err(Error::Refused(Refusal::InvalidCredentials)) => {
            identify::identifier(&web, &visit, &way, StatusCode::UNPROCESSABLE_ENTITY, refused).await
        }
        Err(error) => Err(visit.broken(error)),
    }
}
