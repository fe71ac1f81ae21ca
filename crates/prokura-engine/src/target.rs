//! The resources a token is for (RFC 8707): none for everything of the tenant, else only what the client registered, and
//! never more than was granted before.

use crate::Refusal;
use prokura_jose::{Audience, MAX_AUDIENCES};

/// The most bytes the resources of one token have together: a token has to fit a header field.
const MAX_BYTES: usize = 2_500;

/// What is granted of `wanted` to who was granted `granted`: nothing grows again (RFC 8707 section 2.2).
pub(crate) fn narrower(granted: &[String], wanted: &[String]) -> Result<Vec<String>, Refusal> {
    if wanted.is_empty() {
        return Ok(granted.to_vec());
    }
    if granted.is_empty() || wanted.iter().all(|resource| granted.contains(resource)) {
        return Ok(wanted.to_vec());
    }
    Err(Refusal::WrongTarget)
}

/// The audience of a token for `wanted`, all of which must be `registered`.
pub(crate) fn audience(wanted: &[String], registered: &[String]) -> Result<Audience, Refusal> {
    let are_known = wanted.iter().all(|resource| registered.contains(resource));
    let is_short = wanted.len() <= MAX_AUDIENCES && wanted.iter().map(String::len).sum::<usize>() <= MAX_BYTES;
    Audience::of(wanted).filter(|_| are_known && is_short).ok_or(Refusal::WrongTarget)
}

/// The resources of a token, of the tenant whose issuer this is; none for everything of it.
pub(crate) fn resources_of(audience: &Audience, issuer: &str) -> Vec<String> {
    if audience.is_only(issuer) { Vec::new() } else { audience.names().map(str::to_owned).collect() }
}

/// How resources are kept: no URI has a blank in it.
pub(crate) fn kept(resources: &[String]) -> Option<String> {
    (!resources.is_empty()).then(|| resources.join(" "))
}

/// Reads what was kept.
pub(crate) fn read(kept: Option<&str>) -> Vec<String> {
    kept.unwrap_or_default().split(' ').filter(|resource| !resource.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &str) -> Vec<String> {
        read(Some(words))
    }

    #[test]
    fn s32_what_is_granted_never_grows() {
        for (granted, wanted, expected) in [
            ("", "", Some("")),
            ("", "a b", Some("a b")),
            ("a b", "", Some("a b")),
            ("a b", "b", Some("b")),
            ("a b", "b a", Some("b a")),
            ("a", "a b", None),
            ("a b", "c", None),
        ] {
            assert_eq!(narrower(&list(granted), &list(wanted)).ok(), expected.map(list), "{granted:?} {wanted:?}");
        }
    }

    #[test]
    fn s32_a_token_is_for_registered_resources_alone() {
        let registered = list("a b c");
        assert!(audience(&list("a c"), &registered).unwrap().contains("c"));
        for wrong in ["a d", "", "a a"] {
            assert_eq!(audience(&list(wrong), &registered), Err(Refusal::WrongTarget), "{wrong:?}");
        }
        let long: Vec<_> = (0..3).map(|at| format!("{at}{}", "x".repeat(1_000))).collect();
        assert_eq!(audience(&long, &long), Err(Refusal::WrongTarget), "it would fit no header");
        assert!(audience(&long[1..], &long).is_ok());
        let many: Vec<_> = (0..9).map(|at| at.to_string()).collect();
        assert_eq!(audience(&many, &many), Err(Refusal::WrongTarget));
    }

    #[test]
    fn what_is_kept_is_read_again() {
        for words in ["", "a", "a b"] {
            assert_eq!(read(kept(&list(words)).as_deref()), list(words));
        }
        assert_eq!((kept(&[]), read(None)), (None, Vec::new()));
    }
}
