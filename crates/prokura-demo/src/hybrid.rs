//! Two storefronts that share one shopper: a headless one behind a thin server (`head`), and a classic one whose pages are
//! rendered by controllers (`classic`), as a shop has them that moves from one to the other page by page.
//!
//! Head speaks to Prokura as a client of Salesforce's shopper login does and holds tokens; the classic pages know a session
//! id and ask Prokura who that is before they render. Both keep what they have in cookies of the same names, so a browser
//! may go from one to the other at any moment. Which of them answers is decided by the path, on every host, as a CDN would.

mod classic;
mod developers;
mod head;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware;
use axum::response::{Redirect, Response};
use axum::routing::get;
use jiff::Timestamp;

use crate::data::SampleLogin;
use crate::site::cookies::CookieRules;
use crate::site::shop::ShopClient;
use crate::site::trace::{self, Trace, Traced};
use crate::site::upstream;
use classic::prokura::Pages;
use head::shopper::Successions;
use head::slas::Slas;

/// Where the classic pages begin.
pub(crate) const CLASSIC: &str = "/classic";
/// Where the headless storefront begins.
pub(crate) const HEAD: &str = "/shop";
/// Where the page for developers is.
pub(crate) const DEVELOPERS: &str = "/developers";

/// What the two storefronts have to know about their surroundings.
///
/// There is no `Debug`, so that the secret cannot end up in a log.
#[derive(Clone)]
pub struct HybridConfig {
    /// Base address of the identity server, as this program reaches it.
    pub prokura_url: String,
    /// Base address of the gateway, as this program reaches it.
    pub gateway_url: String,
    /// The tenant whose customers shop here.
    pub tenant: String,
    /// The tenant as Salesforce's paths spell it, such as `f_ecom_zzrf_001`.
    pub organization: String,
    /// The site, which is the channel of all tokens and ends the cookies' names.
    pub site: String,
    /// Head's client, which is public.
    pub head_client_id: String,
    /// The address that client is registered with. Nobody is sent there: Head reads the answer itself.
    pub redirect_uri: String,
    /// The classic pages' client.
    pub classic_client_id: String,
    /// Its secret.
    pub classic_client_secret: String,
    /// Name of the shop, for titles and the header.
    pub shop_name: String,
    /// Browsers reach the storefronts over https only, so cookies may demand that.
    pub is_https: bool,
    /// The domain whose hosts share the cookies, such as `demo.localhost`; requests to other hosts keep to their host.
    pub cookie_domain: Option<String>,
    /// Sends a browser whose session was restored to the same address once more, as Salesforce's plugin does, where the
    /// page could be shown at once. One request asks for it with `bridge=302` in its query.
    pub redirects_after_restoring: bool,
    /// Where the mails are that nobody sends; nowhere but in a demo.
    pub mails_path: Option<String>,
    /// Logins to offer on the login pages; empty anywhere but in a demo.
    pub sample_logins: Vec<SampleLogin>,
    /// Tells the time.
    pub clock: Clock,
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The time of this machine.
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// Everything a request needs. Clones share it.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    config: HybridConfig,
    rules: CookieRules,
    http: reqwest::Client,
    pages: Pages,
    slas: Slas,
    shop: ShopClient,
    trace: Trace,
    successions: Successions,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    fn now(&self) -> Timestamp {
        (self.config.clock)()
    }
}

/// Both storefronts and the page for developers, to be served behind the gateway for the paths in [`PATHS`] on every
/// host, and for the rest of the hosts that are only theirs. The upstream must see the host the browser named.
pub fn router(config: HybridConfig) -> Router {
    let http = upstream::http_client();
    let rules =
        CookieRules { site: config.site.clone(), domain: config.cookie_domain.clone(), is_https: config.is_https };
    let app = App(Arc::new(Parts {
        pages: Pages::new(http.clone(), &config),
        slas: Slas::new(http.clone(), &config),
        shop: ShopClient::new(http.clone(), &config.gateway_url),
        trace: Trace::new(),
        successions: Successions::new(),
        rules,
        http,
        config,
    }));
    let traced = |side| {
        let traced = Traced { trace: app.trace.clone(), side, rules: app.rules.clone() };
        middleware::from_fn_with_state(traced, trace::around)
    };
    Router::new()
        .merge(classic::routes(&app).layer(traced("classic")))
        .merge(head::routes().layer(traced("head")))
        .merge(developers::routes())
        .route("/", get(home))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(app)
}

/// The paths that lead here on every host.
pub const PATHS: &[&str] = &[CLASSIC, HEAD, DEVELOPERS];

/// `GET /` of a host that is only ours.
async fn home(State(app): State<App>, headers: HeaderMap) -> Redirect {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let domain = app.config.cookie_domain.as_deref().unwrap_or_default();
    let is_classic = host.strip_prefix("classic.").is_some_and(|rest| rest.starts_with(domain));
    Redirect::to(if is_classic { "/classic/" } else { "/shop/" })
}

/// Puts what protects every page into an answer.
fn protect(response: &mut Response, policy: &'static str) {
    for (name, value) in [
        // Also keeps a page for one shopper from coming back out of the browser's memory under another.
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// Whether a browser says that a request comes from a page of another site.
fn is_foreign(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    // An older browser: the origin must be this host.
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    origin.is_some_and(|origin| origin.split_once("://").is_none_or(|(_, rest)| rest != host))
}
