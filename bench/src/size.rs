//! The same operations on a small and on a large database. Both are one and the same folder, but for the customers,
//! sessions, families and refresh tokens that were written straight into the tables; those who are active are as many
//! in both, spread evenly, so that what is compared is the size of the data and not of the working set.

use crate::{
    load::{self, Request, Script, Scripts},
    measure::{Bench, cost_of, median},
    process::Process,
    rows::{self, MANY},
    world::{COMPANIES, Extent, STOREFRONT, Storage, TENANT, World},
};
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::Response;
use prokura_jose::SecretHash;
use rusqlite::Connection;
use std::{collections::VecDeque, fmt::Write as _, path::Path};

/// What is allowed: large by small.
const ALLOWED: f64 = 1.3;
/// Customers, each with a session, a family and a refresh token.
const SMALL: u32 = 1_000;
const LARGE: u32 = 1_000_000;
/// How many of them are active while it is measured.
const ACTIVE: u32 = 1_000;
/// A moment far enough in the future, in milliseconds.
const FUTURE: i64 = 4_000_000_000_000;

/// One database of a size, and a server over it.
struct Sized {
    world: World,
    server: Process,
    customers: u32,
}

/// Measures, and gives the table and whether every ratio is allowed.
pub(crate) async fn run(bench: &Bench, is_quick: bool, is_wanted: impl Fn(&str) -> bool) -> Result<(String, bool)> {
    let large = if is_quick { LARGE / 50 } else { LARGE };
    let (small, large) = (make(bench, SMALL).await?, make(bench, large).await?);
    let mut text = format!(
        "| Operation | {} customers µs | {} customers µs | Ratio | |\n|---|--:|--:|--:|---|\n",
        small.customers, large.customers
    );
    let mut is_flat = true;
    for name in [
        "client credentials, ES256",
        "refresh and switch, SQLite, 32",
        "guest token",
        "validate",
        "JWKS",
        "password login",
    ] {
        let row = rows::all().into_iter().find(|row| row.name.starts_with(name)).context("no such row")?;
        if !is_wanted(row.name) {
            continue;
        }
        eprintln!("bench: {} ...", row.name);
        let requests = bench.count(row.requests);
        let mut scripts = Vec::new();
        for sized in [&small, &large] {
            let mut made = if name.starts_with("refresh") {
                active(sized)
            } else {
                (row.scripts)(&sized.world, row.connections)?.1
            };
            (made, _) = load::run(sized.server.address, made, (requests / 5).max(ACTIVE * 2)).await?;
            sized.server.settle().await?;
            scripts.push(made);
        }
        let mut pairs = Vec::new();
        for _ in 0..3 {
            let mut costs = Vec::new();
            for (sized, scripts) in [&small, &large].into_iter().zip(&mut scripts) {
                let (cost, after, _) =
                    cost_of(&sized.server, sized.server.address, std::mem::take(scripts), requests, row.writes())
                        .await?;
                *scripts = after;
                costs.push(cost);
            }
            if let [small, large] = costs[..] {
                pairs.push((small, large));
            }
        }
        let ratio = median(pairs.iter().map(|(small, large)| large / small).collect());
        is_flat &= ratio <= ALLOWED;
        let _ = writeln!(
            text,
            "| {} | {:.1} | {:.1} | {ratio:.2} | {} |",
            row.name,
            median(pairs.iter().map(|(small, _)| *small).collect()),
            median(pairs.iter().map(|(_, large)| *large).collect()),
            if ratio <= ALLOWED { "met" } else { "**missed**" }
        );
    }
    Ok((text, is_flat))
}

async fn make(bench: &Bench, customers: u32) -> Result<Sized> {
    eprintln!("bench: a database with {customers} customers ...");
    let extent = Extent { buyers: MANY + 1, company_tokens: 2 };
    let world = World::make(&Storage::Sqlite, bench.upstream(), extent).await?;
    fill(&world.database(), customers).context("the customers cannot be written")?;
    let server = Process::server(bench.program(), &world.configuration())?;
    server.settle().await?;
    Ok(Sized { world, server, customers })
}

