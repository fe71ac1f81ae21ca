//! What is no cost per request: memory at rest and per session, the time until the first answer, and what others notice
//! while logins keep the hash pool full.

use crate::{
    load::{self, Scripts},
    measure::{Bench, median},
    process::Process,
    rows::{self, MANY, Row},
    world::{Extent, Storage, World},
};
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};

/// Something measured once, with what is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Extra {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) allowed: Option<f64>,
    pub(crate) note: String,
}

impl Extra {
    /// Whether it is no more than allowed.
    pub(crate) fn is_met(&self) -> bool {
        self.allowed.is_none_or(|allowed| self.value <= allowed)
    }
}

/// How many sessions are begun to see what one takes.
const SESSIONS: u32 = 10_000;
/// Logins at once while others are watched: more than there are workers, fewer than the queue refuses.
const LOGINS: usize = 8;

/// Starts, and what is resident: on a server of its own, because the one that is measured has grown.
pub(crate) async fn start_and_memory(bench: &Bench) -> Result<Vec<Extra>> {
    let world = World::make(&Storage::Sqlite, bench.upstream(), Extent { buyers: 1, company_tokens: 1 }).await?;
    let mut took = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let server = Process::server(bench.program(), &world.configuration())?;
        let row = row("JWKS")?;
        load::run(server.address, (row.scripts)(&world, 1)?.1, 1).await?;
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        server.stop().await?;
    }
    let server = Process::server(bench.program(), &world.configuration())?;
    server.settle().await?;
    let (rest, rest_anonymous) = server.memory()?;
    let row = row("guest token")?;
    let sessions = bench.count(SESSIONS);
    // The caches of the database are full first; what grows from there on belongs to the sessions.
    let (scripts, _) = load::run(server.address, (row.scripts)(&world, MANY)?.1, sessions / 2).await?;
    server.settle().await?;
    let (before, before_anonymous) = server.memory()?;
    load::run(server.address, scripts, sessions).await?;
    server.settle().await?;
    let (after, after_anonymous) = server.memory()?;
    let megabytes = |bytes: u64| precise(bytes) / 1e6;
    let each = |after: u64, before: u64| precise(after.saturating_sub(before)) / 1e3 / f64::from(sessions);
    Ok(vec![
        Extra {
            name: "start to first answer".to_owned(),
            value: median(took),
            unit: "ms",
            allowed: Some(100.0),
            note: "median of 5".to_owned(),
        },
        Extra {
            name: "resident memory at rest".to_owned(),
            value: megabytes(rest),
            unit: "MB",
            allowed: Some(30.0),
            note: format!("{:.1} MB without mapped files", megabytes(rest_anonymous)),
        },
        Extra {
            name: "resident memory per live session".to_owned(),
            value: each(after_anonymous, before_anonymous),
            unit: "kB",
            allowed: Some(1.5),
            note: format!(
                "{sessions} guests; {:.2} kB with the mapped database, {:.1} MB in all",
                each(after, before),
                megabytes(after)
            ),
        },
    ])
}

fn precise(bytes: u64) -> f64 {
    // Nothing here is near 2^52 bytes.
    f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) * 1024.0
}

fn row(name: &str) -> Result<Row> {
    rows::all().into_iter().find(|row| row.name.starts_with(name)).with_context(|| format!("no row {name}"))
}

/// p99 of other operations alone and beside a hash pool that is full.
pub(crate) async fn beside_logins(bench: &mut Bench) -> Result<Vec<Extra>> {
    let mut extras = Vec::new();
    let watching = bench.count(2_000);
    let (world, server) = bench.sqlite().await?;
    let logins = row("password login")?;
    for name in ["validate", "introspection", "client credentials, ES256", "refresh, OAuth", "JWKS"] {
        let watched = row(name)?;
        let (_, scripts) = (watched.scripts)(world, 2)?;
        let (scripts, alone) = load::run(server.address, scripts, watching).await?;
        let (_, hashing) = (logins.scripts)(world, LOGINS)?;
        let busy = tokio::spawn(keep_logging_in(server.address, hashing));
        // The pool is full before anything is watched.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (_, beside) = load::run(server.address, scripts, watching).await?;
        busy.abort();
        let _ = busy.await;
        let (alone, beside) = (alone.percentile(99).as_secs_f64() * 1e3, beside.percentile(99).as_secs_f64() * 1e3);
        extras.push(Extra {
            name: format!("p99 of {} while logins saturate", watched.name),
            value: beside / alone,
            unit: "× alone",
            allowed: Some(3.0),
            note: format!("{alone:.2} ms alone, {beside:.2} ms beside {LOGINS} logins at once"),
        });
    }
    Ok(extras)
}

async fn keep_logging_in(address: std::net::SocketAddr, mut scripts: Scripts) -> Result<()> {
    loop {
        (scripts, _) = load::run(address, scripts, 1_000).await?;
    }
}
