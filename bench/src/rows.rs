//! What is measured: for each operation its budget, the requests to the server, and those to its floor.

use crate::{
    load::{self, Request, Same, Script, Scripts},
    oauth, slas,
    table::Budget,
    world::{COMPANIES, ED_MACHINE, MACHINE, PASSWORD, STOREFRONT, TENANT, World},
};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use http_body_util::Full;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many connections there are, where it does not say otherwise.
pub(crate) const MANY: usize = 32;

/// Which program is the floor of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Floor {
    Document,
    Lookup,
    MintEs256,
    MintEdDsa,
    Rotate,
    RotatePostgres,
    ProxySeen,
    ProxyUnseen,
    Hash,
}

/// Which server, and which of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ours {
    Public,
    Gateway,
    /// The server over PostgreSQL.
    PublicOnPostgres,
}

/// An operation.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) floor: Floor,
    pub(crate) ours: Ours,
    pub(crate) budget: Option<Budget>,
    pub(crate) connections: usize,
    /// Requests per round.
    pub(crate) requests: u32,
    /// How many requests make up the operation.
    pub(crate) steps: u32,
    /// Scripts for the floor and for the server.
    pub(crate) scripts: fn(&World, usize) -> Result<(Scripts, Scripts)>,
    /// Scripts for the peer, by what it said when it started.
    pub(crate) peer: Option<fn(&serde_json::Value, usize) -> Result<Scripts>>,
}

/// A row without a budget of its own.
const fn row(name: &'static str, floor: Floor, scripts: fn(&World, usize) -> Result<(Scripts, Scripts)>) -> Row {
    let (ours, budget, connections, requests) = (Ours::Public, None, MANY, 10_000);
    Row { name, floor, ours, budget, connections, requests, steps: 1, scripts, peer: None }
}

impl Row {
    const fn micros(self, allowed: f64, floor: f64) -> Self {
        Self { budget: Some(Budget::Micros { allowed, floor }), ..self }
    }

    const fn times(self, times: f64) -> Self {
        Self { budget: Some(Budget::Times(times)), ..self }
    }

    const fn load(self, connections: usize, requests: u32) -> Self {
        Self { connections, requests, ..self }
    }

    const fn at(self, ours: Ours) -> Self {
        Self { ours, ..self }
    }

    const fn beside(self, peer: fn(&serde_json::Value, usize) -> Result<Scripts>) -> Self {
        Self { peer: Some(peer), ..self }
    }

    const fn in_steps(self, steps: u32) -> Self {
        Self { steps, ..self }
    }

    /// Whether requests leave something behind that costs later.
    pub(crate) const fn writes(&self) -> bool {
        match self.floor {
            Floor::MintEs256 | Floor::MintEdDsa | Floor::Rotate | Floor::RotatePostgres | Floor::Hash => true,
            Floor::Document | Floor::Lookup | Floor::ProxySeen | Floor::ProxyUnseen => false,
        }
    }
}

