//! Who is asking, read from the headers that the gateway injects and from nothing else.
//!
//! An empty header counts as an absent one, because some proxies always send all of them. A header that comes twice, or
//! two spellings of the company that disagree, cannot come from the gateway and is refused.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::Context;
use super::problem::Problem;

/// The person or program behind a request, as the gateway recognized them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) who: Who,
    /// Who sits in front of the browser, the same before and after login.
    pub(super) visitor: Option<String>,
    /// The segments the gateway named; at most 32.
    pub(super) segments: Vec<String>,
    /// The caller has more segments than the gateway named.
    pub(super) has_more_segments: bool,
}

/// One case for each value of `X-Prokura-Subject`, with what is true only in that case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Guest { session: String },
    Customer { customer: String, acting_for: Option<String> },
    Service,
}

impl Caller {
    /// The company acted for, if there is one.
    pub(super) fn legal_entity(&self) -> Option<&str> {
        match &self.who {
            Who::Customer { acting_for, .. } => acting_for.as_deref(),
            Who::Guest { .. } | Who::Service => None,
        }
    }

    /// The customer, or the refusal for everybody else.
    pub(super) fn customer(&self) -> Result<&str, Problem> {
        match &self.who {
            Who::Customer { customer, .. } => Ok(customer),
            Who::Guest { .. } | Who::Service => Err(Problem::forbidden("this needs a customer who has logged in")),
        }
    }
}

impl FromRequestParts<Context> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, Problem> {
        let headers = &parts.headers;
        if single(headers, "x-prokura-tenant")? != Some(context.config.tenant.as_str()) {
            return Err(Problem::forbidden("this shop answers through the gateway of its tenant only"));
        }
        let who = match single(headers, "x-prokura-subject")? {
            Some("guest") => Who::Guest { session: needed(headers, "x-prokura-session")? },
            Some("customer") => {
                Who::Customer { customer: needed(headers, "x-prokura-customer")?, acting_for: legal_entity(headers)? }
            }
            Some("service") => Who::Service,
            Some(_) | None => return Err(Problem::forbidden("the gateway did not say who is asking")),
        };
        let segments = single(headers, "x-prokura-segments")?.unwrap_or_default();
        Ok(Self {
            who,
            visitor: single(headers, "x-prokura-visitor")?.map(str::to_owned),
            segments: segments.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            has_more_segments: single(headers, "x-prokura-segments-more")? == Some("true"),
        })
    }
}

/// The company under both names the gateway uses for it.
fn legal_entity(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    match (single(headers, "legalentityid")?, single(headers, "legal-entity-id")?) {
        (Some(one), Some(other)) if one != other => Err(forged()),
        (one, other) => Ok(one.or(other).map(str::to_owned)),
    }
}

/// The one value of a header, `None` when it is absent or empty.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(forged()),
        (None, None) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
            Err(_) => Err(forged()),
        },
    }
}

fn needed(headers: &HeaderMap, name: &str) -> Result<String, Problem> {
    single(headers, name)?.map(str::to_owned).ok_or_else(|| Problem::forbidden("the gateway did not say who is asking"))
}

fn forged() -> Problem {
    Problem::bad_request("the identity headers contradict each other")
}
