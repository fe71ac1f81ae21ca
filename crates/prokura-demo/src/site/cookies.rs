//! The cookies that a headless and a classic storefront share, under the names that Salesforce's clients know.
//!
//! Tokens and the session's id are `HttpOnly`; what scripts may read says only when they end and who is here. Every name
//! but `dwsid` carries the site, so that two sites on one host keep apart. Names are compared byte by byte, and a cookie
//! that comes twice is nobody's (S-92). What is removed is removed on the host and on the whole domain, because a twin
//! of the other scope would shadow it.

use std::collections::BTreeMap;

use axum::http::header::{COOKIE, HOST, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};

/// The id of the cookie session. It alone never carries the site.
pub(crate) const SESSION: &str = "dwsid";
/// In place of an access token: there was a logout, whoever reads this begins anew.
const BEGIN_ANEW: &str = "refresh";
/// An access token is cut into cookies of so many characters.
const CHUNK_CHARS: usize = 1199;
/// More chunks than a token may have.
const MAX_CHUNKS: usize = 8;
/// How long the guard stands that keeps a redirect from becoming a loop.
const GUARD_SECONDS: i64 = 1800;
const VISITOR_SECONDS: i64 = 90 * 24 * 60 * 60;
/// A value longer than any of ours.
const MAX_VALUE_CHARS: usize = 4096;

/// Where cookies belong.
#[derive(Debug, Clone)]
pub(crate) struct CookieRules {
    /// The site's id, which ends the names.
    pub(crate) site: String,
    /// The domain whose hosts share the cookies, where the request came to one of them.
    pub(crate) domain: Option<String>,
    /// Browsers come over https only, so cookies may demand that.
    pub(crate) is_https: bool,
}

/// How long a cookie stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until the browser ends.
    Browser,
    Seconds(i64),
}

/// Who may read a cookie besides the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    Nobody,
    Scripts,
}

/// What a storefront was given for a shopper, to be kept in the browser.
#[derive(Debug, Clone)]
pub(crate) struct Purse {
    pub(crate) access_token: String,
    pub(crate) expires_in: i64,
    /// `None` when the one that is there goes on.
    pub(crate) refresh_token: Option<String>,
    pub(crate) refresh_expires_in: i64,
    pub(crate) usid: String,
    pub(crate) customer_id: String,
    pub(crate) is_registered: bool,
    /// Whether a registered shopper stays beyond the end of the browser.
    pub(crate) is_remembered: bool,
}

/// The cookies of one request, and what becomes of them.
#[derive(Debug, Clone)]
pub(crate) struct Jar {
    rules: CookieRules,
    /// The domain, if the request came to a host of it.
    domain: Option<String>,
    held: BTreeMap<String, String>,
    set: Vec<String>,
}

