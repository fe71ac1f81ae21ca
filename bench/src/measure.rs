//! One run: the floors and the server take turns, row by row and round by round, and what they cost is put side by side.

use crate::{
    Options,
    extras::{self, Extra},
    load::{self, Latencies, Scripts},
    peer,
    process::Process,
    rows::{self, Floor, MANY, Ours, Row},
    size,
    table::{self, Found},
    world::{Extent, Storage, World},
};
use anyhow::{Context as _, Result};
use prokura_testdb::Postgres;
use std::{collections::HashMap, fmt::Write as _, fs, net::SocketAddr, path::Path, time::Duration};
use tempfile::TempDir;

/// How often floor and server take turns.
const ROUNDS: u32 = 3;
/// By how much fewer requests a quick run makes.
const QUICK: u32 = 20;

/// Measures what was asked for, prints it, and tells whether every budget was kept.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    let mut bench = Bench::new(options)?;
    let is_wanted = |name: &str| options.only.as_deref().is_none_or(|wanted| name.contains(wanted));
    if options.data_size {
        let (text, is_flat) = size::run(&bench, options.quick, is_wanted).await?;
        show(&text);
        return Ok(is_flat);
    }
    let (mut found, mut extras, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows::all().iter().filter(|row| is_wanted(row.name)) {
        eprintln!("bench: {} ...", row.name);
        match bench.row(row).await {
            Ok(result) => {
                eprintln!("bench: {}", result.in_short());
                found.push(result);
            }
            Err(error) => failed.push(format!("{}: {error:#}", row.name)),
        }
    }
    if is_wanted("start and memory") {
        eprintln!("bench: start and memory ...");
        match extras::start_and_memory(&bench).await {
            Ok(more) => extras.extend(more),
            Err(error) => failed.push(format!("start and memory: {error:#}")),
        }
    }
    if is_wanted("beside logins") {
        eprintln!("bench: beside logins ...");
        match extras::beside_logins(&mut bench).await {
            Ok(more) => extras.extend(more),
            Err(error) => failed.push(format!("beside logins: {error:#}")),
        }
    }
    let mut text = table::render(&found);
    text.push_str(&table::render_extras(&extras));
    for line in &failed {
        let _ = writeln!(text, "\nNot measured: {line}");
    }
    show(&text);
    if let Some(path) = &options.write {
        write(path, &text)?;
    }
    let is_met = found.iter().all(|found| found.is_met() != Some(false)) && extras.iter().all(Extra::is_met);
    Ok(failed.is_empty() && is_met)
}

/// The middle of several values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
fn show(text: &str) {
    println!("{text}");
}

fn write(path: &Path, text: &str) -> Result<()> {
    let page = format!(
        "# What a request costs\n\nMeasured by `cargo xtask bench` on {}. CPU time of the server's process per request, \
         in µs.\n\n{text}",
        table::machine()
    );
    fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))
}

/// The programs of a run; each is started when it is first needed.
pub(crate) struct Bench {
    options: Options,
    folder: TempDir,
    upstream: Process,
    floors: HashMap<&'static str, Process>,
    /// The other authorization server, and what it said when it started.
    peer: Option<(serde_json::Value, Process)>,
    sqlite: Option<(World, Process)>,
    postgres: Option<(World, Process)>,
    floor_database: Option<prokura_testdb::Database<'static>>,
    server_database: Option<prokura_testdb::Database<'static>>,
}

impl Bench {
    fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            options: options.clone(),
            folder: tempfile::Builder::new().prefix("prokura-floor-").tempdir()?,
            upstream: Process::floor(&["upstream"])?,
            floors: HashMap::new(),
            peer: None,
            sqlite: None,
            postgres: None,
            floor_database: None,
            server_database: None,
        })
    }

    /// The program that is measured.
    pub(crate) fn program(&self) -> &Path {
        &self.options.server
    }

    /// Where requests that pass the gateway go.
    pub(crate) fn upstream(&self) -> SocketAddr {
        self.upstream.address
    }

    /// The server over SQLite.
    pub(crate) async fn sqlite(&mut self) -> Result<(&World, &Process)> {
        self.start_server(Ours::Public).await?;
        self.sqlite.as_ref().map(|(world, server)| (world, server)).context("no server")
    }

    /// As many requests as this run makes where a whole one makes `requests`.
    pub(crate) fn count(&self, requests: u32) -> u32 {
        if self.options.quick { (requests / QUICK).max(8) } else { requests }
    }

    async fn row(&mut self, row: &Row) -> Result<Found> {
        self.start_server(row.ours).await?;
        self.start_floor(row.floor)?;
        if row.peer.is_some() && self.peer.is_none() {
            self.peer = Some(peer::start()?);
        }
        let (world, server) = match row.ours {
            Ours::PublicOnPostgres => self.postgres.as_ref(),
            Ours::Public | Ours::Gateway => self.sqlite.as_ref(),
        }
        .context("no server")?;
        let floor = self.floors.get(name_of(row.floor)).context("no floor")?;
        let address = match row.ours {
            Ours::Gateway => server.gateway.context("the server has no gateway")?,
            Ours::Public | Ours::PublicOnPostgres => server.address,
        };
        let (mut floor_scripts, mut our_scripts) = (row.scripts)(world, row.connections)?;
        let requests = self.count(row.requests);
        let (rounds, warm_up) = (if self.options.quick { 1 } else { ROUNDS }, (requests / 10).max(8));
        (floor_scripts, _) = load::run(floor.address, floor_scripts, warm_up).await.context("the floor")?;
        (our_scripts, _) = load::run(address, our_scripts, warm_up).await?;
        let mut pairs = Vec::new();
        let mut latencies = Latencies::default();
        let mut peer = match row.peer {
            Some(scripts) => Some((self.peer.as_ref().context("no peer")?, scripts)),
            None => None,
        }
        .map(|((said, process), scripts)| anyhow::Ok((process, scripts(said, row.connections)?, Vec::new())))
        .transpose()?;
        if let Some((process, scripts, _)) = &mut peer {
            let (warm, _) = load::run(process.address, std::mem::take(scripts), warm_up).await.context("the peer")?;
            *scripts = warm;
        }
        for _ in 0..rounds {
            if let Some((process, scripts, costs)) = &mut peer {
                let taken = std::mem::take(scripts);
                let (cost, back, _) = cost_of(process, process.address, taken, requests, false).await?;
                *scripts = back;
                costs.push(cost * f64::from(row.steps));
            }
            let (cost, scripts, _) = cost_of(floor, floor.address, floor_scripts, requests, false).await?;
            floor_scripts = scripts;
            let (ours, scripts, took) = cost_of(server, address, our_scripts, requests, row.writes()).await?;
            our_scripts = scripts;
            latencies = took;
            pairs.push((cost, ours * f64::from(row.steps)));
        }
        Ok(Found {
            name: row.name.to_owned(),
            floor: Some(median(pairs.iter().map(|(floor, _)| *floor).collect())),
            ours: median(pairs.iter().map(|(_, ours)| *ours).collect()),
            ratio: Some(median(pairs.iter().map(|(floor, ours)| ours / floor).collect())),
            peer: peer.map(|(_, _, costs)| median(costs)),
            budget: row.budget,
            p50: latencies.percentile(50).as_secs_f64() * 1e3,
            p99: latencies.percentile(99).as_secs_f64() * 1e3,
        })
    }
}