/// The refresh token of customer `number`, the same in every database.
fn token_of(number: u32) -> String {
    format!("pkr_rt_bench-{number:032}")
}

/// Customers who act for two companies, each with everything a refresh reads.
fn fill(path: &Path, customers: u32) -> Result<()> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA foreign_keys = OFF")?;
    let transaction = connection.transaction()?;
    {
        let mut customer = transaction.prepare(
            "INSERT INTO customers (tenant_id, id, kind, email, email_key, given_name, family_name, company_name, state,
                                    state_at, profile_json, version, created_at, modified_at)
             VALUES ($1, $2, 'CUSTOMER', $3, $3, 'Given', 'Family', '', 'active', 0, '{}', 1, 0, 0)",
        )?;
        let mut assignment = transaction.prepare(
            "INSERT INTO contact_assignments (tenant_id, id, grant_id, legal_entity_id, customer_id, kind, is_primary,
                                              details_json, version, created_at, modified_at)
             VALUES ($1, $2, $2, $3, $4, 'CONTACT', 0, '{}', 1, 0, 0)",
        )?;
        let mut session = transaction.prepare(
            "INSERT INTO sessions (tenant_id, id, client_id, customer_id, door, is_entity_locked, authenticated_at, state,
                                   state_at, expires_at, created_at)
             VALUES ($1, $2, $3, $4, 'customer.log_in', 0, 0, 'active', 0, $5, 0)",
        )?;
        let mut family = transaction.prepare(
            "INSERT INTO token_families (tenant_id, id, session_id, client_id, customer_id, epoch, generation, state,
                                         state_at, created_at, expires_at, tokens_until)
             VALUES ($1, $2, $3, $4, $5, 0, 0, 'active', 0, 0, $6, 0)",
        )?;
        let mut token = transaction.prepare(
            "INSERT INTO refresh_tokens (tenant_id, hash, family_id, generation, salt, epoch, repeats, state, state_at,
                                         issued_at, expires_at)
             VALUES ($1, $2, $3, 0, '', 0, 0, 'active', 0, 0, $4)",
        )?;
        for number in 0..customers {
            let id = format!("bulk-{number}");
            customer.execute((TENANT, &id, format!("{id}@bulk.example")))?;
            for entity in &COMPANIES[..2] {
                assignment.execute((TENANT, format!("{id}-{entity}"), entity, &id))?;
            }
            session.execute((TENANT, &id, STOREFRONT, &id, FUTURE))?;
            family.execute((TENANT, &id, &id, STOREFRONT, &id, FUTURE))?;
            token.execute((TENANT, SecretHash::of(&token_of(number)).as_str(), &id, FUTURE))?;
        }
    }
    transaction.commit()?;
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

/// Buyers who switch in turn.
struct Switches {
    guest_token: String,
    tokens: VecDeque<(String, usize)>,
}

impl Script for Switches {
    fn next(&mut self) -> Result<Request> {
        let (token, count) = self.tokens.front().context("nobody is left")?;
        rows::switch(&self.guest_token, token, *count)
    }

    fn answer(&mut self, answer: &Response<Bytes>) -> Result<()> {
        let next = rows::next_refresh_token(answer)?;
        let (_, count) = self.tokens.pop_front().context("nobody is left")?;
        self.tokens.push_back((next, count + 1));
        Ok(())
    }
}

/// The active ones, evenly spread over all, dealt out to the connections.
fn active(sized: &Sized) -> Scripts {
    let step = sized.customers / ACTIVE;
    let guest_token = sized.world.buyers.first().map(|buyer| buyer.guest_token.clone()).unwrap_or_default();
    let mut hands = vec![VecDeque::new(); MANY];
    for (number, hand) in (0..ACTIVE).zip((0..MANY).cycle()) {
        if let Some(hand) = hands.get_mut(hand) {
            hand.push_back((token_of(number * step), 0));
        }
    }
    hands
        .into_iter()
        .map(|tokens| Box::new(Switches { guest_token: guest_token.clone(), tokens }) as Box<dyn Script>)
        .collect()
}
