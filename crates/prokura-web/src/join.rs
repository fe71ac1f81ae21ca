//! Becoming a customer, and getting back in without the password. Known and unknown addresses see the same (S-102), and
//! the link of a mail is used up by a button, never by looking at its page (S-110 for mail scanners, S-106).

mod invitation;
mod recover;
mod sign_up;

use crate::{Web, pages::view::Problem, visit::Visit};
use axum::{Router, response::Response};
use prokura_domain::PasswordFault;
use prokura_engine::Whose;
use prokura_jose::Secret;

pub(crate) fn routes() -> Router<Web> {
    Router::new().merge(recover::routes()).merge(invitation::routes()).merge(sign_up::routes())
}

/// What is wrong with a new password of somebody; the error is the answer.
pub(crate) async fn password_problem(
    web: &Web,
    visit: &Visit,
    whose: Whose<'_>,
    password: &str,
) -> Result<Option<Problem>, Response> {
    if password.is_empty() {
        return Ok(Some(Problem::Missing));
    }
    let password = Secret::from(password.to_owned());
    let found = web.edge.engine.check_page_password(&visit.tenant, whose, &password).await;
    Ok(match found.map_err(|error| visit.broken(error))? {
        Ok(()) => None,
        Err(PasswordFault::TooShort(least)) => {
            Some(Problem::PasswordTooShort { least: u32::try_from(least).unwrap_or(u32::MAX) })
        }
        Err(PasswordFault::TooLong) => Some(Problem::TooLong),
        Err(PasswordFault::TooCommon) => Some(Problem::PasswordTooCommon),
        Err(PasswordFault::TooPersonal) => Some(Problem::PasswordTooPersonal),
    })
}
