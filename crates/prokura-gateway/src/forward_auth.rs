//! `/forward-auth`: another proxy asks whether a request may pass, and which headers to send with it (S-57).
//!
//! nginx `auth_request` names the request in `X-Original-URI`, Caddy and Traefik in `X-Forwarded-Uri`; both count only
//! from a configured peer, and never both at once, because one of them would be the client's. The answer carries every
//! configured identity header, empty where there is no value: a header that is missing, some proxies take from the
//! client. Nothing can be stripped here, so what would have to be is refused: a query with a stripped parameter, and any
//! spelling of a protected header that the proxy does not overwrite.

use crate::{
    body::GatewayBody,
    gateway::{Asked, Gateway, single},
    path::strip_query,
    refusal::Refusal,
    route::{Found, Table},
    verify::Credential,
};
use http::{HeaderMap, HeaderValue, Response, header};
use std::{borrow::Cow, net::IpAddr};

/// Decides about the request that `headers` describe.
pub(crate) async fn answer(
    gateway: &Gateway,
    table: &Table,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
) -> Result<Response<GatewayBody>, Refusal> {
    if !peer.is_some_and(|peer| table.stripper.is_trusted(peer)) {
        return Err(Refusal::UntrustedPeer);
    }
    // Proxies pass on 401, 403 and 503; what is ambiguous is simply not allowed.
    decide(gateway, table, headers).await.map_err(|refusal| match refusal {
        Refusal::Ambiguous | Refusal::UnknownHost | Refusal::NoRoute => Refusal::WrongLevel,
        Refusal::MissingCredential
        | Refusal::InvalidCredential
        | Refusal::InvalidProof
        | Refusal::WrongLevel
        | Refusal::MissingScope
        | Refusal::ProofNeeded(_)
        | Refusal::UntrustedPeer
        | Refusal::ServerAway
        | Refusal::UpstreamBroken
        | Refusal::UpstreamSlow => refusal,
    })
}

async fn decide(gateway: &Gateway, table: &Table, headers: &HeaderMap) -> Result<Response<GatewayBody>, Refusal> {
    let targets = (single(headers, "x-original-uri")?, single(headers, "x-forwarded-uri")?);
    let ((Some(target), None) | (None, Some(target))) = targets else { return Err(Refusal::Ambiguous) };
    let host = match single(headers, "x-forwarded-host")? {
        Some(host) => host,
        None => single(headers, "host")?.unwrap_or_default(),
    };
    if target.contains('#') {
        return Err(Refusal::Ambiguous);
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let Found { route, .. } = table.find(host, path)?;
    if let Some(query) = query
        && matches!(strip_query(query, &route.strip_query), Cow::Owned(_))
    {
        return Err(Refusal::WrongLevel);
    }
    if headers.contains_key(header::UPGRADE) && !route.websocket {
        return Err(Refusal::WrongLevel);
    }
    // The proxy overwrites the names we answer with. Any other spelling of a protected one would go through it.
    if headers.keys().any(|name| table.stripper.is_protected(name) && !route.injection.has(name)) {
        return Err(Refusal::WrongLevel);
    }
    let credential = if route.is_transparent() { Credential::Absent } else { Credential::of(headers)? };
    let method = match (single(headers, "x-forwarded-method")?, single(headers, "x-original-method")?) {
        (Some(method), None) | (None, Some(method)) => method,
        // Without a method nothing can be said about a proof, and that is asked only where there is one.
        (None, None) => "",
        (Some(_), Some(_)) => return Err(Refusal::Ambiguous),
    };
    let scheme = single(headers, "x-forwarded-proto")?.unwrap_or("http");
    let asked = Asked { method, scheme, host, path };
    let passed = gateway.pass(table, &route, &credential, asked).await?;
    let mut response = Response::new(GatewayBody::empty());
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let values = passed.current.as_ref().map(|current| &current.values);
    route.injection.inject_all(answer, values, passed.assertion.as_ref());
    Ok(response)
}
