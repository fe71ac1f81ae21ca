//! E-mail, then password. Known and unknown addresses see the same pages (S-102).

use super::Way;
use crate::{
    Web,
    oauth::see_other,
    pages::view::{Field, Identifier, Password, Problem},
    visit::{Asked, Sent, Visit, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::Email;
use prokura_engine::{Error, LogIn, PageEntry, Refusal};
use prokura_http::Params;
use prokura_jose::Secret;

/// The most bytes of a password that are looked at (S-104).
const MAX_PASSWORD_BYTES: usize = 1_024;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/login", get(show).post(identify))
        .route("/t/{tenant}/login/password", get(start_over).post(log_in))
        .route("/t/{tenant}/login/again", get(again))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let way = Way::of(&web, &visit, &params).await?;
    if let (Way::Account(_), Some(_)) = (&way, visit.page_session(&web).await?) {
        return Ok(way.go_on(&web, &visit).await);
    }
    let hint = way.login_hint().unwrap_or_default().to_owned();
    identifier(&web, &visit, &way, StatusCode::OK, Field::of(hint)).await
}

/// The password's page is an answer to a form; whoever comes to it by its address begins with the e-mail.
async fn start_over(visit: Visit) -> Result<Response, Response> {
    Ok(see_other(&format!("{}/login", visit.base())))
}

/// `GET {issuer}/login/again`: who is logged in shows once more that it is them, before something that matters.
async fn again(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let way = Way::of(&web, &visit, &params).await?;
    let email = match visit.page_session(&web).await? {
        Some(page) => {
            let customer = web.edge.engine.customer(&visit.tenant, &page.customer).await;
            customer.map_err(|error| visit.broken(error))?.email
        }
        None => None,
    };
    let Some(username) = email else { return Ok(see_other(&way.chrome(&visit).step("/login"))) };
    let is_passkey_offered = web.edge.engine.is_passkey_possible();
    let page = Password { username, is_again: true, is_passkey_offered, ..Password::default() };
    Ok(visit.show(StatusCode::OK, &way.chrome(&visit), &page))
}

pub(super) async fn identifier(
    web: &Web,
    visit: &Visit,
    way: &Way,
    status: StatusCode,
    username: Field,
) -> Result<Response, Response> {
    let client_name = match way.client() {
        Some(id) => Some(web.edge.engine.client(&visit.tenant, id).await.map_err(|error| visit.broken(error))?.name),
        None => None,
    };
    let is_sign_up_open = visit.tenant.settings.sign_up.is_open;
    let is_passkey_offered = web.edge.engine.is_passkey_possible();
    let page = Identifier { username, client_name, is_sign_up_open, is_passkey_offered, ..Identifier::default() };
    Ok(visit.show(status, &way.chrome(visit), &page))
}

/// `POST {issuer}/login`: who. A form that brings the password along is taken at once.
async fn identify(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let way = Way::of(&web, &visit, &form).await?;
    let username = filled(&form, "username");
    let wrong = match Email::parse(username) {
        Ok(_) => None,
        Err(_) if username.is_empty() => Some(Problem::Missing),
        Err(_) => Some(Problem::NotAnEmail),
    };
    if let Some(problem) = wrong {
        let field = Field::of(username).with(problem);
        return identifier(&web, &visit, &way, StatusCode::UNPROCESSABLE_ENTITY, field).await;
    }
    if form.one("password").ok().flatten().is_some() {
        return check(&web, visit, &way, &form).await;
    }
    let page = Password { username: username.to_owned(), ..Password::default() };
    Ok(visit.show(StatusCode::OK, &way.chrome(&visit), &page))
}

/// `POST {issuer}/login/password`
async fn log_in(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let way = Way::of(&web, &visit, &form).await?;
    check(&web, visit, &way, &form).await
}

async fn check(web: &Web, visit: Visit, way: &Way, form: &Params) -> Result<Response, Response> {
    let (username, password) = (filled(form, "username"), filled(form, "password"));
    let refused = |status, problem| {
        let page = Password { username: username.to_owned(), password: Field::wrong(problem), ..Password::default() };
        Ok(visit.show(status, &way.chrome(&visit), &page))
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
    let engine = &web.edge.engine;
    match engine.log_in_to_pages(&visit.tenant, way.client(), &request, &visit.at_browser(), &visit.origin).await {
        Ok(PageEntry::In(login)) => Ok(way.come_in(web, visit, login.cookie).await),
        Ok(PageEntry::SecondFactor) => Ok(see_other(&way.chrome(&visit).step("/login/code"))),
        Err(Error::Refused(Refusal::InvalidCredentials)) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, Problem::WrongLogin)
        }
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
            let minutes = retry_after_seconds.div_ceil(60).max(1);
            let answer = refused(StatusCode::TOO_MANY_REQUESTS, Problem::TooManyAttempts { minutes });
            answer.map(|answer| crate::visit::after(retry_after_seconds, answer))
        }
        Err(error) => Err(visit.broken(error)),
    }
}
