//! What a client registers for the native protocol: where answers may go, how it proves who it is, what it need not do
//! (RFC 7591 section 2 names most of it). Redirect URIs are compared byte for byte (S-06).

use crate::Refusal;
use prokura_domain::ClientKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most addresses of each kind, and the longest one in bytes.
const MAX_URIS: usize = 50;
const MAX_URI: usize = 2_000;

/// How a client proves who it is at the token endpoint (S-01).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// By its secret, in the header or in the form as it likes, but never in both; a public client by nothing.
    #[default]
    Secret,
    /// By its secret in the `Authorization` header (RFC 6749 section 2.3.1).
    ClientSecretBasic,
    /// By its secret in the form.
    ClientSecretPost,
    /// By a token it signed (RFC 7523).
    PrivateKeyJwt,
}

/// A set of rules a client is held to, whatever else it registered.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProfile {
    /// What holds for everybody.
    #[default]
    Standard,
    /// The FAPI 2.0 Security Profile: pushed requests, assertions signed by the client, tokens bound to a key.
    Fapi2,
}

/// What a client registered.
#[expect(clippy::struct_excessive_bools, reason = "each is a member of a document that people write")]
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// Where authorization answers may go.
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after logging out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Origins of browsers that may call the token endpoint (S-12).
    pub origins: Vec<String>,
    /// How it proves who it is.
    pub auth_method: AuthMethod,
    /// What dialects keep about it, by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dialect: BTreeMap<String, serde_json::Value>,
    /// Its public keys as a JWK set, for [`AuthMethod::PrivateKeyJwt`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// Where it publishes them instead; fetched when it comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Where it hears that a session it takes part in is over (OpenID Connect Back-Channel Logout 1.0).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether it needs the session's id to know which one. It is told in any case.
    pub backchannel_logout_session_required: bool,
    /// Whether it belongs to the shop itself, so that nobody is asked for consent.
    pub is_first_party: bool,
    /// Whether a confidential client may leave PKCE out when it sends a nonce (S-07).
    pub may_omit_pkce: bool,
    /// Whether its requests must be pushed first (RFC 9126).
    pub must_push: bool,
    /// Whether it gets access tokens only with a proof of its key, and bound to it (RFC 9449 section 5.2).
    pub dpop_bound_access_tokens: bool,
    /// Whether its proofs must hold a nonce of the server (RFC 9449 section 8).
    pub needs_dpop_nonce: bool,
    /// The resources it may have tokens for that count there alone (RFC 8707), and may ask about.
    pub resources: Vec<String>,
    /// Whether it may exchange tokens so that somebody acts for their subject (`act`, RFC 8693).
    pub may_act: bool,
    /// The rules it is held to besides.
    pub profile: SecurityProfile,
}

