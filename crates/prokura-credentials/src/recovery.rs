//! Recovery codes: what somebody types in when the app is gone. Long enough that no list of their hashes can be tried
//! out, short enough to be written on paper.

/// How many random bytes a code is made of; sixty bits of them end up in it.
const BYTES: usize = 8;
const LETTERS: usize = 12;
/// Crockford's base 32: no letter looks like another one.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A code as it is compared: twelve letters of the alphabet.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// How many random bytes [`RecoveryCode::of_random`] wants.
    pub const RANDOM_BYTES: usize = BYTES;

    /// A code of random bytes.
    pub fn of_random(random: [u8; BYTES]) -> Self {
        let number = u64::from_be_bytes(random);
        let letter = |at: usize| {
            let index = usize::try_from((number >> (at * 5)) & 31).unwrap_or_default();
            ALPHABET.get(index).map_or('0', |b| char::from(*b))
        };
        Self((0..LETTERS).map(letter).collect())
    }

    /// What somebody typed; `None` when it cannot be a code. Case, blanks and dashes do not matter, and letters that
    /// look like digits count as those.
    pub fn typed(text: &str) -> Option<Self> {
        let plain = |c: char| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        let code: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).map(plain).take(LETTERS + 1).collect();
        let is_code = code.len() == LETTERS && code.bytes().all(|b| ALPHABET.contains(&b));
        is_code.then_some(Self(code))
    }

    /// What is hashed.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// In groups of four, as it is shown once.
    pub fn shown(&self) -> String {
        let letters: Vec<char> = self.0.chars().collect();
        letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = RecoveryCode::of_random(0x0fed_cba9_8765_4321_u64.to_be_bytes());
        assert_eq!(code.shown().len(), 14);
        for typed in
            [code.shown(), code.shown().to_uppercase(), code.expose().replace('0', "O"), format!(" {} ", code.shown())]
        {
            assert!(RecoveryCode::typed(&typed) == Some(code.clone()), "{typed}");
        }
        for wrong in ["", "123456", "aaaa-aaaa-aaa", "aaaa-aaaa-aaaaa", "uuuu-uuuu-uuuu", "äaaa-aaaa-aaaa"] {
            assert!(RecoveryCode::typed(wrong).is_none(), "{wrong}");
        }
    }
}
