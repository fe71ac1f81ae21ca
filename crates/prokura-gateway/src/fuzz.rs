//! What strangers put into paths, queries, cookies and header names (S-133): read in one way, or refused.

use crate::{
    cookies::cut_cookies,
    path::{PathOddities, normalize, strip_query},
    strip::{Folds, Stripper, fold},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;
use prokura_fuzz::{examples, near};
use proptest::prelude::*;

const PATHS: &str = include_str!("fuzz/paths.txt");
const QUERIES: &str = include_str!("fuzz/queries.txt");
const COOKIES: &str = include_str!("fuzz/cookies.txt");
const NAMES: &str = include_str!("fuzz/header_names.txt");

/// What no upstream may hear from a stranger.
const STRIPPED: &[&str] = &["vendure-token", "siteid"];
const PROTECTED: &[&str] = &["legalentityid", "xprokuratenant", "xprokuracustomer", "prokuraanything"];

fn check_path(path: &str) {
    let Ok((normal, oddities)) = normalize(path) else { return };
    let again = normalize(&normal).expect("a normal path is normal");
    assert_eq!((&again.0, again.1), (&normal, oddities), "{path:?}");
    if oddities.is_subset(PathOddities::default()) {
        // An upstream may decode first, cut parameters off, or take a backslash for a slash.
        let decoded = percent_decode_str(&normal).decode_utf8_lossy().replace('\\', "/");
        for segment in decoded.split('/') {
            let name = segment.split(';').next().unwrap_or_default();
            assert!(!matches!(name, "." | ".."), "{path:?} climbs");
        }
    }
}

fn check_query(query: &str) {
    let names: Vec<Box<str>> = STRIPPED.iter().map(|name| Box::from(*name)).collect();
    let kept = strip_query(query, &names);
    assert_eq!(strip_query(&kept, &names), kept, "{query:?}");
    for parameter in kept.split(['&', ';']) {
        let name = parameter.split('=').next().unwrap_or_default().replace('+', " ");
        let name = percent_decode_str(&name).decode_utf8_lossy().to_ascii_lowercase();
        assert!(!STRIPPED.contains(&name.trim()), "{query:?} keeps {parameter:?}");
    }
}

fn check_cookies(text: &str) {
    let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else { return };
    let mut headers = HeaderMap::from_iter([(header::COOKIE, value)]);
    headers.append(header::COOKIE, HeaderValue::from_static("shop=1"));
    cut_cookies(&mut headers);
    let kept = headers.get(header::COOKIE).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    let kept = String::from_utf8_lossy(&kept).to_ascii_lowercase();
    let mut names = kept.split(';').map(|pair| pair.split('=').next().unwrap_or_default().trim());
    assert!(
        !names.any(|name| name.contains("__host-prokura") || name.contains("__secure-prokura")),
        "{text:?} keeps {kept:?}"
    );
    assert!(kept.ends_with("shop=1"), "{text:?} takes others along: {kept:?}");
}

fn check_name(text: &str) {
    let folded = fold(text);
    assert_eq!(fold(&folded), folded, "{text:?}");
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else { return };
    let stripper = Stripper::new(["legalEntityId"], Vec::new());
    let is_ours = PROTECTED.contains(&folded.as_str()) || folded.starts_with("xprokura");
    let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("forged"))]);
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    stripper.strip(&mut headers, &Folds::default(), false);
    assert!(!(is_ours && headers.contains_key(&name)), "{text:?} passes");
    assert_eq!(
        stripper.is_protected(&name),
        stripper.is_protected(&HeaderName::from_bytes(folded.as_bytes()).unwrap_or(name))
    );
    assert!(headers.contains_key(header::ACCEPT), "{text:?} takes others along");
}

#[test]
fn s133_the_corpus_is_read_in_one_way() {
    for text in examples(PATHS) {
        check_path(&text);
    }
    for text in examples(QUERIES) {
        check_query(&text);
    }
    for text in examples(COOKIES) {
        check_cookies(&text);
    }
    for text in examples(NAMES) {
        check_name(&text);
    }
}

proptest! {
    #[test]
    fn s133_a_path_has_one_reading_or_none(path in near(PATHS)) {
        check_path(&path);
    }

    #[test]
    fn s133_a_stripped_parameter_is_gone_in_every_spelling(query in near(QUERIES)) {
        check_query(&query);
    }

    #[test]
    fn s133_our_cookies_stop_here_in_every_spelling(cookies in near(COOKIES)) {
        check_cookies(&cookies);
    }

    #[test]
    fn s133_a_protected_header_is_gone_in_every_spelling(name in near(NAMES)) {
        check_name(&name);
    }
}
