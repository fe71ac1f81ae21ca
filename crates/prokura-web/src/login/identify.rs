//! E-mail, then password. Known and unknown addresses see the same pages (S-102).

use super::{Visit, proceed};
use crate::{
    Web,
    pages::view::{Field, Identifier, Password, Problem},
};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::Uri,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use prokura_domain::Email;
use prokura_engine::{Authorization, Error, LogIn, Refusal};
use prokura_http::{Params, RequestOrigin};
use prokura_jose::Secret;

/// The most bytes of a password that are looked at (S-104).
const MAX_PASSWORD_BYTES: usize = 1_024;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/login", get(show).post(identify)).route("/t/{tenant}/login/password", post(log_in))
}

async fn show(
    State(web): State<Web>,
    Path(name): Path<String>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Response> {
    let visit = Visit::open(&web, &name, &headers, origin).await?;
    let flow = visit.flow(&web, &Params::parse(uri.query().unwrap_or_default())).await?;
    let hint = flow.request.login_hint.clone().unwrap_or_default();
    identifier(&web, &visit, &flow, StatusCode::OK, Field::of(hint)).await
}

async fn identifier(
    web: &Web,
    visit: &Visit,
    flow: &Authorization,
    status: StatusCode,
    username: Field,
) -> Result<Response, Response> {
    let client = web.edge.engine.client(&visit.tenant, &flow.client).await.map_err(|error| visit.broken(error))?;
    let page = Identifier { username, client_name: Some(client.name), ..Identifier::default() };
    Ok(visit.show(status, &visit.chrome_of(flow), &page))
}

/// `POST {issuer}/login`: who. A form that brings the password along is taken at once.
async fn identify(
    State(web): State<Web>,
    Path(name): Path<String>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let visit = Visit::open(&web, &name, &headers, origin).await?;
    let form = visit.own_form(&headers, &body)?;
    let flow = visit.flow(&web, &form).await?;
    let username = form.one("username").ok().flatten().unwrap_or_default();
    let wrong = match Email::parse(username) {
        Ok(_) => None,
        Err(_) if username.is_empty() => Some(Problem::Missing),
        Err(_) => Some(Problem::NotAnEmail),
    };
    if let Some(problem) = wrong {
        let field = Field::of(username).with(problem);
        return identifier(&web, &visit, &flow, StatusCode::UNPROCESSABLE_ENTITY, field).await;
    }
    if form.one("password").ok().flatten().is_some() {
        return check(&web, visit, &flow, &form).await;
    }
    let page = Password { username: username.to_owned(), ..Password::default() };
    Ok(visit.show(StatusCode::OK, &visit.chrome_of(&flow), &page))
}

/// `POST {issuer}/login/password`
async fn log_in(
    State(web): State<Web>,
    Path(name): Path<String>,
    RequestOrigin(origin): RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let visit = Visit::open(&web, &name, &headers, origin).await?;
    let form = visit.own_form(&headers, &body)?;
    let flow = visit.flow(&web, &form).await?;
    check(&web, visit, &flow, &form).await
}

async fn check(web: &Web, mut visit: Visit, flow: &Authorization, form: &Params) -> Result<Response, Response> {
    let text = |name| form.one(name).ok().flatten().unwrap_or_default();
    let (username, password) = (text("username"), text("password"));
    let refused = |status, problem| {
        let page = Password { username: username.to_owned(), password: Field::wrong(problem), ..Password::default() };
        Ok(visit.show(status, &visit.chrome_of(flow), &page))
    };
    let Ok(email) = Email::parse(username) else {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, Problem::WrongLogin);
    };
    if password.is_empty() {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, Problem::Missing);
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, Problem::TooLong);
    }
    let request = LogIn { email, password: Secret::from(password.to_owned()) };
    let before = visit.browser.session.as_ref();
    let engine = &web.edge.engine;
    match engine.log_in_to_pages(&visit.tenant, Some(&flow.client), &request, before, &visit.origin).await {
        Ok(login) => {
            visit.browser.session = Some(login.cookie.clone());
            let mut response = proceed(web, &visit, &flow.id).await;
            visit.browser.log_in(&login.cookie, response.headers_mut());
            Ok(response)
        }
        Err(Error::Refused(Refusal::InvalidCredentials)) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, Problem::WrongLogin)
        }
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
            let minutes = retry_after_seconds.div_ceil(60).max(1);
            refused(StatusCode::TOO_MANY_REQUESTS, Problem::TooManyAttempts { minutes })
        }
        Err(error) => Err(visit.broken(error)),
    }
}
