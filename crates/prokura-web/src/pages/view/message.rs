//! Pages that mostly say something: what was done, what went wrong, and whether to log out.

use super::shown_by;
use crate::pages::texts::Texts;

/// Whether to log out. Posts `action=log_out` or `stay` to `{base}/logout`.
#[derive(Clone, Debug, Default)]
pub struct LogOut {
    /// Who is logged in.
    pub username: Option<String>,
    /// The client that asks.
    pub client_name: Option<String>,
    /// What the client sent, name and value, to come back with the answer.
    pub fields: Vec<(String, String)>,
}

/// A way on from a page that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where to.
    pub href: String,
    /// The client's name, when it leads back there.
    pub client_name: Option<String>,
}

impl Link {
    /// What it says; without a client, the text of `otherwise`.
    fn text(&self, t: &Texts, otherwise: &str) -> String {
        match &self.client_name {
            Some(client) => t.with("back-to-client", "client", client),
            None => t.text(otherwise),
        }
    }
}

/// Something is done, or goes on elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A mail is on its way, to an address that may or may not be known to us.
    SignUpSent {
        /// The address as entered.
        username: String,
    },
    /// A mail is on its way, if the address is a customer's; the same words for known and unknown (S-102).
    ResetSent {
        /// The address as entered.
        username: String,
    },
    /// The password is set.
    PasswordSet {
        /// On to the login.
        link: Link,
    },
    /// The e-mail address is confirmed.
    EmailVerified {
        /// On to the login.
        link: Link,
    },
    /// An account was made by an invitation.
    Joined {
        /// The company.
        company: String,
        /// On to the login.
        link: Link,
    },
    /// The other device is logged in.
    DeviceAllowed,
    /// The other device is not logged in.
    DeviceDenied,
    /// Nobody is logged in any more.
    LoggedOut {
        /// Back to the client.
        link: Option<Link>,
    },
}

impl Message {
    fn title(&self, t: &Texts) -> String {
        t.text(match self {
            Self::SignUpSent { .. } | Self::ResetSent { .. } => "mail-sent-title",
            Self::PasswordSet { .. } => "password-set-title",
            Self::EmailVerified { .. } => "email-verified-title",
            Self::Joined { .. } => "joined-title",
            Self::DeviceAllowed => "device-allowed-title",
            Self::DeviceDenied => "device-denied-title",
            Self::LoggedOut { .. } => "logged-out-title",
        })
    }

    fn text(&self, t: &Texts) -> String {
        match self {
            Self::SignUpSent { username } => t.with("sign-up-sent-text", "username", username),
            Self::ResetSent { username } => t.with("reset-sent-text", "username", username),
            Self::PasswordSet { .. } => t.text("password-set-text"),
            Self::EmailVerified { .. } => t.text("email-verified-text"),
            Self::Joined { company, .. } => t.with("joined-text", "company", company),
            Self::DeviceAllowed => t.text("device-allowed-text"),
            Self::DeviceDenied => t.text("device-denied-text"),
            Self::LoggedOut { .. } => t.text("logged-out-text"),
        }
    }

    /// What to do when it does not come out as expected.
    fn aside(&self, t: &Texts) -> Option<String> {
        match self {
            Self::SignUpSent { .. } | Self::ResetSent { .. } => Some(t.text("mail-sent-aside")),
            Self::LoggedOut { .. } => Some(t.text("logged-out-aside")),
            Self::PasswordSet { .. }
            | Self::EmailVerified { .. }
            | Self::Joined { .. }
            | Self::DeviceAllowed
            | Self::DeviceDenied => None,
        }
    }

    fn link(&self) -> Option<&Link> {
        match self {
            Self::PasswordSet { link } | Self::EmailVerified { link } | Self::Joined { link, .. } => Some(link),
            Self::LoggedOut { link } => link.as_ref(),
            Self::SignUpSent { .. } | Self::ResetSent { .. } | Self::DeviceAllowed | Self::DeviceDenied => None,
        }
    }

    fn is_mail(&self) -> bool {
        matches!(self, Self::SignUpSent { .. } | Self::ResetSent { .. })
    }

    fn is_denial(&self) -> bool {
        matches!(self, Self::DeviceDenied)
    }
}

/// What went wrong, as far as whoever sees it can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No such page.
    NotFound,
    /// The client's request is not one we can answer, and nowhere is safe to send the answer to.
    BadClientRequest,
    /// The login took too long, or was finished already.
    FlowOver,
    /// The login began in another browser, or cookies are off (S-95).
    OtherBrowser,
    /// A form that we did not show, or too long ago (S-94).
    FormExpired,
    /// A link that was used already, or is too old.
    LinkOver,
    /// Not allowed to see or do this.
    Forbidden,
    /// Right password, but the account is on hold or switched off.
    AccountClosed,
    /// Too many attempts.
    TooManyAttempts,
    /// Our fault, or too busy.
    Unavailable,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::NotFound,
        Self::BadClientRequest,
        Self::FlowOver,
        Self::OtherBrowser,
        Self::FormExpired,
        Self::LinkOver,
        Self::Forbidden,
        Self::AccountClosed,
        Self::TooManyAttempts,
        Self::Unavailable,
    ];

    /// The beginning of the keys of its texts.
    const fn word(self) -> &'static str {
        match self {
            Self::NotFound => "error-not-found",
            Self::BadClientRequest => "error-bad-client-request",
            Self::FlowOver => "error-flow-over",
            Self::OtherBrowser => "error-other-browser",
            Self::FormExpired => "error-form-expired",
            Self::LinkOver => "error-link-over",
            Self::Forbidden => "error-forbidden",
            Self::AccountClosed => "error-account-closed",
            Self::TooManyAttempts => "error-too-many-attempts",
            Self::Unavailable => "error-unavailable",
        }
    }
}

/// What happened and what to do; nothing about our insides.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// What happened.
    pub kind: ErrorKind,
    /// Back to the client, or to the login.
    pub link: Option<Link>,
}

impl ErrorPage {
    fn title(&self, t: &Texts) -> String {
        t.text(&format!("{}-title", self.kind.word()))
    }

    fn text(&self, t: &Texts) -> String {
        t.text(&format!("{}-text", self.kind.word()))
    }
}

shown_by! {
    LogOut "log_out.html"
    Message "message.html"
    ErrorPage "error.html"
}
