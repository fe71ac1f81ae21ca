//! `{issuer}/password/forgotten` and `{issuer}/password/reset`.

use super::password_problem;
use crate::{
    Web,
    login::Way,
    pages::view::{ErrorKind, Field, ForgottenPassword, Link, Message, Problem, ResetPassword},
    visit::{Asked, Sent, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::Email;
use prokura_engine::{Error, LinkPurpose, Refusal, Whose};
use prokura_jose::Secret;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/password/forgotten", get(ask).post(send))
        .route("/t/{tenant}/password/reset", get(show).post(set))
}

async fn ask(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let way = Way::back(&web, &visit, &params).await;
    Ok(visit.show(StatusCode::OK, &way.chrome(&visit), &ForgottenPassword::default()))
}

/// `POST {issuer}/password/forgotten`
async fn send(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let way = Way::back(&web, &visit, &form).await;
    let username = filled(&form, "username");
    let Ok(email) = Email::parse(username) else {
        let problem = if username.is_empty() { Problem::Missing } else { Problem::NotAnEmail };
        let page = ForgottenPassword { username: Field::of(username).with(problem) };
        return Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &way.chrome(&visit), &page));
    };
    let asked = web.edge.engine.request_password_reset(&visit.tenant, &email, &visit.origin).await;
    asked.map_err(|error| visit.broken(error))?;
    let page = Message::ResetSent { username: username.to_owned() };
    Ok(visit.show(StatusCode::OK, &way.chrome(&visit), &page))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let token = filled(&params, "token").to_owned();
    let purpose = LinkPurpose::PasswordReset;
    let is_open = web.edge.engine.is_link_open(&visit.tenant, purpose, &Secret::from(token.clone())).await;
    if !is_open.map_err(|error| visit.broken(error))? {
        return Ok(visit.error(StatusCode::GONE, ErrorKind::LinkOver));
    }
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &ResetPassword { token, ..ResetPassword::default() }))
}

/// `POST {issuer}/password/reset`
async fn set(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let (token, new) = (filled(&form, "token"), filled(&form, "new_password"));
    let secret = Secret::from(token.to_owned());
    if let Some(problem) = password_problem(&web, &visit, Whose::Link(&secret), new).await? {
        let page = ResetPassword { token: token.to_owned(), username: None, new_password: Field::wrong(problem) };
        return Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &visit.chrome(), &page));
    }
    let [token, new] = [token, new].map(|text| Secret::from(text.to_owned()));
    match web.edge.engine.reset_password(&visit.tenant, &token, &new, &visit.origin).await {
        Ok(_) => {
            let link = Link { href: format!("{}/login", visit.base()), client_name: None };
            Ok(visit.show(StatusCode::OK, &visit.chrome(), &Message::PasswordSet { link }))
        }
        Err(Error::Refused(Refusal::Invalid(_))) => Err(visit.error(StatusCode::GONE, ErrorKind::LinkOver)),
        Err(error) => Err(visit.broken(error)),
    }
}
