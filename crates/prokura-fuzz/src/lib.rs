//! Text that is almost right (S-133). Random text rarely gets past the first check of a parser; an example with a few
//! things moved, doubled, cut or replaced does.
//!
//! A corpus is a file with one example a line, committed beside the test, `\n` and `\0` spelled out. What once broke
//! something becomes a line of it. `PROPTEST_CASES` says how many variations a run tries.

use proptest::{collection::vec, prelude::*, sample::Index};

/// What parsers trip over: delimiters, escapes and half escapes, controls, and characters longer than a byte.
const PIECES: &[&str] = &[
    "%",
    "%2",
    "%2e",
    "%2F",
    "%5c",
    "%00",
    "%ff",
    "%C0%AE",
    "+",
    ".",
    "..",
    "/",
    "//",
    "\\",
    ";",
    ":",
    "=",
    "==",
    "&",
    "?",
    "#",
    "@",
    ",",
    "\"",
    "\"\"",
    "'",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "~",
    "*",
    "<",
    ">=",
    "-",
    "_",
    " ",
    "\t",
    "\r\n",
    "\n",
    "\0",
    "\u{7f}",
    "\u{feff}",
    "\u{a0}",
    "ä",
    "ß",
    "İ",
    "€",
    "\u{1f600}",
    "\u{202e}",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "null",
    "true",
    "AND",
];

/// How often a part is repeated at the most, for whatever counts or recurses.
const MANY: usize = 3_000;

/// One variation; positions are cut to the text they meet.
#[derive(Clone, Debug)]
enum Variation {
    Insert(Index, usize),
    Replace(Index, usize),
    Remove(Index, Index),
    Repeat(Index, Index, usize),
    Join(Index),
    Case(Index),
}

fn variation() -> impl Strategy<Value = Variation> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), 0..PIECES.len()).prop_map(|(at, piece)| Variation::Insert(at, piece)),
        3 => (index(), 0..PIECES.len()).prop_map(|(at, piece)| Variation::Replace(at, piece)),
        2 => (index(), index()).prop_map(|(from, to)| Variation::Remove(from, to)),
        1 => (index(), index(), prop_oneof![9 => 2..5_usize, 1 => 2..MANY])
            .prop_map(|(from, to, times)| Variation::Repeat(from, to, times)),
        1 => index().prop_map(Variation::Join),
        1 => index().prop_map(Variation::Case),
    ]
}

/// Examples from `corpus` with up to six variations each; sometimes an example as it is.
pub fn near(corpus: &'static str) -> impl Strategy<Value = String> {
    near_any(examples(corpus))
}

/// The same from examples that are made at run time.
///
/// # Panics
/// When there is none.
pub fn near_any(examples: Vec<String>) -> impl Strategy<Value = String> {
    assert!(!examples.is_empty(), "a corpus holds at least one example");
    (any::<Index>(), vec(variation(), 0..6)).prop_map(move |(which, variations)| {
        variations.iter().fold(which.get(&examples).clone(), |text, variation| vary(&text, variation, &examples))
    })
}

/// The examples of a corpus. Each must hold for the reader as it stands, too: tests go through them one by one.
pub fn examples(corpus: &str) -> Vec<String> {
    corpus.lines().filter(|line| !line.is_empty()).map(|line| line.replace("\\n", "\n").replace("\\0", "\0")).collect()
}

fn vary(text: &str, variation: &Variation, examples: &[String]) -> String {
    let place = |index: &Index| {
        let mut at = index.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let range = |from: &Index, to: &Index| {
        let (from, to) = (place(from), place(to));
        if from <= to { (from, to) } else { (to, from) }
    };
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let piece = |number: usize| PIECES.get(number).copied().unwrap_or_default();
    match variation {
        Variation::Insert(at, number) => {
            let at = place(at);
            [part(0, at), piece(*number), part(at, text.len())].concat()
        }
        Variation::Replace(at, number) => {
            let at = place(at);
            let after = part(at, text.len()).chars().next().map_or(at, |replaced| at + replaced.len_utf8());
            [part(0, at), piece(*number), part(after, text.len())].concat()
        }
        Variation::Remove(from, to) => {
            let (from, to) = range(from, to);
            [part(0, from), part(to, text.len())].concat()
        }
        Variation::Repeat(from, to, times) => {
            let (from, to) = range(from, to);
            // Long parts are not repeated as often: it is the count that hurts, not the length.
            let times = (*times).min(65_536 / (to - from + 1) + 1);
            [part(0, from), &part(from, to).repeat(times), part(to, text.len())].concat()
        }
        Variation::Join(which) => {
            let at = place(which);
            [part(0, at), which.get(examples).as_str()].concat()
        }
        Variation::Case(at) => {
            let at = place(at);
            let flip = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            part(0, at).chars().chain(part(at, text.len()).chars().map(flip)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::strategy::ValueTree as _;
    use std::collections::HashSet;

    #[test]
    fn variations_are_many_and_stay_within_bounds() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let strategy = near("/orders/1\na=b\\nc");
        let made: HashSet<String> = (0..1_000)
            .map(|_| strategy.new_tree(&mut runner).expect("a variation").current())
            .inspect(|text| assert!(text.len() < 1 << 20, "{} bytes", text.len()))
            .collect();
        assert!(made.len() > 600, "only {} are different", made.len());
        assert!(made.contains("a=b\nc"), "an example comes as it is, too");
    }
}
