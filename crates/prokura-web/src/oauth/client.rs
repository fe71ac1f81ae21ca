//! A client's form, and how the client in it proves who it is. Parameters count from the form alone (S-04), and one
//! request carries one set of credentials (S-01).

use super::{fault::OauthFault, target, tenant};
use crate::Web;
use axum::{
    body::Bytes,
    extract::{FromRequest, Path, Request},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use prokura_domain::ClientId;
use prokura_engine::{Client, ClientProof, Error, KeyRefusal, Origin, Refusal, Tenant};
use prokura_http::{BearerFault, Params, RequestOrigin, dpop_proof, is_form};
use prokura_jose::{Secret, dpop::Target};
use std::sync::Arc;

/// The only kind of assertion there is (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client that proved who it is, with what it asks for.
pub(super) struct ClientForm {
    pub(super) tenant: Arc<Tenant>,
    pub(super) client: Client,
    pub(super) params: Params,
    pub(super) origin: Origin,
    /// The `DPoP` header, where one may be.
    key_proof: Result<Option<Secret>, BearerFault>,
}

impl ClientForm {
    /// Checks the proof of a key that came along, for the endpoint `name`: what is issued is bound to it.
    pub(super) fn show_key(&mut self, web: &Web, name: &str) -> Result<(), OauthFault> {
        let Some(proof) = self.key_proof.as_ref().map_err(|_| OauthFault::invalid_proof())? else { return Ok(()) };
        let uri = format!("{}/{name}", self.tenant.issuer);
        let target = Target { method: "POST", uri: &uri, access_token: None };
        match web.edge.engine.check_key(&self.tenant, Some(&self.client), proof.expose(), target) {
            Ok(key) => {
                self.origin.key_proof = Some(Arc::new(key));
                Ok(())
            }
            Err(KeyRefusal::Invalid) => Err(OauthFault::invalid_proof()),
            Err(KeyRefusal::NonceNeeded(nonce)) => Err(OauthFault::nonce_needed(nonce)),
        }
    }
}

impl FromRequest<Web> for ClientForm {
    type Rejection = OauthFault;

    async fn from_request(request: Request, web: &Web) -> Result<Self, OauthFault> {
        let (mut parts, body) = request.into_parts();
        let name = axum::RequestPartsExt::extract::<Path<String>>(&mut parts).await;
        let Path(name) = name.map_err(|_| OauthFault::invalid_request("the path names no tenant"))?;
        let tenant = tenant(web, &name).await?;
        let origin = RequestOrigin::of(&parts);
        if parts.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(OauthFault::invalid_request("parameters belong into the form, not into the query"));
        }
        if !is_form(&parts.headers) {
            return Err(OauthFault::invalid_request("the body must be application/x-www-form-urlencoded"));
        }
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), web).await.map_err(|rejection| {
            OauthFault::new(rejection.status(), "invalid_request", "the body is too long or did not arrive whole")
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|_| OauthFault::invalid_request("the body must be text"))?;
        let params = Params::parse(text);
        let key_proof = dpop_proof(&parts.headers).map(|proof| proof.map(|text| Secret::from(text.to_owned())));
        params.refuse_repeated_but(&target::NAMES)?;
        let (id, proof) = credentials(&parts.headers, &params)?;
        web.edge.check_client(&tenant, &id)?;
        let client = match web.edge.engine.prove_client(&tenant, &id, &proof, &origin).await {
            Ok(client) => client,
            Err(Error::Refused(Refusal::InvalidClient)) => return Err(OauthFault::invalid_client()),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { tenant, client, params, origin, key_proof })
    }
}

fn credentials(headers: &HeaderMap, params: &Params) -> Result<(ClientId, ClientProof), OauthFault> {
    let id_in_form = params.one("client_id")?;
    let secret = params.one("client_secret")?;
    let assertion = params.one("client_assertion")?;
    let basic = basic(headers)?;
    if usize::from(secret.is_some()) + usize::from(assertion.is_some()) + usize::from(basic.is_some()) > 1 {
        return Err(OauthFault::invalid_request("one request carries one set of credentials"));
    }
    let owned = |text: &str| Secret::from(text.to_owned());
    let (id, proof) = match (basic, secret, assertion) {
        (Some((id, secret)), _, _) => {
            if id_in_form.is_some_and(|in_form| in_form != id) {
                return Err(OauthFault::invalid_request("header and form name two clients"));
            }
            (id, ClientProof::Basic(secret))
        }
        (None, Some(secret), _) => (id_in_form.unwrap_or_default().to_owned(), ClientProof::Post(owned(secret))),
        (None, None, Some(assertion)) => {
            if params.one("client_assertion_type")? != Some(ASSERTION_TYPE) {
                return Err(OauthFault::invalid_request("client_assertion_type must be that of RFC 7523"));
            }
            // Who it is from is checked with the signature; the name only tells whose keys to take.
            let id = id_in_form.map_or_else(|| issuer_of(assertion), |id| Some(id.to_owned()));
            (id.unwrap_or_default(), ClientProof::Assertion(owned(assertion)))
        }
        (None, None, None) => (id_in_form.unwrap_or_default().to_owned(), ClientProof::Nothing),
    };
    let id = id.parse().map_err(|_| OauthFault::invalid_client())?;
    Ok((id, proof))
}

/// What an assertion claims to be from; nothing is believed of it yet.
fn issuer_of(assertion: &str) -> Option<String> {
    let payload = assertion.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let payload: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    payload.get("iss")?.as_str().map(str::to_owned)
}

/// Id and secret of an `Authorization: Basic` header; both are form-encoded first (RFC 6749 section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, OauthFault> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(OauthFault::new(StatusCode::BAD_REQUEST, "invalid_request", "more than one Authorization header"));
    }
    let wrong = OauthFault::invalid_client;
    let (scheme, encoded) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(wrong)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (id, secret) = text.split_once(':').ok_or_else(wrong)?;
    Ok(Some((Params::decode(id), Secret::from(Params::decode(secret)))))
}
