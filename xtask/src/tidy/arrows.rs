//! Which of our crates may use which: arrows point down only, and no edge knows another. What lets tests seed randomness
//! or stop clocks stays out of everything that is shipped (S-137).

use super::Finding;
use super::metadata::{Kind, Metadata};

const EDGE: &[&str] = &["prokura-domain", "prokura-jose", "prokura-engine", "prokura-http"];

/// Each crate and those it may be made of. A new crate is added here together with the place it has in the picture.
const ARROWS: &[(&str, &[&str])] = &[
    ("prokura-domain", &[]),
    ("prokura-jose", &["prokura-domain"]),
    ("prokura-credentials", &[]),
    ("prokura-engine", &["prokura-credentials", "prokura-domain", "prokura-jose"]),
    ("prokura-http", &["prokura-domain", "prokura-jose", "prokura-engine"]),
    ("prokura-web", EDGE),
    ("prokura-emporix", EDGE),
    ("prokura-salesforce", EDGE),
    ("prokura-spryker", EDGE),
    ("prokura-cognito", EDGE),
    ("prokura-punchout", EDGE),
    ("prokura-federation", EDGE),
    ("prokura-gateway", &["prokura-domain", "prokura-jose"]),
    // What services of others are made with; no part of the server.
    ("prokura-tower", &["prokura-domain", "prokura-jose"]),
    ("prokura-demo", &[]),
    ("prokura-testdb", &[]),
    ("prokura-fuzz", &[]),
    ("xtask", &[]),
    // Starts servers and prepares what they stand on; never shipped.
    (
        "prokura-bench",
        &["prokura", "prokura-domain", "prokura-engine", "prokura-jose", "prokura-salesforce", "prokura-testdb"],
    ),
];

/// Uses every crate but those of the tests, and only their testkit uses it.
const BINARY: &str = "prokura";

/// Uses everything, because it starts the whole server; only tests may use it.
const TESTKIT: &str = "prokura-testkit";

/// What the tests of any crate may use besides.
const FOR_TESTS: &[&str] = &[TESTKIT, "prokura-testdb", "prokura-fuzz"];

/// What the tests of one crate may use besides: the gateway is tested behind the accept loop that runs it, and what services
/// of others are made with against tokens that the engine issues.
const FOR_TESTS_OF: &[(&str, &str)] = &[("prokura-gateway", "prokura-http"), ("prokura-tower", "prokura-engine")];

/// Checks the manifests of our crates.
pub(super) fn check(metadata: &Metadata) -> Vec<Finding> {
    let ours: Vec<&str> = metadata.members().map(|member| member.name.as_str()).collect();
    let mut findings = Vec::new();
    for member in metadata.members() {
        let from = member.name.as_str();
        if from != BINARY && from != TESTKIT && !ARROWS.iter().any(|(name, _)| *name == from) {
            findings.push(Finding::of(from, "a crate without a place: give it its row in the table of arrows"));
        }
        for dependency in member.dependencies.iter().filter(|dependency| ours.contains(&dependency.name.as_str())) {
            let to = dependency.name.as_str();
            if !(may_use(from, to) || dependency.kind == Kind::Tests && tests_may_use(from, to)) {
                findings.push(Finding::of(from, format!("may not use {to}: arrows point down only")));
            }
        }
    }
    findings
}

fn may_use(from: &str, to: &str) -> bool {
    match from {
        BINARY => !FOR_TESTS.contains(&to),
        TESTKIT => true,
        _ => ARROWS.iter().any(|(name, below)| *name == from && below.contains(&to)),
    }
}

fn tests_may_use(from: &str, to: &str) -> bool {
    FOR_TESTS.contains(&to) || FOR_TESTS_OF.contains(&(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The findings when `from` names `to` in its manifest.
    fn findings(from: &str, to: &str, kind: Option<&str>) -> Vec<Finding> {
        let package = |name: &str, dependencies: serde_json::Value| json!({ "id": name, "name": name, "version": "0.1.0", "dependencies": dependencies });
        let metadata = json!({
            "packages": [package(from, json!([{ "name": to, "kind": kind }, { "name": "serde", "kind": null }])), package(to, json!([]))],
            "workspace_members": [from, to],
            "target_directory": "target",
        });
        check(&serde_json::from_value(metadata).unwrap())
    }

    fn refused(from: &str, to: &str, kind: Option<&str>) {
        assert_eq!(findings(from, to, kind).len(), 1, "{from} -> {to} {kind:?}");
    }

    fn allowed(from: &str, to: &str, kind: Option<&str>) {
        assert_eq!(findings(from, to, kind), [], "{from} -> {to} {kind:?}");
    }

    #[test]
    fn arrows_point_down_only() {
        allowed("prokura-engine", "prokura-jose", None);
        allowed("prokura-emporix", "prokura-http", None);
        allowed("prokura", "prokura-demo", None);
        refused("prokura-domain", "prokura-jose", None);
        refused("prokura-engine", "prokura-http", None);
        refused("prokura-jose", "prokura-engine", Some("build"));
        refused("prokura-demo", "prokura-domain", None);
        allowed("prokura-testkit", "prokura", None);
        refused("prokura-web", "prokura", None);
        refused("xtask", "prokura-domain", None);
    }

    #[test]
    fn no_edge_knows_another_and_the_gateway_knows_no_engine() {
        refused("prokura-web", "prokura-emporix", None);
        refused("prokura-emporix", "prokura-web", Some("dev"));
        refused("prokura-gateway", "prokura-engine", None);
        refused("prokura-gateway", "prokura-http", None);
        allowed("prokura-gateway", "prokura-http", Some("dev"));
    }

    #[test]
    fn s137_what_is_for_tests_is_never_shipped() {
        refused("prokura", "prokura-testkit", None);
        refused("prokura-web", "prokura-testkit", None);
        refused("prokura-engine", "prokura-testdb", None);
        allowed("prokura", "prokura-testkit", Some("dev"));
        allowed("prokura-engine", "prokura-testdb", Some("dev"));
        allowed("prokura-testkit", "prokura-testdb", None);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(findings("prokura-new", "prokura-domain", None).len(), 2);
    }
}
