//! The `q` language of list requests: clauses `field:value`, separated by blanks, all of which must hold. Nothing of it
//! reaches the database as text: a clause is either handed to a question with bound values or decided here.

use super::{Fields, QueryFault};
use jiff::Timestamp;
use serde_json::Value;
use std::cmp::Ordering;

/// The longest query, in characters.
const MAX_CHARACTERS: usize = 4_000;
/// The most clauses, and the most values in one list of alternatives.
const MAX_CLAUSES: usize = 50;
const MAX_ALTERNATIVES: usize = 500;

/// What a list is narrowed to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    clauses: Vec<Clause>,
}

#[derive(Clone, Debug, PartialEq)]
struct Clause {
    /// The dotted path in an item.
    path: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Equals(String),
    /// Holds the part, upper and lower case alike; kept in lower case.
    Contains(String),
    /// Every bound holds.
    Within(Vec<(Bound, String)>),
    OneOf(Vec<String>),
    Null,
    Exists,
    Missing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Bound {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Above => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
            Self::Below => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
        }
    }
}

impl Filter {
    /// Reads a query. Nothing but blanks narrows nothing.
    ///
    /// # Errors
    /// [`QueryFault`] for bad syntax and for fields that are not in `fields`.
    pub(crate) fn parse(text: &str, fields: &Fields) -> Result<Self, QueryFault> {
        if text.chars().nth(MAX_CHARACTERS).is_some() {
            return Err(fault(format!("a query has at most {MAX_CHARACTERS} characters")));
        }
        let mut scanner = Scanner { rest: text };
        let mut clauses = Vec::new();
        while scanner.skip_blanks() {
            if clauses.len() == MAX_CLAUSES {
                return Err(fault(format!("a query has at most {MAX_CLAUSES} clauses")));
            }
            let name = scanner.field()?;
            let path = fields.path(name).ok_or_else(|| fault(format!("there is no field \"{name}\" to ask for")))?;
            clauses.push(Clause { path: path.to_owned(), test: scanner.test(name)? });
            if !scanner.rest.is_empty() && !scanner.rest.starts_with(char::is_whitespace) {
                return Err(fault(format!("a blank belongs before \"{}\"", shorten(scanner.rest))));
            }
        }
        Ok(Self { clauses })
    }

    /// Whether it narrows nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Whether every clause holds for `item`.
    pub(crate) fn matches(&self, item: &Value) -> bool {
        self.clauses.iter().all(|clause| clause.matches(item))
    }

    /// The value `path` must be equal to, so that a question to the database can be narrowed by it.
    pub(crate) fn equals(&self, path: &str) -> Option<&str> {
        self.clauses.iter().find_map(|clause| match &clause.test {
            Test::Equals(value) if clause.path == path => Some(value.as_str()),
            Test::Equals(_)
            | Test::Contains(_)
            | Test::Within(_)
            | Test::OneOf(_)
            | Test::Null
            | Test::Exists
            | Test::Missing => None,
        })
    }
}

impl Clause {
    fn matches(&self, item: &Value) -> bool {
        let mut values = Vec::new();
        find(item, &self.path, &mut values);
        match &self.test {
            Test::Equals(text) => values.iter().any(|value| is_equal(value, text)),
            Test::Contains(part) => values.iter().any(|value| holds_part(value, part)),
            Test::Within(bounds) => values.iter().any(|value| {
                bounds.iter().all(|(bound, text)| compare(value, text).is_some_and(|order| bound.holds(order)))
            }),
            Test::OneOf(texts) => values.iter().any(|value| texts.iter().any(|text| is_equal(value, text))),
            Test::Null => values.is_empty() || values.iter().any(|value| value.is_null()),
            Test::Exists => !values.is_empty(),
            Test::Missing => values.is_empty(),
        }
    }
}

