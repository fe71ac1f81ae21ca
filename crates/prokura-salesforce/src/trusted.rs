//! `POST trusted-system/token`: a client that is trusted with it logs a shopper in without their password. Where shoppers
//! are known from (`idp_origin`) is the id of a partner's identity provider; without such a one they are found by their
//! address alone.

use crate::{
    authorize::BASE,
    call::{Call, Party, has_scope, wrong_method},
    fault::SlasFault,
    token::answer,
};
use axum::{Router, extract::State, response::Response, routing::post};
use http::StatusCode;
use prokura_domain::{Email, PartnerIdpId, SiteId};
use prokura_engine::{BeginGuest, Error, KnownBy, OnBehalf, Refusal, Tenant, Wishes};
use prokura_http::Edge;

/// What a client must be registered for.
pub(crate) const SCOPE: &str = "sfcc.ts_ext_on_behalf_of";
const HINT: &str = "ts_ext_on_behalf_of";
/// How soon the same shopper may be logged in again, in seconds.
const PAUSE_SECONDS: u32 = 3;
/// The longest name of a shopper.
const MAX_LOGIN: usize = 128;
/// The shop's own shoppers.
const OWN: &str = "ecom";
/// Where shoppers may be known from. All but the first are other identity providers.
const ORIGINS: [&str; 15] = [
    OWN,
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
    if !has_scope(&party.client, SCOPE) {
        return Err(SlasFault::unauthorized());
    }
    if call.asked.needed("grant_type")? != "client_credentials" || call.asked.needed("hint")? != HINT {
        let message =
            "Bad or missing request parameters. grant_type is client_credentials, hint is ts_ext_on_behalf_of.";
        return Err(SlasFault::invalid_request(message));
    }
    let known_from = call.asked.needed("idp_origin")?;
    if !ORIGINS.contains(&known_from) {
        return Err(SlasFault::invalid_request("Bad or missing request parameters. idp_origin is not known."));
    }
    let site = call.channel(&edge, &party).await?;
    let login = call.asked.needed("login_id")?;
    if login.len() > MAX_LOGIN {
        return Err(SlasFault::invalid_request("Bad or missing request parameters. login_id has at most 128 bytes."));
    }
    let granted = if login == "guest" {
        let request = BeginGuest {
            client: party.client.id.clone(),
            wishes: Wishes { site: Some(site), ..Wishes::default() },
            visitor: call.visitor_wish()?,
            manner: call.manner(None)?,
        };
        edge.engine.begin_guest(&call.tenant, &request, &call.origin).await?
    } else {
        let who = known_by(&edge, &call.tenant, known_from, (login, call.asked.one("email_id")?)).await?;
        let request = on_behalf(&call, &party, who, site)?;
        edge.engine.log_in_on_behalf(&call.tenant, &request, &call.origin).await.map_err(refused)?
    };
    answer(&edge, &call, &party, &granted).await
}

fn on_behalf(call: &Call, party: &Party, who: KnownBy, site: SiteId) -> Result<OnBehalf, SlasFault> {
    Ok(OnBehalf {
        client: party.client.id.clone(),
        who,
        visitor: call.visitor_wish()?,
        site: Some(site),
        manner: call.manner(None)?,
        pause_seconds: PAUSE_SECONDS,
    })
}

/// Whom a login means. An identity provider's login is no address as a rule, and `email_id` says theirs.
async fn known_by(
    edge: &Edge,
    tenant: &Tenant,
    known_from: &str,
    (login, email_id): (&str, Option<&str>),
) -> Result<KnownBy, SlasFault> {
    let email = Email::parse(email_id.unwrap_or(login));
    if known_from != OWN
        && let Ok(idp) = known_from.parse::<PartnerIdpId>()
    {
        match edge.engine.partner_idp(tenant, &idp).await {
            Ok(found) => return Ok(KnownBy::Provider { idp: found.id, subject: login.to_owned(), email: email.ok() }),
            Err(Error::Refused(_)) => {}
            Err(fault @ Error::Fault(_)) => return Err(fault.into()),
        }
    }
    email.map(KnownBy::Address).map_err(|_| SlasFault::unauthorized())
}

fn refused(error: Error) -> SlasFault {
    match error {
        Error::Refused(Refusal::AlreadyExists("login")) => {
            let message = "The same loginId and tenantId tried to login twice within 3 seconds.";
            SlasFault::new(StatusCode::CONFLICT, "conflict", message)
        }
        other @ (Error::Refused(_) | Error::Fault(_)) => SlasFault::of_login(other),
    }
}
