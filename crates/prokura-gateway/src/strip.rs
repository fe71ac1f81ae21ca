//! What is taken off a request before anything is added (S-50, S-52, S-55).
//!
//! A field is judged by its *fold*: lower case, and only letters and digits. CGI-style upstreams read `Legal_Entity_Id`
//! and `Legal-Entity-Id` as one name, and some read any punctuation as `_`, so every spelling with a protected fold goes.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::{net::IpAddr, str::FromStr};

/// The longest fold a protected name may have.
pub(crate) const MAX_FOLD: usize = 63;

/// Names an upstream might trust without being told to. The configured header names are protected besides.
const BUILT_IN: &[&str] = &[
    "legalentityid",
    "legalentity",
    "tenant",
    "tenantid",
    "user",
    "userid",
    "username",
    "remoteuser",
    "role",
    "roles",
    "customer",
    "customerid",
    "assertion",
    "authenticateduser",
    "webauthuser",
    "authrequestuser",
    "authrequestemail",
    "authrequestgroups",
    "authuser",
];

/// Fields with one right spelling: any other with the same fold is an imitation.
const CANONICAL: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "authorization",
    "proxy-authorization",
    "cookie",
    "content-type",
];

/// Folds of fields in which one proxy tells the next what it saw; a trailing `*` means any ending.
const FORWARDED: &[&str] = &[
    "forwarded",
    "xforwarded*",
    "xrealip",
    "xoriginal*",
    "xrewrite*",
    "xclientip",
    "xclusterclientip",
    "trueclientip",
    "cfconnectingip",
    "clientcert*",
    "xclientcert*",
    "sslclient*",
    "xsslclient*",
    "xssl*",
    "xenvoy*",
];

/// The fold of a field name.
struct Fold {
    bytes: [u8; MAX_FOLD + 1],
    length: usize,
    has_odd_punctuation: bool,
}

impl Fold {
    fn of(name: &str) -> Self {
        let mut fold = Self { bytes: [0; MAX_FOLD + 1], length: 0, has_odd_punctuation: false };
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() {
                // A longer fold equals no protected one; its beginning still counts.
                if let Some(slot) = fold.bytes.get_mut(fold.length) {
                    *slot = byte.to_ascii_lowercase();
                    fold.length += 1;
                }
            } else if byte != b'-' {
                fold.has_odd_punctuation = true;
            }
        }
        fold
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The fold of `name`, as text.
pub(crate) fn fold(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A set of folds, asked many times for names that are nearly never in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folds {
    exact: Vec<Box<[u8]>>,
    prefixes: Vec<Box<[u8]>>,
    /// Which lengths occur, by first character: one look answers nearly every question.
    lengths: Vec<u64>,
}

impl Folds {
    pub(crate) fn new<'a>(folds: impl IntoIterator<Item = &'a str>) -> Self {
        let mut set = Self { lengths: vec![0; 256], ..Self::default() };
        for fold in folds {
            let Some(first) = fold.bytes().next() else { continue };
            let Some(slot) = set.lengths.get_mut(usize::from(first)) else { continue };
            if let Some(prefix) = fold.strip_suffix('*') {
                *slot |= !0 << prefix.len().min(MAX_FOLD);
                set.prefixes.push(prefix.as_bytes().into());
            } else {
                *slot |= 1 << fold.len().min(MAX_FOLD);
                set.exact.push(fold.as_bytes().into());
            }
        }
        set
    }

    fn contains(&self, fold: &[u8]) -> bool {
        let lengths = fold.first().and_then(|first| self.lengths.get(usize::from(*first))).copied().unwrap_or(0);
        lengths & (1 << fold.len().min(MAX_FOLD)) != 0
            && (self.exact.iter().any(|exact| **exact == *fold)
                || self.prefixes.iter().any(|prefix| fold.starts_with(prefix)))
    }
}

/// Removes what a client may not say.
#[derive(Clone, Debug)]
pub(crate) struct Stripper {
    protected: Folds,
    imitable: Folds,
    forwarded: Folds,
    trusted: Vec<Network>,
}

impl Stripper {
    /// `names` are the configured names: those to be injected, and those an operator wants protected.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>, trusted: Vec<Network>) -> Self {
        let mut folds: Vec<String> = BUILT_IN.iter().map(|fold| (*fold).to_owned()).collect();
        folds.extend(names.into_iter().map(fold));
        let with_x: Vec<String> = folds.iter().map(|fold| format!("x{fold}")).collect();
        let without_x: Vec<String> =
            folds.iter().filter_map(|fold| fold.strip_prefix('x')).map(str::to_owned).collect();
        folds.extend(with_x);
        folds.extend(without_x);
        folds.push("xprokura*".to_owned());
        folds.push("prokura*".to_owned());
        let canonical: Vec<String> = CANONICAL.iter().map(|name| fold(name)).collect();
        Self {
            protected: Folds::new(folds.iter().map(String::as_str)),
            imitable: Folds::new(canonical.iter().map(String::as_str)),
            forwarded: Folds::new(FORWARDED.iter().copied()),
            trusted,
        }
    }