impl Jar {
    pub(crate) fn new(headers: &HeaderMap, rules: &CookieRules) -> Self {
        let mut held = BTreeMap::new();
        let mut twice = Vec::new();
        let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        for pair in lines.flat_map(|line| line.split(';')) {
            // Exactly one blank follows the semicolon; anything else belongs to the name and makes it another one.
            let pair = pair.strip_prefix(' ').unwrap_or(pair);
            let Some((name, value)) = pair.split_once('=') else { continue };
            if value.len() <= MAX_VALUE_CHARS && held.insert(name.to_owned(), value.to_owned()).is_some() {
                twice.push(name.to_owned());
            }
        }
        for name in twice {
            held.remove(&name);
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_inside = |domain: &&String| {
            host == domain.as_str() || host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        let domain = rules.domain.as_ref().filter(is_inside).cloned();
        Self { rules: rules.clone(), domain, held, set: Vec::new() }
    }

    /// Everything the browser holds, as this request leaves it.
    pub(crate) fn held(&self) -> impl Iterator<Item = (&str, &str)> {
        self.held.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A value, if there is one that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.held.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn set(&mut self, name: &str, value: &str, life: Life, readers: Readers) {
        if !is_plain(value) {
            return;
        }
        let life_text = match life {
            Life::Browser => String::new(),
            Life::Seconds(seconds) => format!("; Max-Age={}", seconds.max(0)),
        };
        let domain = self.domain.as_ref().map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        self.write(name, format!("{name}={value}; Path=/{life_text}{domain}{}", self.attributes(readers)));
        self.held.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if self.held.remove(name).is_none() {
            return;
        }
        let attributes = self.attributes(Readers::Nobody);
        self.write(name, format!("{name}=; Path=/; Max-Age=0{attributes}"));
        if let Some(domain) = &self.domain {
            self.set.push(format!("{name}=; Path=/; Max-Age=0; Domain={domain}{attributes}"));
        }
    }

    fn attributes(&self, readers: Readers) -> String {
        let hidden = if readers == Readers::Nobody { "; HttpOnly" } else { "" };
        let secure = if self.rules.is_https { "; Secure" } else { "" };
        format!("; SameSite=Lax{hidden}{secure}")
    }

    /// Of several changes of one cookie the last counts.
    fn write(&mut self, name: &str, line: String) {
        self.set.retain(|other| other.split_once('=').is_none_or(|(other, _)| other != name));
        self.set.push(line);
    }

    /// Puts what has changed into an answer.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        for value in self.set.iter().filter_map(|line| HeaderValue::from_str(line).ok()) {
            headers.append(SET_COOKIE, value);
        }
    }

    fn of_site(&self, name: &str) -> String {
        format!("{name}_{}", self.rules.site)
    }

    fn chunk(&self, number: usize) -> String {
        if number == 1 { self.of_site("cc-at") } else { format!("{}_{number}", self.of_site("cc-at")) }
    }

    /// The access token, put together from its chunks; `None` as well when there was a logout.
    pub(crate) fn access_token(&self) -> Option<String> {
        let chunks = (1..=MAX_CHUNKS).map_while(|number| self.get(&self.chunk(number)));
        let token: String = chunks.collect();
        Some(token).filter(|token| !token.is_empty() && token != BEGIN_ANEW)
    }

    /// The refresh token, and whether it is a registered shopper's.
    pub(crate) fn refresh_token(&self) -> Option<(String, bool)> {
        let registered = self.get(&self.of_site("cc-nx")).map(|token| (token.to_owned(), true));
        registered.or_else(|| self.get(&self.of_site("cc-nx-g")).map(|token| (token.to_owned(), false)))
    }

    /// Whether a registered shopper stays beyond the end of the browser.
    pub(crate) fn is_remembered(&self) -> bool {
        self.get(&self.of_site("cc-nx-once")).is_none()
    }

    /// Notes whether the shopper who logs in wants to stay.
    pub(crate) fn remember(&mut self, is_remembered: bool) {
        let name = self.of_site("cc-nx-once");
        if is_remembered {
            self.remove(&name);
        } else {
            self.set(&name, "1", Life::Browser, Readers::Nobody);
        }
    }

    pub(crate) fn session(&self) -> Option<&str> {
        self.get(SESSION)
    }

    pub(crate) fn usid(&self) -> Option<String> {
        self.get(&self.of_site("usid")).map(str::to_owned)
    }

    /// Keeps what a shopper was given: the refresh token under the name of their kind and no other.
    pub(crate) fn keep(&mut self, purse: &Purse, now: Timestamp) {
        self.put_access_token(&purse.access_token, purse.expires_in);
        let expires = |seconds: i64| {
            let end = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
            end.as_second().to_string()
        };
        let life = Life::Seconds(purse.expires_in);
        self.set(&self.of_site("cc-at-expires"), &expires(purse.expires_in), life, Readers::Scripts);
        let (kept, dropped) = if purse.is_registered { ("cc-nx", "cc-nx-g") } else { ("cc-nx-g", "cc-nx") };
        let life = match purse {
            Purse { is_registered: true, is_remembered: false, .. } => Life::Browser,
            _ => Life::Seconds(purse.refresh_expires_in),
        };
        if let Some(token) = &purse.refresh_token {
            self.set(&self.of_site(kept), token, life, Readers::Nobody);
            self.set(&self.of_site("cc-nx-expires"), &expires(purse.refresh_expires_in), life, Readers::Scripts);
        }
        self.remove(&self.of_site(dropped));
        let kind = if purse.is_registered { "registered" } else { "guest" };
        self.set(&self.of_site("customer_type"), kind, life, Readers::Scripts);
        self.set(&self.of_site("customer_id"), &purse.customer_id, life, Readers::Scripts);
        self.set(&self.of_site("usid"), &purse.usid, Life::Seconds(VISITOR_SECONDS), Readers::Scripts);
    }

    fn put_access_token(&mut self, token: &str, seconds: i64) {
        let bytes: Vec<&[u8]> = token.as_bytes().chunks(CHUNK_CHARS).collect();
        if bytes.len() > MAX_CHUNKS {
            tracing::warn!(chars = token.len(), "an access token is too long for cookies");
            return;
        }
        for number in 1..=MAX_CHUNKS {
            let name = self.chunk(number);
            // A shorter token must not be read together with what is left of a longer one.
            match bytes.get(number - 1).and_then(|chunk| std::str::from_utf8(chunk).ok()) {
                Some(chunk) => self.set(&name, chunk, Life::Seconds(seconds), Readers::Nobody),
                None => self.remove(&name),
            }
        }
    }

    pub(crate) fn keep_session(&mut self, id: &str) {
        if self.session() != Some(id) {
            self.set(SESSION, id, Life::Browser, Readers::Nobody);
        }
    }

    /// Whether the last answer was a redirect to make the browser come back with its session.
    pub(crate) fn is_guarded(&self) -> bool {
        self.get(&self.of_site("cc-sg")).is_some()
    }

    pub(crate) fn put_guard(&mut self) {
        self.set(&self.of_site("cc-sg"), "1", Life::Seconds(GUARD_SECONDS), Readers::Nobody);
    }

    pub(crate) fn remove_guard(&mut self) {
        self.remove(&self.of_site("cc-sg"));
    }

    /// Forgets the access token alone: the next request of Head gets another one.
    pub(crate) fn forget_access_token(&mut self) {
        for number in 1..=MAX_CHUNKS {
            self.remove(&self.chunk(number));
        }
        self.remove(&self.of_site("cc-at-expires"));
    }

    /// Forgets the tokens; the visitor and the session stay.
    pub(crate) fn forget_tokens(&mut self) {
        self.forget_access_token();
        for name in ["cc-nx", "cc-nx-g", "cc-nx-once", "cc-nx-expires", "customer_type", "customer_id"] {
            self.remove(&self.of_site(name));
        }
    }

    /// Forgets everything about a shopper, as a logout does.
    pub(crate) fn forget_everything(&mut self) {
        self.forget_tokens();
        self.remove(&self.of_site("usid"));
        self.remove(&self.of_site("cc-sg"));
        let of_session: Vec<String> = self.held.keys().filter(|name| belongs_to_session(name)).cloned().collect();
        for name in of_session {
            self.remove(&name);
        }
    }

    /// Tells the other half that its access token is over.
    pub(crate) fn ask_to_begin_anew(&mut self) {
        self.set(&self.of_site("cc-at"), BEGIN_ANEW, Life::Seconds(GUARD_SECONDS), Readers::Nobody);
    }

    /// Takes over the cookies of the session that a server set for another client, with our own attributes.
    pub(crate) fn adopt(&mut self, set_cookies: &HeaderMap) {
        for line in set_cookies.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let mut parts = line.split(';');
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            if !belongs_to_session(name) {
                continue;
            }
            let max_age = parts.filter_map(|part| part.trim().split_once('=')).find_map(|(key, value)| {
                key.eq_ignore_ascii_case("max-age").then(|| value.parse::<i64>().ok()).flatten()
            });
            let value = value.trim_matches('"');
            if value.is_empty() {
                self.remove(name);
            } else if self.get(name) != Some(value) {
                self.set(name, value, max_age.map_or(Life::Browser, Life::Seconds), Readers::Nobody);
            }
        }
    }
}

