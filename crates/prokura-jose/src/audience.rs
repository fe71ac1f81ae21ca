//! Whom a token is for (`aud`, RFC 7519 section 4.1.3): nearly always one name, which is a string on the wire; several are an
//! array.

use crate::json;
use std::{fmt, sync::Arc};

/// The most names a token of ours has.
pub const MAX_AUDIENCES: usize = 8;

/// Whom a token is for: at least one name, none twice, in the order they were given.
#[derive(Clone, PartialEq, Eq)]
pub struct Audience(Arc<[Arc<str>]>);

impl Audience {
    /// Several names; `None` for none, more than [`MAX_AUDIENCES`], or one that comes twice.
    pub fn of(names: &[impl AsRef<str>]) -> Option<Self> {
        let is_new = |(at, name): (usize, &str)| names.iter().take(at).all(|before| before.as_ref() != name);
        let are_different = names.iter().map(AsRef::as_ref).enumerate().all(is_new);
        let is_countable = (1..=MAX_AUDIENCES).contains(&names.len());
        (are_different && is_countable).then(|| Self(names.iter().map(|name| Arc::from(name.as_ref())).collect()))
    }

    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|known| **known == *name)
    }

    /// Whether it is `name` and nobody else.
    pub fn is_only(&self, name: &str) -> bool {
        matches!(&*self.0, [one] if **one == *name)
    }

    /// The names.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Appends the value of `aud`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if let [one] = &*self.0 {
            json::write_string(one, out);
            return;
        }
        for (at, name) in self.0.iter().enumerate() {
            out.push(if at == 0 { b'[' } else { b',' });
            json::write_string(name, out);
        }
        out.push(b']');
    }
}

impl From<&str> for Audience {
    fn from(name: &str) -> Self {
        Self(Arc::from([Arc::from(name)]))
    }
}

impl From<Arc<str>> for Audience {
    fn from(name: Arc<str>) -> Self {
        Self(Arc::from([name]))
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_has_a_few_names_and_none_twice() {
        let two = Audience::of(&["a", "b\""]).unwrap();
        assert!(two.contains("a") && two.contains("b\"") && !two.contains("b") && !two.is_only("a"));
        assert!(Audience::from("a").is_only("a") && Audience::of(&["a"]) == Some(Audience::from("a")));
        let written = |audience: &Audience| {
            let mut out = Vec::new();
            audience.write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!((written(&two), written(&Audience::from("a"))), (r#"["a","b\""]"#.to_owned(), "\"a\"".to_owned()));
        assert_eq!(Audience::of(&[""; 0]), None);
        assert_eq!(Audience::of(&["a", "b", "a"]), None);
        let many: Vec<_> = (0..=MAX_AUDIENCES).map(|at| at.to_string()).collect();
        assert_eq!(Audience::of(&many), None);
        assert!(Audience::of(&many[1..]).is_some());
    }
}
