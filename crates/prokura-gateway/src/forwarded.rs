//! What an upstream is told about the connection a request came over (S-55): rebuilt here, or continued when a trusted
//! proxy in front has begun it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::IpAddr;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Writes `X-Forwarded-For`, `-Host` and `-Proto`. What stands there already comes from a trusted peer.
pub(crate) fn rebuild(headers: &mut HeaderMap, peer: Option<IpAddr>, host: &str) {
    if let Some(peer) = peer {
        let mut chain = String::with_capacity(48);
        for before in headers.get_all(&FOR) {
            if let Ok(before) = before.to_str() {
                chain.push_str(before);
                chain.push_str(", ");
            }
        }
        chain.push_str(&peer.to_canonical().to_string());
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(chain)) {
            headers.insert(FOR, value);
        }
    }
    if !headers.contains_key(&HOST)
        && let Ok(host) = HeaderValue::from_str(host)
    {
        headers.insert(HOST, host);
    }
    headers.entry(&PROTO).or_insert(HeaderValue::from_static("http"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s55_the_chain_ends_with_the_real_peer() {
        let mut headers = HeaderMap::new();
        rebuild(&mut headers, Some("192.0.2.1".parse().unwrap()), "shop.example");
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert_eq!(headers["x-forwarded-host"], "shop.example");
        assert_eq!(headers["x-forwarded-proto"], "http");
        headers.insert(PROTO, HeaderValue::from_static("https"));
        rebuild(&mut headers, Some("::ffff:10.0.0.1".parse().unwrap()), "other");
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1, 10.0.0.1");
        assert_eq!(headers["x-forwarded-host"], "shop.example");
        assert_eq!(headers["x-forwarded-proto"], "https");
    }
}
