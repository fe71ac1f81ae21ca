//! What a shop that renders its own pages asks: who is there, by the cookies of the browser; log them in and out; let them
//! act for another company. Between servers, with the shop's secret; the browser only ever sees its cookies.
//!
//! The answer tells everything a page needs at once, so a page costs one call and no redirect, whatever the browser came
//! with.

use crate::{
    accent,
    call::basic,
    session_token,
    settings::{ClientSettings, DIALECT, manner},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRequest, FromRequestParts as _, RawPathParams, Request, State},
    routing::post,
};
use http::StatusCode;
use prokura_domain::{ClientId, Email, LegalEntityId, SiteId, TenantId};
use prokura_engine::{
    Client, ClientProof, EntityWish, Error, LogIn, Manner, Origin, Refusal, ShopLogIn, ShopVisit, Tenant, VisitPages,
    VisitorWish, Wishes,
};
use prokura_http::{Edge, Params, Problem, RequestOrigin, is_form};
use prokura_jose::Secret;
use serde_json::{Value, json};
use std::sync::Arc;

/// The most bytes of a password that are looked at (S-104).
const MAX_PASSWORD_BYTES: usize = 1_024;

pub(crate) fn routes() -> Router<Edge> {
    Router::new()
        .route("/t/{tenant}/pages/session", post(visit))
        .route("/t/{tenant}/pages/login", post(log_in))
        .route("/t/{tenant}/pages/company", post(choose))
        .route("/t/{tenant}/pages/logout", post(log_out))
}

/// A call of a shop that proved who it is.
struct Call {
    tenant: Arc<Tenant>,
    client: Client,
    settings: ClientSettings,
    form: Params,
    origin: Origin,
}

impl FromRequest<Edge> for Call {
    type Rejection = Problem;

    async fn from_request(request: Request, edge: &Edge) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let not_found = || Problem::new(StatusCode::NOT_FOUND);
        let path = RawPathParams::from_request_parts(&mut parts, edge).await.map_err(|_| not_found())?;
        let name = path.iter().find(|(name, _)| *name == "tenant").map_or("", |(_, value)| value);
        let id: TenantId = name.parse().map_err(|_| not_found())?;
        let tenant = edge.tenant(&id).await.map_err(problem)?;
        if !tenant.speaks(DIALECT) {
            return Err(not_found());
        }
        let origin = RequestOrigin::of(&parts);
        let unproven = || {
            Problem::new(StatusCode::UNAUTHORIZED).detail("send the id and secret of a confidential client as Basic")
        };
        let (client, secret) = basic(&parts.headers).ok().flatten().ok_or_else(unproven)?;
        let client: ClientId = client.parse().map_err(|_| unproven())?;
        edge.check_client(&tenant, &client).map_err(problem)?;
        let proof = ClientProof::Basic(secret);
        let client =
            edge.engine.prove_client(&tenant, &client, &proof, &origin).await.map_err(|error| match error {
                Error::Refused(Refusal::InvalidClient) => unproven(),
                other @ (Error::Refused(_) | Error::Fault(_)) => problem(other),
            })?;
        let settings = ClientSettings::of(&client).map_err(|refusal| problem(refusal.into()))?;
        if !is_form(&parts.headers) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).detail("send a form"));
        }
        let body = Bytes::from_request(Request::from_parts(parts, body), edge)
            .await
            .map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE))?;
        let text = std::str::from_utf8(&body).map_err(|_| bad("the form is no UTF-8"))?;
        let form = Params::parse(text);
        form.refuse_repeated().map_err(|repeated| bad(&repeated.to_string()))?;
        Ok(Self { tenant, client, settings, form, origin })
    }
}

impl Call {
    fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        self.form.one(name).map_err(|repeated| bad(&repeated.to_string()))
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, Problem> {
        Ok(self.text(name)?.map(|value| Secret::from(value.to_owned())))
    }

    fn flag(&self, name: &str, otherwise: bool) -> Result<bool, Problem> {
        match self.text(name)? {
            None => Ok(otherwise),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(bad(&format!("{name} is true or false"))),
        }
    }

