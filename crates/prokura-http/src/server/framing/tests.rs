//! Framing as a table: what passes, what is refused, and that the cut of the bytes into reads changes nothing.

use super::*;

/// Feeds `raw` whole and then byte by byte; both must end alike. Says whether it was refused.
fn is_refused(raw: &[u8]) -> bool {
    let mut whole = Framing::http1();
    let mut bytewise = Framing::http1();
    let step = whole.advance(raw);
    for byte in raw {
        if bytewise.is_refused() {
            break;
        }
        bytewise.advance(std::slice::from_ref(byte));
    }
    assert_eq!(whole.is_refused(), bytewise.is_refused(), "{:?}", String::from_utf8_lossy(raw));
    assert_eq!(matches!(step, Step::Refuse(_)), whole.is_refused());
    whole.is_refused()
}

#[test]
fn s53_ambiguous_framing_is_refused() {
    for raw in REFUSED {
        assert!(is_refused(raw.as_bytes()), "{raw:?}");
    }
}

#[test]
fn ordinary_requests_pass_and_end_where_they_end() {
    for raw in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET http://A.example:81/x HTTP/1.1\r\nhost: a.example:81\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\n\r\nab\ncd",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n5;x=y\r\nab\0\r\n\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n",
    ] {
        let twice = format!("{raw}{raw}");
        assert!(!is_refused(twice.as_bytes()), "{raw:?}");
        let mut framing = Framing::http1();
        framing.advance(twice.as_bytes());
        assert_eq!(framing.phase(), Phase::Idle, "{raw:?}");
    }
}

#[test]
fn s59_bytes_behind_an_upgrade_are_held_until_it_is_answered() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
    let mut raw = head.to_vec();
    raw.extend_from_slice(b"GET /forged HTTP/1.1\r\nno colon\r\n\r\n");
    let mut framing = Framing::http1();
    assert_eq!(framing.advance(&raw), Step::Hold(head.len()));
    assert!(framing.is_held());
    framing.resume();
    assert!(matches!(framing.advance(&raw[head.len()..]), Step::Refuse(_)));

    let mut framing = Framing::http1();
    framing.advance(&raw);
    framing.switch_protocol();
    assert_eq!(framing.advance(&raw[head.len()..]), Step::All);
}

#[test]
fn a_violation_names_the_byte_that_completes_it() {
    let mut framing = Framing::http1();
    let raw = b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n";
    let bad = raw.iter().position(|b| *b == b'a').unwrap() + 1;
    assert_eq!(framing.advance(raw), Step::Refuse(bad));
    assert_eq!(framing.advance(b"more"), Step::Refuse(0));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_disagree_with_itself(bytes in "(?s-u:[ -~\r\n\0:]{0,200})") {
        is_refused(bytes.as_bytes());
    }
}

/// Raw requests of which each must be refused.
pub(in crate::server) const REFUSED: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n",
    "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nabcde\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdeX\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: v\n\r\n",
];
