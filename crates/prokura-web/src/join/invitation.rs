//! `{issuer}/invitation`: what the link of an invitation leads to. Whoever has an account logs in and accepts with a
//! button; whoever has none makes one, and the link is the proof of the address (S-75).

use super::password_problem;
use crate::{
    Web,
    account::line,
    oauth::see_other,
    pages::view::{ErrorKind, Field, Invitation, InvitationStep, Link, Message, Notice, Problem},
    visit::{Asked, Sent, Visit, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::Email;
use prokura_engine::{Error, OpenInvitation, Profile, Refusal, Whose};
use prokura_http::Params;
use prokura_jose::Secret;

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/invitation", get(show).post(answer))
}

/// What the token opens; the error is the answer.
async fn opened(web: &Web, visit: &Visit, token: &str) -> Result<OpenInvitation, Response> {
    let found = web.edge.engine.open_invitation(&visit.tenant, &Secret::from(token.to_owned())).await;
    let found = found.map_err(|error| visit.broken(error))?;
    found.ok_or_else(|| visit.error(StatusCode::GONE, ErrorKind::LinkOver))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let token = filled(&params, "token");
    let open = opened(&web, &visit, token).await?;
    let step = step(&web, &visit, &open).await?;
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &page(token, open, step)))
}

fn page(token: &str, open: OpenInvitation, step: InvitationStep) -> Invitation {
    Invitation {
        token: token.to_owned(),
        username: open.invitation.email,
        company: open.company,
        invited_by: open.invited_by,
        step,
    }
}

/// What is to be done by whoever is there.
async fn step(web: &Web, visit: &Visit, open: &OpenInvitation) -> Result<InvitationStep, Response> {
    let invitation = &open.invitation;
    if let Some(session) = visit.page_session(web).await? {
        let customer = web.edge.engine.customer(&visit.tenant, &session.customer).await;
        let customer = customer.map_err(|error| visit.broken(error))?;
        let key = |text: &str| Email::parse(text).ok().map(|email| email.key().to_owned());
        let person = customer.email.clone().unwrap_or_default();
        return Ok(if key(&person).is_some() && key(&person) == key(&invitation.email) {
            InvitationStep::Accept { person, customer: customer.id.to_string() }
        } else {
            InvitationStep::OtherPerson { person }
        });
    }
    Ok(if open.has_account {
        InvitationStep::LogIn
    } else {
        InvitationStep::Join {
            given_name: Field::of(&invitation.given_name),
            family_name: Field::of(&invitation.family_name),
            new_password: Field::default(),
        }
    })
}

/// `POST {issuer}/invitation`
async fn answer(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    match filled(&form, "action") {
        "accept" => accept(&web, &visit, &form).await,
        "join" => join(&web, &visit, &form).await,
        _ => Err(visit.error(StatusCode::NOT_FOUND, ErrorKind::NotFound)),
    }
}

/// As who is logged in, who must be the one the button was shown to.
async fn accept(web: &Web, visit: &Visit, form: &Params) -> Result<Response, Response> {
    let token = filled(form, "token");
    let back = || {
        let path = format!("/invitation?token={}", crate::pages::view::query_value(token));
        visit.to_login(&path)
    };
    let Some(cookie) = visit.browser.session.as_ref() else { return Err(back()) };
    let (secret, seen_as) = (Secret::from(token.to_owned()), filled(form, "customer"));
    match web.edge.engine.accept_invitation(&visit.tenant, &secret, cookie, seen_as, &visit.origin).await {
        Ok(_) => {
            let notice = Notice::InvitationAccepted.word();
            Ok(see_other(&format!("{}/account/companies?done={notice}", visit.base())))
        }
        Err(Error::Refused(Refusal::InvalidToken)) => Err(back()),
        Err(error) => Err(unaccepted(visit, error)),
    }
}

/// With a new account.
async fn join(web: &Web, visit: &Visit, form: &Params) -> Result<Response, Response> {
    let (token, password) = (filled(form, "token"), filled(form, "new_password"));
    let given_name = line(form, "given_name", true);
    let family_name = line(form, "family_name", true);
    let open = opened(web, visit, token).await?;
    let words = [&open.invitation.email, &given_name.value, &family_name.value, &open.company].map(String::as_str);
    let problem = password_problem(web, visit, Whose::Newcomer(&words), password).await?;
    if problem.is_some() || given_name.problem.is_some() || family_name.problem.is_some() {
        let new_password = Field { value: String::new(), problem };
        let step = InvitationStep::Join { given_name, family_name, new_password };
        return Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &visit.chrome(), &page(token, open, step)));
    }
    let profile = Profile {
        given_name: given_name.value.clone(),
        family_name: family_name.value.clone(),
        language: Some(visit.language(None).tag().to_owned()),
        ..Profile::default()
    };
    let [secret, password] = [token, password].map(|text| Secret::from(text.to_owned()));
    match web.edge.engine.join_by_invitation(&visit.tenant, &secret, &profile, &password, &visit.origin).await {
        Ok(_) => {
            let link = Link { href: format!("{}/login", visit.base()), client_name: None };
            Ok(visit.show(StatusCode::OK, &visit.chrome(), &Message::Joined { company: open.company, link }))
        }
        Err(Error::Refused(Refusal::AlreadyExists(_))) => {
            let step = InvitationStep::LogIn;
            Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &visit.chrome(), &page(token, open, step)))
        }
        Err(Error::Refused(Refusal::Invalid(faults))) if faults.iter().any(|fault| fault.field == "password") => {
            let new_password = Field::wrong(Problem::NotAccepted);
            let step = InvitationStep::Join { given_name, family_name, new_password };
            Ok(visit.show(StatusCode::UNPROCESSABLE_ENTITY, &visit.chrome(), &page(token, open, step)))
        }
        Err(error) => Err(unaccepted(visit, error)),
    }
}

fn unaccepted(visit: &Visit, error: Error) -> Response {
    match error {
        Error::Refused(Refusal::Invalid(_)) => visit.error(StatusCode::GONE, ErrorKind::LinkOver),
        Error::Refused(Refusal::Forbidden(_)) => visit.error(StatusCode::FORBIDDEN, ErrorKind::Forbidden),
        error @ (Error::Refused(_) | Error::Fault(_)) => visit.broken(error),
    }
}
