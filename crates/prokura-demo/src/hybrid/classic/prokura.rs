//! What controllers ask Prokura about a shopper. These four calls are the whole agreement between the two.
//!
//! All are authenticated with the classic pages' own client, and none is ever made by a browser.

use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;

use super::super::HybridConfig;
use super::super::head::slas::SignedSession;
use crate::site::cookies::Purse;
use crate::site::pages::Company;
use crate::site::upstream::{Call, Fault, address};

/// What a controller has to know about its shopper.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Shopper {
    /// The id of the session, to be set as a cookie.
    pub(crate) session: String,
    /// The session began with this call.
    #[serde(rename = "new")]
    pub(crate) is_new: bool,
    /// It began, and goes on with a shopper who was known by their refresh token.
    #[serde(default, rename = "restored")]
    pub(crate) is_restored: bool,
    pub(crate) kind: Kind,
    pub(crate) customer_id: String,
    pub(crate) usid: String,
    #[serde(default)]
    pub(crate) login: Option<String>,
    #[serde(default)]
    pub(crate) legal_entity_id: Option<String>,
    /// For forms; the same for one shopper whatever their session is called.
    pub(crate) csrf: String,
    /// For the gateway.
    pub(crate) access_token: String,
    pub(crate) expires_in: i64,
    /// Only for whoever is new. It is the classic pages' own; Head cannot use it.
    #[serde(default)]
    pub(crate) refresh_token: Option<String>,
    #[serde(default)]
    pub(crate) refresh_token_expires_in: Option<i64>,
    /// Seconds since 1970.
    pub(crate) idle_until: i64,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    /// The signed name of a guest's session.
    #[serde(default)]
    pub(crate) dwsgst: Option<String>,
    /// The signed name of a registered shopper's session.
    #[serde(default)]
    pub(crate) dwsrst: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Guest,
    Registered,
}

impl Shopper {
    pub(crate) fn is_registered(&self) -> bool {
        self.kind == Kind::Registered
    }

    /// What proves to other clients whose session it is.
    pub(crate) fn signed(&self) -> Option<SignedSession<'_>> {
        match self.kind {
            Kind::Guest => self.dwsgst.as_deref().map(|name| SignedSession::Guest { name }),
            Kind::Registered => {
                let (name, login) = (self.dwsrst.as_deref()?, self.login.as_deref()?);
                Some(SignedSession::Registered { name, login })
            }
        }
    }

    /// What the browser keeps where there are no tokens of Head: enough to be known again on the classic pages.
    pub(crate) fn purse(&self, is_remembered: bool) -> Purse {
        Purse {
            access_token: self.access_token.clone(),
            expires_in: self.expires_in,
            refresh_token: self.refresh_token.clone(),
            refresh_expires_in: self.refresh_token_expires_in.unwrap_or_default(),
            usid: self.usid.clone(),
            customer_id: self.customer_id.clone(),
            is_registered: self.is_registered(),
            is_remembered,
        }
    }
}

/// Why somebody is not logged in.
#[derive(Debug)]
pub(crate) enum LoginRefused {
    WrongCredentials,
    TooMany { retry_after_seconds: u64 },
    Fault(Fault),
}

/// The calls, in the name of the classic pages' client.
pub(crate) struct Pages {
    http: Client,
    base: String,
    tenant: String,
    site: String,
    client_id: String,
    client_secret: String,
}

impl Pages {
    pub(crate) fn new(http: Client, config: &HybridConfig) -> Self {
        Self {
            http,
            base: config.prokura_url.clone(),
            tenant: config.tenant.clone(),
            site: config.site.clone(),
            client_id: config.classic_client_id.clone(),
            client_secret: config.classic_client_secret.clone(),
        }
    }

    /// Whose session it is. One that is missing, unknown or over is replaced: restored from the refresh token, or a new
    /// guest's.
    pub(crate) async fn session(&self, session: &str, refresh_token: &str) -> Result<Shopper, Fault> {
        let fields = [("session", session), ("refresh_token", refresh_token), ("touch", "true")];
        self.call("session", &fields).send_without_token().await
    }

    /// Whose session it is, without keeping it alive. It must be one that is alive: else it would be replaced.
    pub(crate) async fn look_at(&self, session: &str) -> Result<Option<Shopper>, Fault> {
        let fields = [("session", session), ("refresh_token", ""), ("touch", "false")];
        let shopper: Shopper = self.call("session", &fields).send_without_token().await?;
        Ok((!shopper.is_new).then_some(shopper))
    }

    /// Logs a customer in. The session goes by another name afterwards.
    pub(crate) async fn log_in(&self, session: &str, login: &str, password: &str) -> Result<Shopper, LoginRefused> {
        let fields = [("session", session), ("login", login), ("password", password)];
        match self.call("login", &fields).send_without_token().await {
            Ok(shopper) => Ok(shopper),
            Err(Fault::Unauthorized { .. }) => Err(LoginRefused::WrongCredentials),
            Err(Fault::Refused { status: StatusCode::CONFLICT, .. }) => {
                Err(LoginRefused::TooMany { retry_after_seconds: 1 })
            }
            Err(Fault::TooMany { retry_after_seconds }) => Err(LoginRefused::TooMany { retry_after_seconds }),
            Err(fault) => Err(LoginRefused::Fault(fault)),
        }
    }

    /// Acts for a company from now on, or with an empty id for nobody. `None` when the customer may not.
    pub(crate) async fn choose(&self, session: &str, legal_entity: &str) -> Result<Option<Shopper>, Fault> {
        let fields = [("session", session), ("legal_entity_id", legal_entity)];
        match self.call("company", &fields).send_without_token().await {
            Ok(shopper) => Ok(Some(shopper)),
            Err(Fault::Refused { status: StatusCode::BAD_REQUEST, .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Ends the session, and with it the tokens of its shopper.
    pub(crate) async fn log_out(&self, session: &str) -> Result<(), Fault> {
        Call::unit(self.request("logout", &[("session", session)])).send_without_token().await
    }

    fn call<T: serde::de::DeserializeOwned>(&self, what: &str, fields: &[(&str, &str)]) -> Call<T> {
        Call::json(self.request(what, fields))
    }

    fn request(&self, what: &str, fields: &[(&str, &str)]) -> Option<reqwest::RequestBuilder> {
        let address = address(&self.base, &["t", &self.tenant, "pages", what])?;
        let fields = [fields, &[("site", self.site.as_str())]].concat();
        let request = self.http.request(Method::POST, address);
        Some(request.basic_auth(&self.client_id, Some(&self.client_secret)).form(&fields))
    }
}

/// The company among those a customer may act for, with its name where it is known.
pub(crate) fn company_of(shopper: &Shopper, companies: &[Company]) -> Option<Company> {
    let id = shopper.legal_entity_id.as_ref()?;
    let known = companies.iter().find(|company| company.id == *id).cloned();
    Some(known.unwrap_or_else(|| Company { id: id.clone(), name: id.clone() }))
}
