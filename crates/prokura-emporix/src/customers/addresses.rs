//! Addresses, below a customer's own profile and below a customer somebody manages: the same calls, and another answer
//! to whose they are.

use super::wire::{self, Faults, Reader};
use crate::{caller::Caller, fault::E2, params::Body};
use axum::{
    Json, Router,
    extract::{RawPathParams, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use prokura_domain::{AddressId, CustomerId};
use prokura_engine::{Address, AddressBody, Refusal};
use prokura_http::{Edge, Params};
use serde_json::{Map, Value, json};
use std::future::Future;

/// Whose addresses a path is about.
pub(crate) trait Owner: Send + Sync + 'static {
    /// The customer, once the caller has shown the right to see or change their addresses. `named` is the id in the
    /// path, where there is one.
    fn owner(
        edge: &Edge,
        caller: &Caller,
        named: Option<&str>,
        is_change: bool,
    ) -> impl Future<Output = Result<CustomerId, E2>> + Send;
}

/// The calls below `path`.
pub(crate) fn routes<O: Owner>(path: &str) -> Router<Edge> {
    Router::new()
        .route(path, get(list::<O>).post(create::<O>))
        .route(&format!("{path}/{{address}}"), get(show::<O>).patch(patch::<O>).put(put::<O>).delete(delete::<O>))
        .route(&format!("{path}/{{address}}/tags"), post(tag::<O>).delete(untag::<O>))
}

async fn owner<O: Owner>(
    edge: &Edge,
    caller: &Caller,
    path: &RawPathParams,
    is_change: bool,
) -> Result<CustomerId, E2> {
    O::owner(edge, caller, named(path, "customer"), is_change).await
}

fn named<'a>(path: &'a RawPathParams, wanted: &str) -> Option<&'a str> {
    path.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

/// An id that cannot be one is one there is not.
fn address_id(path: &RawPathParams) -> Result<AddressId, E2> {
    let id = named(path, "address").and_then(|id| id.parse().ok());
    id.ok_or_else(|| Refusal::NotFound("address").into())
}

async fn list<O: Owner>(State(edge): State<Edge>, caller: Caller, path: RawPathParams) -> Result<Json<Value>, E2> {
    let owner = owner::<O>(&edge, &caller, &path, false).await?;
    let addresses = edge.engine.addresses(&caller.tenant, &owner).await?;
    Ok(Json(addresses.iter().map(wire::address).collect()))
}

async fn show<O: Owner>(State(edge): State<Edge>, caller: Caller, path: RawPathParams) -> Result<Json<Value>, E2> {
    let owner = owner::<O>(&edge, &caller, &path, false).await?;
    let address = edge.engine.address(&caller.tenant, &owner, &address_id(&path)?).await?;
    Ok(Json(wire::address(&address)))
}

async fn create<O: Owner>(
    State(edge): State<Edge>,
    caller: Caller,
    path: RawPathParams,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Response, E2> {
    let owner = owner::<O>(&edge, &caller, &path, true).await?;
    let (mut address, mut faults) = (AddressBody::default(), Faults::default());
    wire::apply_address(&Reader::new(&body), &mut address, &mut faults);
    faults.check()?;
    let made = edge.engine.create_address(&caller.tenant, &owner, &address, &caller.actor(), &caller.origin).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": made.as_str() }))).into_response())
}

async fn patch<O: Owner>(
    State(edge): State<Edge>,
    caller: Caller,
    path: RawPathParams,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Json<Value>, E2> {
    let owner = owner::<O>(&edge, &caller, &path, true).await?;
    change(&edge, &caller, &owner, &path, |address, faults| {
        let reader = Reader::new(&body);
        wire::apply_address(&reader, address, faults);
        reader.version(faults)
    })
    .await
}

/// Replaces what an address says. Tags that are left out stay: clients send the fields of a form here.
async fn put<O: Owner>(
    State(edge): State<Edge>,
    caller: Caller,
    path: RawPathParams,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Json<Value>, E2> {
    let owner = owner::<O>(&edge, &caller, &path, true).await?;
    change(&edge, &caller, &owner, &path, |address, faults| {
        let reader = Reader::new(&body);
        *address = AddressBody { tags: std::mem::take(&mut address.tags), ..AddressBody::default() };
        wire::apply_address(&reader, address, faults);
        reader.version(faults)
    })
    .await
}

/// Lets `write` change an address; it returns the version the caller saw, if any.
async fn change(
    edge: &Edge,
    caller: &Caller,
    owner: &CustomerId,
    path: &RawPathParams,
    write: impl Fn(&mut AddressBody, &mut Faults) -> Option<i64> + Send + Sync,
) -> Result<Json<Value>, E2> {
    let id = address_id(path)?;
    let mut faults = Faults::default();
    let edit = |before: &Address| {
        faults = Faults::default();
        let mut body = before.body.clone();
        let version = write(&mut body, &mut faults);
        faults.is_empty().then_some((body, version))
    };
    edge.engine.edit_address(&caller.tenant, owner, &id, edit, &caller.actor(), &caller.origin).await?;
    faults.check()?;
    let address = edge.engine.address(&caller.tenant, owner, &id).await?;
    Ok(Json(wire::address(&address)))
}

async fn delete<O: Owner>(State(edge): State<Edge>, caller: Caller, path: RawPathParams) -> Result<StatusCode, E2> {
    let owner = owner::<O>(&edge, &caller, &path, true).await?;
    let id = address_id(&path)?;
    edge.engine.delete_address(&caller.tenant, &owner, &id, &caller.actor(), &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn tag<O: Owner>(
    State(edge): State<Edge>,
    caller: Caller,
    path: RawPathParams,
    params: Params,
) -> Result<StatusCode, E2> {
    let owner = owner::<O>(&edge, &caller, &path, true).await?;
    let tags = tags(&params)?;
    let Json(_) = change(&edge, &caller, &owner, &path, |address, faults| {
        address.tags.extend(tags.iter().cloned());
        wire::tidy_tags("tags", address, faults);
        None
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn untag<O: Owner>(
    State(edge): State<Edge>,
    caller: Caller,
    path: RawPathParams,
    params: Params,
) -> Result<StatusCode, E2> {
    let owner = owner::<O>(&edge, &caller, &path, true).await?;
    let tags = tags(&params)?;
    let Json(_) = change(&edge, &caller, &owner, &path, |address, _| {
        address.tags.retain(|tag| !tags.contains(tag));
        None
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn tags(params: &Params) -> Result<Vec<String>, E2> {
    let text = params.one("tags")?.unwrap_or_default();
    let tags: Vec<String> = text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    if tags.is_empty() {
        return Err(E2::validation_failure("The request is not valid.").detail(
            "tags",
            "field_required",
            "This is needed.",
        ));
    }
    Ok(tags)
}
