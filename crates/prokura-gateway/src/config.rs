//! What an operator says about the gateway. Unknown keys are errors, and every error names its key.

use crate::path::PathOddity;
use serde::Deserialize;
use thiserror::Error;

/// The whole configuration of a gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Where requests go. The longest matching path of the most specific host wins.
    pub routes: Vec<RouteConfig>,
    /// The tenant whose tokens count, where a route does not say otherwise. Without any, tokens of every known tenant
    /// count.
    pub tenant: Option<String>,
    /// The names of injected headers, where a route does not say otherwise.
    pub headers: HeaderNames,
    /// Further header names no client may send in any spelling.
    pub protected_headers: Vec<String>,
    /// Addresses or networks of proxies in front whose `X-Forwarded-*` fields and forward-auth requests count.
    pub trusted_peers: Vec<String>,
    /// Where other proxies ask for a decision; empty for nowhere.
    pub forward_auth_path: String,
    /// How long decisions may rest on what the server last said, in seconds; 0 allows none (S-71).
    pub stale_seconds: u32,
    /// From which age on the rights in a token are asked for anew, in seconds; 0 asks each time.
    pub resolve_seconds: u32,
    /// How long connecting to an upstream may take, in milliseconds.
    pub connect_timeout_milliseconds: u32,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            tenant: None,
            headers: HeaderNames::default(),
            protected_headers: Vec::new(),
            trusted_peers: Vec::new(),
            forward_auth_path: "/forward-auth".to_owned(),
            stale_seconds: 30,
            resolve_seconds: 300,
            connect_timeout_milliseconds: 2000,
        }
    }
}

/// Who may pass.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// Everybody. A token that is sent must be good nevertheless.
    None,
    /// Whoever has a token: a guest, too.
    Guest,
    /// A logged-in customer.
    Customer,
    /// A customer who acts for a legal entity.
    LegalEntity,
}

/// One route.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The host it is for; without one, for hosts that have no route of their own.
    #[serde(default)]
    pub host: Option<String>,
    /// The path it begins at. It holds for whole segments: `/api` is not `/apis`.
    pub path: String,
    /// Where to: `http://host:port` or `https://host`.
    pub upstream: String,
    /// The name of the upstream: the audience of the signed assertion. Without one, the origin of `upstream`.
    #[serde(default)]
    pub upstream_name: Option<String>,
    /// Who may pass.
    pub require: Requirement,
    /// Scopes of which one is needed; none when empty.
    #[serde(default)]
    pub scopes_any: Vec<String>,
    /// Scopes that are all needed.
    #[serde(default)]
    pub scopes_all: Vec<String>,
    /// Whether the customer must have proven who they are by two factors (RFC 9470).
    #[serde(default)]
    pub require_multi_factor: bool,
    /// How old their login may be, in seconds (RFC 9470).
    #[serde(default)]
    pub max_login_age_seconds: Option<u32>,
    /// An audience the token must name, besides its issuer's.
    #[serde(default)]
    pub audience: Option<String>,
    /// The tenant whose tokens count here.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Whether machines (client credentials) may pass, within the scopes.
    #[serde(default)]
    pub allow_service: bool,
    /// What the legal entity headers say when nobody acts for one; without it they are absent.
    #[serde(default)]
    pub guest_value: Option<String>,
    /// The names of injected headers.
    #[serde(default)]
    pub headers: Option<HeaderNames>,
    /// Further headers the upstream must not get from a client, in any spelling.
    #[serde(default)]
    pub strip_headers: Vec<String>,
    /// Query parameters the upstream must not get, in any spelling.
    #[serde(default)]
    pub strip_query: Vec<String>,
    /// Whether the upstream gets the `Authorization` header. Together with `require = "none"` the gateway does not look
    /// at credentials at all: for upstreams that check them themselves.
    #[serde(default)]
    pub forward_authorization: bool,
    /// Whether the upstream gets the host the client named, and not its own.
    #[serde(default)]
    pub forward_host: bool,
    /// Whether the upstream gets a signed, short-lived assertion of who is here.
    #[serde(default)]
    pub assertion: bool,
    /// Whether WebSocket connections may be opened.
    #[serde(default)]
    pub websocket: bool,
    /// What replaces `path` at the beginning of the forwarded path.
    #[serde(default)]
    pub replace_path: Option<String>,
    /// Ambiguous spellings of a path that this upstream needs.
    #[serde(default)]
    pub allow_in_path: Vec<PathOddity>,
    /// Until the upstream's answer begins, in seconds, from the last piece of the request's body on; 0 for no limit.
    #[serde(default = "thirty")]
    pub timeout_seconds: u32,
}

fn thirty() -> u32 {
    30
}

/// The names under which an upstream gets each fact. An empty list switches one off.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderNames {
    /// The legal entity that is acted for.
    pub legal_entity: Vec<String>,
    /// The tenant.
    pub tenant: Vec<String>,
    /// The customer.
    pub customer: Vec<String>,
    /// The session.
    pub session: Vec<String>,
    /// Who came, before and after their login.
    pub visitor: Vec<String>,
    /// The client the token was issued to.
    pub client: Vec<String>,
    /// The scopes, separated by blanks.
    pub scopes: Vec<String>,
    /// At most 32 segments, separated by commas.
    pub segments: Vec<String>,
    /// `true` when there are more segments.
    pub segments_more: Vec<String>,
    /// `guest`, `customer` or `service`.
    pub subject: Vec<String>,
    /// The signed assertion, on routes that have one.
    pub assertion: Vec<String>,
}

impl Default for HeaderNames {
    fn default() -> Self {
        let one = |name: &str| vec![name.to_owned()];
        Self {
            legal_entity: vec!["legalEntityId".to_owned(), "Legal-Entity-Id".to_owned()],
            tenant: one("X-Prokura-Tenant"),
            customer: one("X-Prokura-Customer"),
            session: one("X-Prokura-Session"),
            visitor: one("X-Prokura-Visitor"),
            client: one("X-Prokura-Client"),
            scopes: one("X-Prokura-Scopes"),
            segments: one("X-Prokura-Segments"),
            segments_more: one("X-Prokura-Segments-More"),
            subject: one("X-Prokura-Subject"),
            assertion: one("X-Prokura-Assertion"),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// Which key, as `routes[2].upstream`.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}
