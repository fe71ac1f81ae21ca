//! What a tenant and its clients say about this dialect in their settings.

use prokura_domain::SiteId;
use prokura_engine::{AccentLifetimes, Client, Manner, Refusal, Tenant, TenantSettings, TokenAccent};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the dialect, in the settings of tenants and clients.
pub(crate) const DIALECT: &str = "salesforce";
/// What every organization id begins with.
const ORGANIZATION_PREFIX: &str = "f_ecom_";
/// The longest organization id.
const MAX_ORGANIZATION: usize = 32;
/// The stages of the original, as token issuers spell them.
pub(crate) const STAGES: [&str; 2] = ["prod", "dev"];
/// Lives of refresh tokens, in seconds: customers, guests, and both where it is no production.
const CUSTOMER_SECONDS: u32 = 90 * 86_400;
const GUEST_SECONDS: u32 = 30 * 86_400;
const TRIAL_SECONDS: u32 = 9 * 86_400;
/// Life of access tokens, in seconds.
const ACCESS_SECONDS: u32 = 1_800;

/// What a client is registered for in this dialect.
#[expect(clippy::struct_excessive_bools, reason = "each is a member of a document that people write")]
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientSettings {
    /// The sites it may serve; empty for all.
    pub(crate) channels: Vec<String>,
    /// Whether a private client must prove itself at `authorize` and `login`, too.
    pub(crate) strict_client_auth: bool,
    /// Whether `login` is closed for it.
    pub(crate) login_ep_restrict: bool,
    /// Whether `token` opens a session of the shop's own pages as well, and sets its cookie.
    pub(crate) hybrid_auth: bool,
    /// Where its servers may be told codes, byte for byte.
    pub(crate) callback_uris: Vec<String>,
    /// Whether codes have six digits instead of eight.
    pub(crate) is_six_digit_otp: bool,
    /// The host its pages' passkeys belong to; empty where there are none.
    pub(crate) passkey_host: String,
}

impl ClientSettings {
    pub(crate) fn of(client: &Client) -> Result<Self, Refusal> {
        match client.registration.dialect.get(DIALECT) {
            None => Ok(Self::default()),
            Some(value) => serde_json::from_value(value.clone()).map_err(|_| Refusal::InvalidClient),
        }
    }
}

/// The organization whose tokens have this issuer.
pub(crate) fn organization(issuer: &str) -> String {
    format!("{ORGANIZATION_PREFIX}{}", issuer.rsplit('/').next().unwrap_or(issuer))
}

/// How this dialect names a tenant.
pub(crate) fn accent(tenant: &Tenant) -> Option<&TokenAccent> {
    tenant.settings.accents.iter().find(|accent| accent.dialect == DIALECT)
}

/// How this dialect wants tokens of a site.
pub(crate) fn manner(tenant: &Tenant, site: Option<SiteId>) -> Manner {
    Manner { lives: accent(tenant).map(|accent| accent.lifetimes), site, do_not_track: None }
}

/// What is registered for a client of this dialect: the sites it may serve, and whether it is one of hybrid auth.
pub fn client_settings(channels: &[&str], hybrid_auth: bool) -> (String, Value) {
    let settings = ClientSettings {
        channels: channels.iter().map(|&channel| channel.to_owned()).collect(),
        hybrid_auth,
        ..ClientSettings::default()
    };
    (DIALECT.to_owned(), serde_json::to_value(settings).unwrap_or_default())
}

/// `base` with the dialect switched on for the organization `f_ecom_…`.
///
/// # Errors
/// [`Refusal::Invalid`] when that is no organization id.
pub fn tenant_settings(
    mut base: TenantSettings,
    organization: &str,
    is_production: bool,
) -> Result<TenantSettings, Refusal> {
    let wish = "f_ecom_, four letters, and prd, stg, dev, s and two digits, or three digits behind an underscore";
    let instance = instance(organization).ok_or_else(|| Refusal::invalid("organization", wish))?;
    let stage = if is_production { "prod" } else { "dev" };
    let (refresh, guest_refresh) =
        if is_production { (CUSTOMER_SECONDS, GUEST_SECONDS) } else { (TRIAL_SECONDS, TRIAL_SECONDS) };
    base.accents.retain(|accent| accent.dialect != DIALECT);
    base.accents.push(TokenAccent {
        dialect: DIALECT.to_owned(),
        issuer: format!("slas/{stage}/{instance}"),
        audience: format!("commercecloud/{stage}/{instance}"),
        token_type: "jwt".to_owned(),
        lifetimes: AccentLifetimes { access: ACCESS_SECONDS, refresh, guest_access: ACCESS_SECONDS, guest_refresh },
    });
    if !base.dialects.iter().any(|dialect| dialect == DIALECT) {
        base.dialects.push(DIALECT.to_owned());
    }
    Ok(base)
}

/// The part of an organization id that names the instance, such as `zzrf_001`; `None` for what is none.
pub(crate) fn instance(organization: &str) -> Option<&str> {
    let instance = organization.strip_prefix(ORGANIZATION_PREFIX).filter(|_| organization.len() <= MAX_ORGANIZATION)?;
    let (realm, kind) = instance.split_once('_')?;
    let is_realm = realm.len() == 4 && realm.bytes().all(|b| b.is_ascii_lowercase());
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let is_kind = matches!(kind, "prd" | "stg" | "dev")
        || digits(kind, 3)
        || kind.strip_prefix('s').is_some_and(|number| digits(number, 2));
    (is_realm && is_kind).then_some(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_names_its_instance() {
        for (text, expected) in [
            ("f_ecom_zzrf_001", Some("zzrf_001")),
            ("f_ecom_zzrf_prd", Some("zzrf_prd")),
            ("f_ecom_zzrf_s05", Some("zzrf_s05")),
            ("f_ecom_zzrf_s5", None),
            ("f_ecom_ZZRF_001", None),
            ("f_ecom_zzr_001", None),
            ("zzrf_001", None),
            ("f_ecom_zzrf_001/../x", None),
        ] {
            assert_eq!(instance(text), expected, "{text}");
        }
    }

    #[test]
    fn nobody_lives_longer_where_it_is_no_production() {
        let settings = tenant_settings(TenantSettings::default(), "f_ecom_zzrf_001", false).unwrap();
        let accent = settings.accents.first().unwrap();
        assert_eq!((accent.issuer.as_str(), accent.lifetimes.refresh), ("slas/dev/zzrf_001", 9 * 86_400));
        let settings = tenant_settings(settings, "f_ecom_zzrf_prd", true).unwrap();
        assert_eq!(settings.accents.len(), 1);
        assert_eq!(settings.accents.first().unwrap().lifetimes.refresh, 90 * 86_400);
        assert!(tenant_settings(settings, "acme", true).is_err());
    }
}
