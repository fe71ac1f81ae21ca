//! Query parameters and forms, read with the strictness a token endpoint needs: a parameter that comes twice is refused,
//! one that is not known is not looked at.

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};
use std::{convert::Infallible, fmt};

/// Name and value pairs of a query or a form, decoded.
pub struct Params(Vec<(String, String)>);

/// A parameter that came more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated(String);

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The parameter {} came twice.", self.0)
    }
}

impl Params {
    /// Decodes `application/x-www-form-urlencoded` text.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (Self::decode(name), Self::decode(value))
        });
        Self(pairs.collect())
    }

    /// Decodes one name or value.
    pub fn decode(part: &str) -> String {
        percent_decode(&part.replace('+', " "))
    }

    /// The value of `name`; `None` when it is absent or empty.
    ///
    /// # Errors
    /// [`Repeated`] when it came twice, even with the same value.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(Repeated(name.to_owned()));
        }
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// Whether `name` came at all, be it empty.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    /// The value of the first of `names` that is there; two of them at once count as a repetition.
    ///
    /// # Errors
    /// [`Repeated`].
    pub fn one_of(&self, names: &[&str]) -> Result<Option<&str>, Repeated> {
        let mut found: Option<&str> = None;
        for name in names {
            match (found, self.one(name)?) {
                (Some(before), Some(value)) if before != value => return Err(Repeated((*name).to_owned())),
                (None, Some(value)) => found = Some(value),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Every value of `name` that is not empty, for the few that may come more than once.
    pub fn all<'p>(&'p self, name: &str) -> impl Iterator<Item = &'p str> {
        self.0.iter().filter(move |(found, value)| found == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Refuses any name that came twice.
    ///
    /// # Errors
    /// [`Repeated`].
    pub fn refuse_repeated(&self) -> Result<(), Repeated> {
        self.refuse_repeated_but(&[])
    }

    /// Refuses any name that came twice, but for `names`.
    ///
    /// # Errors
    /// [`Repeated`].
    pub fn refuse_repeated_but(&self, names: &[&str]) -> Result<(), Repeated> {
        let mut others = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        others.try_for_each(|(name, _)| self.one(name).map(|_| ()))
    }

    /// Whether the flag `name` is set, as in `upsert=true`.
    ///
    /// # Errors
    /// [`Repeated`].
    pub fn flag(&self, name: &str) -> Result<bool, Repeated> {
        Ok(self.one(name)?.is_some_and(|value| value.eq_ignore_ascii_case("true")))
    }
}

/// Decodes `%41`; a lone percent sign stays what it is, and what is no UTF-8 becomes the replacement character, which
/// no id, token or address contains.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = if *first == b'%' { after.first_chunk::<2>() } else { None };
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if let Some(byte) = pair.and_then(|[high, low]| Some(digit(*high)? * 16 + digit(*low)?)) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a body says it is a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Repeated {
    /// Which one.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// What to tell the caller.
    pub fn message(&self) -> String {
        format!("The parameter {} must not be repeated.", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_counts_once() {
        let params = Params::parse("a=1&b=&c=x%20y+z&d=1&d=1&%65=2");
        assert_eq!(params.one("a").unwrap(), Some("1"));
        assert_eq!(params.one("b").unwrap(), None);
        assert_eq!(params.one("c").unwrap(), Some("x y z"));
        assert!(params.one("d").is_err());
        assert_eq!(params.one("e").unwrap(), Some("2"));
        assert_eq!(params.one("f").unwrap(), None);
        assert!(params.refuse_repeated_but(&["a"]).is_err() && params.refuse_repeated_but(&["d"]).is_ok());
        assert_eq!(Params::parse("r=1&s=3&r=&r=2").all("r").collect::<Vec<_>>(), ["1", "2"]);
        assert!(Params::parse("tenant=a&hybris-tenant=b").one_of(&["tenant", "hybris-tenant"]).is_err());
    }

    #[test]
    fn percent_signs_are_decoded_or_left_alone() {
        for (text, expected) in [("%41", "A"), ("100%", "100%"), ("%zz", "%zz"), ("%C3%A4", "ä"), ("%2", "%2")] {
            assert_eq!(percent_decode(text), expected);
        }
    }
}
