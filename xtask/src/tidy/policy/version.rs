//! Versions, as far as a floor needs them: three numbers, and a pre-release counts as older than its release.

/// A version that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    numbers: [u64; 3],
    is_release: bool,
}

impl Version {
    /// Reads `1.2.3`, `1.2.3-beta.1` and `1.2.3+build`; none for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.split('+').next()?;
        let (numbers, is_release) = text.split_once('-').map_or((text, true), |(numbers, _)| (numbers, false));
        let numbers: Vec<u64> = numbers.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        Some(Self { numbers: numbers.try_into().ok()?, is_release })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_and_a_pre_release_comes_before_its_release() {
        let ascending = ["0.4.9", "0.4.15", "0.4.16-beta.2", "0.4.16+meta", "0.10.0", "1.0.0"];
        let versions = ascending.map(|text| Version::parse(text).unwrap());
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    }

    #[test]
    fn what_is_no_version_is_not_read() {
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "=1.2.3", "-1.2.3"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
