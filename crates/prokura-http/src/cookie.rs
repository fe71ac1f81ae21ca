//! Cookies are read byte for byte; one that comes twice counts as none (S-92).

use http::{HeaderMap, header};

/// The value of a cookie; `None` when it is absent, comes twice, or is no plain token.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = None;
    for value in headers.get_all(header::COOKIE) {
        let mut rest = value.as_bytes();
        while !rest.is_empty() {
            let end = rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
            let (pair, after) = rest.split_at(end);
            rest = after.strip_prefix(b"; ").or_else(|| after.strip_prefix(b";")).unwrap_or_default();
            let Some(text) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) else {
                continue;
            };
            if found.is_some() {
                return None;
            }
            found = Some(text);
        }
    }
    let is_plain =
        |text: &&[u8]| !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    found.filter(is_plain).and_then(|text| std::str::from_utf8(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).expect("a header"));
        }
        headers
    }

    #[test]
    fn s92_a_cookie_is_read_byte_for_byte() {
        let lines: [(&[&[u8]], Option<&str>); 8] = [
            (&[b"a=1; sid=x_y-1; b=2"], Some("x_y-1")),
            (&[b"sid=x;sid2=y"], Some("x")),
            (&[b"sid=x; sid=x"], None),
            (&[b"sid=x", b"sid=y"], None),
            (&[b"\xe2\x80\x80sid=x"], None),
            (&[b"$Version=1; sid=\"x\""], None),
            (&[b"SID=x"], None),
            (&[b"a=sid=x"], None),
        ];
        for (lines, expected) in lines {
            assert_eq!(cookie(&headers(lines), "sid"), expected, "{lines:?}");
        }
    }
}
