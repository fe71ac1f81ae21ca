//! Programs under measurement: started as children, ended with their value, their CPU time and memory read from
//! `/proc`.

use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Clock ticks per second in `/proc/PID/stat`; Linux has told programs 100 on every machine for decades.
const TICKS_PER_SECOND: u64 = 100;

/// A program that is measured.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where its gateway listens.
    pub(crate) gateway: Option<SocketAddr>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// A floor: this program in another part.
    pub(crate) fn floor(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("floor").args(arguments).stdout(Stdio::piped());
        Self::start(command, |line| Some((line.trim().parse().ok()?, None)))
    }

    /// The server, with a configuration file.
    pub(crate) fn server(program: &Path, config: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("--config").arg(config).arg("serve").stderr(Stdio::piped());
        Self::start(command, |line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let public = line.get("public")?.as_str()?.parse().ok()?;
            Some((public, line.get("gateway").and_then(|gateway| gateway.as_str()?.parse().ok())))
        })
    }

    /// Any other program that listens where its first line says, which `read` understands.
    pub(crate) fn other(mut command: Command, read: impl Fn(&str) -> Option<SocketAddr>) -> Result<Self> {
        command.stdout(Stdio::piped());
        Self::start(command, |line| Some((read(line)?, None)))
    }

    /// Starts `command` and waits for the line that says where it listens. What else it says goes to our standard
    /// error.
    fn start(mut command: Command, read: impl Fn(&str) -> Option<(SocketAddr, Option<SocketAddr>)>) -> Result<Self> {
        // One core is what the budgets are about; the other one is the load's.
        command.env("TOKIO_WORKER_THREADS", "1").stdin(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        let said: Box<dyn std::io::Read + Send> = match (child.stdout.take(), child.stderr.take()) {
            (Some(out), _) => Box::new(out),
            (None, Some(err)) => Box::new(err),
            (None, None) => bail!("{command:?} cannot be heard"),
        };
        let mut lines = BufReader::new(said).lines();
        let mut last = String::new();
        loop {
            let Some(line) = lines.next() else {
                let status = child.wait()?;
                bail!("{command:?} ended with {status}: {last}");
            };
            last = line?;
            if let Some((address, gateway)) = read(&last) {
                std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
                return Ok(Self { child, address, gateway });
            }
            eprintln!("{last}");
        }
    }

    /// CPU time so far, of all threads, those that have ended included.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may contain anything; what follows it is numbered from 3.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
        let ticks = |number: usize| -> Result<u64> {
            Ok(fields.get(number - 3).with_context(|| format!("no field {number} in {stat}"))?.parse()?)
        };
        Ok(Duration::from_millis((ticks(14)? + ticks(15)?) * 1000 / TICKS_PER_SECOND))
    }

    /// Waits until the program has nothing left to do (seals, checkpoints), at most ten seconds.
    pub(crate) async fn settle(&self) -> Result<()> {
        let begun = Instant::now();
        let mut before = self.cpu()?;
        loop {
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            let now = self.cpu()?;
            if now.saturating_sub(before) <= Duration::from_millis(10) || begun.elapsed() > Duration::from_secs(10) {
                return Ok(());
            }
            before = now;
        }
    }

    /// Resident memory in bytes: all of it, and what is not a mapped file.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let of = |key: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
            let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
            Ok(kilobytes * 1024)
        };
        Ok((of("VmRSS:")?, of("RssAnon:")?))
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().context("no program to end a process with")?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > Duration::from_secs(30) {
                bail!("the server does not end");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