    fn site(&self) -> Result<Option<SiteId>, Problem> {
        let channels = &self.settings.channels;
        let Some(name) = self.text("site")?.or(channels.first().map(String::as_str)) else { return Ok(None) };
        if !channels.is_empty() && !channels.iter().any(|known| known == name) {
            return Err(bad("the client does not serve this site"));
        }
        name.parse().map(Some).map_err(|_| bad("site is no id of a site"))
    }

    fn manner(&self) -> Result<Manner, Problem> {
        let do_not_track = match self.text("dnt")? {
            None => None,
            Some(_) => Some(self.flag("dnt", false)?),
        };
        Ok(Manner { do_not_track, ..manner(&self.tenant, None) })
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST).detail(detail)
}

fn problem(error: Error) -> Problem {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Fault(fault) => return Problem::fault(&fault),
    };
    let detail = refusal.to_string();
    match refusal {
        Refusal::UnknownTenant => Problem::new(StatusCode::NOT_FOUND),
        Refusal::InvalidCredentials
        | Refusal::CustomerPending
        | Refusal::CustomerOnHold
        | Refusal::CustomerInactive
        | Refusal::ProofNeeded => Problem::new(StatusCode::UNAUTHORIZED).code("wrong_login").detail("the login failed"),
        Refusal::InvalidToken | Refusal::InvalidGrant | Refusal::ExpiredGrant => {
            Problem::new(StatusCode::UNAUTHORIZED).code("session_over").detail("nobody is logged in with this session")
        }
        Refusal::UnauthorizedClient => Problem::new(StatusCode::FORBIDDEN)
            .detail("register the client for the grants session_bridge, guest and password"),
        Refusal::Throttled { retry_after_seconds } => {
            Problem::new(StatusCode::TOO_MANY_REQUESTS).retry_after(retry_after_seconds)
        }
        Refusal::NotAssigned => bad(&detail).code("not_assigned"),
        Refusal::EntityLocked => bad(&detail).code("entity_locked"),
        Refusal::InvalidClient
        | Refusal::InvalidProof
        | Refusal::WrongTarget
        | Refusal::InvalidScope
        | Refusal::MissingScope(_)
        | Refusal::Forbidden(_)
        | Refusal::NotFound(_)
        | Refusal::AlreadyExists(_)
        | Refusal::StaleVersion
        | Refusal::InUse(_)
        | Refusal::Invalid(_) => bad(&detail),
    }
}

