//! What strangers put into forms, bodies, queries and addresses of this dialect (S-133).

use crate::{
    params::read_json,
    query::{Fields, Filter},
};
use prokura_fuzz::{examples, near};
use prokura_http::Params;
use proptest::prelude::*;
use serde_json::{Value, json};

const FORMS: &str = include_str!("fuzz/forms.txt");
const FILTERS: &str = include_str!("fuzz/filters.txt");
const BODIES: &str = include_str!("fuzz/bodies.txt");

const FIELDS: Fields =
    Fields::new(&["id", "name.*", "active", "amount", "tags", "mixins.*", "legalEntityId=legalEntity.id"], 60);

fn check_form(text: &str) {
    let params = Params::parse(text);
    for name in ["refresh_token", "client_id", "grant_type"] {
        // Each pair by itself says whether it is this parameter.
        let is_there = |pair: &&str| {
            Params::parse(pair).one("x").is_ok() && Params::parse(&format!("{pair}&{name}=1")).one(name).is_err()
        };
        let count = text.split('&').filter(is_there).count();
        assert_eq!(params.one(name).is_err(), count > 1, "{text:?}: {name} comes {count} times");
    }
    let _ = params.refuse_repeated();
    let _ = params.flag("refreshable");
}

fn check_filter(q: &str) {
    let item =
        json!({ "id": "1", "name": { "en": "a \"b\"" }, "active": true, "amount": 2.5, "tags": ["x"], "mixins": {} });
    let Ok(filter) = Filter::parse(q, &FIELDS) else { return };
    let _ = filter.matches(&item);
    if filter.is_empty() {
        assert!(filter.matches(&item), "{q:?} narrows nothing");
    }
    // The database is asked for what must be equal, so nothing else may pass.
    if let Some(id) = filter.equals("id") {
        assert!(!filter.matches(&json!({ "id": format!("{id}x"), "name": item["name"] })), "{q:?}");
    }
}

fn check_body(text: &str) {
    match (read_json::<Value>(text.as_bytes()), serde_json::from_str::<Value>(text)) {
        (Ok(read), Ok(expected)) => assert_eq!(read, expected),
        (Err(bad), Err(_)) => assert!(!format!("{bad:?}").contains("hunter2"), "{bad:?} repeats a value"),
        (read, expected) => panic!("{text:?}: {read:?}, {expected:?}"),
    }
}

#[test]
fn s133_the_corpus_is_read_or_refused() {
    for text in examples(FORMS) {
        check_form(&text);
    }
    for text in examples(FILTERS) {
        check_filter(&text);
    }
    for text in examples(BODIES) {
        check_body(&text);
    }
    check_body(&"[".repeat(100_000));
    check_filter(&"id:(".repeat(20_000));
}

proptest! {
    #[test]
    fn s133_a_parameter_that_comes_twice_is_seen(text in near(FORMS)) {
        check_form(&text);
    }

    #[test]
    fn s133_a_query_is_read_or_refused(text in near(FILTERS)) {
        check_filter(&text);
    }

    #[test]
    fn s133_a_body_is_read_or_refused_without_repeating_it(text in near(BODIES)) {
        check_body(&text);
    }
}
