//! A customer's own pages: profile, password, sessions, companies. Each page is a `GET` that changes nothing and a `POST`
//! that does one thing; what was done is told on the page that follows.

mod around;
mod companies;
mod company;
mod email;
mod factors;
mod passkeys;
mod password;
mod profile;
mod sessions;

use crate::{
    Web,
    choices::badge,
    oauth::see_other,
    pages::view::{AccountFrame, Notice, Section},
    visit::{Visit, filled},
};
use axum::{Router, response::Response};
pub(crate) use profile::line;
use prokura_engine::{Account, Error, Refusal};
use prokura_http::Params;
use prokura_jose::Secret;

pub(crate) fn routes() -> Router<Web> {
    Router::new()
        .merge(profile::routes())
        .merge(password::routes())
        .merge(email::routes())
        .merge(factors::routes())
        .merge(passkeys::routes())
        .merge(sessions::routes())
        .merge(companies::routes())
        .merge(company::routes())
        .merge(around::routes())
}

/// What surrounds a page of `account`; `params` may say what was just done.
fn frame(account: &Account, section: Section, params: &Params) -> AccountFrame {
    let profile = &account.customer.profile;
    let name = format!("{} {}", profile.given_name, profile.family_name);
    let name = match name.trim() {
        "" => account.customer.email.clone().unwrap_or_default(),
        name => name.to_owned(),
    };
    AccountFrame {
        section,
        person: name,
        acting_for: account.acting_for.as_ref().map(badge),
        is_company_admin: account.is_company_admin,
        notice: Notice::of_word(filled(params, "done")),
    }
}

/// To the page at `path` below the base, which tells what was done.
fn done(visit: &Visit, path: &str, notice: Notice) -> Response {
    see_other(&format!("{}{path}?done={}", visit.base(), notice.word()))
}

/// The cookie of who is logged in. Whoever asks has seen the account behind it.
fn cookie<'v>(visit: &'v Visit, path: &str) -> Result<&'v Secret, Response> {
    visit.browser.session.as_ref().ok_or_else(|| visit.to_login(path))
}

/// The answer to an error no form can show; a session that ended meanwhile leads to the login and back to `path`.
fn broken(visit: &Visit, path: &str, error: Error) -> Response {
    match error {
        Error::Refused(Refusal::InvalidToken) => visit.to_login(path),
        Error::Refused(Refusal::ProofNeeded) => visit.to_login_again(path),
        error @ (Error::Refused(_) | Error::Fault(_)) => visit.broken(error),
    }
}
