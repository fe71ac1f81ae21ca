//! Becoming a customer, and getting back in without the password. Known and unknown addresses see the same (S-102), and
//! the link of a mail is used up by a button, never by looking at its page (S-110 for mail scanners, S-106).

mod recover;
mod sign_up;

use crate::{Web, pages::view::Problem};
use axum::Router;
use prokura_domain::PasswordFault;
use prokura_engine::Tenant;

pub(crate) fn routes() -> Router<Web> {
    Router::new().merge(recover::routes()).merge(sign_up::routes())
}

/// What is wrong with a new password.
pub(crate) fn password_problem(tenant: &Tenant, password: &str) -> Option<Problem> {
    if password.is_empty() {
        return Some(Problem::Missing);
    }
    match tenant.password_policy().check(password) {
        Ok(()) => None,
        Err(PasswordFault::TooShort(least)) => {
            Some(Problem::PasswordTooShort { least: u32::try_from(least).unwrap_or(u32::MAX) })
        }
        Err(PasswordFault::TooLong) => Some(Problem::TooLong),
    }
}
