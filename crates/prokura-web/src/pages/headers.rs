//! The headers of every page (S-97): nothing runs but the script of passkeys, nothing comes from elsewhere, nobody frames it, nobody keeps it.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Where a form may lead besides this server: where a client gets its answer. Browsers hold redirects after a POST to
/// `form-action` too, so a login without this would end at a blank page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormTarget(String);

impl FormTarget {
    /// The target of a registered redirect URI; `None` when no source expression can name it.
    pub fn of_redirect_uri(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once(':')?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        if !is_scheme {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "https" && scheme != "http" {
            // An app's own scheme has no hosts.
            return Some(Self(format!("{scheme}:")));
        }
        let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
        if authority.starts_with('[') {
            // Source expressions have no word for an IPv6 address.
            return Some(Self(format!("{scheme}:")));
        }
        let is_authority = !authority.is_empty()
            && authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'_'));
        is_authority.then(|| Self(format!("{scheme}://{}", authority.to_ascii_lowercase())))
    }
}

/// Sets the headers of a page; `is_https` says how the issuer is reached.
pub(super) fn set(headers: &mut HeaderMap, form_target: Option<&FormTarget>, is_https: bool) {
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Less, and browsers leave the origin out of our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000"));
    }
    let target = form_target.map(|target| format!(" {}", target.0)).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; \
         form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    );
    let policy = HeaderValue::try_from(policy).expect("a target is made of letters, digits and -.:_+/ only");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s97_a_redirect_uri_adds_its_origin_to_the_policy_and_nothing_else() {
        for (uri, expected) in [
            ("https://shop.example/callback?x=1", Some("https://shop.example")),
            ("https://Shop.Example:8443/", Some("https://shop.example:8443")),
            ("http://127.0.0.1:9000", Some("http://127.0.0.1:9000")),
            ("http://[::1]:9000/cb", Some("http:")),
            ("com.example.app:/cb", Some("com.example.app:")),
            ("https://a.example; script-src *", None),
            ("https://a.example 'unsafe-inline'/", None),
            ("https://user@a.example/", None),
            ("https:///cb", None),
            ("https://*/", None),
            ("'self' x:", None),
            ("nothing", None),
        ] {
            let target = FormTarget::of_redirect_uri(uri);
            assert_eq!(target.as_ref().map(|target| target.0.as_str()), expected, "{uri}");
        }
    }

    #[test]
    fn s97_pages_run_nothing_of_others_load_nothing_from_elsewhere_and_are_not_kept() {
        let mut headers = HeaderMap::new();
        set(&mut headers, FormTarget::of_redirect_uri("https://shop.example/cb").as_ref(), true);
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; form-action \
             'self' https://shop.example; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
        );
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "same-origin");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
        assert_eq!(headers["strict-transport-security"], "max-age=63072000");
    }

    #[test]
    fn s97_plain_http_is_not_told_to_be_https() {
        let mut headers = HeaderMap::new();
        set(&mut headers, None, false);
        assert!(!headers.contains_key("strict-transport-security"));
        assert!(headers["content-security-policy"].to_str().unwrap().contains("form-action 'self';"));
    }
}
