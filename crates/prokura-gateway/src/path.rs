//! The one path that is routed on and forwarded (S-54).
//!
//! Two parsers must never read one path differently. What has only one reading is normalized (an encoded unreserved
//! character is that character); what different upstreams read differently is refused, not repaired.

use serde::Deserialize;
use std::borrow::Cow;

/// A spelling that some upstreams need and that is refused unless the route names it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PathOddity {
    /// `%2f` inside a segment.
    EncodedSlash,
    /// `%5c` inside a segment.
    EncodedBackslash,
    /// An empty segment: `//`.
    DoubleSlash,
}

impl PathOddity {
    const fn bit(self) -> u8 {
        match self {
            Self::EncodedSlash => 1,
            Self::EncodedBackslash => 2,
            Self::DoubleSlash => 4,
        }
    }
}

/// A set of [`PathOddity`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathOddities(u8);

impl PathOddities {
    pub(crate) fn insert(&mut self, oddity: PathOddity) {
        self.0 |= oddity.bit();
    }

    pub(crate) fn is_subset(self, of: Self) -> bool {
        self.0 & !of.0 == 0
    }
}

impl FromIterator<PathOddity> for PathOddities {
    fn from_iter<I: IntoIterator<Item = PathOddity>>(oddities: I) -> Self {
        let mut set = Self::default();
        oddities.into_iter().for_each(|oddity| set.insert(oddity));
        set
    }
}

/// The path has no single reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AmbiguousPath;

/// Normalizes `path`, and says what a route must allow for it to pass.
pub(crate) fn normalize(path: &str) -> Result<(Cow<'_, str>, PathOddities), AmbiguousPath> {
    if !path.starts_with('/') {
        return Err(AmbiguousPath);
    }
    let mut oddities = PathOddities::default();
    let normal = decode_unreserved(path, &mut oddities)?;
    let is_plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#');
    if !normal.bytes().all(is_plain) {
        return Err(AmbiguousPath);
    }
    let mut segments = normal.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            oddities.insert(PathOddity::DoubleSlash);
        }
        // Some upstreams cut parameters off a segment before they look for dots: `..;x` is `..` to them.
        if segment.starts_with('.') {
            let end = segment.find(';').or_else(|| segment.find("%3B")).unwrap_or(segment.len());
            if matches!(segment.get(..end), Some("." | "..")) {
                return Err(AmbiguousPath);
            }
        }
    }
    Ok((normal, oddities))
}

/// Decodes what RFC 3986 section 2.3 calls unreserved, and writes all other escapes in capitals.
fn decode_unreserved<'a>(path: &'a str, oddities: &mut PathOddities) -> Result<Cow<'a, str>, AmbiguousPath> {
    let Some(first) = path.find('%') else { return Ok(Cow::Borrowed(path)) };
    let (clean, mut rest) = path.split_at(first);
    let mut normal = String::with_capacity(path.len());
    normal.push_str(clean);
    while let Some(at) = rest.find('%') {
        let (clean, escape) = rest.split_at(at);
        normal.push_str(clean);
        let digits = escape.get(1..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let digits = digits.ok_or(AmbiguousPath)?;
        let byte = u8::from_str_radix(digits, 16).map_err(|_| AmbiguousPath)?;
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => normal.push(char::from(byte)),
            // Control characters, and bytes that only begin overlong UTF-8.
            0..=0x1f | 0x7f | 0xc0 | 0xc1 | 0xf5..=0xff => return Err(AmbiguousPath),
            _ => {
                match byte {
                    b'/' => oddities.insert(PathOddity::EncodedSlash),
                    b'\\' => oddities.insert(PathOddity::EncodedBackslash),
                    _ => {}
                }
                normal.push('%');
                normal.push_str(&digits.to_ascii_uppercase());
            }
        }
        rest = escape.get(3..).unwrap_or_default();
    }
    normal.push_str(rest);
    Ok(Cow::Owned(normal))
}

/// Whether `path` lies at or below `prefix`, segment by segment.
pub(crate) fn is_below(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

/// Removes every parameter of `query` whose name is in `names` (lower case), however it is spelled.
pub(crate) fn strip_query<'a>(query: &'a str, names: &[Box<str>]) -> Cow<'a, str> {
    let is_stripped = |parameter: &str| {
        let name = decoded_name(parameter);
        names.iter().any(|stripped| **stripped == *name)
    };
    // Some upstreams take `;` for `&`, so a part between two of either is a parameter.
    if names.is_empty() || !query.split(['&', ';']).any(is_stripped) {
        return Cow::Borrowed(query);
    }
    let kept: Vec<&str> = query.split(['&', ';']).filter(|parameter| !is_stripped(parameter)).collect();
    Cow::Owned(kept.join("&"))
}

