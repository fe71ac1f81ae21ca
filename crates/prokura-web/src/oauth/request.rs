//! What a client asks for at the authorization endpoint, read once and strictly. A fault before the redirect URI is
//! known to be the client's own is shown to the person and sent nowhere (S-06).

use super::{claims, fault::OauthFault, target};
use prokura_domain::{ClientKind, Scopes};
use prokura_engine::{AuthorizationRequest, Client, Prompt, ResponseMode, SecurityProfile, grantable_scopes};
use prokura_http::{Params, Repeated};
use prokura_jose::dpop::Thumbprint;

/// The longest value that is handed back.
const MAX_STATE: usize = 4_096;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Wrong {
    /// Shown to the person: we cannot tell where an answer should go.
    Page(&'static str),
    /// Told to the client at its own address.
    Answer { redirect_uri: String, response_mode: ResponseMode, state: Option<String>, error: &'static str },
}

impl Wrong {
    /// The same where there is no browser in between.
    pub(super) fn into_fault(self) -> OauthFault {
        match self {
            Self::Page(reason) => OauthFault::invalid_request(reason),
            Self::Answer { error, .. } => {
                OauthFault::new(http::StatusCode::BAD_REQUEST, error, "the authorization request is not possible")
            }
        }
    }
}

impl From<Repeated> for Wrong {
    fn from(_: Repeated) -> Self {
        Self::Page("a parameter came more than once")
    }
}

/// Reads a request of `client` at `issuer`.
pub(super) fn read(issuer: &str, client: &Client, params: &Params) -> Result<AuthorizationRequest, Wrong> {
    params.refuse_repeated_but(&["resource"])?;
    let registered = &client.registration;
    let redirect_uri = match params.one("redirect_uri")? {
        Some(uri) if registered.allows_redirect(uri) => uri.to_owned(),
        Some(_) => return Err(Wrong::Page("the redirect URI is not one the application registered")),
        // FAPI 2.0 section 5.3.2.2: what is pushed says where the answer goes.
        None if registered.profile == SecurityProfile::Fapi2 => {
            return Err(Wrong::Page("the redirect URI is missing"));
        }
        None => match registered.redirect_uris.as_slice() {
            [only] => only.clone(),
            _ => return Err(Wrong::Page("the redirect URI is missing")),
        },
    };
    let state = params.one("state")?.map(str::to_owned);
    let response_mode = match params.one("response_mode")? {
        Some("form_post") => ResponseMode::FormPost,
        _ => ResponseMode::Query,
    };
    let answer = |error: &'static str| Wrong::Answer {
        redirect_uri: redirect_uri.clone(),
        response_mode,
        state: state.clone(),
        error,
    };
    if params.one("request")?.is_some() {
        return Err(answer("request_not_supported"));
    }
    match params.one("response_type")? {
        Some("code") => {}
        Some(_) => return Err(answer("unsupported_response_type")),
        None => return Err(answer("invalid_request")),
    }
    let is_known_mode = matches!(params.one("response_mode")?, None | Some("query" | "form_post"));
    let nonce = params.one("nonce")?.map(str::to_owned);
    if !is_known_mode || [&state, &nonce].into_iter().flatten().any(|text| text.len() > MAX_STATE) {
        return Err(answer("invalid_request"));
    }
    let wanted = params.one("scope")?.map(Scopes::parse).transpose().map_err(|_| answer("invalid_scope"))?;
    let asked =
        claims::read(params.one("claims")?, params.one("acr_values")?).ok_or_else(|| answer("invalid_request"))?;
    let wanted = wanted.map(|mut wanted| {
        if wanted.contains("openid") {
            wanted.extend(&asked.scopes);
        }
        wanted
    });
    let scopes = grantable_scopes(client, wanted.as_ref());
    let code_challenge = challenge(client, params, nonce.as_deref()).map_err(answer)?;
    let max_age = params.one("max_age")?.map(str::parse).transpose().map_err(|_| answer("invalid_request"))?;
    let text = |name| Ok::<_, Wrong>(params.one(name)?.map(|text| text.chars().take(320).collect::<String>()));
    Ok(AuthorizationRequest {
        direct: None,
        scope: scopes.to_string(),
        nonce,
        code_challenge,
        response_mode,
        prompt: prompt(params.one("prompt")?).ok_or_else(|| answer("invalid_request"))?,
        max_age,
        multi_factor: asked.multi_factor,
        subject: asked.subject,
        id_token_claims: asked.id_token,
        login_hint: text("login_hint")?,
        ui_locales: text("ui_locales")?,
        legal_entity: text("legal_entity_id")?,
        resources: match target::resources(params, &["resource"], issuer) {
            Some(wanted) if wanted.iter().all(|resource| registered.resources.contains(resource)) => wanted,
            Some(_) | None => return Err(answer("invalid_target")),
        },
        dpop_jkt: match params.one("dpop_jkt")?.map(str::parse::<Thumbprint>).transpose() {
            Ok(key) => key.map(|key| key.to_string()),
            Err(_) => return Err(answer("invalid_request")),
        },
        redirect_uri,
        state,
    })
}

/// PKCE with S256 for everybody; a confidential client may be registered to leave it out when it sends a nonce (S-07).
fn challenge(client: &Client, params: &Params, nonce: Option<&str>) -> Result<Option<String>, &'static str> {
    let one = |name| params.one(name).map_err(|_| "invalid_request");
    match (one("code_challenge")?, one("code_challenge_method")?) {
        (Some(challenge), Some("S256")) if is_challenge(challenge) => Ok(Some(challenge.to_owned())),
        (None, None)
            if client.kind == ClientKind::Confidential && client.registration.may_omit_pkce && nonce.is_some() =>
        {
            Ok(None)
        }
        _ => Err("invalid_request"),
    }
}

/// The base64url of a SHA-256 digest (RFC 7636 section 4.2).
fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// `None` when the words contradict each other (OpenID Connect Core section 3.1.2.1).
fn prompt(text: Option<&str>) -> Option<Prompt> {
    let mut prompt = Prompt::default();
    for word in text.unwrap_or_default().split_ascii_whitespace() {
        match word {
            "none" => prompt.none = true,
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => return None,
        }
    }
    if prompt.none && (prompt.login || prompt.consent) { None } else { Some(prompt) }
}
