//! The policy on small made-up trees, and the floors of S-138 on the real `deny.toml`.

use super::*;
use serde_json::{Value, json};

const POLICY: &str = r#"
[licenses]
allow = ["MIT"]
[bans]
deny = [
    { crate = "ring", reason = "one TLS provider" },
    { crate = "h2:<0.4.16", reason = "S-138" },
    { crate = "http", deny-multiple-versions = true, reason = "one http" },
]
"#;

fn metadata(packages: &Value) -> Metadata {
    let members: Vec<&Value> = packages.as_array().unwrap().iter().map(|package| &package["id"]).take(1).collect();
    serde_json::from_value(json!({ "packages": packages, "workspace_members": members, "target_directory": "target" }))
        .unwrap()
}

/// Our one crate and one of somebody else, with one field of the latter set.
fn with(field: &str, value: &Value) -> Metadata {
    let mut packages = json!([
        { "id": "ours", "name": "prokura-jose", "version": "0.1.0", "license": "MIT", "source": null, "dependencies": [] },
        { "id": "other", "name": "http", "version": "1.0.0", "license": "MIT", "source": "registry+index", "dependencies": [] },
    ]);
    packages[1][field] = value.clone();
    metadata(&packages)
}

fn compiled(name: &str, version: &str) -> Compiled {
    Compiled { name: name.into(), version: version.into(), way: vec!["prokura".into(), name.into()] }
}

fn policy() -> Policy {
    toml::from_str(POLICY).unwrap()
}

fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_tree_has_no_findings() {
    let good = vec![compiled("http", "1.0.0"), compiled("h2", "0.4.16")];
    let packages = Packages { metadata: with("license", &json!("MIT")), compiled: good, shipped: Vec::new() };
    assert_eq!(check(&packages, &policy()), []);
}

#[test]
fn a_banned_package_is_found_with_the_way_it_came() {
    let findings = bans(&[compiled("http", "1.0.0"), compiled("ring", "0.17.14")], &policy().bans);
    assert_eq!(shown(&findings), ["ring 0.17.14: banned: one TLS provider; it came by prokura -> ring"]);
}

#[test]
fn s138_a_package_below_its_floor_is_found() {
    for (version, found) in
        [("0.4.15", 1), ("0.3.99", 1), ("0.4.16-rc.1", 1), ("new", 1), ("0.4.16", 0), ("0.4.17", 0), ("1.0.0", 0)]
    {
        assert_eq!(bans(&[compiled("h2", version)], &policy().bans).len(), found, "{version}");
    }
}

#[test]
fn a_second_version_of_a_crate_that_must_be_one_is_found() {
    let once = [compiled("http", "1.0.0"), compiled("rand", "0.9.0"), compiled("rand", "0.10.0")];
    assert_eq!(doubles(&once, &policy().bans), []);
    let twice = [compiled("http", "0.2.0"), compiled("http", "1.0.0")];
    assert_eq!(
        shown(&doubles(&twice, &policy().bans)),
        ["http: is there more than once ({\"0.2.0\", \"1.0.0\"}): one http"]
    );
}

#[test]
fn s45_rsa_is_not_named_by_a_crate_of_ours() {
    let uses = |dependencies: Value| {
        let mut packages = json!([
            { "id": "ours", "name": "prokura-jose", "version": "0.1.0", "license": "MIT", "source": null },
            { "id": "other", "name": "openidconnect", "version": "1.0.0", "license": "MIT", "source": "registry+index" },
        ]);
        packages[0]["dependencies"] = dependencies;
        packages[1]["dependencies"] = json!([{ "name": "rsa", "kind": null }]);
        shown(&not_by_us(&metadata(&packages)))
    };
    assert_eq!(uses(json!([{ "name": "aws-lc-rs", "kind": null }])), Vec::<String>::new());
    let found = uses(json!([{ "name": "rsa", "kind": "dev" }]));
    assert_eq!(found, ["prokura-jose: may not use rsa: our RSA signing goes through aws-lc-rs (S-45)"]);
}

#[test]
fn a_license_that_is_not_allowed_or_missing_is_found() {
    for (license, found) in [(json!("MIT"), 0), (json!("GPL-3.0-only"), 1), (json!(null), 1), (json!("MIT AND"), 1)] {
        assert_eq!(licenses(&with("license", &license), &policy().licenses).len(), found, "{license}");
    }
}

#[test]
fn a_package_from_elsewhere_is_found() {
    for (source, found) in [(json!("registry+index"), 0), (json!("git+https://example.com/http"), 1), (json!(null), 1)]
    {
        assert_eq!(sources(&with("source", &source)).len(), found, "{source}");
    }
}

#[test]
fn a_ban_that_would_be_misread_is_an_error() {
    for package in ["h2:>=0.4", "h2@0.4.1", "h2:<0.4"] {
        let text = POLICY.replace("h2:<0.4.16", package);
        assert!(toml::from_str::<Policy>(&text).is_err(), "{package}");
    }
}

#[test]
fn s138_deny_toml_has_the_floors() {
    let policy = Policy::load(&crate::process::root()).unwrap();
    for (name, too_old, new_enough) in [
        ("h2", "0.4.15", "0.4.16"),
        ("rustls-webpki", "0.103.12", "0.103.13"),
        ("tokio-postgres", "0.7.17", "0.7.18"),
        ("quick-xml", "0.40.9", "0.41.0"),
        ("time", "0.3.46", "0.3.47"),
    ] {
        let is_forbidden = |version: &str| policy.bans.deny.iter().any(|ban| ban.forbids(&compiled(name, version)));
        assert!(is_forbidden(too_old) && !is_forbidden(new_enough), "{name}");
    }
}