impl Registration {
    /// Whether an authorization answer may go to `uri`: byte for byte, but for the port of a loopback address (RFC 8252
    /// section 7.3).
    pub fn allows_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| known == uri || is_same_but_for_loopback_port(known, uri))
    }

    /// Whether it gets tokens only with a proof of its key.
    pub(crate) fn needs_proof(&self) -> bool {
        self.dpop_bound_access_tokens || self.profile == SecurityProfile::Fapi2
    }

    /// Whether its authorization requests must be pushed first.
    pub fn needs_push(&self) -> bool {
        self.must_push || self.profile == SecurityProfile::Fapi2
    }

    /// What is wrong with it, and with its grants, for the profile it names (FAPI 2.0 section 5.3).
    pub(crate) fn check_profile(&self, kind: ClientKind, grants: &str, algorithm: &str) -> Result<(), Refusal> {
        if self.profile == SecurityProfile::Standard {
            return Ok(());
        }
        let no = |reason: &str| Err(Refusal::invalid("profile", format!("fapi2 {reason}")));
        if kind != ClientKind::Confidential || self.auth_method != AuthMethod::PrivateKeyJwt {
            return no("needs a confidential client with private_key_jwt");
        }
        if self.may_omit_pkce {
            return no("allows nobody to leave PKCE out");
        }
        if self.redirect_uris.iter().any(|uri| !uri.starts_with("https://")) {
            return no("needs redirect URIs with https");
        }
        if grants.split_ascii_whitespace().any(|grant| matches!(grant, "guest" | "password")) {
            return no("allows neither the grant guest nor password");
        }
        if algorithm == "RS256" {
            return no("needs a tenant that signs with ES256 or EdDSA");
        }
        Ok(())
    }

    /// What is wrong with it for a client of `kind`.
    pub(crate) fn check(&self, kind: ClientKind) -> Result<(), Refusal> {
        for (field, uris) in
            [("redirect_uris", &self.redirect_uris), ("post_logout_redirect_uris", &self.post_logout_redirect_uris)]
        {
            if uris.len() > MAX_URIS {
                return Err(Refusal::invalid(field, format!("at most {MAX_URIS}")));
            }
            if let Some(uri) = uris.iter().find(|uri| !is_redirect_uri(uri)) {
                return Err(Refusal::invalid(
                    field,
                    format!(
                        "{uri}: whole, with scheme and path, without fragment, wildcard and user name; http only for loopback"
                    ),
                ));
            }
        }
        if let Some(uri) = &self.backchannel_logout_uri
            && !is_web_address(uri)
        {
            let wish = "whole, with https (http only for loopback) and path, without fragment and user name";
            return Err(Refusal::invalid("backchannel_logout_uri", format!("{uri}: {wish}")));
        }
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            return Err(Refusal::invalid("jwks_uri", "either the keys or where they are published"));
        }
        if let Some(uri) = &self.jwks_uri
            && !is_web_address(uri)
        {
            let wish = "whole, with https (http only for loopback) and path, without fragment and user name";
            return Err(Refusal::invalid("jwks_uri", format!("{uri}: {wish}")));
        }
        if self.origins.len() > MAX_URIS || !self.origins.iter().all(|origin| is_origin(origin)) {
            return Err(Refusal::invalid("origins", "each as https://app.example"));
        }
        if self.resources.len() > MAX_URIS || !self.resources.iter().all(|resource| is_resource(resource)) {
            let wish = "at most 50, each an absolute URI without fragment, as https://orders.example";
            return Err(Refusal::invalid("resources", wish));
        }
        if self.may_act && kind == ClientKind::Public {
            return Err(Refusal::invalid("may_act", "never for a public client"));
        }
        let has_keys = self.jwks.is_some() || self.jwks_uri.is_some();
        match (kind, self.auth_method) {
            (ClientKind::Public, AuthMethod::Secret) => {}
            (ClientKind::Public, _) => {
                return Err(Refusal::invalid("auth_method", "a public client has nothing to prove itself by"));
            }
            (ClientKind::Confidential, AuthMethod::PrivateKeyJwt) if !has_keys => {
                return Err(Refusal::invalid(
                    "jwks",
                    "private_key_jwt needs the public keys, or jwks_uri, where they are",
                ));
            }
            (ClientKind::Confidential, _) => {}
        }
        if self.may_omit_pkce && kind == ClientKind::Public {
            return Err(Refusal::invalid("may_omit_pkce", "never for a public client"));
        }
        Ok(())
    }
}

/// An absolute URI that can be an audience (RFC 8707 section 2). It is compared byte for byte and fetched by nobody.
fn is_resource(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    text.len() <= MAX_URI
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'#' | b'<' | b'>'))
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'))
        && text.len() > scheme.len() + 1
}

fn is_same_but_for_loopback_port(known: &str, uri: &str) -> bool {
    // `localhost` is a name that may be resolved elsewhere, so only addresses count.
    ["http://127.0.0.1", "http://[::1]"].iter().any(|prefix| {
        let rest = |text: &str| text.strip_prefix(prefix).map(without_port);
        matches!((rest(known), rest(uri)), (Some(Some(known)), Some(Some(uri))) if known == uri)
    })
}

/// The part after the port; `None` when what follows the address is neither port nor path.
fn without_port(rest: &str) -> Option<String> {
    let Some(after) = rest.strip_prefix(':') else {
        return (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned());
    };
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let (port, path) = after.split_at(digits);
    (port.parse::<u16>().is_ok() && (path.is_empty() || path.starts_with('/'))).then(|| path.to_owned())
}

/// A redirect URI that is not an app's own scheme.
pub(crate) fn is_web_address(text: &str) -> bool {
    is_redirect_uri(text) && (text.starts_with("https:") || text.starts_with("http:"))
}

pub(crate) fn is_redirect_uri(text: &str) -> bool {
    if text.len() > MAX_URI || text.contains(['*', '#', '\\', '@']) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return false;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    match scheme {
        "https" => host(rest).is_some(),
        "http" => host(rest).is_some_and(is_loopback),
        // An app's own scheme is a domain name backwards (RFC 8252 section 7.1).
        _ => {
            scheme.contains('.')
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b".-+".contains(&b))
                && rest.starts_with('/')
        }
    }
}

/// The host of what follows the scheme, when it can be one.
fn host(rest: &str) -> Option<&str> {
    let authority = rest.strip_prefix("//")?.split(['/', '?']).next()?;
    let host = match authority.rfind(']') {
        Some(end) => authority.get(..=end)?,
        None => authority.split(':').next()?,
    };
    let port = authority.strip_prefix(host)?;
    let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-[]:".contains(&b));
    let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (is_name && has_port).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host == "127.0.0.1" || host == "[::1]"
}

