//! The grammar by cases, and what no text may do to it.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const FIELDS: Fields = Fields::new(
    &[
        "id",
        "name",
        "name.*",
        "active",
        "amount",
        "tags",
        "nothing",
        "metadata.modifiedAt",
        "mixins.*",
        "legalEntity.id",
        "legalEntityId=legalEntity.id",
        "addresses.city",
    ],
    60,
);

fn item() -> Value {
    json!({
        "id": "13869000",
        "name": { "en": "Drill two", "de": "Bohrer" },
        "active": true,
        "amount": 12.5,
        "tags": ["RED", "green"],
        "nothing": null,
        "metadata": { "modifiedAt": "2026-08-21T10:00:00.000Z" },
        "mixins": { "erp": { "number": 7, "note": "a \"b\" \\ c" } },
        "legalEntity": { "id": "le-1" },
        "addresses": [{ "city": "Berlin" }, { "city": "Bern" }],
    })
}

#[test]
fn each_clause_finds_what_it_says() {
    for (q, expected) in [
        ("", true),
        ("   ", true),
        ("id:13869000", true),
        ("id:\"13869000\"", true),
        ("id:1386900", false),
        ("id:~8690", true),
        ("name.en:\"Drill two\"", true),
        ("name.en:Drill", false),
        ("name.en:~drill", true),
        ("name.de:~\"ohr\"", true),
        ("name.fr:missing", true),
        ("name.en:missing", false),
        ("name:exists", true),
        ("name:x", false),
        ("active:true", true),
        ("active:false", false),
        ("amount:12.5", true),
        ("amount:12.50", true),
        ("amount:>12", true),
        ("amount:>12.5", false),
        ("amount:>=12.5", true),
        ("amount:<9", false),
        ("amount:<=100", true),
        ("amount:(>=12 AND <=13)", true),
        ("amount:( >= 12 AND < 12.5 )", false),
        ("amount:(>=12)", true),
        ("amount:ten", false),
        ("amount:(1,12.5)", true),
        ("tags:RED", true),
        ("tags:green", true),
        ("tags:red", false),
        ("tags:(blue, \"RED\")", true),
        ("tags:(blue,\"dark red\")", false),
        ("nothing:null", true),
        ("nothing:exists", true),
        ("nothing:missing", false),
        ("mixins.a.b:null", true),
        ("mixins.a.b:missing", true),
        ("mixins.a.b:exists", false),
        ("mixins.erp.number:7", true),
        ("mixins.erp.note:\"a \\\"b\\\" \\\\ c\"", true),
        ("id:null", false),
        ("id:\"null\"", false),
        ("metadata.modifiedAt:>2026-08-21", true),
        ("metadata.modifiedAt:<2026-08-21T12:00:00+02:00", false),
        ("metadata.modifiedAt:<=2026-08-21T12:00:00+02:00", true),
        ("metadata.modifiedAt:(>=2026-08-01 AND <2026-09-01T00:00:00Z)", true),
        ("metadata.modifiedAt:2026-08-21T10:00:00.000Z", true),
        ("legalEntity.id:le-1", true),
        ("legalEntityId:le-1", true),
        ("addresses.city:Bern", true),
        ("addresses.city:Bonn", false),
        ("addresses.city:~BERL", true),
        ("id:13869000 active:true", true),
        ("id:13869000   active:false", false),
        ("tags:RED tags:green", true),
    ] {
        assert_eq!(Filter::parse(q, &FIELDS).expect(q).matches(&item()), expected, "{q}");
    }
}

#[test]
fn bad_queries_say_what_would_be_right() {
    for q in [
        "id",
        "id:",
        ":x",
        "unknown:x",
        "mixins:x",
        "mixins.:x",
        "name..en",
        "id:\"open",
        "id:\"a\"b",
        "id:a\"b",
        "id:\"a\\n\"",
        "id:(",
        "id:()",
        "id:(a",
        "id:(a,)",
        "id:(a b)",
        "id:(>=a <=b)",
        "id:(>=a AND b)",
        "id:(a,>=b)",
        "id:(>=1 AND <=2 AND <3)",
        "id:>",
        "id:~",
        "id:1 AND active:true",
        "id:1; --",
        "legalEntity:x",
    ] {
        let fault = Filter::parse(q, &FIELDS).expect_err(q);
        assert_eq!(fault.parameter, "q");
        assert!(!fault.message.is_empty());
    }
    assert!(Filter::parse(&"x".repeat(5_000), &FIELDS).is_err());
    assert!(Filter::parse(&"id:1 ".repeat(51), &FIELDS).is_err());
    assert!(Filter::parse(&format!("id:({})", ["1"; 501].join(",")), &FIELDS).is_err());
}

#[test]
fn equality_can_be_pushed_down() {
    let filter = Filter::parse("legalEntityId:le-1 amount:>3", &FIELDS).expect("filter");
    assert_eq!(filter.equals("legalEntity.id"), Some("le-1"));
    assert_eq!(filter.equals("amount"), None);
    assert_eq!(Filter::parse("id:(a,b) id:~c id:null", &FIELDS).expect("filter").equals("id"), None);
}

/// A value as a client quotes it.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn reading_never_panics(q in "\\PC{0,80}") {
        let _ = Filter::parse(&q, &FIELDS).map(|filter| filter.matches(&item()));
    }

    #[test]
    fn reading_near_misses_never_panics(q in "(id|mixins\\.a|tags)?:?[~<>=(\"]{0,3}[a-z0-9 ,)\"\\\\]{0,10}") {
        let _ = Filter::parse(&q, &FIELDS).map(|filter| filter.matches(&item()));
    }

    #[test]
    fn whatever_is_quoted_is_found_and_nothing_else(value in "\\PC{0,40}", other in "\\PC{0,40}") {
        let filter = Filter::parse(&format!("id:{}", quoted(&value)), &FIELDS).expect("a quoted value");
        let is_found = filter.matches(&json!({ "id": &value }));
        prop_assert!(is_found);
        prop_assert_eq!(filter.equals("id"), Some(value.as_str()));
        prop_assert_eq!(filter.matches(&json!({ "id": &other })), value == other);
        let list = format!("id:({},{})", quoted(&value), quoted(&other));
        let filter = Filter::parse(&list, &FIELDS).expect("quoted values");
        let both_are_found = filter.matches(&json!({ "id": value })) && filter.matches(&json!({ "id": other }));
        prop_assert!(both_are_found);
    }

    #[test]
    fn bounds_agree_with_numbers(value in -1.0e9..1.0e9, bound in -1.0e9..1.0e9) {
        let item = json!({ "amount": value });
        for (sign, expected) in
            [(">", value > bound), (">=", value >= bound), ("<", value < bound), ("<=", value <= bound)]
        {
            let filter = Filter::parse(&format!("amount:{sign}{bound}"), &FIELDS).expect("a bound");
            prop_assert_eq!(filter.matches(&item), expected);
        }
    }
}
