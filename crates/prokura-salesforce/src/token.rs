//! `POST token`: every grant of guests and customers.

use crate::{
    accent::token_response,
    authorize::BASE,
    call::{Call, Party, wrong_method},
    fault::SlasFault,
    ocapi::cookies,
    races::Races,
};
use axum::{
    Extension, Json, Router,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::post,
};
use prokura_domain::SiteId;
use prokura_engine::{BeginGuest, DirectWish, EntityWish, Error, Granted, RedeemCode, Refresh, Refusal, Wishes};
use prokura_http::Edge;
use prokura_jose::Secret;
use serde_json::Value;
use std::sync::Arc;

/// Refreshes under way.
type Refreshes = Races<Result<Arc<Granted>, SlasFault>>;

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route(&format!("{BASE}/token"), post(token).fallback(wrong_method))
        .layer(Extension(Refreshes::default()))
}

async fn token(
    State(edge): State<Edge>,
    Extension(races): Extension<Refreshes>,
    call: Call,
) -> Result<Response, SlasFault> {
    let party = call.party(&edge).await?;
    let granted = match call.asked.needed("grant_type")? {
        "authorization_code_pkce" => Arc::new(redeem(&edge, &call, &party).await?),
        "authorization_code" if party.is_private() => Arc::new(redeem(&edge, &call, &party).await?),
        "client_credentials" if party.is_private() => Arc::new(guest(&edge, &call, &party).await?),
        "authorization_code" | "client_credentials" => return Err(SlasFault::unauthorized()),
        "refresh_token" => refresh(&edge, &races, &call, &party).await?,
        _ => {
            let offered =
                "authorization_code_pkce, authorization_code, client_credentials and refresh_token are offered";
            return Err(SlasFault::invalid_request(format!("Bad or missing request parameters. {offered}.")));
        }
    };
    answer(&edge, &call, &party, &granted).await
}

/// The token answer; of clients of hybrid auth with a session of the shop's own pages beside it.
pub(crate) async fn answer(edge: &Edge, call: &Call, party: &Party, granted: &Granted) -> Result<Response, SlasFault> {
    answer_with(edge, call, party, granted, |body| body).await
}

/// The same, in what `wrap` puts around it.
pub(crate) async fn answer_with(
    edge: &Edge,
    call: &Call,
    party: &Party,
    granted: &Granted,
    wrap: impl FnOnce(Value) -> Value,
) -> Result<Response, SlasFault> {
    let body = token_response(&edge.engine, &call.tenant, granted, &party.client.scopes).await?;
    let mut response = Json(wrap(body)).into_response();
    if party.settings.hybrid_auth {
        let standing = granted.standing();
        let pages = edge.engine.bridge_to_pages(&call.tenant, standing, None, &call.origin).await?;
        cookies::set(response.headers_mut(), &call.tenant, &pages);
    }
    Ok(response)
}

/// The client without a session of the shop's own pages beside its tokens.
pub(crate) fn without_pages(mut party: Party) -> Party {
    party.settings.hybrid_auth = false;
    party
}

async fn redeem(edge: &Edge, call: &Call, party: &Party) -> Result<Granted, SlasFault> {
    let site = call.channel(edge, party).await?;
    let request = RedeemCode {
        client: party.client.id.clone(),
        code: Secret::from(call.asked.needed("code")?.to_owned()),
        redirect_uri: call.asked.one("redirect_uri")?.map(str::to_owned),
        code_verifier: call.asked.one("code_verifier")?.map(|verifier| Secret::from(verifier.to_owned())),
        resources: Vec::new(),
        direct: DirectWish { is_direct: true, visitor: call.visitor()?, site: Some(site) },
        manner: call.manner(None)?,
    };
    Ok(edge.engine.redeem_code(&call.tenant, &request, &call.origin).await?)
}

/// A private client begins a guest without a code.
async fn guest(edge: &Edge, call: &Call, party: &Party) -> Result<Granted, SlasFault> {
    if call.asked.one("hint")?.is_some() {
        let message = "Bad or missing request parameters. A hint is for trusted-system/token or session-bridge/token.";
        return Err(SlasFault::invalid_request(message));
    }
    let site = call.channel(edge, party).await?;
    let request = BeginGuest {
        client: party.client.id.clone(),
        wishes: Wishes { site: Some(site), ..Wishes::default() },
        visitor: call.visitor_wish()?,
        manner: call.manner(None)?,
    };
    Ok(edge.engine.begin_guest(&call.tenant, &request, &call.origin).await?)
}

async fn refresh(edge: &Edge, races: &Refreshes, call: &Call, party: &Party) -> Result<Arc<Granted>, SlasFault> {
    let Some(token) = call.asked.one("refresh_token")? else { return Err(SlasFault::invalid_refresh_token()) };
    let site: SiteId = call.channel(edge, party).await?;
    let entity = call.asked.one("legal_entity_id")?;
    let legal_entity = match (entity.map(str::parse), call.asked.one("as_person")?) {
        (None, None) => EntityWish::Keep,
        (None, Some("true")) => EntityWish::Nobody,
        (Some(Ok(entity)), None) => EntityWish::Of(entity),
        (Some(Err(_)), None) => EntityWish::Malformed,
        (_, Some(_)) => {
            let message = "Bad or missing request parameters. as_person=true stands in place of a legal_entity_id.";
            return Err(SlasFault::invalid_request(message));
        }
    };
    let dnt = call.asked.one("dnt")?;
    let wished = format!("{legal_entity:?}");
    let same = [token, party.client.id.as_str(), site.as_str(), dnt.unwrap_or("-"), &wished].join("\0");
    let request = Refresh {
        refresh_token: Secret::from(token.to_owned()),
        client: Some(party.client.id.clone()),
        legal_entity,
        scopes: None,
        resources: Vec::new(),
        manner: call.manner(Some(site))?,
    };
    let (engine, tenant, origin) = (edge.engine.clone(), call.tenant.clone(), call.origin.clone());
    let client = party.client.id.clone();
    races
        .once(&same, async move {
            match engine.refresh_anybody(&tenant, &client, &request, &origin).await {
                // Nobody asked for another company: the one they acted for was taken away, and they stay who they are.
                Err(Error::Refused(Refusal::NotAssigned)) if request.legal_entity == EntityWish::Keep => {
                    let request = Refresh { legal_entity: EntityWish::Nobody, ..request };
                    engine.refresh_anybody(&tenant, &client, &request, &origin).await
                }
                result => result,
            }
            .map(Arc::new)
            .map_err(SlasFault::of_refresh)
        })
        .await
        .unwrap_or_else(|| Err(SlasFault::interrupted()))
}
