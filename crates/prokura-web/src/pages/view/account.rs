//! A customer's own pages: who they are, how they prove it, where they are logged in, for which companies they act.

use super::device::Device;
use super::form::{Field, Input, Kind, with_focus};
use super::log_in::{Companies, CompanyBadge};
use super::{Chrome, join, query_value, shown_by};
use crate::pages::qr::Qr;
use crate::pages::texts::Texts;
use prokura_domain::Timestamp;

/// Which entry of the navigation is current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Section {
    /// `{base}/account`
    #[default]
    Profile,
    /// `{base}/account/password` and `{base}/account/security`
    Security,
    /// `{base}/account/sessions`
    Sessions,
    /// `{base}/account/companies`
    Companies,
    /// `{base}/account/company/members`
    Members,
    /// `{base}/account/company/activity`
    Activity,
}

/// What surrounds the pages of an account.
#[derive(Clone, Debug, Default)]
pub struct AccountFrame {
    /// Which entry of the navigation is current.
    pub section: Section,
    /// Who is logged in.
    pub person: String,
    /// For which company this browser acts; `None` for the person alone.
    pub acting_for: Option<CompanyBadge>,
    /// Whether the person manages the people of that company.
    pub is_company_admin: bool,
    /// What was just done.
    pub notice: Option<Notice>,
}

pub(super) struct Entry {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    pub(super) is_current: bool,
}

impl AccountFrame {
    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |section, path, label| Entry { path, label, is_current: self.section == section };
        let mut entries = vec![
            entry(Section::Profile, "/account", "profile"),
            entry(Section::Security, "/account/security", "security"),
            entry(Section::Sessions, "/account/sessions", "sessions"),
            entry(Section::Companies, "/account/companies", "companies"),
        ];
        if self.is_company_admin && self.acting_for.is_some() {
            entries.push(entry(Section::Members, "/account/company/members", "members"));
            entries.push(entry(Section::Activity, "/account/company/activity", "activity"));
        }
        entries
    }
}

/// What was just done, told once on the next page. As a word it fits into an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The profile is saved.
    ProfileSaved,
    /// The password is changed, and all other sessions are over.
    PasswordChanged,
    /// A mail to a new address is on its way.
    EmailAsked,
    /// One session is over.
    SessionEnded,
    /// All other sessions are over.
    OthersEnded,
    /// This browser acts for another company now.
    CompanySwitched,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// Codes of an app are asked for from now on.
    TotpOn,
    /// Codes of an app are not asked for any more.
    TotpOff,
    /// A colleague has another role.
    RoleChanged,
    /// A colleague may not act for the company any more.
    MemberRemoved,
    /// An invitation is on its way.
    InvitationSent,
    /// An invitation is taken back.
    InvitationWithdrawn,
    /// An invitation is accepted.
    InvitationAccepted,
}

impl Notice {
    /// Every notice.
    pub const ALL: [Self; 15] = [
        Self::ProfileSaved,
        Self::PasswordChanged,
        Self::EmailAsked,
        Self::SessionEnded,
        Self::OthersEnded,
        Self::CompanySwitched,
        Self::PasskeyAdded,
        Self::PasskeyRemoved,
        Self::TotpOn,
        Self::TotpOff,
        Self::RoleChanged,
        Self::MemberRemoved,
        Self::InvitationSent,
        Self::InvitationWithdrawn,
        Self::InvitationAccepted,
    ];

    /// The word for an address.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ProfileSaved => "profile-saved",
            Self::PasswordChanged => "password-changed",
            Self::EmailAsked => "email-asked",
            Self::SessionEnded => "session-ended",
            Self::OthersEnded => "others-ended",
            Self::CompanySwitched => "company-switched",
            Self::PasskeyAdded => "passkey-added",
            Self::PasskeyRemoved => "passkey-removed",
            Self::TotpOn => "totp-on",
            Self::TotpOff => "totp-off",
            Self::RoleChanged => "role-changed",
            Self::MemberRemoved => "member-removed",
            Self::InvitationSent => "invitation-sent",
            Self::InvitationWithdrawn => "invitation-withdrawn",
            Self::InvitationAccepted => "invitation-accepted",
        }
    }

    /// The notice of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.word() == word)
    }

    pub(super) fn text(self, t: &Texts) -> String {
        t.text(&format!("notice-{}", self.word()))
    }
}

/// Who the customer is. Posts `given_name`, `family_name` and `phone` to `{base}/account`.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// The e-mail address.
    pub email: String,
    /// Whether the address is confirmed; `None` when nobody knows.
    pub is_email_verified: Option<bool>,
    /// The given name.
    pub given_name: Field,
    /// The family name.
    pub family_name: Field,
    /// The telephone number.
    pub phone: Field,
}

impl Profile {
    fn inputs(&self) -> [Input<'_>; 3] {
        with_focus([
            Input::new("given_name", Kind::Text, "given-name", "given-name", &self.given_name),
            Input::new("family_name", Kind::Text, "family-name", "family-name", &self.family_name),
            Input::new("phone", Kind::Text, "phone", "tel", &self.phone).optional(),
        ])
        .map(|input| Input { has_focus: input.problem.is_some() && input.has_focus, ..input })
    }
}

