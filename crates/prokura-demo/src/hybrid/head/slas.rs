//! Salesforce's shopper login and shop session calls, as Head's public client makes them; the classic pages make one of
//! them in its name, so that both halves hold the same tokens.

use aws_lc_rs::{digest, rand};
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::Deserialize;

use super::super::HybridConfig;
use crate::site::cookies::{Purse, SESSION};
use crate::site::upstream::{Fault, address, send_noted};

/// The version of the shop interface whose session call is made.
const SHOP_VERSION: &str = "v24_5";
/// What a refused refresh token is always answered with.
const INVALID_REFRESH_TOKEN: &str = "invalid refresh_token";

/// What a shopper is given.
#[derive(Debug, Clone, Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    expires_in: f64,
    refresh_token_expires_in: f64,
    usid: String,
    customer_id: String,
    #[serde(default)]
    id_token: String,
    #[serde(default)]
    enc_user_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    message: String,
    error_description: String,
}

/// Who a shopper is, for the page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UserInfo {
    pub(crate) name: String,
    pub(crate) email: String,
}

/// Why a call gave no tokens.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The refresh token is unknown, used or over.
    InvalidRefreshToken,
    /// The server understood and said no.
    No {
        status: StatusCode,
        text: String,
    },
    Fault(Fault),
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A secret that proves that whoever redeems a code is who asked for it (RFC 7636).
struct Verifier(String);

impl Verifier {
    fn new() -> Self {
        let mut bytes = [0; 96];
        rand::fill(&mut bytes).expect("the system has random numbers");
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.0.as_bytes()).as_ref())
    }
}

/// What proves whose session it is, for ten minutes.
pub(crate) enum SignedSession<'a> {
    Guest { name: &'a str },
    Registered { name: &'a str, login: &'a str },
}

struct Code {
    code: String,
    usid: String,
}

/// One organization's login service and one site's session service.
pub(crate) struct Slas {
    http: Client,
    base: String,
    organization: String,
    site: String,
    client_id: String,
    redirect_uri: String,
}

impl Slas {
    pub(crate) fn new(http: Client, config: &HybridConfig) -> Self {
        Self {
            http,
            base: config.prokura_url.clone(),
            organization: config.organization.clone(),
            site: config.site.clone(),
            client_id: config.head_client_id.clone(),
            redirect_uri: config.redirect_uri.clone(),
        }
    }

    /// Begins a guest, or goes on with the guest of a visitor.
    pub(crate) async fn guest(&self, usid: Option<&str>) -> Result<Purse, Refused> {
        let verifier = Verifier::new();
        let code = self.authorize("guest", &verifier, usid).await?;
        self.redeem(&code, &verifier).await
    }

    /// Tokens for the shopper of a session, by its signed name. The two belong together from then on.
    pub(crate) async fn bridge(&self, proof: &SignedSession<'_>, usid: &str) -> Result<Purse, Refused> {
        let verifier = Verifier::new();
        let (hint, name, login) = match proof {
            SignedSession::Guest { name } => ("sb-guest", ("dwsgst", *name), "guest"),
            SignedSession::Registered { name, login } => ("sb-user", ("dwsrst", *name), *login),
        };
        let code = self.authorize(hint, &verifier, Some(usid)).await?;
        let fields = [
            ("grant_type", "session_bridge"),
            ("code", &code.code),
            ("code_verifier", &verifier.0),
            ("usid", &code.usid),
            ("login_id", login),
            name,
        ];
        self.exchange("session-bridge/token", &fields).await
    }

    async fn authorize(&self, hint: &str, verifier: &Verifier, usid: Option<&str>) -> Result<Code, Refused> {
        let challenge = verifier.challenge();
        let mut query = vec![
            ("redirect_uri", self.redirect_uri.as_str()),
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("channel_id", &self.site),
            ("code_challenge", &challenge),
            ("hint", hint),
        ];
        query.extend(usid.map(|usid| ("usid", usid)));
        code(send_noted(self.request(Method::GET, "authorize")?.query(&query)).await?).await
    }

    /// Logs a shopper in who was a guest with that usid before.
    pub(crate) async fn log_in(&self, login: &str, password: &str, usid: &str) -> Result<Purse, Refused> {
        let verifier = Verifier::new();
        let form = [
            ("redirect_uri", self.redirect_uri.as_str()),
            ("client_id", &self.client_id),
            ("channel_id", &self.site),
            ("code_challenge", &verifier.challenge()),
            ("usid", usid),
        ];
        let credentials = format!("Basic {}", STANDARD.encode(format!("{login}:{password}")));
        let request = self.request(Method::POST, "login")?.header(header::AUTHORIZATION, credentials).form(&form);
        let code = code(send_noted(request).await?).await?;
        self.redeem(&code, &verifier).await
    }

    async fn redeem(&self, code: &Code, verifier: &Verifier) -> Result<Purse, Refused> {
        let fields = [
            ("grant_type", "authorization_code_pkce"),
            ("code", &code.code),
            ("code_verifier", &verifier.0),
            ("redirect_uri", &self.redirect_uri),
            ("usid", &code.usid),
        ];
        self.exchange("token", &fields).await
    }

