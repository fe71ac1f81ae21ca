//! The way in: who, by what proof, for which company, and what the client may know.

use super::form::{Field, Input, Kind, Problem, with_focus};
use super::{Chrome, initial, query_value, shown_by};
use crate::pages::texts::Texts;
use crate::pages::theme::Color;

/// Who logs in. Posts `username` to `{base}/login`; the script posts `ceremony` and `credential` to
/// `{base}/login/passkey`.
#[derive(Clone, Debug, Default)]
pub struct Identifier {
    /// The e-mail address.
    pub username: Field,
    /// Where the login leads to.
    pub client_name: Option<String>,
    /// Identity providers to choose from.
    pub partners: Vec<Partner>,
    /// Whether anybody may create an account.
    pub is_sign_up_open: bool,
    /// Whether a passkey may be used instead.
    pub is_passkey_offered: bool,
}

/// An identity provider people may log in with.
#[derive(Clone, Debug, Default)]
pub struct Partner {
    /// What people call it.
    pub name: String,
    /// A picture on this server.
    pub logo: Option<String>,
    /// Where a login with it begins.
    pub href: String,
}

impl Identifier {
    fn inputs(&self) -> [Input<'_>; 1] {
        with_focus([Input::new("username", Kind::Email, "email", "username webauthn", &self.username)])
            .map(|input| Input { has_focus: true, ..input })
    }
}

/// The password. Posts `username` and `password` to `{base}/login/password`.
#[derive(Clone, Debug, Default)]
pub struct Password {
    /// Who logs in.
    pub username: String,
    /// The password.
    pub password: Field,
    /// Whether who is logged in already shows once more that it is them.
    pub is_again: bool,
    /// Whether a passkey may be used instead.
    pub is_passkey_offered: bool,
}

impl Password {
    fn inputs(&self) -> [Input<'_>; 1] {
        with_focus([Input::new("password", Kind::Password, "password", "current-password", &self.password)])
    }
}

/// A code of an authenticator app, or one of the recovery codes. Posts `code` to `{base}/login/code`.
#[derive(Clone, Debug, Default)]
pub struct SecondFactor {
    /// Who logs in.
    pub username: String,
    /// The code.
    pub code: Field,
}

impl SecondFactor {
    fn inputs(&self) -> [Input<'_>; 1] {
        with_focus([Input::new("code", Kind::Code, "code", "one-time-code", &self.code).hint("code-hint")])
    }
}

/// A company in a list or banner, with its color.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompanyBadge {
    /// The name.
    pub name: String,
    /// One of six, 1 to 6; 0 for nobody's.
    pub(super) tone: u32,
    /// The company's own.
    pub(super) color: Option<Color>,
}

impl CompanyBadge {
    /// A company without a color of its own gets one of six, the same one each time.
    pub fn new(id: &str, name: impl Into<String>) -> Self {
        // FNV-1a, as the sample storefront does it, so that a company has one color on both.
        let number = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self { name: name.into(), tone: number % 6 + 1, color: None }
    }

    /// The company with the color of its own theme.
    #[must_use]
    pub fn with_color(mut self, color: Color) -> Self {
        self.color = Some(color);
        self
    }

    /// The first letter.
    pub(super) fn initial(&self) -> String {
        initial(&self.name)
    }
}

/// A company to act for.
#[derive(Clone, Debug, Default)]
pub struct CompanyChoice {
    /// What the form posts.
    pub id: String,
    /// Name and color.
    pub badge: CompanyBadge,
    /// What the person is there, as the tenant calls it.
    pub role: Option<String>,
}

/// Numbers below a list in pages, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pager {
    /// This page.
    pub page: u32,
    /// The last page.
    pub last: u32,
}

impl Default for Pager {
    fn default() -> Self {
        Self { page: 1, last: 1 }
    }
}

/// For which company. Posts `legal_entity_id`, empty for the person alone, to `{base}/company`; the search asks the same
/// address with `q`, further pages with `page`.
#[derive(Clone, Debug, Default)]
pub struct Companies {
    /// The companies of this page of the list.
    pub companies: Vec<CompanyChoice>,
    /// The one to choose beforehand, best the last one; the empty string for the person alone.
    pub selected: Option<String>,
    /// Whether the person may act for nobody but themselves.
    pub is_myself_allowed: bool,
    /// How many companies there are without the search.
    pub total: u32,
    /// What was searched for.
    pub query: String,
    /// Where in the list.
    pub pager: Pager,
    /// What is wrong with the choice.
    pub problem: Option<Problem>,
}

/// More companies than this, and the list can be searched.
pub(super) const MANY: u32 = 8;

impl Companies {
    pub(super) fn is_searchable(&self) -> bool {
        self.total > MANY || !self.query.is_empty()
    }

    pub(super) fn has_choices(&self) -> bool {
        !self.companies.is_empty() || self.is_myself_allowed
    }

    pub(super) fn is_selected(&self, id: &str) -> bool {
        self.selected.as_deref() == Some(id)
    }

    /// The address of another page of the list, without its number.
    fn list(&self, chrome: &Chrome) -> String {
        let flow = chrome.flow.as_deref().unwrap_or_default();
        format!("{}/company?flow={}&q={}&page=", chrome.base, query_value(flow), query_value(&self.query))
    }
}

/// What a client may know and do. Posts `action=allow` or `deny` to `{base}/consent`.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// The client.
    pub client_name: String,
    /// The host the answer goes to.
    pub client_host: Option<String>,
    /// Who is logged in.
    pub username: String,
    /// For which company.
    pub company: Option<CompanyBadge>,
    /// What is asked for.
    pub scopes: Vec<ScopeView>,
}

/// A scope a client asks for.
#[derive(Clone, Debug, Default)]
pub struct ScopeView {
    /// Its name.
    pub name: String,
    /// What it means, in the page's language; the standard scopes explain themselves.
    pub description: Option<String>,
}

impl ScopeView {
    fn explained(&self, t: &Texts) -> String {
        let key = match self.name.as_str() {
            "openid" => "scope-openid",
            "profile" => "scope-profile",
            "email" => "scope-email",
            "address" => "scope-address",
            "phone" => "scope-phone",
            "offline_access" => "scope-offline-access",
            "legal_entity" => "scope-legal-entity",
            _ => return self.description.clone().unwrap_or_else(|| t.with("scope-other", "name", &self.name)),
        };
        t.text(key)
    }
}

/// The code another device shows. Posts `user_code` and `action=continue` to `{base}/device`.
#[derive(Clone, Debug, Default)]
pub struct DeviceCode {
    /// The code.
    pub user_code: Field,
}

impl DeviceCode {
    fn inputs(&self) -> [Input<'_>; 1] {
        let input = Input::new("user_code", Kind::Code, "device-code", "off", &self.user_code).hint("device-code-hint");
        with_focus([input.shown(&self.user_code)]).map(|input| Input { has_focus: true, ..input })
    }
}

/// Whether another device may log in. Posts `user_code` and `action=allow` or `deny` to `{base}/device`.
#[derive(Clone, Debug, Default)]
pub struct DeviceConsent {
    /// The code, to compare with the one on the device.
    pub user_code: String,
    /// What is asked for, and by whom.
    pub consent: Consent,
}

shown_by! {
    Identifier "identifier.html"
    Password "password.html"
    SecondFactor "second_factor.html"
    Companies "companies.html"
    Consent "consent.html"
    DeviceCode "device_code.html"
    DeviceConsent "device_consent.html"
}
