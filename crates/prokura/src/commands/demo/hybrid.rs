//! What the demo has for its headless and its classic storefront: the Salesforce dialect, their clients, and the hosts.

use super::{REDIRECT_URI, SITE, TENANT, cors_origins, mails};
use anyhow::Context as _;
use prokura_demo::{data::SampleLogin, hybrid::HybridConfig};
use prokura_domain::{ClientKind, RefreshPolicy};
use prokura_engine::{Actor, CreateClient, Engine, Origin, Registration, Tenant};
use std::{collections::BTreeMap, sync::Arc};

/// The tenant in the paths of Salesforce's shopper login.
pub(super) const ORGANIZATION: &str = "f_ecom_zzrf_001";
/// Where the headless storefront begins.
pub(super) const HEAD: &str = "/shop/";
/// Where the classic storefront begins.
pub(super) const CLASSIC: &str = "/classic/";
/// The page that shows what the browser holds.
pub(super) const DEVELOPERS: &str = "/developers";
/// The page that gives the signed name of the browser's session.
pub(super) const SIGNED_SESSION: &str = "/classic/session/signed";
/// The hosts that belong to one of the two storefronts.
pub(super) const HOSTS: &[&str] = &["shop.demo.localhost", "classic.demo.localhost"];
/// The domain whose hosts share the cookies.
const COOKIE_DOMAIN: &str = "demo.localhost";
const SCOPES: &str = "sfcc.shopper-products sfcc.shopper-categories sfcc.shopper-customers.login \
                      sfcc.shopper-customers.register sfcc.shopper-myaccount.rw sfcc.shopper-baskets-orders.rw \
                      sfcc.session_bridge";
const PUBLIC_GRANTS: &str = "guest password authorization_code refresh_token session_bridge";
/// What only a client with a secret may do: speak for a shopper without their password, or by a code that they were sent.
const TRUSTED_GRANTS: &str = "on_behalf one_time_code";
const TRUSTED_SCOPES: &str = "sfcc.ts_ext_on_behalf_of sfcc.ta_ext_on_behalf_of sfcc.pwdless_login";

/// The tenant with the dialect switched on.
pub(super) async fn speak(engine: &Engine, tenant: Arc<Tenant>, origin: &Origin) -> anyhow::Result<Arc<Tenant>> {
    let settings = prokura_salesforce::tenant_settings(tenant.settings.clone(), ORGANIZATION, true)
        .context("the demo's organization")?;
    if settings == tenant.settings {
        return Ok(tenant);
    }
    let (name, is_active) = (&tenant.name, tenant.is_active);
    let changed = engine.update_tenant(&tenant, name, is_active, &settings, None, &Actor::System, origin).await;
    changed.context("the Salesforce dialect cannot be switched on")
}

/// Head's client, which has no secret, and the classic pages', which has one; and the keys that programs find them by.
pub(super) fn clients() -> anyhow::Result<[(CreateClient, (&'static str, &'static str)); 2]> {
    let client = |id: &str, kind, policy, grants: String, scopes: String| -> anyhow::Result<CreateClient> {
        Ok(CreateClient {
            id: Some(id.parse()?),
            name: id.to_owned(),
            kind,
            scopes,
            grants,
            refresh_policy: policy,
            access_seconds: None,
            refresh_seconds: None,
            registration: Registration {
                redirect_uris: vec![REDIRECT_URI.to_owned(), "http://127.0.0.1/callback".to_owned()],
                origins: cors_origins(),
                is_first_party: true,
                dialect: [prokura_salesforce::client_settings(&[SITE], false)].into(),
                ..Registration::default()
            },
        })
    };
    let once = RefreshPolicy::Once { leeway_seconds: 0 };
    let head = client("demo-head", ClientKind::Public, once, PUBLIC_GRANTS.to_owned(), SCOPES.to_owned())?;
    let classic = client(
        "demo-classic",
        ClientKind::Confidential,
        RefreshPolicy::Reuse,
        format!("{PUBLIC_GRANTS} {TRUSTED_GRANTS}"),
        format!("{SCOPES} {TRUSTED_SCOPES}"),
    )?;
    Ok([(head, ("SLAS_CLIENT_ID", "")), (classic, ("SLAS_PRIVATE_CLIENT_ID", "SLAS_CLIENT_SECRET"))])
}

/// The two storefronts' surroundings.
pub(super) fn config(
    prokura_url: &str,
    gateway_url: &str,
    env: &BTreeMap<String, String>,
    sample_logins: Vec<SampleLogin>,
) -> HybridConfig {
    let of = |key: &str| env.get(key).cloned().unwrap_or_default();
    HybridConfig {
        prokura_url: prokura_url.to_owned(),
        gateway_url: gateway_url.to_owned(),
        tenant: TENANT.to_owned(),
        organization: ORGANIZATION.to_owned(),
        site: SITE.to_owned(),
        head_client_id: of("SLAS_CLIENT_ID"),
        redirect_uri: REDIRECT_URI.to_owned(),
        classic_client_id: of("SLAS_PRIVATE_CLIENT_ID"),
        classic_client_secret: of("SLAS_CLIENT_SECRET"),
        shop_name: "Kontor".to_owned(),
        is_https: false,
        cookie_domain: Some(COOKIE_DOMAIN.to_owned()),
        redirects_after_restoring: false,
        mails_path: Some(mails::PATH.to_owned()),
        sample_logins,
        clock: prokura_demo::hybrid::system_clock(),
    }
}
