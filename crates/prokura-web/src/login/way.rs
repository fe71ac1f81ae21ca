//! Where a login leads: to the client that asked for it, or to a page of the person's own account.

use super::proceed;
use crate::{
    Web,
    oauth::see_other,
    pages::view::{Chrome, FormTarget},
    visit::Visit,
};
use axum::response::Response;
use prokura_domain::ClientId;
use prokura_engine::Authorization;
use prokura_http::Params;
use prokura_jose::Secret;

pub(crate) enum Way {
    /// Through the pages of a running login to its client.
    Client(Box<Authorization>),
    /// To a page of the account.
    Account(ReturnTo),
}

impl Way {
    /// The way that `params` name; the error is the answer. Who names a running login must be its browser (S-95).
    pub(crate) async fn of(web: &Web, visit: &Visit, params: &Params) -> Result<Self, Response> {
        match params.one("flow") {
            Ok(None) => Ok(Self::Account(ReturnTo::of(params.one("to").ok().flatten().unwrap_or_default()))),
            Ok(Some(_)) | Err(_) => Ok(Self::Client(Box::new(visit.flow(web, params).await?))),
        }
    }

    /// As [`Way::of`], but where a running login is only the way back: when it is over, the account is.
    pub(crate) async fn back(web: &Web, visit: &Visit, params: &Params) -> Self {
        Self::of(web, visit, params).await.unwrap_or_else(|_| Self::Account(ReturnTo::default()))
    }

    pub(crate) fn chrome(&self, visit: &Visit) -> Chrome {
        match self {
            Self::Client(flow) => chrome_of(visit, flow),
            Self::Account(to) => Chrome { to: Some(to.0.clone()), ..visit.chrome() },
        }
    }

    pub(crate) fn client(&self) -> Option<&ClientId> {
        match self {
            Self::Client(flow) => Some(&flow.client),
            Self::Account(_) => None,
        }
    }

    /// Whom the client expects.
    pub(crate) fn login_hint(&self) -> Option<&str> {
        match self {
            Self::Client(flow) => flow.request.login_hint.as_deref(),
            Self::Account(_) => None,
        }
    }

    /// In, with the handle of a new session, and on.
    pub(crate) async fn come_in(&self, web: &Web, mut visit: Visit, cookie: Secret) -> Response {
        visit.browser.session = Some(cookie.clone());
        let mut response = self.go_on(web, &visit).await;
        visit.browser.log_in(&cookie, response.headers_mut());
        response
    }

    /// On, once somebody is logged in.
    pub(crate) async fn go_on(&self, web: &Web, visit: &Visit) -> Response {
        match self {
            Self::Client(flow) => proceed(web, visit, &flow.id).await,
            Self::Account(to) => see_other(&format!("{}{}", visit.base(), to.0)),
        }
    }
}

/// What surrounds a page of a running login.
pub(super) fn chrome_of(visit: &Visit, flow: &Authorization) -> Chrome {
    Chrome {
        language: visit.language(flow.request.ui_locales.as_deref()),
        flow: Some(flow.id.to_string()),
        form_target: FormTarget::of_redirect_uri(&flow.request.redirect_uri),
        ..visit.chrome()
    }
}

/// A page of the account below the tenant's base, or one of the two others that need a login: what a link may name as the place to come back to, and nothing else on
/// this server or any other (S-96).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReturnTo(String);

impl Default for ReturnTo {
    fn default() -> Self {
        Self("/account".to_owned())
    }
}

impl ReturnTo {
    /// What `text` names, when it is such a page or the one that lets devices in; else the account's first page.
    pub(crate) fn of(text: &str) -> Self {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let rest = path.strip_prefix("/account");
        let is_page = rest.is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix('/').is_some_and(|steps| steps.split('/').all(|step| is_step(step.as_bytes())))
        });
        let is_query = query
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'&' | b'%' | b'+' | b'-' | b'_' | b'.' | b'~'));
        let is_page = is_page || path == "/device" || path == "/invitation";
        if is_page && is_query && text.len() <= 500 { Self(text.to_owned()) } else { Self::default() }
    }
}

fn is_step(step: &[u8]) -> bool {
    !step.is_empty() && step.iter().all(|b| b.is_ascii_lowercase() || matches!(b, b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s96_a_login_leads_to_a_page_of_the_account_and_nowhere_else() {
        for good in [
            "/account",
            "/account/sessions",
            "/account/companies?q=M%C3%BCller+AG&page=2",
            "/account?done=x",
            "/invitation?token=pkr_in_x-Y",
        ] {
            assert_eq!(ReturnTo::of(good).0, good);
        }
        for bad in [
            "",
            "/",
            "//evil",
            "/\\evil",
            "https:evil",
            "https://evil/account",
            "/%09/evil",
            "javascript:alert(1)",
            "https://app.example@evil",
            "/accounts",
            "/account/../../other/account",
            "/account//evil",
            "/account/",
            "/account/%2e%2e/x",
            "/account\\x",
            "/account?x=\r\nSet-Cookie",
            "/account#x",
            "/authorize?client_id=x",
            "/account@evil",
            " /account",
        ] {
            assert_eq!(ReturnTo::of(bad), ReturnTo::default(), "{bad:?}");
        }
        assert_eq!(ReturnTo::of(&format!("/account?q={}", "x".repeat(600))), ReturnTo::default());
    }
}
