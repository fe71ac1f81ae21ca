//! `POST trusted-system/token`: a client that is trusted with it logs a shopper in without their password.

use crate::{
    authorize::BASE,
    call::{Call, wrong_method},
    fault::SlasFault,
    token::answer,
};
use axum::{Router, extract::State, response::Response, routing::post};
use prokura_domain::Email;
use prokura_engine::{BeginGuest, OnBehalf, Wishes};
use prokura_http::Edge;

/// What a client must be registered for.
const SCOPE: &str = "sfcc.ts_ext_on_behalf_of";
const HINT: &str = "ts_ext_on_behalf_of";
/// Where shoppers may be known from. All but the first are other identity providers.
const ORIGINS: [&str; 15] = [
    "ecom",
    "apple",
    "auth0",
    "azure",
    "azure_adb2c",
    "cognito",
    "default",
    "facebook",
    "forgerock",
    "gigya",
    "gigya_socialize",
    "google",
    "okta",
    "ping",
    "salesforce",
];

pub(crate) fn routes() -> Router<Edge> {
    Router::new().route(&format!("{BASE}/trusted-system/token"), post(token).fallback(wrong_method))
}

async fn token(State(edge): State<Edge>, call: Call) -> Result<Response, SlasFault> {
    let party = call.private_party(&edge).await?;
    let is_trusted = party.client.scopes.split_ascii_whitespace().any(|scope| scope == SCOPE);
    if !is_trusted {
        return Err(SlasFault::unauthorized());
    }
    if call.asked.needed("grant_type")? != "client_credentials" || call.asked.needed("hint")? != HINT {
        let message =
            "Bad or missing request parameters. grant_type is client_credentials, hint is ts_ext_on_behalf_of.";
        return Err(SlasFault::invalid_request(message));
    }
    if !ORIGINS.contains(&call.asked.needed("idp_origin")?) {
        return Err(SlasFault::invalid_request("Bad or missing request parameters. idp_origin is not known."));
    }
    let site = call.channel(&edge, &party).await?;
    let login = call.asked.needed("login_id")?;
    let granted = if login == "guest" {
        let request = BeginGuest {
            client: party.client.id.clone(),
            wishes: Wishes { site: Some(site), ..Wishes::default() },
            visitor: call.visitor_wish()?,
            manner: call.manner(None)?,
        };
        edge.engine.begin_guest(&call.tenant, &request, &call.origin).await?
    } else {
        let address = call.asked.one("email_id")?.unwrap_or(login);
        let request = OnBehalf {
            client: party.client.id.clone(),
            email: Email::parse(address).map_err(|_| SlasFault::unauthorized())?,
            visitor: call.visitor_wish()?,
            site: Some(site),
            manner: call.manner(None)?,
        };
        edge.engine.log_in_on_behalf(&call.tenant, &request, &call.origin).await.map_err(SlasFault::of_login)?
    };
    answer(&edge, &call, &party, &granted).await
}
