//! `POST …/customers/auth/trustedsystem`: a trusted system logs a shopper in by their login alone. It shows an access token
//! of its own, of the grant `client_credentials`; no shopper's token opens anything here.

use super::{Call, OcapiFault, customer};
use crate::{call::has_scope, settings::manner, trusted::SCOPE};
use axum::{extract::State, response::Response};
use http::StatusCode;
use prokura_domain::{ClientId, Email, SiteId, Subject};
use prokura_engine::{Error, KnownBy, OnBehalf, Refusal, Tenant, VisitorWish};
use prokura_http::Edge;
use serde::Deserialize;
use std::sync::Arc;

/// Who logs whom in. What else is sent says nothing here.
#[derive(Deserialize)]
struct Order {
    client_id: String,
    login: String,
}

pub(super) async fn log_in(State(edge): State<Edge>, call: Call) -> Result<Response, OcapiFault> {
    let version = call.version.clone();
    log_in_for(&edge, &call).await.map_err(|fault| fault.of_version(&version))
}

async fn log_in_for(edge: &Edge, call: &Call) -> Result<Response, OcapiFault> {
    let order: Order = serde_json::from_slice(&call.body)
        .map_err(|_| OcapiFault::bad_request("The body is JSON with client_id and login."))?;
    let (tenant, client) = system(edge, call).await?;
    if order.client_id != client.as_str() {
        return Err(OcapiFault::client_forbidden());
    }
    let email = Email::parse(&order.login).map_err(|_| OcapiFault::authentication_failed())?;
    let request = OnBehalf {
        client,
        who: KnownBy::Address(email),
        visitor: VisitorWish::New,
        site: call.site.clone(),
        manner: manner(&tenant, None),
        pause_seconds: 0,
    };
    let granted = edge.engine.log_in_on_behalf(&tenant, &request, &call.origin).await.map_err(refused)?;
    customer(edge, call, &tenant, &granted).await
}

/// The client that asks, by its own token; it must be registered for the scope, and the token must have it.
async fn system(edge: &Edge, call: &Call) -> Result<(Arc<Tenant>, ClientId), OcapiFault> {
    let (tenant, token) = call.any_bearer(edge).await?;
    let standing = &token.token.standing;
    if !matches!(standing.subject, Subject::Service) {
        return Err(OcapiFault::client_forbidden());
    }
    edge.check_client(&tenant, &standing.client)?;
    let client = edge.engine.client(&tenant, &standing.client).await?;
    if !has_scope(&client, SCOPE) || !standing.scopes.contains(SCOPE) {
        return Err(OcapiFault::client_forbidden());
    }
    call.check_site(edge, &tenant, &client.id).await?;
    check_site(edge, &tenant, call.site.as_ref()).await?;
    Ok((tenant, client.id))
}

/// A site in the path is one of the tenant's.
async fn check_site(edge: &Edge, tenant: &Tenant, site: Option<&SiteId>) -> Result<(), OcapiFault> {
    let Some(site) = site else { return Ok(()) };
    match edge.engine.site(tenant, site).await {
        Ok(site) if site.is_active => Ok(()),
        Ok(_) | Err(Error::Refused(_)) => {
            Err(OcapiFault::new(StatusCode::NOT_FOUND, "NotFoundException", "There is no such site."))
        }
        Err(fault @ Error::Fault(_)) => Err(fault.into()),
    }
}

/// Whom nobody knows and who may not come in look alike.
fn refused(error: Error) -> OcapiFault {
    match error {
        Error::Refused(Refusal::UnauthorizedClient) => OcapiFault::client_forbidden(),
        Error::Refused(_) => OcapiFault::authentication_failed(),
        Error::Fault(_) => error.into(),
    }
}
