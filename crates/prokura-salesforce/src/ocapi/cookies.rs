//! The cookies of a session of a shop's own pages, under the names its clients know.

use crate::accent::short_site;
use http::{HeaderMap, HeaderValue, header};
use prokura_domain::SiteId;
use prokura_engine::{ShopPages, Tenant};

/// The session.
pub(crate) const SESSION: &str = "dwsid";
/// How long the shop remembers an anonymous customer, in seconds.
const ANONYMOUS_SECONDS: u32 = 15_552_000;

/// Sets the cookies of a session. Where the handle that was shown stays, it is not repeated.
pub(crate) fn set(headers: &mut HeaderMap, tenant: &Tenant, pages: &ShopPages) {
    // Off only where there is no TLS: on a machine of its developer.
    let secure = if tenant.issuer.starts_with("https:") { "; Secure" } else { "" };
    let site = short_site(tenant, pages.site.as_ref().map_or("", SiteId::as_str));
    let guest = crate::accent::guest_of(tenant, pages);
    if let Some(cookie) = &pages.cookie {
        append(headers, &format!("{SESSION}={}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie.expose()));
    }
    let anonymous = if pages.customer.is_some() { String::new() } else { guest.clone() };
    append(headers, &format!("dwanonymous_{site}={guest}; Path=/; Max-Age={ANONYMOUS_SECONDS}; SameSite=Lax{secure}"));
    // Everything is bound to one session already; the cookie of the original that does so is expired.
    append(
        headers,
        &format!("dwsecuretoken_{site}=\"\"; Path=/; HttpOnly; Expires=Thu, 01 Jan 1970 00:00:00 GMT{secure}"),
    );
    let customer = pages.customer.as_ref().map_or(anonymous, |customer| crate::accent::customer_id(tenant, customer));
    append(headers, &format!("cqcid={customer}; Path=/; SameSite=Lax{secure}"));
}

fn append(headers: &mut HeaderMap, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}