    /// Whether `name` folds to a protected one.
    pub(crate) fn is_protected(&self, name: &HeaderName) -> bool {
        self.protected.contains(Fold::of(name.as_str()).as_bytes())
    }

    /// Whether no header of ours may have this fold: it means something to HTTP, or to proxies.
    pub(crate) fn is_reserved(fold: &str) -> bool {
        let is_canonical = |name: &&str| self::fold(name) == fold;
        CANONICAL.iter().any(is_canonical) || Folds::new(FORWARDED.iter().copied()).contains(fold.as_bytes())
    }

    /// Whether `peer` may say whom it speaks for.
    pub(crate) fn is_trusted(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }

    /// Removes protected fields in every spelling, hop-by-hop fields with all that `Connection` lists, the route's own
    /// list, imitations, and forwarded-type fields unless `keeps_forwarded`.
    pub(crate) fn strip(&self, headers: &mut HeaderMap, route: &Folds, keeps_forwarded: bool) {
        let mut doomed: Vec<HeaderName> = Vec::new();
        for value in headers.get_all(header::CONNECTION) {
            for option in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
                doomed.extend(HeaderName::from_bytes(option));
            }
        }
        for name in headers.keys() {
            if is_hop_by_hop(name) || self.is_doomed(name, route, keeps_forwarded) {
                doomed.push(name.clone());
            }
        }
        for name in doomed {
            headers.remove(name);
        }
    }

    fn is_doomed(&self, name: &HeaderName, route: &Folds, keeps_forwarded: bool) -> bool {
        let name = name.as_str();
        let fold = Fold::of(name);
        let bytes = fold.as_bytes();
        if self.protected.contains(bytes) || route.contains(bytes) {
            return true;
        }
        if self.forwarded.contains(bytes) {
            return !keeps_forwarded || fold.has_odd_punctuation;
        }
        self.imitable.contains(bytes) && !CANONICAL.contains(&name)
    }
}

/// The fields of RFC 9110 section 7.6.1, and those that concern one connection in practice. `Content-Length` is written
/// anew for the next one.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::CONTENT_LENGTH
        || *name == header::TE
        || *name == header::TRAILER
        || *name == header::UPGRADE
        || *name == header::EXPECT
        || *name == header::PROXY_AUTHENTICATE
        || *name == header::PROXY_AUTHORIZATION
        || *name == "keep-alive"
        || *name == "proxy-connection"
        || *name == "http2-settings"
}

/// Whether `Connection` of a request names `Upgrade`.
pub(crate) fn asks_upgrade(headers: &HeaderMap) -> bool {
    let is_upgrade = |value: &HeaderValue| {
        value.as_bytes().split(|b| *b == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    headers.contains_key(header::UPGRADE) && headers.get_all(header::CONNECTION).iter().any(is_upgrade)
}

/// An address or a network of them, as `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: u128,
    mask: u128,
}

impl Network {
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.address
    }
}

