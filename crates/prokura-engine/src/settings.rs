//! The settings of a tenant: lifetimes, rules and the accents of its dialects. Kept as JSON in the tenant's row;
//! unknown names are errors.

use prokura_domain::{ContactPropagation, GroupCode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that may differ between tenants.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct TenantSettings {
    /// The dialects that answer for this tenant.
    pub dialects: Vec<String>,
    /// What access tokens are signed with: `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// Seconds the access token before a switch of company stays good, with its old company. Native: 0.
    pub switch_grace_seconds: u32,
    /// Origins of browsers that may call the dialects.
    pub cors_origins: Vec<String>,
    /// Whether DPoP proofs must hold a nonce of the server (RFC 9449 section 8), whatever the client registered.
    pub needs_dpop_nonce: bool,
    /// Scopes every customer has, blank separated.
    pub customer_scopes: String,
    /// The groups made with every legal entity.
    pub group_templates: Vec<GroupTemplate>,
    /// Whether an unscoped token of a customer with exactly one legal entity counts as that entity for scopes, own
    /// lists and segments. No header is injected for it.
    pub has_implicit_entity: bool,
    /// Where assignments reach beyond the entity they name: `UPWARD`, `DOWNWARD` or `DISABLED`.
    pub contact_propagation: String,
    /// Rules of clients that register themselves (RFC 7591).
    pub client_registration: ClientRegistration,
    /// Rules of signing up.
    pub sign_up: SignUp,
    /// The fewest characters of a new password that a dialect or an operator sets.
    pub password_min: u32,
    /// The rules of new passwords that people choose on the pages.
    pub page_passwords: PagePasswords,
    /// Password attempts an unknown device has per account before it has to wait.
    pub login_attempts: u32,
    /// Seconds after which one spent attempt is given back.
    pub login_refill_seconds: u32,
    /// Whether a customer with a second factor is turned away where only a password fits: at the login of a dialect.
    /// The pages ask for the second factor in any case.
    pub second_factor_at_api: bool,
    /// How mails leave.
    pub mail: MailSettings,
    /// How the pages look.
    pub pages: PageSettings,
    /// Names of dialects for the tenant, under which its access tokens are issued to clients that read them.
    pub accents: Vec<TokenAccent>,
    /// What a dialect keeps for itself, by its name.
    pub dialect: BTreeMap<String, serde_json::Value>,
}

/// How a dialect names the tenant in access tokens.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct TokenAccent {
    /// The dialect.
    pub dialect: String,
    /// `iss`; no URL, and nobody else's in the installation.
    pub issuer: String,
    /// `aud`
    pub audience: String,
    /// `typ`
    pub token_type: String,
    /// How long tokens of the dialect live.
    pub lifetimes: AccentLifetimes,
}

/// How long tokens of a dialect live, in seconds, where the client has no shorter life of its own.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AccentLifetimes {
    /// Access token of a customer.
    pub access: u32,
    /// Refresh token of a customer.
    pub refresh: u32,
    /// Access token of a guest.
    pub guest_access: u32,
    /// Refresh token of a guest.
    pub guest_refresh: u32,
}

/// How long things live, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Lifetimes {
    /// Access token of a customer.
    pub access: u32,
    /// Refresh token of a customer; slides with each use.
    pub refresh: u32,
    /// A customer's session and families, from login on, whatever is refreshed.
    pub session: u32,
    /// How long a browser that is logged in to the pages may be idle.
    pub page_idle: u32,
    /// How long a shop's own page may be idle.
    pub shop_page_idle: u32,
    /// How long a shop's own pages stay in one session, whatever is done there.
    pub shop_page: u32,
    /// Access token of a guest.
    pub guest_access: u32,
    /// Refresh token of a guest; slides.
    pub guest_refresh: u32,
    /// Access token of a machine.
    pub service: u32,
    /// Companion token of dialects that have one (Emporix calls it the saas token).
    pub companion: u32,
    /// Links with which a password is chosen; at most ten minutes (S-106).
    pub reset_link: u32,
    /// Links that confirm a new address to log in with; at most an hour.
    pub email_link: u32,
    /// Links that confirm a sign-up; at most a week.
    pub sign_up_link: u32,
}

/// A group made with every legal entity.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct GroupTemplate {
    /// Which one, for example `B2B_ADMIN`.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The scopes it gives, blank separated.
    pub scopes: String,
}

/// Rules of clients that register themselves (RFC 7591).
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct ClientRegistration {
    /// Whether they may at all.
    pub is_open: bool,
    /// Whether they need an initial access token; without, anybody makes clients.
    pub needs_token: bool,
    /// The SHA-256 hashes of the initial access tokens, in base64url.
    pub token_hashes: Vec<String>,
    /// The scopes they may have, blank separated.
    pub scopes: String,
    /// The most clients that registered themselves there are at a time.
    pub max_clients: u32,
}