impl Bench {
    async fn start_server(&mut self, ours: Ours) -> Result<()> {
        let place = match ours {
            Ours::PublicOnPostgres => &mut self.postgres,
            Ours::Public | Ours::Gateway => &mut self.sqlite,
        };
        if place.is_some() {
            return Ok(());
        }
        let company_tokens = match (ours, self.options.quick) {
            (Ours::PublicOnPostgres, _) => 1,
            (_, true) => 1_000,
            (_, false) => 6_500,
        };
        let storage = match ours {
            Ours::PublicOnPostgres => {
                Storage::Postgres(self.server_database.insert(Postgres::shared().database()).url())
            }
            Ours::Public | Ours::Gateway => Storage::Sqlite,
        };
        let extent = Extent { buyers: MANY + 1, company_tokens };
        let world = World::make(&storage, self.upstream.address, extent).await?;
        let server = Process::server(&self.options.server, &world.configuration())?;
        server.settle().await?;
        *place = Some((world, server));
        Ok(())
    }

    fn start_floor(&mut self, floor: Floor) -> Result<()> {
        let name = name_of(floor);
        if self.floors.contains_key(name) {
            return Ok(());
        }
        let upstream = self.upstream.address.to_string();
        let process = match floor {
            Floor::Document => Process::floor(&["document"]),
            Floor::Lookup => Process::floor(&["lookup"]),
            Floor::MintEs256 => Process::floor(&["mint", "ES256"]),
            Floor::MintEdDsa => Process::floor(&["mint", "EdDSA"]),
            Floor::Rotate => {
                let path = self.folder.path().join("floor.db");
                Process::floor(&["rotate", path.to_str().context("a path that is no text")?])
            }
            Floor::RotatePostgres => {
                let database = self.floor_database.insert(Postgres::shared().database());
                Process::floor(&["rotate-postgres", &database.url()])
            }
            Floor::ProxySeen => Process::floor(&["proxy", &upstream, "seen"]),
            Floor::ProxyUnseen => Process::floor(&["proxy", &upstream, "unseen"]),
            Floor::Hash => Process::floor(&["hash"]),
        };
        self.floors.insert(name, process.with_context(|| format!("the floor {name}"))?);
        Ok(())
    }
}

fn name_of(floor: Floor) -> &'static str {
    match floor {
        Floor::Document => "document",
        Floor::Lookup => "lookup",
        Floor::MintEs256 => "mint ES256",
        Floor::MintEdDsa => "mint EdDSA",
        Floor::Rotate => "rotate",
        Floor::RotatePostgres => "rotate on PostgreSQL",
        Floor::ProxySeen => "proxy, token seen",
        Floor::ProxyUnseen => "proxy, token not seen",
        Floor::Hash => "hash",
    }
}

/// CPU time per request in µs. What is written is sealed and moved out of the log afterwards; `has_aftermath` waits for
/// that, so that it is counted.
pub(crate) async fn cost_of(
    process: &Process,
    address: SocketAddr,
    scripts: Scripts,
    requests: u32,
    has_aftermath: bool,
) -> Result<(f64, Scripts, Latencies)> {
    let before = process.cpu()?;
    let (scripts, latencies) = load::run(address, scripts, requests).await?;
    if has_aftermath {
        process.settle().await?;
    }
    let spent: Duration = process.cpu()?.saturating_sub(before);
    Ok((spent.as_secs_f64() * 1e6 / f64::from(requests), scripts, latencies))
}
