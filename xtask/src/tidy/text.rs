//! Rules for every text file: nothing that is true on one machine only, and no address of a package registry, since those
//! differ from place to place and belong to the configuration of the package tools.

use super::Finding;

/// Ways one machine's folders get into a file. Put together from pieces, so that this file keeps its own rule.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("../sha", "red")];

/// Hosts of package registries, and of the archives behind them.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("deb.debian", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("maven", ".org"),
    concat!("maven.apache", ".org"),
];

/// Cargo writes where each package came from; nobody can leave that out.
const WRITTEN_BY_CARGO: &str = "Cargo.lock";

/// Checks one file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for needle in MACHINE_PATHS.iter().filter(|needle| starts_a_path(line, needle)) {
            findings.push(Finding::at(path, number, format!("`{needle}` is a path of one machine")));
        }
        if path != WRITTEN_BY_CARGO {
            for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
                findings.push(Finding::at(path, number, format!("`{host}` is the host of a package registry")));
            }
        }
    }
    findings
}

/// Whether the needle begins a path, and is not the middle of a longer one.
fn starts_a_path(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '$' | ')' | '~'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(path, text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let bad = concat!("fine\ncd /wo", "rk/main && cat ../sha", "red/notes\nHOME=/ro", "ot/x");
        let found = messages("docs/a.md", bad);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().any(|finding| finding.starts_with("docs/a.md:3: ")));
    }

    #[test]
    fn longer_paths_that_contain_them_are_not() {
        assert_eq!(
            messages("a.rs", concat!("https://example.com/wo", "rk/x, $root/wo", "rk/, ./ro", "ot/")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn registry_hosts_are_found_except_where_cargo_writes_them() {
        let bad = concat!("index = \"https://index.crates", ".io\"");
        assert_eq!(messages("README.md", bad).len(), 1);
        assert_eq!(messages("Cargo.lock", bad).len(), 0);
    }
}
