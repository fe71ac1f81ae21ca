//! What strangers put into `Authorization`, and operators into ranges of addresses (S-133).

use crate::{IpPrefix, bearer_token};
use http::{HeaderMap, HeaderValue, header};
use prokura_fuzz::{examples, near};
use proptest::prelude::*;

const BEARERS: &str = include_str!("fuzz/bearers.txt");
const PREFIXES: &str = include_str!("fuzz/prefixes.txt");

fn check_bearer(text: &str) {
    let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else { return };
    let mut headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.clone())]);
    if let Ok(token) = bearer_token(&headers) {
        assert!(!token.is_empty() && !token.contains(' '), "{text:?} -> {token:?}");
        assert!(text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer ")), "{text:?}");
        assert!(text.ends_with(token) || text.trim_end().ends_with(token), "{text:?} -> {token:?}");
    }
    headers.append(header::AUTHORIZATION, value);
    assert!(bearer_token(&headers).is_err(), "twice is never a token");
}

fn check_prefix(text: &str) {
    let Ok(prefix) = text.parse::<IpPrefix>() else { return };
    let address = text.split('/').next().and_then(|address| address.parse().ok()).expect("it was read");
    assert!(prefix.contains(address), "{text:?} holds what it names");
}

#[test]
fn s133_the_corpus_is_read_or_refused() {
    for text in examples(BEARERS) {
        check_bearer(&text);
    }
    for text in examples(PREFIXES) {
        check_prefix(&text);
    }
}

proptest! {
    #[test]
    fn s133_a_bearer_token_is_one_word_behind_its_scheme(text in near(BEARERS)) {
        check_bearer(&text);
    }

    #[test]
    fn s133_a_range_of_addresses_holds_what_it_names(text in near(PREFIXES)) {
        check_prefix(&text);
    }
}
