//! What is added last, and only from a verified token (S-51): exactly one field per name, visible ASCII.
//!
//! The values of a token are made once and shared; adding them to a request copies pointers.

use crate::{config::HeaderNames, spelling::spelled};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use prokura_domain::{MAX_TOKEN_SEGMENTS, Standing, Subject};
use std::fmt::Write as _;

/// One thing an upstream can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    LegalEntity,
    Tenant,
    Customer,
    Session,
    Visitor,
    Client,
    Scopes,
    Segments,
    SegmentsMore,
    Subject,
}

/// The values of one standing.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    legal_entity: Option<HeaderValue>,
    tenant: Option<HeaderValue>,
    customer: Option<HeaderValue>,
    session: Option<HeaderValue>,
    visitor: Option<HeaderValue>,
    client: Option<HeaderValue>,
    scopes: Option<HeaderValue>,
    segments: Option<HeaderValue>,
    segments_more: Option<HeaderValue>,
    subject: Option<HeaderValue>,
}

impl Values {
    pub(crate) fn of(standing: &Standing) -> Self {
        let segments: Vec<&str> =
            standing.segments.iter().take(MAX_TOKEN_SEGMENTS).map(prokura_domain::SegmentId::as_str).collect();
        let has_more = standing.has_more_segments || standing.segments.len() > MAX_TOKEN_SEGMENTS;
        let subject = match standing.subject {
            Subject::Guest => "guest",
            Subject::Customer(_) => "customer",
            Subject::Service => "service",
        };
        Self {
            legal_entity: standing.legal_entity().and_then(|id| value(id.as_str())),
            tenant: value(standing.tenant.as_str()),
            customer: standing.customer().and_then(|id| value(id.as_str())),
            session: standing.session.as_ref().and_then(|id| value(id.as_str())),
            visitor: standing.visitor().and_then(value),
            client: value(standing.client.as_str()),
            scopes: value(&standing.scopes.to_string()),
            segments: value(&segments.join(",")),
            segments_more: has_more.then(|| HeaderValue::from_static("true")),
            subject: value(subject),
        }
    }

    fn get(&self, fact: Fact) -> Option<&HeaderValue> {
        match fact {
            Fact::LegalEntity => self.legal_entity.as_ref(),
            Fact::Tenant => self.tenant.as_ref(),
            Fact::Customer => self.customer.as_ref(),
            Fact::Session => self.session.as_ref(),
            Fact::Visitor => self.visitor.as_ref(),
            Fact::Client => self.client.as_ref(),
            Fact::Scopes => self.scopes.as_ref(),
            Fact::Segments => self.segments.as_ref(),
            Fact::SegmentsMore => self.segments_more.as_ref(),
            Fact::Subject => self.subject.as_ref(),
        }
    }
}

/// Which facts a route tells, and under which names.
#[derive(Debug)]
pub(crate) struct Injection {
    fields: Vec<(HeaderName, Fact)>,
    assertion: Vec<HeaderName>,
    guest_value: Option<HeaderValue>,
    spelling: Extensions,
}

impl Injection {
    /// `names` have been checked.
    pub(crate) fn new(names: &HeaderNames, guest_value: Option<&str>) -> Self {
        let parse = |name: &String| HeaderName::from_bytes(name.as_bytes()).ok();
        let lists = [
            (&names.legal_entity, Fact::LegalEntity),
            (&names.tenant, Fact::Tenant),
            (&names.customer, Fact::Customer),
            (&names.session, Fact::Session),
            (&names.visitor, Fact::Visitor),
            (&names.client, Fact::Client),
            (&names.scopes, Fact::Scopes),
            (&names.segments, Fact::Segments),
            (&names.segments_more, Fact::SegmentsMore),
            (&names.subject, Fact::Subject),
        ];
        let spellings = lists.iter().flat_map(|(list, _)| list.iter()).chain(&names.assertion);
        Self {
            fields: lists
                .iter()
                .flat_map(|(list, fact)| list.iter().filter_map(parse).map(move |name| (name, *fact)))
                .collect(),
            assertion: names.assertion.iter().filter_map(parse).collect(),
            guest_value: guest_value.and_then(value),
            spelling: spelled(spellings.map(String::as_str)),
        }
    }

    fn get<'a>(&'a self, fact: Fact, values: Option<&'a Values>) -> Option<&'a HeaderValue> {
        let found = values.and_then(|values| values.get(fact));
        if fact == Fact::LegalEntity { found.or(self.guest_value.as_ref()) } else { found }
    }