/// `POST …/pages/session`: who is there.
async fn visit(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, Problem> {
    let request = VisitPages {
        client: call.client.id.clone(),
        cookie: call.secret("session")?,
        refresh_token: call.secret("refresh_token")?,
        wishes: Wishes { site: call.site()?, ..Wishes::default() },
        is_activity: call.flag("touch", true)?,
        restores: call.flag("restore", true)?,
        manner: call.manner()?,
    };
    let shown = call.text("session")?;
    let visit = edge.engine.visit_pages(&call.tenant, &request, &call.origin).await.map_err(problem)?;
    answer(&edge, &call, &visit, shown).await
}

/// `POST …/pages/login`: logs in whoever has the password, in a new session.
async fn log_in(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, Problem> {
    let login = call.text("login")?.ok_or_else(|| bad("login is missing"))?;
    let password = call.secret("password")?.ok_or_else(|| bad("password is missing"))?;
    if password.expose().len() > MAX_PASSWORD_BYTES {
        return Err(bad("a password has at most 1024 bytes"));
    }
    let wrong = || problem(Refusal::InvalidCredentials.into());
    let request = ShopLogIn {
        client: call.client.id.clone(),
        cookie: call.secret("session")?,
        visitor: match call.text("usid")? {
            None => VisitorWish::New,
            Some(usid) => VisitorWish::Keep(usid.parse().map_err(|_| bad("usid is a UUID"))?),
        },
        log_in: LogIn { email: Email::parse(login).map_err(|_| wrong())?, password },
        site: call.site()?,
        manner: call.manner()?,
    };
    let visit = edge.engine.log_in_on_pages(&call.tenant, &request, &call.origin).await.map_err(problem)?;
    answer(&edge, &call, &visit, None).await
}

/// `POST …/pages/company`: acts for another company from now on, or for nobody where none is named.
async fn choose(State(edge): State<Edge>, call: Call) -> Result<Json<Value>, Problem> {
    let cookie = call.secret("session")?.ok_or_else(|| problem(Refusal::InvalidToken.into()))?;
    let wish = match call.text("legal_entity_id")?.map(str::parse::<LegalEntityId>) {
        None => EntityWish::Nobody,
        Some(Ok(entity)) => EntityWish::Of(entity),
        Some(Err(_)) => EntityWish::Malformed,
    };
    // A session of a storefront the client does not serve is none.
    let site = if call.text("site")?.is_some() || call.settings.channels.len() == 1 { call.site()? } else { None };
    let (client, manner) = (&call.client.id, Manner { site, ..call.manner()? });
    let visit = edge.engine.choose_on_pages(&call.tenant, client, &cookie, &wish, &manner, &call.origin).await;
    answer(&edge, &call, &visit.map_err(problem)?, call.text("session")?).await
}

/// `POST …/pages/logout`: ends the session with all its tokens. One that is over already is fine.
async fn log_out(State(edge): State<Edge>, call: Call) -> Result<StatusCode, Problem> {
    if let Some(cookie) = call.secret("session")? {
        edge.engine.log_out_of_shop_pages(&call.tenant, &cookie, &call.origin).await.map_err(problem)?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What the page is told; `shown` is the handle that stays where there is no new one.
async fn answer(edge: &Edge, call: &Call, visit: &ShopVisit, shown: Option<&str>) -> Result<Json<Value>, Problem> {
    let (pages, granted) = (&visit.pages, &visit.granted);
    let standing = granted.standing();
    let person = match standing.customer() {
        Some(customer) => Some(edge.engine.customer(&call.tenant, customer).await.map_err(problem)?),
        None => None,
    };
    let unspeakable = |_| bad("the login is too long for a token");
    let token = accent::sign(&call.tenant, granted, &call.client.scopes, person.as_ref()).map_err(unspeakable)?;
    let guest = accent::guest_id(standing);
    let proof = session_token::make(&call.tenant, pages, &guest, person.as_ref(), edge.engine.now());
    let proof = proof.map_err(unspeakable)?;
    let is_guest = person.is_none();
    let refresh = granted.refresh.as_ref();
    Ok(Json(json!({
        "session": pages.cookie.as_ref().map(Secret::expose).or(shown),
        "new": visit.is_new,
        "restored": visit.is_restored,
        "kind": if is_guest { "guest" } else { "registered" },
        "customer_id": accent::shopper_id(&call.tenant, standing),
        "usid": standing.visitor(),
        "login": person.as_ref().and_then(|person| person.email.clone()),
        "name": person.as_ref().map(accent::name),
        "legal_entity_id": standing.legal_entity().map(LegalEntityId::as_str),
        "family": pages.family.as_str(),
        "csrf": csrf(&call.tenant, visit),
        "access_token": token,
        "expires_in": granted.access_seconds,
        "refresh_token": refresh.map(|refresh| refresh.token.expose().to_owned()),
        "refresh_token_expires_in": refresh.map(|refresh| refresh.seconds),
        "idle_until": pages.idle_until.seconds(),
        "expires_at": pages.expires_at.seconds(),
        "dwsgst": is_guest.then_some(&proof),
        "dwsrst": (!is_guest).then_some(&proof),
    })))
}

/// What forms of this shopper carry (S-94, S-98). It stays the same as long as the same person is there under the same
/// name, whichever handle their browser has: a form that was rendered before a bridge may be sent after it, one that was
/// rendered before a login may not.
fn csrf(tenant: &Tenant, visit: &ShopVisit) -> String {
    let standing = visit.granted.standing();
    let customer = standing.customer().map_or("-", |customer| customer.as_str());
    let text = ["csrf", tenant.id.as_str(), standing.visitor().unwrap_or_default(), customer].join("\0");
    tenant.companion_key().mark(&text)
}
