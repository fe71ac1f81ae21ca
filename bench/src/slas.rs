//! The rows of the Salesforce dialect: its refresh, and the bridge between tokens and a shop's own pages.

use crate::{
    load::{Request, Same, Script, Scripts},
    rows::{MANY, next_refresh_token, request},
    world::{SLAS_ORGANIZATION, SLAS_PRIVATE, SLAS_PUBLIC, TENANT, World},
};
use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

/// What a shopper holds.
#[derive(Clone, Debug)]
pub(crate) struct Shopper {
    pub(crate) access_token: String,
    /// Of the public client, and of the private one.
    pub(crate) refresh_tokens: [String; 2],
    /// The cookie of the shop's own pages.
    pub(crate) cookie: String,
}

fn basic(world: &World) -> Result<HeaderValue> {
    let text = STANDARD.encode(format!("{SLAS_PRIVATE}:{}", world.slas_secret));
    Ok(HeaderValue::from_str(&format!("Basic {text}"))?)
}

fn token_target() -> String {
    format!("/shopper/auth/v1/organizations/{SLAS_ORGANIZATION}/oauth2/token")
}

/// A public client turns its token over, again and again.
struct Renewal(String);

impl Script for Renewal {
    fn next(&mut self) -> Result<Request> {
        let form = format!("grant_type=refresh_token&client_id={SLAS_PUBLIC}&channel_id=main&refresh_token={}", self.0);
        request(Method::POST, &token_target(), None, &form)
    }

    fn answer(&mut self, answer: &Response<Bytes>) -> Result<()> {
        self.0 = next_refresh_token(answer)?;
        Ok(())
    }
}

/// Shoppers nobody measured yet: the floor is asked beside the server, and both take the same.
fn shoppers(world: &World, connections: usize) -> impl Iterator<Item = &Shopper> {
    let skipped = if connections == 1 { MANY } else { 0 };
    world.shoppers.iter().cycle().skip(skipped).take(connections)
}

pub(crate) fn renewals(world: &World, connections: usize) -> Scripts {
    let of = |shopper: &Shopper| Box::new(Renewal(shopper.refresh_tokens[0].clone())) as Box<dyn Script>;
    shoppers(world, connections).map(of).collect()
}

/// A private client keeps its token.
pub(crate) fn kept(world: &World, connections: usize) -> Result<Scripts> {
    let authorization = basic(world)?;
    let of = |shopper: &Shopper| {
        let form = format!("grant_type=refresh_token&channel_id=main&refresh_token={}", shopper.refresh_tokens[1]);
        let mut ask = request(Method::POST, &token_target(), None, &form)?;
        ask.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        Ok(Box::new(Same(ask)) as Box<dyn Script>)
    };
    shoppers(world, connections).map(of).collect()
}

/// The same request again and again, answered without a body.
struct Empty(Request);

impl Script for Empty {
    fn next(&mut self) -> Result<Request> {
        Ok(self.0.clone())
    }

    fn answer(&mut self, answer: &Response<Bytes>) -> Result<()> {
        ensure!(answer.status() == StatusCode::NO_CONTENT, "answered {}", answer.status());
        Ok(())
    }
}

fn sessions(world: &World, connections: usize, shows_cookie: bool) -> Result<Scripts> {
    let of = |shopper: &Shopper| {
        let mut ask = request(Method::POST, "/s/main/dw/shop/v23_1/sessions", Some(&shopper.access_token), "")?;
        if shows_cookie {
            let cookie = HeaderValue::from_str(&format!("dwsid={}", shopper.cookie))?;
            ask.headers_mut().insert(header::COOKIE, cookie);
        }
        Ok(Box::new(Empty(ask)) as Box<dyn Script>)
    };
    shoppers(world, connections).map(of).collect()
}

/// A token shows the session it has already.
pub(crate) fn same_session(world: &World, connections: usize) -> Result<Scripts> {
    sessions(world, connections, true)
}

/// A token opens a session.
pub(crate) fn new_session(world: &World, connections: usize) -> Result<Scripts> {
    sessions(world, connections, false)
}

/// A page asks who is there, and gets an access token with the answer.
pub(crate) fn visits(world: &World, connections: usize) -> Result<Scripts> {
    let authorization = basic(world)?;
    let of = |shopper: &Shopper| {
        let form = format!("site=main&session={}", shopper.cookie);
        let mut ask = request(Method::POST, &format!("/t/{TENANT}/pages/session"), None, &form)?;
        ask.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        Ok(Box::new(Same(ask)) as Box<dyn Script>)
    };
    shoppers(world, connections).map(of).collect()
}
