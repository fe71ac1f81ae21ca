//! Every page as a plain struct, and how one becomes an answer. A handler fills the struct and calls [`render`]; nothing
//! here asks the engine. Forms post to fixed addresses with fixed names of fields and buttons, since robots and old
//! browsers fill them in too.

mod account;
mod company;
mod device;
mod form;
mod join;
mod log_in;
mod mail;
mod message;

pub use account::{
    AccountFrame, AddPasskey, AddTotp, ChangeEmail, ChangePassword, MyCompanies, Notice, Passkey, Profile,
    RecoveryCodes, Section, Security, SessionView, Sessions,
};
pub use company::{Activity, ActivityEntry, InvitationView, Invite, Member, MemberStatus, Members, Role};
pub use device::Device;
pub use form::{Field, Problem};
pub use join::{Confirm, Confirmation, ForgottenPassword, Invitation, InvitationStep, ResetPassword, SignUp};
pub use log_in::{
    Companies, CompanyBadge, CompanyChoice, Consent, DeviceCode, DeviceConsent, Identifier, Pager, Partner, Password,
    ScopeView, SecondFactor,
};
pub use mail::{MailFolder, MailView};
pub use message::{ErrorKind, ErrorPage, Link, LogOut, Message};

pub use super::headers::FormTarget;

use super::headers;
use super::language::Language;
use super::theme::Theme;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// What surrounds every page.
#[derive(Clone, Debug, Default)]
pub struct Chrome {
    /// What the tenant calls itself.
    pub tenant_name: String,
    /// What the page speaks.
    pub language: Language,
    /// The issuer's path, as `/t/acme`.
    pub base: String,
    /// Logo and color.
    pub theme: Theme,
    /// The request's id, for the footer: what a customer tells the support.
    pub support_code: String,
    /// The token of every form (S-94).
    pub csrf: String,
    /// The running login, in every form and link of it (S-95).
    pub flow: Option<String>,
    /// The page of the account that a login without a client leads to, in every form and link of it.
    pub to: Option<String>,
    /// The client the flow leads back to.
    pub form_target: Option<FormTarget>,
    /// Whether the issuer is https.
    pub is_https: bool,
    /// The address of this page by `GET`, path and query; with it, the footer offers the other languages, each as this
    /// address with `ui_locales` added.
    pub here: Option<String>,
}

/// The entry of another language in the footer.
struct OtherLanguage {
    language: Language,
    href: String,
}

impl Chrome {
    /// The address of the theme's colors.
    fn theme_stylesheet(&self) -> Option<String> {
        self.theme.file().map(|file| format!("{}/theme/{file}", self.base))
    }

    /// The address of another page of the running login; `page` begins with a slash and has no query.
    pub(crate) fn step(&self, page: &str) -> String {
        match (&self.flow, &self.to) {
            (Some(flow), _) => format!("{}{page}?flow={}", self.base, query_value(flow)),
            (None, Some(to)) => format!("{}{page}?to={}", self.base, query_value(to)),
            (None, None) => format!("{}{page}", self.base),
        }
    }

    /// The first letter of the tenant's name, in place of a logo.
    fn initial(&self) -> String {
        initial(&self.tenant_name)
    }

    fn other_languages(&self) -> Vec<OtherLanguage> {
        let Some(here) = &self.here else { return Vec::new() };
        let joint = if here.contains('?') { '&' } else { '?' };
        let others = Language::ALL.into_iter().filter(|language| *language != self.language);
        let entry = |language: Language| OtherLanguage {
            language,
            href: format!("{here}{joint}ui_locales={}", language.tag()),
        };
        others.map(entry).collect()
    }
}

/// The first letter of a name, as a capital.
fn initial(name: &str) -> String {
    let first = name.chars().find(|letter| letter.is_alphanumeric());
    first.map(|letter| letter.to_uppercase().to_string()).unwrap_or_default()
}

/// A value in a query, percent-encoded.
pub(crate) fn query_value(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// A page that can be shown.
pub trait Page {
    /// The whole document.
    ///
    /// # Errors
    /// When the template cannot be written out.
    fn html(&self, chrome: &Chrome) -> askama::Result<String>;
}

/// Says which template shows a page. Templates see the `page`, the `chrome` around it and its texts, `t`.
macro_rules! shown_by {
    ($($page:ident $path:tt)*) => { $(
        impl $crate::pages::view::Page for $page {
            fn html(&self, chrome: &$crate::pages::view::Chrome) -> askama::Result<String> {
                #[derive(askama::Template)]
                #[template(path = $path)]
                struct Shown<'a> {
                    chrome: &'a $crate::pages::view::Chrome,
                    t: $crate::pages::texts::Texts,
                    page: &'a $page,
                }
                let shown = Shown { chrome, t: $crate::pages::texts::Texts::of(chrome.language), page: self };
                askama::Template::render(&shown)
            }
        }
    )* };
}
use shown_by;

/// The answer that shows `page`.
pub fn render(status: StatusCode, chrome: &Chrome, page: &(impl Page + ?Sized)) -> Response {
    match page.html(chrome) {
        Ok(html) => {
            let mut response = (status, html).into_response();
            headers::set(response.headers_mut(), chrome.form_target.as_ref(), chrome.is_https);
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
