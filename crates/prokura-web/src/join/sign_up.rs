//! `{issuer}/sign-up` where the tenant lets anybody make an account, and what the links of mails confirm:
//! `{issuer}/sign-up/confirm` and `{issuer}/email/confirm`.

use super::password_problem;
use crate::{
    Web,
    account::line,
    login::Way,
    pages::view::{Confirm, Confirmation, ErrorKind, Field, Link, Message, Problem, SignUp},
    visit::{Asked, Sent, Visit, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::{CustomerState, Email};
use prokura_engine::{Error, LinkPurpose, Profile, Refusal, SignUpRequest, Whose};
use prokura_http::Params;
use prokura_jose::Secret;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/t/{tenant}/sign-up", get(show).post(sign_up))
        .route("/t/{tenant}/sign-up/confirm", get(show_account).post(confirm_account))
        .route("/t/{tenant}/email/confirm", get(show_email).post(confirm_email))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    must_be_open(&visit)?;
    let way = Way::back(&web, &visit, &params).await;
    Ok(visit.show(StatusCode::OK, &way.chrome(&visit), &SignUp::default()))
}

fn must_be_open(visit: &Visit) -> Result<(), Response> {
    if visit.tenant.settings.sign_up.is_open {
        return Ok(());
    }
    Err(visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound))
}

/// `POST {issuer}/sign-up`
async fn sign_up(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    must_be_open(&visit)?;
    let way = Way::back(&web, &visit, &form).await;
    let (mut page, email) = read(&form);
    let words = [&page.username, &page.given_name, &page.family_name, &page.company_name].map(|field| &*field.value);
    page.password.problem = password_problem(&web, &visit, Whose::Newcomer(&words), filled(&form, "password")).await?;
    let wrong = [&page.username, &page.given_name, &page.family_name, &page.company_name, &page.password];
    let email = match email {
        Some(email) if wrong.iter().all(|field| field.problem.is_none()) => email,
        Some(_) | None => return Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &way.chrome(&visit), &page)),
    };
    let profile = Profile {
        given_name: page.given_name.value,
        family_name: page.family_name.value,
        company_name: page.company_name.value,
        language: Some(way.chrome(&visit).language.tag().to_owned()),
        ..Profile::default()
    };
    let password = Secret::from(filled(&form, "password").to_owned());
    let request = SignUpRequest { email: email.clone(), password, profile, address: None, must_confirm: true };
    match web.edge.engine.sign_up(&visit.tenant, &request, &visit.origin).await {
        // Who has an account already is told so by nobody but themselves (S-102).
        taken @ (Ok(_) | Err(Error::Refused(Refusal::AlreadyExists(_)))) => {
            if taken.is_err() {
                // Somebody whose link is over signs up again; who has confirmed gets no mail.
                match web.edge.engine.request_sign_up_mail(&visit.tenant, &email, &visit.origin).await {
                    Ok(()) | Err(Error::Refused(_)) => {}
                    Err(fault) => return Err(visit.broken(fault)),
                }
            }
            let page = Message::SignUpSent { username: page.username.value };
            Ok(visit.show(StatusCode::OK, &way.chrome(&visit), &page))
        }
        Err(error) => Err(visit.broken(error)),
    }
}

/// The form as it was filled in, with what is wrong with it.
fn read(form: &Params) -> (SignUp, Option<Email>) {
    let username = filled(form, "username");
    let email = Email::parse(username).ok();
    let field = Field::of(username);
    let page = SignUp {
        username: match &email {
            Some(_) => field,
            None if username.is_empty() => field.with(Problem::Missing),
            None => field.with(Problem::NotAnEmail),
        },
        given_name: line(form, "given_name", true),
        family_name: line(form, "family_name", true),
        company_name: line(form, "company_name", false),
        password: Field::default(),
    };
    (page, email)
}

async fn show_account(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    confirmation(&web, &visit, &params, LinkPurpose::SignUp, Confirmation::Account).await
}

async fn show_email(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    confirmation(&web, &visit, &params, LinkPurpose::EmailChange, Confirmation::Email).await
}

async fn confirmation(
    web: &Web,
    visit: &Visit,
    params: &Params,
    purpose: LinkPurpose,
    what: Confirmation,
) -> Result<Response, Response> {
    let token = filled(params, "token").to_owned();
    let is_open = web.edge.engine.is_link_open(&visit.tenant, purpose, &Secret::from(token.clone())).await;
    if !is_open.map_err(|error| visit.broken(error))? {
        return Err(visit.error(StatusCode::GONE, ErrorKind::LinkOver));
    }
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &Confirm { what, token }))
}

/// `POST {issuer}/sign-up/confirm`
async fn confirm_account(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let token = Secret::from(filled(&form, "token").to_owned());
    match web.edge.engine.confirm_account(&visit.tenant, &token, &visit.origin).await {
        Ok(CustomerState::Active) => Ok(confirmed(&visit)),
        // The address is theirs, but the shop still has to let them in.
        Ok(_) => Ok(visit.error(StatusCode::FORBIDDEN, ErrorKind::AccountClosed)),
        Err(error) => Err(unconfirmed(&visit, error)),
    }
}

/// `POST {issuer}/email/confirm`
async fn confirm_email(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let token = Secret::from(filled(&form, "token").to_owned());
    match web.edge.engine.confirm_email_change(&visit.tenant, &token, &visit.origin).await {
        Ok(_) => Ok(confirmed(&visit)),
        Err(error) => Err(unconfirmed(&visit, error)),
    }
}

fn confirmed(visit: &Visit) -> Response {
    let link = Link { href: format!("{}/login", visit.base()), client_name: None };
    visit.show(StatusCode::OK, &visit.chrome(), &Message::EmailVerified { link })
}

/// A link that is used, too old, or for an address somebody else has by now: all are over.
fn unconfirmed(visit: &Visit, error: Error) -> Response {
    match error {
        Error::Refused(Refusal::Invalid(_) | Refusal::AlreadyExists(_)) => {
            visit.error(StatusCode::GONE, ErrorKind::LinkOver)
        }
        error @ (Error::Refused(_) | Error::Fault(_)) => visit.broken(error),
    }
}