fn belongs_to_session(name: &str) -> bool {
    name == SESSION || name.starts_with("dwanonymous_") || name.starts_with("dwsecuretoken_")
}

/// Whether a text can be a cookie's value as it is (RFC 6265 section 4.1.1).
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jar(host: &'static str, cookies: &[&str]) -> Jar {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        for line in cookies {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        let rules = CookieRules { site: "main".to_owned(), domain: Some("demo.localhost".to_owned()), is_https: false };
        Jar::new(&headers, &rules)
    }

    fn purse(access_token: &str, is_registered: bool) -> Purse {
        Purse {
            access_token: access_token.to_owned(),
            expires_in: 1800,
            refresh_token: Some("rt".to_owned()),
            refresh_expires_in: 2_592_000,
            usid: "usid".to_owned(),
            customer_id: "customer".to_owned(),
            is_registered,
            is_remembered: true,
        }
    }

    fn answered(jar: &Jar) -> Vec<String> {
        let mut headers = HeaderMap::new();
        jar.write_to(&mut headers);
        headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn s92_names_are_compared_byte_by_byte_and_twins_are_nobodys() {
        assert_eq!(jar("h", &["a=1; dwsid=x"]).session(), Some("x"));
        for cookies in [
            &["dwsid=x; dwsid=y"][..],
            &["dwsid=x", "dwsid=x"],
            &["a=1;  dwsid=x"],
            &["$Version=1; $dwsid=x"],
            &["DWSID=x"],
            &["dwsid =x"],
            &["dwsid"],
            &["dwsid="],
        ] {
            assert_eq!(jar("h", cookies).session(), None, "{cookies:?}");
        }
    }

    #[test]
    fn only_one_refresh_token_is_kept_and_no_script_reads_it() {
        let mut jar = jar("127.0.0.1:8401", &["cc-nx-g_main=guest; usid_main=u"]);
        assert_eq!(jar.refresh_token(), Some(("guest".to_owned(), false)));
        jar.keep(&purse("at", true), Timestamp::UNIX_EPOCH);
        assert_eq!(jar.refresh_token(), Some(("rt".to_owned(), true)));
        let lines = answered(&jar);
        let line = |name: &str| lines.iter().find(|line| line.starts_with(name)).unwrap().as_str();
        assert_eq!(line("cc-nx_main="), "cc-nx_main=rt; Path=/; Max-Age=2592000; SameSite=Lax; HttpOnly");
        assert_eq!(line("cc-nx-g_main="), "cc-nx-g_main=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly");
        assert_eq!(line("cc-at_main="), "cc-at_main=at; Path=/; Max-Age=1800; SameSite=Lax; HttpOnly");
        assert_eq!(line("cc-at-expires_main="), "cc-at-expires_main=1800; Path=/; Max-Age=1800; SameSite=Lax");
        assert!(!line("usid_main=").contains("HttpOnly"));
        assert!(lines.iter().all(|line| !line.contains("Domain")), "this host is not of the domain");
    }

    #[test]
    fn whoever_is_not_remembered_is_forgotten_with_the_browser() {
        let mut jar = jar("h", &[]);
        jar.keep(&Purse { is_remembered: false, ..purse("at", true) }, Timestamp::UNIX_EPOCH);
        assert!(answered(&jar).contains(&"cc-nx_main=rt; Path=/; SameSite=Lax; HttpOnly".to_owned()));
    }

    #[test]
    fn a_long_token_is_cut_and_what_is_left_of_a_longer_one_is_removed() {
        let mut jar = jar("h", &[]);
        let long = "x".repeat(2 * CHUNK_CHARS + 1);
        jar.put_access_token(&long, 1800);
        assert_eq!(jar.access_token(), Some(long));
        assert_eq!(jar.get("cc-at_main_3"), Some("x"));
        jar.put_access_token("short", 1800);
        assert_eq!(jar.access_token().as_deref(), Some("short"));
        assert!(answered(&jar).iter().any(|line| line.starts_with("cc-at_main_3=; Path=/; Max-Age=0")));
        jar.ask_to_begin_anew();
        assert_eq!(jar.access_token(), None);
    }

    #[test]
    fn hosts_of_one_domain_share_and_both_scopes_are_cleared() {
        let mut jar = jar("shop.demo.localhost:8401", &["dwsid=x; dwanonymous_0a=y; other=z; cc-nx_main=t"]);
        jar.keep(&purse("at", false), Timestamp::UNIX_EPOCH);
        assert!(
            answered(&jar)
                .iter()
                .any(|line| line.starts_with("cc-at_main=at;") && line.contains("; Domain=demo.localhost"))
        );
        jar.forget_everything();
        let lines = answered(&jar);
        let of = |name: &str| lines.iter().filter(|line| line.starts_with(&format!("{name}=;"))).count();
        assert_eq!(
            [of("dwsid"), of("dwanonymous_0a"), of("cc-at_main"), of("cc-nx-g_main"), of("other")],
            [2, 2, 2, 2, 0]
        );
        assert_eq!(super::tests::jar("evil-demo.localhost", &[]).domain, None);
        assert_eq!(super::tests::jar("demo.localhost.example", &[]).domain, None);
    }

    #[test]
    fn only_cookies_of_the_session_are_taken_over() {
        let mut jar = jar("h", &[]);
        let mut headers = HeaderMap::new();
        for line in
            ["dwsid=new; Path=/; HttpOnly", "dwanonymous_0a=me; Max-Age=100", "other=1", "dwsecuretoken_0a=\"\""]
        {
            headers.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        jar.adopt(&headers);
        assert_eq!(jar.session(), Some("new"));
        assert_eq!(
            answered(&jar),
            [
                "dwsid=new; Path=/; SameSite=Lax; HttpOnly",
                "dwanonymous_0a=me; Path=/; Max-Age=100; SameSite=Lax; HttpOnly"
            ]
        );
    }

    #[test]
    fn a_value_that_would_end_the_cookie_is_not_set() {
        let mut jar = jar("h", &[]);
        for value in ["a; Domain=x", "a\r\nx: y", "a,b", "a\"b"] {
            jar.keep_session(value);
        }
        assert_eq!(answered(&jar), [""; 0]);
    }
}
