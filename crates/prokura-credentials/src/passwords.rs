//! Passwords nobody should choose: what everybody chooses, what names the person or the shop, and what an operator knows
//! to be leaked (NIST SP 800-63B-4 section 3.1.1). The list of common ones is compiled in as digests, four bytes each.

use aws_lc_rs::digest;
use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};
use unicode_normalization::UnicodeNormalization as _;

/// The first four bytes of the SHA-256 digest of each, sorted. Made by the example `common_passwords`.
static COMMON: &[u8] = include_bytes!("../assets/common-passwords.bin");

/// Words shorter than this are in too many passwords to mean anything.
const SHORTEST_WORD: usize = 4;
/// How many letters must be left once the words are taken out.
const LEAST_REST: usize = 8;
/// The longest line of a list of leaked passwords: forty digits and a count.
const LONGEST_LINE: u64 = 64;

/// A password in the one spelling it is hashed in (NFC), however a keyboard composed it. Nothing is cut off.
pub fn normalized(password: &str) -> String {
    password.nfc().collect()
}

/// Whether a password is one of the hundred thousand most common ones, or one of them repeated, capitals or not.
pub fn is_common(password: &str) -> bool {
    let folded = normalized(password).to_lowercase();
    let letters: Vec<char> = folded.chars().collect();
    let period = (1..=letters.len() / 2).find(|period| {
        letters.len().is_multiple_of(*period) && letters.iter().zip(letters.iter().skip(*period)).all(|(a, b)| a == b)
    });
    let is_repeated = period.is_some_and(|period| {
        let once: String = letters.iter().take(period).collect();
        period <= 2 || is_listed(&once)
    });
    is_repeated || is_listed(&folded)
}

/// The bytes a folded password has in the list.
pub fn listed_as(folded: &str) -> [u8; 4] {
    let digest = digest::digest(&digest::SHA256, folded.as_bytes());
    digest.as_ref().first_chunk::<4>().copied().unwrap_or_default()
}

fn is_listed(folded: &str) -> bool {
    let (entries, _) = COMMON.as_chunks::<4>();
    entries.binary_search(&listed_as(folded)).is_ok()
}

/// Whether little is left of a password once the words of its owner and of the shop are taken out.
pub fn is_personal(password: &str, words: &[&str]) -> bool {
    let mut rest = normalized(password).to_lowercase();
    let mut was_found = false;
    let parts = words.iter().flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
    let mut parts: Vec<String> = parts
        .map(|part| normalized(part).to_lowercase())
        .filter(|part| part.chars().count() >= SHORTEST_WORD)
        .collect();
    // The longest first, so that what one leaves does not hide another.
    parts.sort_unstable_by_key(|part| std::cmp::Reverse(part.len()));
    for part in parts {
        if rest.contains(&part) {
            was_found = true;
            rest = rest.replace(&part, "");
        }
    }
    was_found && rest.chars().filter(|c| c.is_alphabetic()).count() < LEAST_REST
}

/// A file of leaked passwords: SHA-1 digests in upper-case hexadecimal, one a line, sorted, each perhaps with a colon and a
/// count behind it. It is searched where it lies, so it may be as large as the disk.
#[derive(Clone, Debug)]
pub struct LeakedPasswords(PathBuf);

impl LeakedPasswords {
    /// The list in a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::open(path)?;
        Ok(Self(path.to_owned()))
    }

    /// Whether a password is in the list. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn contains(&self, password: &str) -> io::Result<bool> {
        let wanted = leak_digest(password);
        let mut file = File::open(&self.0)?;
        let (mut low, mut high) = (0, file.metadata()?.len());
        // `low` is where a line begins; what lies from `high` on is greater than what is wanted.
        while low < high {
            let middle = low.midpoint(high);
            let (begin, line) = line_after(&mut file, middle, low)?;
            if begin >= high {
                high = middle;
                continue;
            }
            let found = line.get(..40).unwrap_or(&line).to_ascii_uppercase();
            match found.as_str().cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = begin + line.len() as u64 + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }
}

/// How a list of leaks spells a password.
fn leak_digest(password: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, normalized(password).as_bytes());
    let mut text = String::with_capacity(40);
    for byte in digest.as_ref() {
        // A string takes everything that is written into it.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// The first line that begins at `at` or behind it, and where; `start` is a place where one begins for certain.
fn line_after(file: &mut File, at: u64, start: u64) -> io::Result<(u64, String)> {
    let from = at.max(start + 1) - 1;
    let from = if at <= start { start } else { from };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(2 * LONGEST_LINE + 1).read_to_end(&mut bytes)?;
    let skipped =
        if at <= start { 0 } else { bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |end| end + 1) };
    let rest = bytes.get(skipped..).unwrap_or_default();
    let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned();
    Ok((from + skipped as u64, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn s105_what_everybody_chooses_is_known() {
        for common in [
            "password",
            "PassWord",
            "passwordpassword",
            "123456",
            "qwertyuiop",
            "aaaaaaaaaaaaaaaaaaaa",
            "ababababababababab",
        ] {
            assert!(is_common(common), "{common}");
        }
        for rare in ["correct horse battery staple", "Zwölf Boxkämpfer jagen Viktor", "x7$Kq!vP2#mLw9@"] {
            assert!(!is_common(rare), "{rare}");
        }
        assert_eq!(COMMON.len() % 4, 0);
        assert!(COMMON.len() / 4 > 90_000, "{}", COMMON.len() / 4);
        assert!(COMMON.as_chunks::<4>().0.is_sorted());
    }

    #[test]
    fn s105_names_are_no_passwords() {
        let words = ["Alpha Shop", "prokura", "ann.lee@alpha.example"];
        for personal in ["prokura-alpha-2026", "AlphaAlpha!!!!!!!!", "alpha.example.123456"] {
            assert!(is_personal(personal, &words), "{personal}");
        }
        for fine in ["alphabet soup for breakfast", "correct horse battery", "lee lee lee lee lee"] {
            assert!(!is_personal(fine, &words), "{fine}");
        }
    }

    #[test]
    fn s105_one_password_has_one_spelling_and_keeps_every_letter() {
        assert_eq!(normalized("a\u{308}"), "\u{e4}");
        let long = "🙂".repeat(64);
        assert_eq!(normalized(&long), long);
    }

    #[test]
    fn s105_a_list_of_leaks_is_searched_where_it_lies() {
        let mut lines: Vec<String> = (0..500)
            .map(|number| {
                let hex = leak_digest(&format!("leak {number}"));
                if number % 3 == 0 { hex } else { format!("{hex}:{number}") }
            })
            .collect();
        lines.sort();
        let path = std::env::temp_dir().join(format!("prokura-leaks-{}", std::process::id()));
        for (count, ending) in [(500, "\n"), (500, ""), (1, "\n"), (2, ""), (0, "")] {
            let kept = lines.get(..count).unwrap();
            File::create(&path)
                .unwrap()
                .write_all((kept.join("\n") + if count > 0 { ending } else { "" }).as_bytes())
                .unwrap();
            let leaked = LeakedPasswords::open(&path).unwrap();
            for number in 0..520 {
                let password = format!("leak {number}");
                let hex = leak_digest(&password);
                let expected = kept.iter().any(|line| line.starts_with(&hex));
                assert_eq!(leaked.contains(&password).unwrap(), expected, "{password} of {count}");
            }
        }
        std::fs::remove_file(&path).unwrap();
        assert!(LeakedPasswords::open(&path).is_err());
    }
}
