//! Logging in, and choosing for whom.

use askama::Template;

use super::{Choice, Frame};
use crate::data::SampleLogin;

#[derive(Template)]
#[template(path = "login.html")]
/// The form to log in.
pub(crate) struct LoginPage {
    pub(crate) frame: Frame,
    pub(crate) email: String,
    pub(crate) error: Option<String>,
    pub(crate) return_to: String,
    /// Whether one may choose to stay logged in.
    pub(crate) offers_to_remember: bool,
    pub(crate) sample_logins: Vec<SampleLogin>,
}

#[derive(Template)]
#[template(path = "company.html")]
/// For whom do you act?
pub(crate) struct CompanyPage {
    pub(crate) frame: Frame,
    pub(crate) choices: Vec<Choice>,
    pub(crate) return_to: String,
}