/// Rules of signing up.
#[expect(clippy::struct_excessive_bools, reason = "switches of a file that people write, each by its name")]
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct SignUp {
    /// Whether anybody may make an account on the pages; they always confirm the address.
    pub is_open: bool,
    /// What naming an existing company does: `auto` joins, `pending` waits for a yes, `off` ignores.
    pub join: String,
    /// Whether new accounts may log in at once.
    pub is_active_on_creation: bool,
    /// Whether new accounts start on hold.
    pub is_on_hold_on_creation: bool,
    /// Whether the address must be confirmed by a mail first.
    pub needs_confirmation: bool,
}

/// The rules of new passwords that people choose on the pages (NIST SP 800-63B-4 section 3.1.1).
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct PagePasswords {
    /// The fewest characters, where the password is all there is.
    pub min: u32,
    /// The fewest characters of somebody with an authenticator app or a passkey.
    pub min_with_second_factor: u32,
    /// Whether common ones, those made of names, and those of the operator's list of leaks are refused.
    pub refuses_weak: bool,
}

/// How mails leave.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    /// The sender, `name <address>` or an address.
    pub from: String,
    /// The language of mails to people who chose none: `en`, `de` or `fr`. Empty: that of the default site.
    pub language: String,
    /// What links in mails begin with; the token is appended. `{purpose}` in it becomes `password_reset`,
    /// `email_change` or `sign_up`. Empty: links lead to the pages of this server.
    pub link_prefix: String,
}

/// How the pages look. Empty: as they come.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct PageSettings {
    /// The path of a picture on the server's own host.
    pub logo: String,
    /// The color of links and buttons, as `#rrggbb`; one that could not be read is refused.
    pub accent: String,
    /// The same in dark mode; made from `accent` when empty.
    pub accent_dark: String,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            dialects: vec!["oauth".to_owned()],
            algorithm: "ES256".to_owned(),
            lifetimes: Lifetimes::default(),
            switch_grace_seconds: 0,
            cors_origins: Vec::new(),
            needs_dpop_nonce: false,
            customer_scopes: String::new(),
            group_templates: GroupCode::ALL
                .iter()
                .map(|code| GroupTemplate {
                    code: code.to_string(),
                    name: group_name(*code).to_owned(),
                    scopes: String::new(),
                })
                .collect(),
            has_implicit_entity: false,
            contact_propagation: ContactPropagation::Upward.to_string(),
            client_registration: ClientRegistration::default(),
            sign_up: SignUp::default(),
            password_min: 8,
            page_passwords: PagePasswords::default(),
            login_attempts: 10,
            login_refill_seconds: 60,
            second_factor_at_api: true,
            mail: MailSettings::default(),
            pages: PageSettings::default(),
            accents: Vec::new(),
            dialect: BTreeMap::new(),
        }
    }
}

/// The name a predefined group is made with.
pub fn group_name(code: GroupCode) -> &'static str {
    match code {
        GroupCode::Admin => "Admin",
        GroupCode::Buyer => "Buyer",
        GroupCode::Requester => "Requester",
        GroupCode::Contact => "Contact",
    }
}

impl TenantSettings {
    /// The longest life of an access token, where no client has a longer one of its own.
    pub(crate) fn longest_access(&self) -> u32 {
        let own = self.lifetimes.access.max(self.lifetimes.guest_access).max(self.lifetimes.service);
        let lives = self.accents.iter().map(|accent| accent.lifetimes.access.max(accent.lifetimes.guest_access));
        lives.fold(own, u32::max)
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            access: 300,
            refresh: 30 * 86_400,
            session: 90 * 86_400,
            page_idle: 12 * 3_600,
            shop_page_idle: 1_800,
            shop_page: 6 * 3_600,
            guest_access: 300,
            guest_refresh: 86_400,
            service: 300,
            companion: 14_400,
            reset_link: 600,
            email_link: 600,
            sign_up_link: 600,
        }
    }
}

impl Default for ClientRegistration {
    fn default() -> Self {
        Self {
            is_open: false,
            needs_token: true,
            token_hashes: Vec::new(),
            scopes: "openid profile email legal_entity offline_access".to_owned(),
            max_clients: 1_000,
        }
    }
}

impl Default for SignUp {
    fn default() -> Self {
        Self {
            is_open: false,
            join: "pending".to_owned(),
            is_active_on_creation: true,
            is_on_hold_on_creation: false,
            needs_confirmation: false,
        }
    }
}

impl Default for PagePasswords {
    fn default() -> Self {
        Self { min: 15, min_with_second_factor: 8, refuses_weak: true }
    }
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            from: "Prokura <no-reply@prokura.example>".to_owned(),
            language: String::new(),
            link_prefix: String::new(),
        }
    }
}
