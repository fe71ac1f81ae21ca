//! The calls to Prokura's Emporix-compatible API: guests, login, whom a customer may act for, and the switch.
//!
//! The switch is a refresh that names a company. A refresh that names none gives a token for the private person, so a
//! plain renewal must name the present company again.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::StorefrontConfig;
use crate::site::companies;
use crate::site::pages::Company;
use crate::site::upstream::{Call, Fault, address};

/// An access token and what renews it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
}

/// The customer's own profile.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    pub(super) id: String,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    pub(super) contact_email: String,
}

impl Profile {
    /// The name, or the address of someone who gave none.
    pub(super) fn display_name(&self) -> String {
        let name = format!("{} {}", self.first_name, self.last_name);
        match name.trim() {
            "" => self.contact_email.clone(),
            name => name.to_owned(),
        }
    }
}

/// Why somebody is not logged in.
#[derive(Debug)]
pub(super) enum LoginRefused {
    WrongCredentials,
    /// The password is right, but the account may not be used.
    NotActive,
    TooMany {
        retry_after_seconds: u64,
    },
    Fault(Fault),
}

/// What came of asking for a token for a company, or for none.
#[derive(Debug)]
pub(super) enum Refreshed {
    Granted(Tokens),
    /// The customer may not, or no longer, act for that company. The refresh token is as good as before.
    NotAssigned,
    /// The login is over.
    Ended,
}

/// One tenant of Prokura, seen from outside.
pub(super) struct Identity {
    http: Client,
    base: String,
    tenant: String,
    client_id: String,
    /// A guest token that belongs to no visitor. It opens the shop window and accompanies refreshes.
    shared_guest: Mutex<Option<String>>,
}

impl Identity {
    pub(super) fn new(http: Client, config: &StorefrontConfig) -> Self {
        Self {
            http,
            base: config.prokura_url.clone(),
            tenant: config.tenant.clone(),
            client_id: config.client_id.clone(),
            shared_guest: Mutex::new(None),
        }
    }

    /// Begins a new guest session.
    pub(super) async fn new_guest(&self) -> Result<Tokens, Fault> {
        let query = [("tenant", &self.tenant), ("client_id", &self.client_id)];
        let request = self.request(Method::GET, &["customerlogin", "auth", "anonymous", "login"]);
        Call::json(request.map(|request| request.query(&query))).send_without_token().await
    }

    /// Goes on with a guest session; `None` when it is over.
    pub(super) async fn renew_guest(&self, refresh_token: &str) -> Result<Option<Tokens>, Fault> {
        let query =
            [("tenant", self.tenant.as_str()), ("client_id", &self.client_id), ("refresh_token", refresh_token)];
        let request = self.request(Method::GET, &["customerlogin", "auth", "anonymous", "refresh"]);
        match Call::json(request.map(|request| request.query(&query))).send_without_token().await {
            Ok(tokens) => Ok(Some(tokens)),
            Err(Fault::Unauthorized { .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The access token of the guest that nobody is; a new one in place of `refused`.
    pub(super) async fn shared_guest(&self, refused: Option<&str>) -> Result<String, Fault> {
        let mut shared = self.shared_guest.lock().await;
        match &*shared {
            Some(token) if Some(token.as_str()) != refused => Ok(token.clone()),
            Some(_) | None => {
                let token = self.new_guest().await?.access_token;
                *shared = Some(token.clone());
                Ok(token)
            }
        }
    }

    /// Logs a customer in, continuing the session of the guest.
    pub(super) async fn log_in(&self, guest: &str, email: &str, password: &str) -> Result<Tokens, LoginRefused> {
        let body = json!({ "email": email, "password": password });
        let request = self.request(Method::POST, &["customer", &self.tenant, "login"]);
        match Call::json(request.map(|request| request.json(&body))).send(guest).await {
            Ok(tokens) => Ok(tokens),
            Err(Fault::Unauthorized { code }) if code == "customer.login.invalid_credentials" => {
                Err(LoginRefused::WrongCredentials)
            }
            Err(Fault::Unauthorized { code }) if code.starts_with("customer.login.") => Err(LoginRefused::NotActive),
            Err(Fault::Refused { status: StatusCode::BAD_REQUEST, .. }) => Err(LoginRefused::WrongCredentials),
            Err(Fault::TooMany { retry_after_seconds }) => Err(LoginRefused::TooMany { retry_after_seconds }),
            Err(fault) => Err(LoginRefused::Fault(fault)),
        }
    }

    /// Asks for tokens that act for a company, or for the private person.
    pub(super) async fn refresh(&self, refresh_token: &str, company: Option<&str>) -> Result<Refreshed, Fault> {
        let mut query = vec![("refreshToken", refresh_token)];
        query.extend(company.map(|id| ("legalEntityId", id)));
        let request = self.request(Method::GET, &["customer", &self.tenant, "refreshauthtoken"]);
        let call = Call::json(request.map(|request| request.query(&query)));

        let guest = self.shared_guest(None).await?;
        let mut answer = call.send(&guest).await;
        // A 401 may mean the guest as well as the refresh token. With a guest who has just arrived it means the latter.
        if let Err(Fault::Unauthorized { .. }) = answer {
            answer = call.send(&self.shared_guest(Some(&guest)).await?).await;
        }
        match answer {
            Ok(tokens) => Ok(Refreshed::Granted(tokens)),
            Err(Fault::Refused { status: StatusCode::BAD_REQUEST, .. }) if company.is_some() => {
                Ok(Refreshed::NotAssigned)
            }
            Err(Fault::Unauthorized { .. }) => Ok(Refreshed::Ended),
            Err(fault) => Err(fault),
        }
    }

    /// Ends the customer's login everywhere it was continued to.
    pub(super) async fn log_out(&self, access_token: &str) -> Result<(), Fault> {
        let request = self.request(Method::GET, &["customer", &self.tenant, "logout"]);
        Call::unit(request.map(|request| request.query(&[("accessToken", access_token)]))).send(access_token).await
    }

    pub(super) fn profile(&self) -> Call<Profile> {
        Call::json(self.request(Method::GET, &["customer", &self.tenant, "me"]))
    }

    /// All companies the customer may act for, by name.
    pub(super) fn companies(&self) -> Call<Vec<Company>> {
        companies::companies(&self.http, &self.base, &self.tenant)
    }

    fn request(&self, method: Method, path: &[&str]) -> Option<RequestBuilder> {
        Some(self.http.request(method, address(&self.base, path)?))
    }
}