/// The values at a dotted path; through an array, those of every element.
pub(super) fn find<'a>(item: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    match item {
        Value::Array(elements) => {
            for element in elements {
                find(element, path, found);
            }
        }
        Value::Object(members) => {
            let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
            match (members.get(name), rest) {
                (Some(member), Some(rest)) => find(member, rest, found),
                // A list is what it holds; an empty one is there all the same.
                (Some(Value::Array(elements)), None) if !elements.is_empty() => found.extend(elements),
                (Some(member), None) => found.push(member),
                (None, _) => {}
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_equal(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Bool(value) => text == if *value { "true" } else { "false" },
        Value::Number(_) => compare(value, text) == Some(Ordering::Equal),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

fn holds_part(value: &Value, part: &str) -> bool {
    match value {
        Value::String(value) => value.to_lowercase().contains(part),
        Value::Number(value) => value.to_string().contains(part),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Numbers by size, moments by time, other texts by their characters; nothing else has an order.
fn compare(value: &Value, text: &str) -> Option<Ordering> {
    match value {
        Value::Number(value) => value.as_f64()?.partial_cmp(&text.parse().ok()?),
        Value::String(value) => match (value.parse::<Timestamp>(), moment(text)) {
            (Ok(value), Some(text)) => Some(value.cmp(&text)),
            _ => Some(value.as_str().cmp(text)),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A moment, or the first one of a day.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

/// What of the text is still to be read.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// Whether anything but blanks is left.
    fn skip_blanks(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        !self.rest.is_empty()
    }

    /// Takes `prefix` away, when the text begins with it.
    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Takes everything before the first character that `ends` it.
    fn until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let at = self.rest.find(ends).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(at).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn field(&mut self) -> Result<&'a str, QueryFault> {
        let begin = self.rest;
        let name = self.until(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '/')));
        if name.is_empty() || !self.take(":") {
            return Err(fault(format!("a clause is field:value, not \"{}\"", shorten(begin))));
        }
        Ok(name)
    }

    fn test(&mut self, name: &str) -> Result<Test, QueryFault> {
        if self.take("~") {
            return Ok(Test::Contains(self.value(name, char::is_whitespace)?.to_lowercase()));
        }
        if self.take("(") {
            return self.group(name);
        }
        if let Some(bound) = self.bound() {
            return Ok(Test::Within(vec![(bound, self.value(name, char::is_whitespace)?)]));
        }
        let is_quoted = self.rest.starts_with('"');
        let value = self.value(name, char::is_whitespace)?;
        Ok(match value.as_str() {
            "null" if !is_quoted => Test::Null,
            "exists" if !is_quoted => Test::Exists,
            "missing" if !is_quoted => Test::Missing,
            _ => Test::Equals(value),
        })
    }

    /// What stands in parentheses: two bounds, or alternatives.
    fn group(&mut self, name: &str) -> Result<Test, QueryFault> {
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ')');
        let (mut bounds, mut values) = (Vec::new(), Vec::new());
        loop {
            self.skip_blanks();
            match self.bound() {
                Some(bound) => {
                    self.skip_blanks();
                    bounds.push((bound, self.value(name, ends)?));
                }
                None => values.push(self.value(name, ends)?),
            }
            if values.len() > MAX_ALTERNATIVES || bounds.len() > 2 {
                return Err(fault(format!("\"{name}\" has more values than are taken")));
            }
            self.skip_blanks();
            let is_range = values.is_empty();
            match self.rest.chars().next() {
                Some(')') if is_range || bounds.is_empty() => {
                    self.take(")");
                    return Ok(if is_range { Test::Within(bounds) } else { Test::OneOf(values) });
                }
                Some(',') if !is_range => self.take(","),
                _ if is_range && self.take("AND ") => true,
                _ => {
                    return Err(fault(format!("\"{name}\" takes (>=a AND <=b) or (a,b) in parentheses")));
                }
            };
        }
    }

    fn bound(&mut self) -> Option<Bound> {
        if self.take(">=") {
            Some(Bound::AtLeast)
        } else if self.take("<=") {
            Some(Bound::AtMost)
        } else if self.take(">") {
            Some(Bound::Above)
        } else if self.take("<") {
            Some(Bound::Below)
        } else {
            None
        }
    }

    /// A value in quotes, with `\"` and `\\` for the two characters that need it, or up to what `ends` it.
    fn value(&mut self, name: &str, ends: impl Fn(char) -> bool) -> Result<String, QueryFault> {
        if !self.take("\"") {
            let value = self.until(ends);
            return if value.is_empty() || value.contains('"') {
                Err(fault(format!("\"{name}\" has no proper value; blanks and quotes belong inside \"quotes\"")))
            } else {
                Ok(value.to_owned())
            };
        }
        let mut value = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next() {
                Some('"') => break,
                Some('\\') => match characters.next() {
                    Some(c @ ('"' | '\\')) => value.push(c),
                    _ => return Err(fault(format!("\"{name}\": only \\\" and \\\\ are known after a backslash"))),
                },
                Some(c) => value.push(c),
                None => return Err(fault(format!("\"{name}\" has a quote that does not end"))),
            }
        }
        self.rest = characters.as_str();
        Ok(value)
    }
}

fn fault(message: String) -> QueryFault {
    QueryFault { parameter: "q", message }
}

/// The beginning of a text, for a message.
fn shorten(text: &str) -> String {
    text.chars().take(30).collect()
}

#[cfg(test)]
mod tests;