/// Every row, in the order of the table. Budgets and the floors they were set for: architecture, section 10.
pub(crate) fn all() -> Vec<Row> {
    vec![
        row("client credentials, ES256", Floor::MintEs256, client_credentials).micros(40.0, 32.0),
        row("client credentials, EdDSA", Floor::MintEdDsa, client_credentials_eddsa).micros(30.0, 23.0),
        row("refresh and switch, SQLite, 32 connections", Floor::Rotate, refresh).micros(75.0, 54.0).load(MANY, 5_000),
        row("refresh and switch, SQLite, 1 connection", Floor::Rotate, refresh).load(1, 1_500),
        row("refresh and switch, PostgreSQL, 32 connections", Floor::RotatePostgres, refresh)
            .load(MANY, 3_000)
            .at(Ours::PublicOnPostgres),
        row("guest token, with its session", Floor::MintEs256, guest).micros(40.0, 32.0).load(MANY, 5_000),
        row("code flow without a password, OAuth", Floor::MintEs256, codes)
            .load(MANY, 4_000)
            .in_steps(2)
            .beside(oauth::peer_codes),
        row("refresh, OAuth", Floor::Rotate, renewals).load(MANY, 4_000).beside(oauth::peer_renewals),
        row("refresh with DPoP, OAuth", Floor::Rotate, bound_renewals)
            .load(MANY, 4_000)
            .beside(oauth::peer_bound_renewals),
        row("refresh, SLAS, public", Floor::Rotate, slas_renewals).load(MANY, 4_000),
        row("refresh, SLAS, private", Floor::MintEs256, slas_kept).load(MANY, 4_000),
        row("session bridge, session there already", Floor::Lookup, slas_same).micros(10.0, 6.0),
        row("session bridge, new session", Floor::MintEs256, slas_new).micros(42.0, 32.0).load(MANY, 4_000),
        row("a page asks who is there", Floor::MintEs256, slas_visits).load(MANY, 4_000),
        row("introspection, OAuth", Floor::Lookup, introspection).micros(10.0, 5.9).beside(oauth::peer_introspection),
        row("validate, Emporix", Floor::Lookup, validate).micros(10.0, 5.9),
        row("gateway, token seen before", Floor::ProxySeen, gateway_seen).micros(20.0, 15.4).at(Ours::Gateway),
        row("gateway, token not seen", Floor::ProxyUnseen, gateway_unseen)
            .micros(90.0, 77.0)
            .load(MANY, 2_000)
            .at(Ours::Gateway),
        row("forward-auth, token seen before", Floor::Lookup, forward_auth).micros(9.0, 5.9).at(Ours::Gateway),
        row("JWKS", Floor::Document, jwks).micros(7.0, 4.9),
        row("discovery", Floor::Document, discovery).micros(7.0, 4.9),
        row("password login", Floor::Hash, log_in).times(1.05).load(4, 40),
    ]
}

fn get(target: &str) -> Result<Request> {
    request(Method::GET, target, None, "")
}

pub(crate) fn request(method: Method, target: &str, bearer: Option<&str>, body: &str) -> Result<Request> {
    let mut request = http::Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, "127.0.0.1:8400")
        .header(header::USER_AGENT, "bench/1")
        .header(header::ACCEPT, "application/json");
    if let Some(bearer) = bearer {
        request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
    }
    if !body.is_empty() {
        let kind = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        request = request.header(header::CONTENT_TYPE, kind);
    }
    Ok(request.body(Full::new(Bytes::from(body.to_owned())))?)
}

/// The same request on every connection.
fn same(request: &Request, connections: usize) -> Scripts {
    (0..connections).map(|_| Box::new(Same(request.clone())) as Box<dyn Script>).collect()
}

fn both(request: &Request, connections: usize) -> (Scripts, Scripts) {
    (same(request, connections), same(request, connections))
}

fn jwks(_: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok(both(&get(&format!("/t/{TENANT}/.well-known/jwks.json"))?, connections))
}

fn discovery(_: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok(both(&get(&format!("/t/{TENANT}/.well-known/openid-configuration"))?, connections))
}

fn form(client: &str, secret: &str) -> Result<Request> {
    let body = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
    request(Method::POST, "/oauth/token", None, &body)
}

fn client_credentials(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok(both(&form(MACHINE, &world.machine_secret)?, connections))
}

fn client_credentials_eddsa(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok(both(&form(ED_MACHINE, &world.ed_machine_secret)?, connections))
}

fn guest(_: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    let target = format!("/customerlogin/auth/anonymous/login?tenant={TENANT}&client_id={STOREFRONT}");
    Ok(both(&get(&target)?, connections))
}

/// Something to ask the floor of a row that makes tokens.
fn asked(connections: usize) -> Result<Scripts> {
    Ok(same(&form(MACHINE, "any")?, connections))
}

/// What the floor of a refresh is asked, and what the server is.
fn renewed(world: &World, connections: usize, ours: Scripts) -> Result<(Scripts, Scripts)> {
    Ok((refresh(world, connections)?.0, ours))
}

fn codes(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok((asked(connections)?, oauth::codes(world, connections)?))
}

fn renewals(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    renewed(world, connections, oauth::renewals(world, connections)?)
}

fn bound_renewals(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    renewed(world, connections, oauth::bound_renewals(world, connections)?)
}

fn slas_renewals(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    renewed(world, connections, slas::renewals(world, connections))
}

fn slas_kept(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok((asked(connections)?, slas::kept(world, connections)?))
}

fn slas_same(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok((validate(world, connections)?.0, slas::same_session(world, connections)?))
}

fn slas_new(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok((asked(connections)?, slas::new_session(world, connections)?))
}

