//! The Salesforce dialect over HTTP: what its clients send, and what they must find in the answers. The sections of the
//! acceptance list stand in the modules below.

mod agent;
mod bridge;
mod codes;
mod elsewhere;
mod flows;
mod limits;
mod partner;
mod passkeys;
mod rates;
mod sdk;
mod trusted;
mod wire;

use crate::arrange::{World, origin};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use prokura_domain::{ClientId, ClientKind, RefreshPolicy};
use prokura_engine::{Actor, CreateClient, Registration};
use prokura_testkit::{Answer, Database, Options, TestServer, claims};
use reqwest::Method;
use serde_json::Value;

pub(crate) const ORGANIZATION: &str = "f_ecom_zzrf_001";
pub(crate) const CALLBACK: &str = "http://localhost:3000/callback";
const EMAIL: &str = "ann@a.example";
const PASSWORD: &str = crate::arrange::PASSWORD;
/// A verifier and its challenge (RFC 7636 appendix B).
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const SCOPES: &str = "sfcc.shopper-products sfcc.shopper-baskets-orders.rw sfcc.session_bridge sfcc.ts_ext_on_behalf_of sfcc.pwdless_login";

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Public,
    Private,
}

/// A tenant that speaks the dialect, with a public and a private client; ann acts for le-1 and le-2.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) secret: String,
    /// Sends requests, and follows no redirect.
    http: reqwest::Client,
}

impl Shop {
    pub(crate) async fn on(database: Database) -> Self {
        Self::with(Options { database, ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let mut world = World::on(TestServer::start_with(options).await, RefreshPolicy::Family).await;
        let (engine, tenant) = (&world.server.engine, &world.tenant);
        let settings = prokura_salesforce::tenant_settings(tenant.settings.clone(), ORGANIZATION, true).unwrap();
        let system = Actor::System;
        let tenant =
            engine.update_tenant(tenant, &tenant.name, true, &settings, None, &system, &origin()).await.unwrap();
        world.tenant = tenant;
        let shop = Self {
            secret: String::new(),
            http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            world,
        };
        shop.client("pub", ClientKind::Public, RefreshPolicy::Once { leeway_seconds: 0 }, false).await;
        let secret = shop.client("priv", ClientKind::Confidential, RefreshPolicy::Reuse, false).await.unwrap();
        Self { secret, ..shop }
    }

    /// Registers a client of the site `main`.
    pub(crate) async fn client(
        &self,
        id: &str,
        kind: ClientKind,
        refresh_policy: RefreshPolicy,
        hybrid_auth: bool,
    ) -> Option<String> {
        self.client_of(id, kind, refresh_policy, (&["main"], hybrid_auth)).await
    }

    /// The same for other sites.
    pub(crate) async fn client_of(
        &self,
        id: &str,
        kind: ClientKind,
        refresh_policy: RefreshPolicy,
        (sites, hybrid_auth): (&[&str], bool),
    ) -> Option<String> {
        let settings = prokura_salesforce::client_settings(sites, hybrid_auth);
        self.client_at(id, kind, refresh_policy, (CALLBACK, settings)).await
    }

    /// The same with a redirect URI of its own.
    pub(crate) async fn client_at(
        &self,
        id: &str,
        kind: ClientKind,
        refresh_policy: RefreshPolicy,
        (redirect_uri, settings): (&str, (String, Value)),
    ) -> Option<String> {
        let request = CreateClient {
            id: Some(id.parse::<ClientId>().unwrap()),
            name: id.to_owned(),
            kind,
            scopes: SCOPES.to_owned(),
            grants: "guest password authorization_code refresh_token session_bridge on_behalf one_time_code passkey"
                .to_owned(),
            refresh_policy,
            access_seconds: None,
            refresh_seconds: None,
            registration: Registration {
                redirect_uris: vec![redirect_uri.to_owned()],
                origins: vec!["http://localhost:3000".to_owned()],
                dialect: [settings].into(),
                ..Registration::default()
            },
        };
        let (tenant, system) = (&self.world.tenant, Actor::System);
        let made = self.world.engine().create_client(tenant, &request, &system, &origin()).await.unwrap();
        made.secret.map(|secret| secret.expose().to_owned())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.world.server.url)
    }

    fn slas(&self, path: &str) -> String {
        self.url(&format!("/shopper/auth/v1/organizations/{ORGANIZATION}/oauth2/{path}"))
    }

    pub(crate) fn request(&self, method: Method, url: &str) -> reqwest::RequestBuilder {
        self.http.request(method, url)
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.world.server.send(request).await
    }

    pub(crate) fn basic(&self) -> String {
        basic("priv", &self.secret)
    }

    pub(crate) async fn authorize(&self, parameters: &[(&str, &str)]) -> Answer {
        self.send(self.request(Method::GET, &self.slas("authorize")).query(parameters)).await
    }

    /// A code for a guest, and their name.
    pub(crate) async fn guest_code(&self, more: &[(&str, &str)]) -> (String, String) {
        let mut parameters = vec![
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("client_id", "pub"),
            ("channel_id", "main"),
            ("code_challenge", CHALLENGE),
            ("hint", "guest"),
        ];
        parameters.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        parameters.extend_from_slice(more);
        code_of(&self.authorize(&parameters).await)
    }

    /// `POST login` for whoever has the password.
    pub(crate) async fn login(&self, user: &str, password: &str, more: &[(&str, &str)]) -> Answer {
        let mut form = vec![
            ("redirect_uri", CALLBACK),
            ("client_id", "pub"),
            ("channel_id", "main"),
            ("code_challenge", CHALLENGE),
        ];
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend_from_slice(more);
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        self.send(self.request(Method::POST, &self.slas("login")).header("authorization", basic).form(&form)).await
    }

    /// `POST` of a form to an endpoint, as the client of this kind.
    pub(crate) async fn post(&self, kind: Kind, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, &self.slas(path));
        let mut form = form.to_vec();
        let request = match kind {
            Kind::Private => request.header("authorization", self.basic()),
            Kind::Public => {
                if !form.iter().any(|(name, _)| *name == "client_id") {
                    form.push(("client_id", "pub"));
                }
                request
            }
        };
        self.send(request.form(&form)).await
    }