/// Another password. Posts `password` and `new_password` to `{base}/account/password`.
#[derive(Clone, Debug, Default)]
pub struct ChangePassword {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// Whose password; password managers need it.
    pub username: String,
    /// The present password.
    pub password: Field,
    /// The new one.
    pub new_password: Field,
}

impl ChangePassword {
    fn inputs(&self) -> [Input<'_>; 2] {
        with_focus([
            Input::new("password", Kind::Password, "present-password", "current-password", &self.password),
            join::new_password(&self.new_password),
        ])
    }
}

/// Another address to log in with. Posts `new_email` and `password` to `{base}/account/email`.
#[derive(Clone, Debug, Default)]
pub struct ChangeEmail {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// The present address.
    pub username: String,
    /// The new one.
    pub new_email: Field,
    /// The password.
    pub password: Field,
}

impl ChangeEmail {
    fn inputs(&self) -> [Input<'_>; 2] {
        with_focus([
            Input::new("new_email", Kind::Email, "new-email", "email", &self.new_email).hint("email-hint"),
            Input::new("password", Kind::Password, "present-password", "current-password", &self.password),
        ])
    }
}

/// Where the customer is logged in. Posts `session` and `action=end`, or `action=end_others`, to
/// `{base}/account/sessions`.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// This one first.
    pub sessions: Vec<SessionView>,
}

impl Sessions {
    fn has_others(&self) -> bool {
        self.sessions.iter().any(|session| !session.is_current)
    }
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// What the form posts.
    pub id: String,
    /// Browser and system.
    pub device: Device,
    /// The network address or place.
    pub place: Option<String>,
    /// The client it came through.
    pub client_name: Option<String>,
    /// For which company; `None` for the person alone.
    pub company: Option<CompanyBadge>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// Whether it is this browser's.
    pub is_current: bool,
}

/// The companies the customer acts for. Posts `legal_entity_id` and `action=switch` to `{base}/account/companies`.
#[derive(Clone, Debug, Default)]
pub struct MyCompanies {
    /// Whether the session acts for the one company it shows, for good.
    pub is_locked: bool,
    /// What surrounds it.
    pub frame: AccountFrame,
    /// The list; `selected` is the one this browser acts for now.
    pub choice: Companies,
}

impl MyCompanies {
    /// The address of another page of the list, without its number.
    fn list(&self, chrome: &Chrome) -> String {
        format!("{}/account/companies?q={}&page=", chrome.base, query_value(&self.choice.query))
    }
}

/// How the customer proves who they are. Links to `{base}/account/password` and `{base}/account/passkeys`;
/// posts `passkey` and `action=remove` to `{base}/account/passkeys`, `action=begin` or `remove` to `{base}/account/totp` and `action=renew` to `{base}/account/recovery-codes`.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// When the password was last changed; `None` without a password, or when unknown.
    pub password_changed_at: Option<Timestamp>,
    /// Whether a passkey can be added.
    pub is_passkey_offered: bool,
    /// The passkeys.
    pub passkeys: Vec<Passkey>,
    /// Whether an authenticator app can be set up.
    pub is_totp_offered: bool,
    /// Since when codes of an app are asked for.
    pub totp_since: Option<Timestamp>,
    /// Recovery codes that are not used yet.
    pub recovery_codes_left: u32,
}

/// A passkey.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// What the form posts.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

/// A new passkey. Posts `name`, what the script fills in, and `action=add` to `{base}/account/passkeys`.
#[derive(Clone, Debug, Default)]
pub struct AddPasskey {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// What to call it.
    pub name: Field,
}

impl AddPasskey {
    fn inputs(&self) -> [Input<'_>; 1] {
        with_focus([Input::new("name", Kind::Text, "passkey-name", "off", &self.name).hint("passkey-name-hint")])
    }
}

/// An authenticator app. Posts `code` and `action=confirm` to `{base}/account/totp`.
#[derive(Clone, Debug, Default)]
pub struct AddTotp {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// The `otpauth://` address the QR code shows.
    pub uri: String,
    /// The secret in base32, to type in.
    pub secret: String,
    /// The first code of the app.
    pub code: Field,
}

impl AddTotp {
    fn inputs(&self) -> [Input<'_>; 1] {
        with_focus([Input::new("code", Kind::Code, "code", "one-time-code", &self.code).hint("totp-code-hint")])
    }

    fn qr(&self) -> Option<Qr> {
        Qr::of(&self.uri)
    }

    /// The secret in groups of four, as apps show it.
    fn secret_in_groups(&self) -> String {
        let letters: Vec<char> = self.secret.chars().collect();
        letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
    }
}

/// The recovery codes, shown this once.
#[derive(Clone, Debug, Default)]
pub struct RecoveryCodes {
    /// What surrounds it.
    pub frame: AccountFrame,
    /// The codes.
    pub codes: Vec<String>,
}

shown_by! {
    Profile "account/profile.html"
    ChangePassword "account/password.html"
    ChangeEmail "account/email.html"
    Sessions "account/sessions.html"
    MyCompanies "account/companies.html"
    Security "account/security.html"
    AddPasskey "account/add_passkey.html"
    AddTotp "account/add_totp.html"
    RecoveryCodes "account/recovery_codes.html"
}