fn is_origin(text: &str) -> bool {
    is_redirect_uri(text) && text.splitn(4, '/').count() == 3 && !text.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use prokura_fuzz::{examples, near};
    use proptest::prelude::*;

    const URIS: &str = include_str!("registration/uris.txt");

    /// What every redirect URI that is registered must be, said in other words than the rule.
    fn is_harmless(uri: &str) -> bool {
        let lower = uri.to_ascii_lowercase();
        let is_web = lower.starts_with("https://") || lower.starts_with("http://");
        uri.is_ascii()
            && !uri.contains(|c: char| c.is_ascii_control() || c.is_ascii_whitespace() || "*#@\\".contains(c))
            && !lower.starts_with("javascript:")
            && !lower.starts_with("data:")
            && (!lower.starts_with("http://") || {
                let authority = lower.trim_start_matches("http://").split(['/', '?']).next().unwrap_or_default();
                let host = if authority.starts_with('[') {
                    authority.split(']').next().map(|host| format!("{host}]")).unwrap_or_default()
                } else {
                    authority.split(':').next().unwrap_or_default().to_owned()
                };
                ["localhost", "127.0.0.1", "[::1]"].contains(&host.as_str()) || host.ends_with(".localhost")
            })
            && (is_web || uri.split(':').next().is_some_and(|scheme| scheme.contains('.')))
    }

    #[test]
    fn s06_the_corpus_is_told_apart() {
        for uri in examples(URIS) {
            let is_taken = registered(&uri).check(ClientKind::Public).is_ok();
            assert!(!is_taken || is_harmless(&uri), "{uri:?}");
        }
    }

    proptest! {
        #[test]
        fn s133_whatever_is_registered_is_harmless_and_matches_itself_alone(uri in near(URIS), other in near(URIS)) {
            let known = registered(&uri);
            if known.check(ClientKind::Public).is_ok() {
                prop_assert!(is_harmless(&uri), "{:?}", uri);
                prop_assert!(known.allows_redirect(&uri));
                if known.allows_redirect(&other) && other != uri {
                    // Only the port of a loopback address may differ.
                    prop_assert!(is_harmless(&other), "{:?} for {:?}", other, uri);
                    let at_home = ["http://127.0.0.1", "http://[::1]"];
                    prop_assert!(at_home.iter().any(|home| uri.starts_with(home) && other.starts_with(home)), "{:?} {:?}", uri, other);
                }
            }
        }
    }

    fn registered(uri: &str) -> Registration {
        Registration { redirect_uris: vec![uri.to_owned()], ..Registration::default() }
    }

    #[test]
    fn s06_a_redirect_uri_is_the_registered_one_byte_for_byte() {
        let app = registered("https://app.example/cb");
        assert!(app.allows_redirect("https://app.example/cb"));
        for other in [
            "https://app.example/cb/",
            "https://app.example/cb?x=1",
            "https://app.example/CB",
            "https://app.example:443/cb",
            "https://app.example/x/../cb",
            "https://app.example/cb%2F",
            "https://u@app.example/cb",
        ] {
            assert!(!app.allows_redirect(other), "{other}");
        }
    }

    #[test]
    fn s06_only_the_port_of_a_loopback_address_may_differ() {
        for (known, uri, expected) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:53124/cb", true),
            ("http://127.0.0.1:3000/cb", "http://127.0.0.1:53124/cb", true),
            ("http://[::1]/cb", "http://[::1]:9/cb", true),
            ("http://127.0.0.1/cb", "http://localhost:53124/cb", false),
            ("http://localhost/cb", "http://localhost:53124/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/other", false),
        ] {
            assert_eq!(registered(known).allows_redirect(uri), expected, "{known} {uri}");
        }
    }

    #[test]
    fn what_cannot_be_a_redirect_uri_is_not_registered() {
        for bad in [
            "https://*.example/cb",
            "https://app.example/cb#x",
            "http://app.example/cb",
            "javascript:alert(1)",
            "/cb",
            "https://u@app.example/cb",
            "data:text/html,x",
            "",
        ] {
            assert!(registered(bad).check(ClientKind::Public).is_err(), "{bad}");
        }
        for good in ["https://app.example/cb", "http://localhost:3000/callback", "com.example.app:/cb"] {
            assert_eq!(registered(good).check(ClientKind::Public), Ok(()), "{good}");
        }
    }

    #[test]
    fn logouts_are_told_to_a_web_address_only() {
        let at = |uri: &str| Registration { backchannel_logout_uri: Some(uri.to_owned()), ..Registration::default() };
        for good in ["https://app.example/logout", "https://app.example:8443/l?x=1", "http://127.0.0.1:3000/logout"] {
            assert_eq!(at(good).check(ClientKind::Confidential), Ok(()), "{good}");
        }
        for bad in [
            "http://app.example/logout",
            "com.example.app:/logout",
            "https://app.example/l#x",
            "https://u@app.example/",
            "",
        ] {
            assert!(at(bad).check(ClientKind::Confidential).is_err(), "{bad}");
        }
    }
}
