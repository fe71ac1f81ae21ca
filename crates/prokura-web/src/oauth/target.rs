//! The resources a request names (RFC 8707 section 2): the one parameter that may come more than once.

use prokura_http::Params;

/// The parameters that name them; the second is that of token exchange (RFC 8693 section 2.1).
pub(super) const NAMES: [&str; 2] = ["resource", "audience"];

/// What is named by `names`, none twice. The issuer stands for everything, as without a word, so it stands alone; `None` when
/// it does not.
pub(super) fn resources(params: &Params, names: &[&str], issuer: &str) -> Option<Vec<String>> {
    let mut wanted: Vec<String> = Vec::new();
    for value in names.iter().flat_map(|name| params.all(name)) {
        if !wanted.iter().any(|known| known == value) {
            wanted.push(value.to_owned());
        }
    }
    match wanted.iter().position(|resource| resource == issuer) {
        None => Some(wanted),
        Some(_) if wanted.len() == 1 => Some(Vec::new()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_stands_for_everything_and_alone() {
        for (form, expected) in [
            ("", Some("")),
            ("resource=&audience=", Some("")),
            ("resource=urn:a", Some("urn:a")),
            ("resource=urn:a&audience=urn:b&resource=urn:a", Some("urn:a urn:b")),
            ("resource=https://i&audience=https://i", Some("")),
            ("resource=https://i&resource=urn:a", None),
        ] {
            let found = resources(&Params::parse(form), &NAMES, "https://i");
            assert_eq!(found.map(|found| found.join(" ")).as_deref(), expected, "{form}");
        }
    }
}
