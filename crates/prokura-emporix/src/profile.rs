//! What customers see and change of themselves. The list of companies is always all of theirs, whatever company the
//! token acts for; a visitor has a profile that says nothing.

use crate::{
    caller::Caller,
    customers::{
        addresses::{self, Owner},
        wire::{self, Faults, Reader, Writer},
    },
    fault::{E1, E2},
    params::Body,
};
use axum::{Json, Router, extract::State, routing::get};
use prokura_domain::CustomerId;
use prokura_engine::{Customer, CustomerChange, Error, Refusal};
use prokura_http::{Edge, Params};
use serde_json::{Map, Value};

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/customer/{tenant}/me", get(show).patch(change).put(change))
        .merge(addresses::routes::<Own>("/customer/{tenant}/me/addresses"))
}

/// Addresses of the caller.
struct Own;

impl Owner for Own {
    async fn owner(edge: &Edge, caller: &Caller, _: Option<&str>, is_change: bool) -> Result<CustomerId, E2> {
        let id = caller.customer()?.clone();
        caller.require(&edge.engine, if is_change { &[EDIT] } else { &[VIEW, EDIT] }).await?;
        Ok(id)
    }
}

const VIEW: &str = "customer.customerprofile_view";
const EDIT: &str = "customer.customerprofile_edit";

/// `GET /customer/{tenant}/me`
async fn show(State(edge): State<Edge>, caller: Caller, params: Params) -> Result<Json<Value>, E2> {
    if caller.is_guest() {
        let site = edge.engine.site_or_default(&caller.tenant, caller.standing().site.as_ref()).await?;
        return Ok(Json(wire::guest(site.as_ref().map(|site| site.id.as_str()))));
    }
    let id = caller.customer()?;
    caller.require(&edge.engine, &[VIEW]).await?;
    let expand = params.one("expand")?.unwrap_or_default();
    let wants_addresses = expand.split(',').any(|word| word.trim() == "addresses");
    let shown = profile(&edge, &caller, id, wants_addresses).await?;
    Ok(Json(shown))
}

async fn profile(edge: &Edge, caller: &Caller, id: &CustomerId, wants_addresses: bool) -> Result<Value, E2> {
    let customer = match edge.engine.customer(&caller.tenant, id).await {
        // Deleted while the token was still on its way through the feed.
        Err(Error::Refused(Refusal::NotFound(_))) => return Err(E1::expired_access_token().into()),
        other => other?,
    };
    let companies = edge.engine.assignments_of(&caller.tenant, id).await?;
    let addresses = if wants_addresses { Some(edge.engine.addresses(&caller.tenant, id).await?) } else { None };
    let mut shown = wire::customer(&customer);
    for name in ["type", "active", "onHold", "restriction"] {
        shown.remove(name);
    }
    wire::complete(&mut shown, &companies, addresses.as_deref());
    Ok(Value::Object(shown))
}

/// `PATCH` and `PUT /customer/{tenant}/me`: both merge, and both answer with the profile.
async fn change(
    State(edge): State<Edge>,
    caller: Caller,
    Body(body, _): Body<Map<String, Value>, E2>,
) -> Result<Json<Value>, E2> {
    let id = caller.customer()?;
    caller.require(&edge.engine, &[EDIT]).await?;
    let reader = Reader::new(&body);
    let mut faults = Faults::default();
    let edit = |before: &Customer| {
        faults = Faults::default();
        let mut profile = before.profile.clone();
        wire::apply_profile(&reader, &mut profile, Writer::Own, &mut faults);
        wire::apply_contact_email(&reader, before.email.as_deref(), &mut profile, &mut faults);
        let version = reader.version(&mut faults);
        faults.is_empty().then_some(CustomerChange { profile, state: None, version })
    };
    edge.engine.edit_customer(&caller.tenant, id, edit, &caller.actor(), &caller.origin).await?;
    faults.check()?;
    Ok(Json(profile(&edge, &caller, id, false).await?))
}