/// The name of a query parameter: decoded, in lower case, without the brackets of a list.
fn decoded_name(parameter: &str) -> String {
    let raw = parameter.split('=').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match (byte, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        if escaped.is_some() {
            rest = tail.get(2..).unwrap_or_default();
        }
        bytes.push(match (escaped, byte) {
            (Some(escaped), _) => escaped,
            (None, b'+') => b' ',
            (None, byte) => *byte,
        });
    }
    let name = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    name.split(['[', '\0']).next().unwrap_or_default().trim().to_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s54_paths_with_two_readings_are_refused() {
        for path in [
            "",
            "orders",
            "*",
            "/a\\b",
            "/public\\..\\orders",
            "/a/../b",
            "/a/./b",
            "/..",
            "/.",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/a/%2e",
            "/public/..;/orders",
            "/public/..;x=y/orders",
            "/public/.%3b/orders",
            "/public/%2e%2e%3Bx/orders",
            "/a%00b",
            "/a%0d%0ab",
            "/a%7f",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%c0%af",
            "/a#b",
            "/ä",
            "/a b",
        ] {
            assert_eq!(normalize(path), Err(AmbiguousPath), "{path}");
        }
        for (path, oddity) in [
            ("/public/..%2forders", PathOddity::EncodedSlash),
            ("/a%5Cb", PathOddity::EncodedBackslash),
            ("//a", PathOddity::DoubleSlash),
            ("/a//", PathOddity::DoubleSlash),
        ] {
            let (_, oddities) = normalize(path).expect(path);
            assert!(!oddities.is_subset(PathOddities::default()), "{path}");
            assert!(oddities.is_subset([oddity].into_iter().collect()), "{path}");
        }
    }

    #[test]
    fn a_path_with_one_reading_is_written_in_one_way() {
        for (path, normal) in [
            ("/", "/"),
            ("/a/", "/a/"),
            ("/%6frders/%34", "/orders/4"),
            ("/a%3fb%c3%a4", "/a%3Fb%C3%A4"),
            ("/a;v=1/..b/.well-known/...", "/a;v=1/..b/.well-known/..."),
            ("/%252e%252e/a", "/%252e%252e/a"),
        ] {
            let (found, oddities) = normalize(path).expect(path);
            assert_eq!(found, normal);
            assert_eq!(oddities, PathOddities::default());
            assert_eq!(normalize(&found).expect(path).0, normal, "normalizing twice changes nothing");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        assert!(is_below("/api/orders", "/api/orders") && is_below("/api/orders/1", "/api/orders"));
        assert!(!is_below("/api/ordersX", "/api/orders") && !is_below("/api", "/api/"));
        assert!(is_below("/x", "/"));
    }

    #[test]
    fn parameters_are_stripped_however_they_are_spelled() {
        let names: Vec<Box<str>> = vec!["vendure-token".into(), "legalentityid".into()];
        for (query, kept) in [
            ("a=1&b=2", "a=1&b=2"),
            ("vendure-token=x", ""),
            ("a=1&Vendure-Token=x&VENDURE-TOKEN=y&b", "a=1&b"),
            ("%76endure%2Dtoken=x&a", "a"),
            ("a=1;legalEntityId=x", "a=1"),
            ("legalEntityId[]=x&legalEntityId[0]=y&z", "z"),
            ("+legalEntityId=x&q=legalEntityId", "q=legalEntityId"),
            ("legalEntityIds=x", "legalEntityIds=x"),
        ] {
            assert_eq!(strip_query(query, &names), kept, "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn normalizing_is_idempotent_and_never_leaves_dots(path in "/[a-c./;%2eEfF\\\\]{0,20}") {
            if let Ok((normal, oddities)) = normalize(&path) {
                let again = normalize(&normal).expect("a normal path is normal");
                proptest::prop_assert_eq!(&again.0, &normal);
                proptest::prop_assert_eq!(again.1, oddities);
                proptest::prop_assert!(!normal.split('/').any(|segment| segment == "." || segment == ".."));
            }
        }
    }
}