fn slas_visits(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok((asked(connections)?, slas::visits(world, connections)?))
}

fn introspection(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    Ok((validate(world, connections)?.0, oauth::introspection(world, connections)?))
}

fn validate(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    let token = world.company_tokens.first().context("no tokens")?;
    let target = format!("/customer/{TENANT}/validateauthtoken");
    Ok(both(&request(Method::GET, &target, Some(token), "")?, connections))
}

fn gateway_seen(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    let token = world.company_tokens.first().context("no tokens")?;
    Ok(both(&request(Method::GET, "/api/orders/4711?x=1", Some(token), "")?, connections))
}

/// Every request has another token, until there are none left.
struct Unseen {
    tokens: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
}

impl Script for Unseen {
    fn next(&mut self) -> Result<Request> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let token = self.tokens.get(number).context("no token is left that was not seen")?;
        request(Method::GET, "/api/orders/4711?x=1", Some(token), "")
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the scripts of other rows can fail")]
fn gateway_unseen(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    let scripts = || {
        // The first one is everybody's.
        let tokens: Arc<Vec<String>> = Arc::new(world.company_tokens.iter().skip(1).cloned().collect());
        let next = Arc::new(AtomicUsize::new(0));
        (0..connections)
            .map(|_| Box::new(Unseen { tokens: Arc::clone(&tokens), next: Arc::clone(&next) }) as Box<dyn Script>)
            .collect()
    };
    Ok((scripts(), scripts()))
}

fn forward_auth(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    let token = world.company_tokens.first().context("no tokens")?;
    let mut ask = request(Method::GET, "/forward-auth", Some(token), "")?;
    ask.headers_mut().insert("x-original-uri", HeaderValue::from_static("/api/orders/4711?x=1"));
    Ok(both(&ask, connections))
}

/// A buyer who goes to and fro between two companies.
struct Switch {
    bearer: String,
    refresh_token: String,
    count: usize,
}

impl Script for Switch {
    fn next(&mut self) -> Result<Request> {
        self.count += 1;
        switch(&self.bearer, &self.refresh_token, self.count)
    }

    fn answer(&mut self, answer: &Response<Bytes>) -> Result<()> {
        self.refresh_token = next_refresh_token(answer)?;
        Ok(())
    }
}

/// The request that redeems a token, every other time for the other company.
pub(crate) fn switch(bearer: &str, refresh_token: &str, count: usize) -> Result<Request> {
    let entity = if count.is_multiple_of(2) { COMPANIES[0] } else { COMPANIES[1] };
    let target = format!("/customer/{TENANT}/refreshauthtoken?refreshToken={refresh_token}&legalEntityId={entity}");
    request(Method::GET, &target, Some(bearer), "")
}

/// The refresh token of an answer.
pub(crate) fn next_refresh_token(answer: &Response<Bytes>) -> Result<String> {
    load::expect_ok(answer)?;
    let body: serde_json::Value = serde_json::from_slice(answer.body())?;
    Ok(body.get("refresh_token").and_then(|token| token.as_str()).context("no refresh token")?.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the scripts of other rows can fail")]
fn refresh(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    // A single connection takes a buyer the others have left alone.
    let skipped = if connections == 1 { MANY } else { 0 };
    let scripts = || {
        world
            .buyers
            .iter()
            .skip(skipped)
            .take(connections)
            .map(|buyer| {
                let (bearer, refresh_token) = (buyer.guest_token.clone(), buyer.refresh_token.clone());
                Box::new(Switch { bearer, refresh_token, count: 0 }) as Box<dyn Script>
            })
            .collect()
    };
    Ok((scripts(), scripts()))
}

/// Each connection is another buyer at another guest's browser.
fn log_in(world: &World, connections: usize) -> Result<(Scripts, Scripts)> {
    let scripts = || -> Result<Scripts> {
        let buyers = world.buyers.iter().take(connections);
        buyers
            .map(|buyer| {
                let body = format!(r#"{{"email":"{}","password":"{PASSWORD}"}}"#, buyer.email);
                let target = format!("/customer/{TENANT}/login");
                let ask = request(Method::POST, &target, Some(&buyer.guest_token), &body)?;
                Ok(Box::new(Same(ask)) as Box<dyn Script>)
            })
            .collect()
    };
    Ok((scripts()?, scripts()?))
}
