//! What we know of a browser: a secret of its own that binds running logins and forms to it, and the handle of the
//! session it is logged in with, and the language chosen in it.

use crate::{Web, pages::language::Language};
use http::{HeaderMap, HeaderValue, header};
use prokura_engine::{Fault, SystemEntropy, Tenant};
use prokura_http::{Params, cookie};
use prokura_jose::{Secret, SecretHash};

/// The kind prefix of a browser's own secret.
const BROWSER_PREFIX: &str = "pkr_br_";

/// A browser, as its request shows it.
pub(crate) struct Browser {
    /// Its own secret.
    pub(crate) secret: Secret,
    /// The handle of its session.
    pub(crate) session: Option<Secret>,
    /// The language that was chosen in it.
    pub(crate) language: Option<Language>,
    is_new: bool,
    names: Names,
}

/// The names of the cookies. Over https they carry the prefix that lets nobody else set them; plain http is for
/// loopback, where not every client sends a `Secure` cookie back.
struct Names {
    browser: String,
    session: String,
    language: String,
    is_https: bool,
}

impl Names {
    fn of(web: &Web, tenant: &Tenant) -> Self {
        let is_https = web.edge.engine.public_url().starts_with("https:");
        let prefix = if is_https { "__Host-" } else { "" };
        Self {
            browser: format!("{prefix}prokura-{}-browser", tenant.id),
            session: format!("{prefix}prokura-{}", tenant.id),
            language: format!("{prefix}prokura-{}-language", tenant.id),
            is_https,
        }
    }

    fn set(&self, name: &str, value: &str, rest: &str) -> Option<HeaderValue> {
        let secure = if self.is_https { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{rest}")).ok()
    }
}

impl Browser {
    /// The browser of a request; one we do not know yet gets a secret.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn of(web: &Web, tenant: &Tenant, headers: &HeaderMap) -> Result<Self, Fault> {
        let names = Names::of(web, tenant);
        let known = cookie(headers, &names.browser).map(|text| Secret::from(text.to_owned()));
        let session = cookie(headers, &names.session).map(|text| Secret::from(text.to_owned()));
        let language = cookie(headers, &names.language).and_then(Language::of_tag);
        let is_new = known.is_none();
        let secret = match known {
            Some(secret) => secret,
            None => Secret::generate(&SystemEntropy::default(), BROWSER_PREFIX)
                .map_err(|error| Fault::Crypto(Box::new(error)))?,
        };
        Ok(Self { secret, session, language, is_new, names })
    }

    /// The token of this browser's forms: whoever cannot read its cookie cannot know it (S-94).
    pub(crate) fn form_token(&self) -> String {
        SecretHash::of(&format!("form token of {}", self.secret.expose())).to_string()
    }

    /// Whether a form came from a page of ours in this browser.
    pub(crate) fn is_own_form(&self, headers: &HeaderMap, form: &Params) -> bool {
        let token = form.one("csrf").ok().flatten().map(SecretHash::of);
        let is_right = token.is_some_and(|token| token.matches(&SecretHash::of(&self.form_token())));
        !self.is_new && is_right && is_same_origin(headers)
    }

    /// Tells the browser its secret when it has none yet.
    pub(crate) fn remember(&self, headers: &mut HeaderMap) {
        if self.is_new
            && let Some(value) = self.names.set(&self.names.browser, self.secret.expose(), "")
        {
            headers.append(header::SET_COOKIE, value);
        }
    }

    /// Tells the browser the language that was chosen in it.
    pub(crate) fn speak(&self, language: Language, headers: &mut HeaderMap) {
        if let Some(value) = self.names.set(&self.names.language, language.tag(), "") {
            headers.append(header::SET_COOKIE, value);
        }
    }

    /// Tells the browser the handle of its new session.
    pub(crate) fn log_in(&self, cookie: &Secret, headers: &mut HeaderMap) {
        if let Some(value) = self.names.set(&self.names.session, cookie.expose(), "") {
            headers.append(header::SET_COOKIE, value);
        }
    }

    /// Lets the browser forget its session.
    pub(crate) fn log_out(&self, headers: &mut HeaderMap) {
        if let Some(value) = self.names.set(&self.names.session, "", "; Max-Age=0") {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// Whether the browser says, where it says anything, that a page of this very host sent the request.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // What says nothing about the page it came from says nothing in `Origin` either, so this word counts more.
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    match (text("origin"), headers.get(header::HOST).and_then(|host| host.to_str().ok())) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s94_a_form_of_another_origin_is_not_ours() {
        for (origin, site, expected) in [
            (None, None, true),
            (Some("https://id.example"), Some("same-origin"), true),
            (Some("https://evil.example"), None, false),
            (Some("null"), None, false),
            (Some("null"), Some("same-origin"), true),
            (None, Some("cross-site"), false),
            (None, Some("same-site"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("id.example"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            assert_eq!(is_same_origin(&headers), expected, "{origin:?} {site:?}");
        }
    }
}
