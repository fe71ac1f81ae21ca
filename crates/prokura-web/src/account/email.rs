//! `{issuer}/account/email`: another address to log in with. It counts once the link of the mail to it was followed, and
//! nobody learns here who else has it (S-102).

use super::{broken, done, frame};
use crate::{
    Web,
    pages::view::{ChangeEmail, Field, Notice, Problem, Section},
    visit::{Asked, Sent, after, filled},
};
use axum::{Router, extract::State, response::Response, routing::get};
use http::StatusCode;
use prokura_domain::Email;
use prokura_engine::{Account, ChangeEmail as Wish, Error, Refusal};
use prokura_http::Params;
use prokura_jose::Secret;

const PATH: &str = "/account/email";

pub(super) fn routes() -> Router<Web> {
    Router::new().route("/t/{tenant}/account/email", get(show).post(change))
}

async fn show(State(web): State<Web>, Asked(visit, params): Asked) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    Ok(visit.show(StatusCode::OK, &visit.chrome(), &view(&account, &params)))
}

fn view(account: &Account, params: &Params) -> ChangeEmail {
    ChangeEmail {
        frame: frame(account, Section::Profile, params),
        username: account.customer.email.clone().unwrap_or_default(),
        ..ChangeEmail::default()
    }
}

/// `POST {issuer}/account/email`
async fn change(State(web): State<Web>, Sent(visit, form): Sent) -> Result<Response, Response> {
    let account = visit.account(&web, PATH).await?;
    let (text, password) = (filled(&form, "new_email").trim(), filled(&form, "password"));
    let again = |status, new_email: Option<Problem>, password: Option<Problem>| {
        let new_email = Field { value: text.to_owned(), problem: new_email };
        let password = Field { value: String::new(), problem: password };
        Ok(visit.show(
            status,
            &visit.chrome(),
            &ChangeEmail { new_email, password, ..view(&account, &Params::parse("")) },
        ))
    };
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let missing = |text: &str| text.is_empty().then_some(Problem::Missing);
    let present = account.customer.email.as_deref().and_then(|email| Email::parse(email).ok());
    let (new, present) = match (Email::parse(text), present) {
        (Ok(new), Some(present)) if new.key() != present.key() && !password.is_empty() => (new, present),
        (Ok(_), Some(_)) if password.is_empty() => return again(wrong, None, Some(Problem::Missing)),
        (Ok(_), _) => return again(wrong, Some(Problem::NotAccepted), None),
        (Err(_), _) => return again(wrong, missing(text).or(Some(Problem::NotAnEmail)), missing(password)),
    };
    let wish = Wish { email: present, password: Secret::from(password.to_owned()), new_email: new, sync_contact: true };
    let engine = &web.edge.engine;
    match engine.request_email_change(&visit.tenant, account.page.oneself(), &wish, &visit.origin).await {
        Ok(()) => Ok(done(&visit, "/account", Notice::EmailAsked)),
        Err(Error::Refused(Refusal::Invalid(_))) => again(wrong, None, Some(Problem::WrongPassword)),
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => {
            let minutes = retry_after_seconds.div_ceil(60).max(1);
            let problem = Problem::TooManyAttempts { minutes };
            let answer = again(StatusCode::TOO_MANY_REQUESTS, None, Some(problem));
            answer.map(|answer| after(retry_after_seconds, answer))
        }
        Err(error) => Err(broken(&visit, PATH, error)),
    }
}