/// IPv4 as the mapped IPv6 address, so that there is one kind.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| ())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(width), str::parse::<u32>).map_err(|_| ())?;
        let host_bits = width.checked_sub(length).ok_or(())?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Ok(Self { address: bits(address) & mask, mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(fields: &[(&str, &str)], keeps_forwarded: bool) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let stripper = Stripper::new(["Legal-Entity-Id", "X-Shop-Buyer"], Vec::new());
        stripper.strip(&mut headers, &Folds::new(["vendurechannel"]), keeps_forwarded);
        headers.keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn s50_every_spelling_of_a_protected_name_goes() {
        for name in [
            "legalEntityId",
            "LEGALENTITYID",
            "Legal-Entity-Id",
            "Legal_Entity_Id",
            "legal.entity.id",
            "legal!entity~id",
            "X-Legal-Entity-Id",
            "x_legalentity-id",
            "Legal-Entity",
            "X-Prokura-Anything",
            "x.prokura.tenant",
            "xprokura",
            "Prokura-Tenant",
            "X-Shop-Buyer",
            "shop_buyer",
            "X-X-Shop-Buyer",
            "Remote-User",
            "X-Remote_User",
            "X-Tenant",
            "Roles",
            "X-Auth-Request-User",
            "Vendure_Channel",
            "X-Prokura-a-very-long-name-that-does-not-fit-into-the-buffer-of-a-fold-at-all",
        ] {
            assert_eq!(stripped(&[(name, "x"), ("accept", "y")], false), ["accept"], "{name}");
        }
        for name in ["emporix-tenant", "x-request-id", "x-xsrf-token", "session-id", "saas-token", "content-type"] {
            assert_eq!(stripped(&[(name, "x")], false), [name]);
        }
    }

    #[test]
    fn s52_hop_by_hop_and_listed_fields_go() {
        let fields = [
            ("connection", "close, X-Secret , cookie"),
            ("connection", "authorization"),
            ("x-secret", "1"),
            ("cookie", "a=b"),
            ("authorization", "Bearer x"),
            ("keep-alive", "1"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "x"),
            ("expect", "100-continue"),
            ("accept", "y"),
        ];
        assert_eq!(stripped(&fields, false), ["accept"]);
    }

    #[test]
    fn imitations_of_framing_and_credential_fields_go() {
        for name in ["Content_Length", "Transfer_Encoding", "Authorization_", "_cookie", "ho.st", "content_type"] {
            assert_eq!(stripped(&[(name, "x")], true), Vec::<String>::new(), "{name}");
        }
        assert_eq!(stripped(&[("cookie", "x"), ("authorization", "y")], false), ["cookie", "authorization"]);
    }

    #[test]
    fn s55_forwarded_fields_go_unless_the_peer_is_trusted() {
        let fields = [
            ("forwarded", "for=1"),
            ("x-forwarded-for", "1"),
            ("x-forwarded-uri", "/"),
            ("x-real-ip", "1"),
            ("x-original-url", "/"),
            ("x-client-cert", "x"),
            ("ssl-client-verify", "x"),
        ];
        assert_eq!(stripped(&fields, false), Vec::<String>::new());
        assert_eq!(stripped(&fields, true).len(), fields.len());
        assert_eq!(stripped(&[("x_forwarded_for", "1")], true), Vec::<String>::new());
    }

    #[test]
    fn networks_contain_their_addresses() {
        let network = |text: &str| text.parse::<Network>();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(network("127.0.0.0/8").unwrap().contains(address("127.9.9.9")));
        assert!(network("127.0.0.1").unwrap().contains(address("::ffff:127.0.0.1")));
        assert!(!network("127.0.0.1").unwrap().contains(address("127.0.0.2")));
        assert!(network("2001:db8::/32").unwrap().contains(address("2001:db8::1")));
        assert!(network("0.0.0.0/0").unwrap().contains(address("192.0.2.1")));
        assert!(!network("0.0.0.0/0").unwrap().contains(address("2001:db8::1")));
        for bad in ["", "localhost", "127.0.0.1/33", "::/129", "127.0.0.1/x"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}
