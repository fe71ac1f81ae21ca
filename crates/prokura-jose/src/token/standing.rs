//! A standing as claims: those RFC 9068 and the catalog of headers name stand at the top, the rest in the private
//! claim `standing`.

use crate::{Rejection, json, jws::take_string};
use prokura_domain::{
    ACR_MULTI, ActingFor, ClientId, MAX_TOKEN_SEGMENTS, Scopes, SegmentId, Standing, Subject, TenantId, Timestamp,
};
use serde_json::{Map, Value};
use std::{io::Write as _, str::FromStr};

/// Appends the claims of `standing`, each with a comma before it.
pub(super) fn write(standing: &Standing, out: &mut Vec<u8>) {
    json::write_member("client_id", standing.client.as_str(), out);
    out.extend_from_slice(b",\"scope\":\"");
    for (index, scope) in standing.scopes.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        // A scope has neither quote nor backslash nor control characters.
        out.extend_from_slice(scope.as_str().as_bytes());
    }
    out.push(b'"');
    json::write_member("tenant", standing.tenant.as_str(), out);
    if let Some(session) = &standing.session {
        json::write_member("sid", session.as_str(), out);
    }
    if let Some(family) = &standing.family {
        json::write_member("fam", family.as_str(), out);
    }
    if let Some(legal_entity) = standing.legal_entity() {
        json::write_member("legal_entity_id", legal_entity.as_str(), out);
    }
    // Who reads a native token may ask for a surer or newer login (RFC 9470 section 6.1).
    if let Some(acr) = standing.acr().filter(|_| standing.is_scope_limited || standing.is_multi_factor) {
        json::write_member("acr", acr, out);
    }
    if let Some(at) = standing.authenticated_at.filter(|_| standing.is_scope_limited) {
        write!(out, ",\"auth_time\":{}", at.seconds()).expect("memory takes what is written");
    }
    out.extend_from_slice(b",\"standing\":{\"kind\":");
    write_inner(standing, out);
    out.push(b'}');
}

fn write_inner(standing: &Standing, out: &mut Vec<u8>) {
    match &standing.subject {
        Subject::Guest => out.extend_from_slice(b"\"guest\""),
        Subject::Service => out.extend_from_slice(b"\"service\""),
        Subject::Customer(customer) => {
            out.extend_from_slice(b"\"customer\"");
            json::write_member("customer", customer.as_str(), out);
        }
    }
    if let Some(site) = &standing.site {
        json::write_member("site", site.as_str(), out);
    }
    if let Some(visitor) = &standing.visitor {
        json::write_member("visitor", visitor.as_str(), out);
    }
    if let Some(acting_for) = &standing.acting_for {
        json::write_member("assignment", acting_for.assignment.as_str(), out);
        json::write_member("grant", acting_for.grant.as_str(), out);
    }
    if !standing.segments.is_empty() {
        out.extend_from_slice(b",\"segments\":[");
        for (index, segment) in standing.segments.iter().take(MAX_TOKEN_SEGMENTS).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            json::write_string(segment.as_str(), out);
        }
        out.push(b']');
    }
    if standing.has_more_segments || standing.segments.len() > MAX_TOKEN_SEGMENTS {
        out.extend_from_slice(b",\"more_segments\":true");
    }
    write!(out, ",\"epoch\":{}", standing.epoch).expect("memory takes what is written");
    if let Some(at) = standing.authenticated_at {
        write!(out, ",\"auth_time\":{}", at.millis()).expect("memory takes what is written");
    }
    if standing.is_scope_limited {
        out.extend_from_slice(b",\"limited\":true");
    }
    if standing.is_entity_locked {
        out.extend_from_slice(b",\"locked\":true");
    }
}

/// Reads what [`write`] wrote; anything half there is refused.
pub(super) fn read(claims: &mut Map<String, Value>) -> Result<Standing, Rejection> {
    let Some(Value::Object(mut inner)) = claims.swap_remove("standing") else {
        return Err(Rejection::BadClaims);
    };
    let kind = take_string(&mut inner, "kind")?;
    let subject = match (kind.as_deref(), optional(&mut inner, "customer")?) {
        (Some("customer"), Some(customer)) => Subject::Customer(customer),
        (Some("guest"), None) => Subject::Guest,
        (Some("service"), None) => Subject::Service,
        _ => return Err(Rejection::BadClaims),
    };
    let acting_for = match (
        optional(claims, "legal_entity_id")?,
        optional(&mut inner, "assignment")?,
        optional(&mut inner, "grant")?,
    ) {
        (Some(legal_entity), Some(assignment), Some(grant)) => Some(ActingFor { legal_entity, assignment, grant }),
        (None, None, None) => None,
        _ => return Err(Rejection::BadClaims),
    };
    let scope = take_string(claims, "scope")?.ok_or(Rejection::BadClaims)?;
    Ok(Standing {
        tenant: required::<TenantId>(claims, "tenant")?,
        site: optional(&mut inner, "site")?,
        client: required::<ClientId>(claims, "client_id")?,
        subject,
        acting_for,
        scopes: Scopes::parse(&scope).map_err(|_| Rejection::BadClaims)?,
        is_scope_limited: flag(&inner, "limited")?,
        segments: segments(&inner)?,
        has_more_segments: flag(&inner, "more_segments")?,
        session: optional(claims, "sid")?,
        visitor: optional(&mut inner, "visitor")?,
        family: optional(claims, "fam")?,
        epoch: epoch(&inner)?,
        authenticated_at: authenticated_at(&inner)?,
        is_multi_factor: take_string(claims, "acr")?.is_some_and(|acr| acr == ACR_MULTI),
        is_entity_locked: flag(&inner, "locked")?,
    })
}

pub(super) fn required<T: FromStr>(members: &mut Map<String, Value>, name: &str) -> Result<T, Rejection> {
    optional(members, name)?.ok_or(Rejection::BadClaims)
}

fn optional<T: FromStr>(members: &mut Map<String, Value>, name: &str) -> Result<Option<T>, Rejection> {
    take_string(members, name)?.map(|text| text.parse().map_err(|_| Rejection::BadClaims)).transpose()
}

fn segments(inner: &Map<String, Value>) -> Result<Vec<SegmentId>, Rejection> {
    match inner.get("segments") {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().and_then(|text| text.parse().ok()).ok_or(Rejection::BadClaims))
            .collect(),
        Some(_) => Err(Rejection::BadClaims),
    }
}

fn flag(inner: &Map<String, Value>, name: &str) -> Result<bool, Rejection> {
    match inner.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(Rejection::BadClaims),
    }
}

fn epoch(inner: &Map<String, Value>) -> Result<u32, Rejection> {
    inner.get("epoch").and_then(Value::as_u64).and_then(|epoch| epoch.try_into().ok()).ok_or(Rejection::BadClaims)
}

fn authenticated_at(inner: &Map<String, Value>) -> Result<Option<Timestamp>, Rejection> {
    inner
        .get("auth_time")
        .map(|value| value.as_i64().map(Timestamp::from_millis).ok_or(Rejection::BadClaims))
        .transpose()
}