    /// New tokens for a refresh token, which is used up. With a company, or an empty text for none, the shopper acts for
    /// it from then on; without, nothing changes about that.
    pub(crate) async fn refresh(&self, refresh_token: &str, legal_entity: Option<&str>) -> Result<Purse, Refused> {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        form.extend(legal_entity.map(|id| if id.is_empty() { ("as_person", "true") } else { ("legal_entity_id", id) }));
        self.exchange("token", &form).await
    }

    async fn exchange(&self, what: &str, fields: &[(&str, &str)]) -> Result<Purse, Refused> {
        let ours = [("client_id", self.client_id.as_str()), ("channel_id", &self.site)];
        let form = [fields, &ours].concat();
        let answer = send_noted(self.request(Method::POST, what)?.form(&form)).await?;
        let tokens: Tokens = read(answer).await?;
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a few months")]
        let seconds = |number: f64| number as i64;
        Ok(Purse {
            expires_in: seconds(tokens.expires_in),
            refresh_expires_in: seconds(tokens.refresh_token_expires_in),
            is_registered: !tokens.id_token.is_empty() || !tokens.enc_user_id.is_empty(),
            is_remembered: true,
            access_token: tokens.access_token,
            refresh_token: Some(tokens.refresh_token),
            usid: tokens.usid,
            customer_id: tokens.customer_id,
        })
    }

    /// Who the shopper is.
    pub(crate) async fn user_info(&self, access_token: &str) -> Result<UserInfo, Refused> {
        let query = [("channel_id", &self.site)];
        let request = self.request(Method::GET, "userinfo")?.query(&query).bearer_auth(access_token);
        read(send_noted(request).await?).await
    }

    /// Ends the tokens, and the session that goes with them.
    pub(crate) async fn log_out(&self, access_token: &str, refresh_token: &str) -> Result<(), Refused> {
        let query = [("refresh_token", refresh_token), ("client_id", &self.client_id), ("channel_id", &self.site)];
        let request = self.request(Method::GET, "logout")?.query(&query).bearer_auth(access_token);
        let answer = send_noted(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(refusal(answer).await) }
    }

    /// Whether a cookie session is alive, asked without keeping it so.
    pub(crate) async fn is_alive(&self, session: &str) -> Result<bool, Refused> {
        let path = ["s", &self.site, "dw", "shop", SHOP_VERSION, "customers", "auth"];
        let request = self.http.request(Method::POST, address(&self.base, &path).ok_or(Fault::Address)?);
        let request = request
            .header("x-dw-client-id", &self.client_id)
            .header(header::COOKIE, format!("{SESSION}={session}"))
            .json(&serde_json::json!({ "type": "session" }));
        let answer = send_noted(request).await?;
        match answer.status() {
            status if status.is_success() => Ok(true),
            StatusCode::UNAUTHORIZED => Ok(false),
            _ => Err(refusal(answer).await),
        }
    }

    /// Makes a cookie session of the shopper, or finds the one that the browser has. The answer is the cookies.
    pub(crate) async fn sessions(&self, access_token: &str, session: Option<&str>) -> Result<HeaderMap, Refused> {
        let address = address(&self.base, &["s", &self.site, "dw", "shop", SHOP_VERSION, "sessions"]);
        let mut request = self.http.request(Method::POST, address.ok_or(Fault::Address)?).bearer_auth(access_token);
        if let Some(session) = session {
            request = request.header(header::COOKIE, format!("{SESSION}={session}"));
        }
        let answer = send_noted(request).await?;
        if answer.status().is_success() { Ok(answer.headers().clone()) } else { Err(refusal(answer).await) }
    }

    fn request(&self, method: Method, what: &str) -> Result<RequestBuilder, Fault> {
        let path = ["shopper", "auth", "v1", "organizations", &self.organization, "oauth2"];
        let path: Vec<&str> = path.into_iter().chain(what.split('/')).collect();
        Ok(self.http.request(method, address(&self.base, &path).ok_or(Fault::Address)?))
    }
}

/// Reads the code out of the address that a browser would be sent to.
async fn code(answer: Response) -> Result<Code, Refused> {
    if !answer.status().is_redirection() {
        return Err(refusal(answer).await);
    }
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let location = location.and_then(|location| Url::parse(location).ok()).ok_or(Fault::Address)?;
    let field = |name: &str| location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if let (Some(code), Some(usid)) = (field("code"), field("usid")) {
        return Ok(Code { code, usid });
    }
    let text = field("error_description").or_else(|| field("error")).unwrap_or_default();
    Err(Refused::No { status: StatusCode::BAD_REQUEST, text })
}

async fn read<T: serde::de::DeserializeOwned>(answer: Response) -> Result<T, Refused> {
    if !answer.status().is_success() {
        return Err(refusal(answer).await);
    }
    let body = answer.bytes().await.map_err(Fault::from)?;
    Ok(serde_json::from_slice(&body).map_err(Fault::Unreadable)?)
}

async fn refusal(answer: Response) -> Refused {
    let status = answer.status();
    if status.is_server_error() {
        return Fault::Server(status).into();
    }
    let body = answer.bytes().await.unwrap_or_default();
    let body: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
    if body.message == INVALID_REFRESH_TOKEN {
        return Refused::InvalidRefreshToken;
    }
    let text = if body.message.is_empty() { body.error_description } else { body.message };
    Refused::No { status, text }
}
