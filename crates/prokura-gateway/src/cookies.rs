//! Our session cookies stop at the gateway, in both directions (S-60).

use http::{HeaderMap, HeaderValue, header};

/// What the names of our cookies begin with, in lower case.
const OURS: [&[u8]; 3] = [b"__host-prokura", b"__secure-prokura", b"prokura_"];

/// Cuts our cookies out of `Cookie`, and joins what HTTP/2 sends in pieces.
pub(crate) fn cut_cookies(headers: &mut HeaderMap) {
    let mut values = headers.get_all(header::COOKIE).iter();
    let (Some(first), second) = (values.next(), values.next()) else { return };
    if second.is_none() && !mentions_us(first.as_bytes()) {
        return;
    }
    let mut kept: Vec<u8> = Vec::with_capacity(first.len());
    for value in headers.get_all(header::COOKIE) {
        for pair in value.as_bytes().split(|b| *b == b';') {
            if !is_ours(pair.split(|b| *b == b'=').next().unwrap_or_default()) && !pair.trim_ascii().is_empty() {
                if !kept.is_empty() {
                    kept.extend_from_slice(b"; ");
                }
                kept.extend_from_slice(pair.trim_ascii());
            }
        }
    }
    // Parts of valid values are valid; an empty list means no field.
    match HeaderValue::from_bytes(&kept) {
        Ok(value) if !kept.is_empty() => {
            headers.insert(header::COOKIE, value);
        }
        Ok(_) | Err(_) => {
            headers.remove(header::COOKIE);
        }
    }
}

/// Drops what an upstream wants to set under our names.
pub(crate) fn drop_set_cookies(headers: &mut HeaderMap) {
    let sets_ours = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        mentions_us(bytes) && is_ours(bytes.split(|b| matches!(b, b'=' | b';')).next().unwrap_or_default())
    };
    if !headers.get_all(header::SET_COOKIE).iter().any(sets_ours) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(header::SET_COOKIE).iter().filter(|value| !sets_ours(value)).cloned().collect();
    headers.remove(header::SET_COOKIE);
    for value in kept {
        headers.append(header::SET_COOKIE, value);
    }
}

fn mentions_us(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window.eq_ignore_ascii_case(b"prokura"))
}

/// Whether a cookie name is ours, or would be to a parser that trims or skips what stands in front of it.
fn is_ours(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    OURS.iter().any(|ours| lower.windows(ours.len()).any(|window| window == *ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        cut_cookies(&mut headers);
        assert!(headers.get_all(header::COOKIE).iter().count() <= 1);
        headers.get(header::COOKIE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    #[test]
    fn s60_our_cookies_are_cut_and_others_stay() {
        assert_eq!(cut(&[b"a=b; c=d"]).as_deref(), Some("a=b; c=d"));
        assert_eq!(cut(&[b"a=prokura; __Host-prokura_sid=x; c=d;e"]).as_deref(), Some("a=prokura; c=d; e"));
        assert_eq!(cut(&[b"__Host-prokura=x"]), None);
        assert_eq!(cut(&[b"a=b", b"prokura_sid=x", b"c=d"]).as_deref(), Some("a=b; c=d"));
        assert_eq!(cut(&[b"\xe2\x80\x80__Host-prokura_sid=x; a=b"]).as_deref(), Some("a=b"));
        assert_eq!(cut(&[b"__HOST-PROKURA_sid=x;PROKURA_y=z"]), None);
    }

    #[test]
    fn s60_an_upstream_cannot_set_our_cookies() {
        let mut headers = HeaderMap::new();
        for value in ["a=b; Path=/", "__Host-prokura_sid=x; Path=/", "prokura_demo=1", "c=prokura_"] {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(value));
        }
        drop_set_cookies(&mut headers);
        let kept: Vec<&[u8]> = headers.get_all(header::SET_COOKIE).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(kept, [&b"a=b; Path=/"[..], b"c=prokura_"]);
    }
}