    pub(crate) async fn token(&self, kind: Kind, form: &[(&str, &str)]) -> Answer {
        let mut form = form.to_vec();
        if !form.iter().any(|(name, _)| *name == "channel_id") {
            form.push(("channel_id", "main"));
        }
        self.post(kind, "token", &form).await
    }

    /// A guest's tokens, under a name they bring or a new one.
    pub(crate) async fn guest(&self, kind: Kind, usid: Option<&str>) -> Value {
        let named: Vec<(&str, &str)> = usid.map(|usid| ("usid", usid)).into_iter().collect();
        let answer = match kind {
            Kind::Private => {
                let form = [&[("grant_type", "client_credentials")], named.as_slice()].concat();
                self.token(kind, &form).await
            }
            Kind::Public => {
                let (code, usid) = self.guest_code(&named).await;
                self.redeem(kind, &code, &usid).await
            }
        };
        tokens(&answer)
    }

    pub(crate) async fn redeem(&self, kind: Kind, code: &str, usid: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code_pkce"),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", CALLBACK),
            ("usid", usid),
        ];
        self.token(kind, &form).await
    }

    /// Ann's tokens, under a name she brings or a new one.
    pub(crate) async fn buyer(&self, kind: Kind, usid: Option<&str>) -> Value {
        // The same account may log in once a second.
        self.world.server.advance(2);
        let client = if kind == Kind::Public { "pub" } else { "priv" };
        let mut more = vec![("client_id", client)];
        more.extend(usid.map(|usid| ("usid", usid)));
        let (code, usid) = code_of(&self.login(EMAIL, PASSWORD, &more).await);
        tokens(&self.redeem(kind, &code, &usid).await)
    }

    pub(crate) async fn refresh(&self, kind: Kind, token: &str, more: &[(&str, &str)]) -> Answer {
        let form = [&[("grant_type", "refresh_token"), ("refresh_token", token)], more].concat();
        self.token(kind, &form).await
    }

    pub(crate) async fn log_out(&self, kind: Kind, tokens: &Value, more: &[(&str, &str)]) -> Answer {
        let client = if kind == Kind::Public { "pub" } else { "priv" };
        let query =
            [&[("refresh_token", text(tokens, "refresh_token")), ("client_id", client), ("channel_id", "main")], more]
                .concat();
        let request = self.request(Method::GET, &self.slas("logout")).query(&query);
        self.send(request.bearer_auth(text(tokens, "access_token"))).await
    }

    /// `POST /sessions` of OCAPI.
    pub(crate) async fn sessions(&self, access: &str, cookie: Option<&str>) -> Answer {
        let mut request = self.request(Method::POST, &self.url("/s/main/dw/shop/v23_1/sessions")).bearer_auth(access);
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("dwsid={cookie}"));
        }
        self.send(request).await
    }

    /// `POST /customers/auth` of OCAPI.
    pub(crate) async fn authenticate(
        &self,
        kind: &str,
        more: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Answer {
        let url = self.url("/s/main/dw/shop/v23_1/customers/auth");
        let request = self.request(Method::POST, &url).header("x-dw-client-id", "priv");
        self.send(more(request.json(&serde_json::json!({ "type": kind })))).await
    }

    /// What a shop's own page asks.
    pub(crate) async fn page(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let url = self.url(&format!("/t/acme/pages/{path}"));
        self.send(self.request(Method::POST, &url).header("authorization", self.basic()).form(form)).await
    }

    /// Who is behind a cookie of the shop's own pages, as a page would see it.
    pub(crate) async fn visit(&self, cookie: &str, refresh: &str) -> Value {
        let answer = self.page("session", &[("session", cookie), ("refresh_token", refresh), ("site", "main")]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

/// The header of a client that proves itself.
fn basic(client: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

/// A member of an answer.
pub(crate) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("{name} is missing: {body}"))
}

pub(crate) fn tokens(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Code and name in the address of a redirect.
pub(crate) fn code_of(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let query: std::collections::HashMap<String, String> = location
        .split_once('?')
        .unwrap()
        .1
        .split('&')
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert!(location.starts_with("http"), "absolute: {location}");
    (query["code"].clone(), query["usid"].clone())
}

/// A position of the claim `isb`.
pub(crate) fn position(access: &str, index: usize) -> String {
    claims(access)["isb"].as_str().unwrap().split("::").nth(index).unwrap_or_default().to_owned()
}

/// The value a cookie is set to.
pub(crate) fn set_cookie(answer: &Answer, name: &str) -> Option<String> {
    let values = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let mut found = values.filter_map(|value| value.strip_prefix(name)?.strip_prefix('='));
    found.next().map(|value| value.split(';').next().unwrap_or_default().to_owned())
}
