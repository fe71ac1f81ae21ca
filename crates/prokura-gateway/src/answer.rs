//! What is taken off an upstream's answer before the client gets it.

use crate::{cookies::drop_set_cookies, strip::is_hop_by_hop};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Removes hop-by-hop fields, and cookies under our names; adds what no upstream should have to remember.
pub(crate) fn clean(headers: &mut HeaderMap) {
    let mut doomed: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        for option in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            doomed.extend(HeaderName::from_bytes(option));
        }
    }
    // `Content-Length` of an answer stays: to HEAD it says what GET would give.
    let is_doomed = |name: &&HeaderName| is_hop_by_hop(name) && **name != header::CONTENT_LENGTH;
    doomed.extend(headers.keys().filter(is_doomed).cloned());
    for name in doomed {
        headers.remove(name);
    }
    drop_set_cookies(headers);
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s52_hop_by_hop_fields_of_an_answer_stop_here() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "x-private, keep-alive"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authenticate", "Basic"),
            ("content-type", "text/plain"),
            ("content-length", "7"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        clean(&mut headers);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "content-type", "x-content-type-options"]);
    }
}
