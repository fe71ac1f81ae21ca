//! SPDX license expressions: may we use a package that offers or demands these licenses?

use std::collections::BTreeSet;

/// Whether the expression can be met with the allowed licenses; none when it cannot be read. `A/B` is an old spelling of
/// `A OR B`, and `X WITH Y` has to be allowed as a whole.
pub(super) fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> Option<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, allowed, depth: 0 };
    let verdict = reader.either()?;
    reader.words.is_empty().then_some(verdict)
}

/// Deeper nesting is nobody's license.
const MAX_DEPTH: usize = 16;

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a BTreeSet<String>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn either(&mut self) -> Option<bool> {
        let mut verdict = self.both()?;
        while self.take("OR") {
            verdict |= self.both()?;
        }
        Some(verdict)
    }

    fn both(&mut self) -> Option<bool> {
        let mut verdict = self.one()?;
        while self.take("AND") {
            verdict &= self.one()?;
        }
        Some(verdict)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            self.depth += 1;
            let verdict = (self.depth <= MAX_DEPTH).then(|| self.either())??;
            self.depth -= 1;
            return self.take(")").then_some(verdict);
        }
        let license = self.name()?;
        if self.take("WITH") {
            let exception = self.name()?;
            return Some(self.allowed.contains(&format!("{license} WITH {exception}")));
        }
        Some(self.allowed.contains(license))
    }

    fn name(&mut self) -> Option<&'a str> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        (!matches!(*word, "AND" | "OR" | "WITH" | "(" | ")")).then_some(*word)
    }

    fn take(&mut self, wanted: &str) -> bool {
        match self.words.split_first() {
            Some((word, rest)) if *word == wanted => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_by_the_allowed_licenses_or_not() {
        let allowed = ["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"].map(String::from).into();
        for (expression, verdict) in [
            ("MIT", Some(true)),
            ("GPL-3.0-only", Some(false)),
            ("GPL-3.0-only OR MIT", Some(true)),
            ("GPL-3.0-only/MIT", Some(true)),
            ("GPL-3.0-only AND MIT", Some(false)),
            ("ISC AND (GPL-3.0-only OR MIT)", Some(true)),
            ("MIT OR GPL-3.0-only AND GPL-2.0-only", Some(true)),
            ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", Some(false)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("MIT WITH LLVM-exception", Some(false)),
            ("", None),
            ("MIT OR", None),
            ("MIT Apache-2.0", None),
            ("(MIT", None),
            ("MIT)", None),
            ("AND", None),
        ] {
            assert_eq!(is_allowed(expression, &allowed), verdict, "{expression}");
        }
        assert_eq!(is_allowed(&"(".repeat(100_000), &allowed), None);
    }
}