    /// Adds what is known. `headers` hold none of our names any more.
    pub(crate) fn inject(&self, headers: &mut HeaderMap, values: Option<&Values>, assertion: Option<&HeaderValue>) {
        for (name, fact) in &self.fields {
            if let Some(value) = self.get(*fact, values) {
                headers.insert(name.clone(), value.clone());
            }
        }
        for (name, value) in self.assertion.iter().zip(assertion.into_iter().cycle()) {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// Adds every configured name, empty where there is no value: what is missing from the answer of a forward-auth
    /// request, some proxies take from the client.
    pub(crate) fn inject_all(&self, headers: &mut HeaderMap, values: Option<&Values>, assertion: Option<&HeaderValue>) {
        let empty = HeaderValue::from_static("");
        for (name, fact) in &self.fields {
            headers.insert(name.clone(), self.get(*fact, values).unwrap_or(&empty).clone());
        }
        for name in &self.assertion {
            headers.insert(name.clone(), assertion.unwrap_or(&empty).clone());
        }
    }

    /// Whether the route injects a header of this name.
    pub(crate) fn has(&self, name: &HeaderName) -> bool {
        self.fields.iter().map(|(own, _)| own).chain(&self.assertion).any(|own| own == name)
    }

    /// What makes an HTTP/1 upstream see the names as they are configured.
    pub(crate) fn spelling(&self) -> Extensions {
        self.spelling.clone()
    }
}

/// A header value of visible ASCII and inner blanks; everything else is percent-encoded. `None` when it is empty.
fn value(text: &str) -> Option<HeaderValue> {
    if text.is_empty() {
        return None;
    }
    let is_visible = |b: u8| b.is_ascii_graphic() && b != b'%' || b == b' ';
    if text.bytes().all(is_visible) && text.trim() == text {
        return HeaderValue::from_maybe_shared(Bytes::copy_from_slice(text.as_bytes())).ok();
    }
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    HeaderValue::from_maybe_shared(Bytes::from(encoded)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{acting_for, customer, guest, service};

    fn injected(standing: Option<&Standing>, guest_value: Option<&str>, all: bool) -> Vec<String> {
        let injection = Injection::new(&HeaderNames::default(), guest_value);
        let values = standing.map(Values::of);
        let mut headers = HeaderMap::new();
        if all {
            injection.inject_all(&mut headers, values.as_ref(), None);
        } else {
            injection.inject(&mut headers, values.as_ref(), None);
        }
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn s51_one_field_per_name_from_the_standing() {
        let lines = injected(Some(&acting_for("LE_1")), None, false);
        assert_eq!(
            lines,
            [
                "legal-entity-id: LE_1",
                "legalentityid: LE_1",
                "x-prokura-client: web",
                "x-prokura-customer: anna",
                "x-prokura-scopes: cart orders.read",
                "x-prokura-segments: gold,north",
                "x-prokura-session: s1",
                "x-prokura-subject: customer",
                "x-prokura-tenant: demo",
                "x-prokura-visitor: s1",
            ]
        );
    }

    #[test]
    fn what_is_not_there_is_absent_or_the_guest_value() {
        assert!(!injected(Some(&customer()), None, false).iter().any(|line| line.starts_with("legal")));
        assert_eq!(injected(None, None, false), Vec::<String>::new());
        assert_eq!(injected(None, Some("public"), false), ["legal-entity-id: public", "legalentityid: public"]);
        assert!(injected(Some(&guest()), Some("public"), false).contains(&"legalentityid: public".to_owned()));
        assert!(injected(Some(&service()), None, false).contains(&"x-prokura-subject: service".to_owned()));
    }

    #[test]
    fn forward_auth_answers_carry_every_name() {
        let lines = injected(None, None, true);
        assert_eq!(lines.len(), 12);
        assert!(lines.iter().all(|line| line.ends_with(": ")), "{lines:?}");
    }

    #[test]
    fn s51_values_cannot_bring_a_field_of_their_own() {
        for (text, expected) in [
            ("LE_1", "LE_1"),
            ("a b", "a b"),
            ("Ü\r\nX: 1", "%C3%9C%0D%0AX:%201"),
            (" a", "%20a"),
            ("100%", "100%25"),
            ("\0", "%00"),
        ] {
            assert_eq!(value(text).unwrap(), expected);
        }
        assert_eq!(value(""), None);
    }
}
