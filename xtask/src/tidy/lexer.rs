//! Enough of Rust's lexical grammar to tell code from comments and string literals, so that a rule about code is not
//! broken by a sentence about it. Lines stay where they are.

/// A Rust file, taken apart.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The code without comments; a string literal is left as `""`, a character literal as `' '`.
    pub(super) code: String,
    /// The content of the string literals, in order.
    pub(super) literals: Vec<Literal>,
}

/// A string literal of any kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Literal {
    /// The line it begins on, counted from one.
    pub(super) line: usize,
    /// What stands between the quotes, escapes as written.
    pub(super) text: String,
}

/// Takes a file apart. Unfinished literals and comments reach to the end of the file.
pub(super) fn read(text: &str) -> Source {
    let mut source = Source::default();
    let mut rest = text;
    let mut line = 1;
    while let Some(c) = rest.chars().next() {
        let (token, length) = token(rest, source.code.chars().next_back());
        let (piece, after) = rest.split_at_checked(length.max(c.len_utf8())).unwrap_or((rest, ""));
        let newlines = piece.matches('\n').count();
        match token {
            Token::Code => source.code.push_str(piece),
            Token::Comment => source.code.push(' '),
            Token::Character => source.code.push_str("' '"),
            Token::Text(content) => {
                source.code.push_str("\"\"");
                source.literals.push(Literal { line, text: content.to_owned() });
            }
        }
        if !matches!(token, Token::Code) {
            source.code.extend(std::iter::repeat_n('\n', newlines));
        }
        line += newlines;
        rest = after;
    }
    source
}

enum Token<'a> {
    Code,
    Comment,
    Character,
    Text(&'a str),
}

/// The token at the start of the text, and its length in bytes.
fn token(rest: &str, before: Option<char>) -> (Token<'_>, usize) {
    if rest.starts_with("//") {
        return (Token::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Token::Comment, block_comment(rest));
    }
    let inside_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !inside_word && let Some((content, length)) = raw_string(rest) {
        return (Token::Text(content), length);
    }
    if let Some(content) = rest.strip_prefix('"') {
        let end = unescaped(content, '"');
        return (Token::Text(content.get(..end).unwrap_or(content)), (end + 2).min(rest.len()));
    }
    if let Some(after) = rest.strip_prefix('\'') {
        if after.starts_with('\\') {
            return (Token::Character, (unescaped(after, '\'') + 2).min(rest.len()));
        }
        // A lifetime has no second quote right after its first character.
        let mut characters = after.chars();
        if let (Some(content), Some('\'')) = (characters.next(), characters.next()) {
            return (Token::Character, content.len_utf8() + 2);
        }
    }
    (Token::Code, 1)
}

/// The length of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The content of a raw string at the start of the text, and the length of the whole literal.
fn raw_string(rest: &str) -> Option<(&str, usize)> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|after| after.trim_start_matches('#').starts_with('"')))?;
    let after = rest.strip_prefix(prefix)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let start = prefix.len() + hashes + 1;
    let content = rest.get(start..)?;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(match content.find(&close) {
        Some(end) => (content.get(..end)?, start + end + close.len()),
        None => (content, rest.len()),
    })
}

/// Where the closing quote is, passing over escaped ones; the length of the text when there is none.
fn unescaped(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str, literals: &[(usize, &str)]) {
        let source = read(text);
        assert_eq!(source.code, code, "{text}");
        let found: Vec<(usize, &str)> = source.literals.iter().map(|l| (l.line, l.text.as_str())).collect();
        assert_eq!(found, literals, "{text}");
    }

    #[test]
    fn comments_and_literals_are_taken_out_of_the_code() {
        check("a // \"b\"\nc", "a  \nc", &[]);
        check("/* x /* \"y\" */ z */ a", "  a", &[]);
        check(r#"f("a \" // b", 1)"#, r#"f("", 1)"#, &[(1, r#"a \" // b"#)]);
        check("x;\nr#\"one\n\"two\" \"# + b\"3\"", "x;\n\"\"\n + b\"\"", &[(2, "one\n\"two\" "), (3, "3")]);
        check("\"a\\\n b\";\nc", "\"\"\n;\nc", &[(1, "a\\\n b")]);
        check("r#type = br\"x\"", "r#type = \"\"", &[(1, "x")]);
    }

    #[test]
    fn a_quote_character_does_not_open_a_string_and_a_lifetime_is_code() {
        check("['\"', '\\'', 'ß', '\\u{41}'] &'a str", "[' ', ' ', ' ', ' '] &'a str", &[]);
        check(
            "fn f<'a>(x: &'a str, y: &'static str) { 'l: loop {} }",
            "fn f<'a>(x: &'a str, y: &'static str) { 'l: loop {} }",
            &[],
        );
    }

    #[test]
    fn an_unfinished_file_ends() {
        for text in ["\"abc", "/* abc", "r#\"abc\"", "'\\", "//", "'", "\"\\"] {
            read(text);
        }
    }

    #[test]
    fn every_line_stays_on_its_line() {
        let text = include_str!("lexer.rs");
        assert_eq!(read(text).code.lines().count(), text.lines().count());
    }
}
