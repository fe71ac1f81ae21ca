//! The table people read: one row per operation, floor and ours side by side.

use crate::extras::Extra;
use std::{fmt::Write as _, fs};

/// What was found for one operation.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) name: String,
    /// CPU time per request of the floor, in µs.
    pub(crate) floor: Option<f64>,
    /// CPU time per request of the server, in µs.
    pub(crate) ours: f64,
    /// CPU time of the peer, in µs.
    pub(crate) peer: Option<f64>,
    /// The median over the rounds of ours by floor.
    pub(crate) ratio: Option<f64>,
    /// What is allowed, and for which floor that was written down, in µs.
    pub(crate) budget: Option<Budget>,
    /// In milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// What an operation may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Budget {
    /// In µs, on the machine where the floor took so many.
    Micros { allowed: f64, floor: f64 },
    /// So many times the floor.
    Times(f64),
}

impl Found {
    /// The budget on this machine, by the floor measured here.
    fn scaled(&self) -> Option<f64> {
        match (self.budget?, self.floor) {
            (Budget::Micros { allowed, floor }, Some(here)) => Some(allowed * here / floor),
            (Budget::Times(times), Some(here)) => Some(times * here),
            (_, None) => None,
        }
    }

    /// One line for who is watching.
    pub(crate) fn in_short(&self) -> String {
        let floor = self.floor.unwrap_or_default();
        format!("{} took {:.1} µs of CPU, its floor {floor:.1} µs", self.name, self.ours)
    }

    /// Whether the budget is kept: by the ratios of the rounds, which noise moves least. `None` without a budget.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let allowed = match self.budget? {
            Budget::Micros { allowed, floor } => allowed / floor,
            Budget::Times(times) => times,
        };
        Some(self.ratio? <= allowed)
    }
}

/// The table, in Markdown.
pub(crate) fn render(rows: &[Found]) -> String {
    let mut text = String::from(
        "| Operation | Floor µs | Ours µs | Ratio | Budget µs | Budget here µs | | p50 ms | p99 ms | oidc-provider µs |\n\
         |---|--:|--:|--:|--:|--:|---|--:|--:|--:|\n",
    );
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"));
    for row in rows {
        let budget = match row.budget {
            Some(Budget::Micros { allowed, .. }) => format!("{allowed:.0}"),
            Some(Budget::Times(times)) => format!("{times:.2} ×"),
            None => "–".to_owned(),
        };
        let verdict = match row.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let ratio = row.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {ratio} | {budget} | {} | {verdict} | {:.2} | {:.2} | {} |",
            row.name,
            number(row.floor),
            row.ours,
            number(row.scaled()),
            row.p50,
            row.p99,
            number(row.peer)
        );
    }
    text
}

/// What was measured once, as a list in Markdown.
pub(crate) fn render_extras(extras: &[Extra]) -> String {
    let mut text = String::new();
    if !extras.is_empty() {
        text.push_str("\n| | Measured | Budget | | |\n|---|--:|--:|---|---|\n");
    }
    for extra in extras {
        let allowed = extra.allowed.map_or_else(|| "–".to_owned(), |allowed| format!("{allowed}"));
        let verdict = if extra.is_met() { "met" } else { "**missed**" };
        let Extra { name, value, unit, note, .. } = extra;
        let _ = writeln!(text, "| {name} | {value:.1} {unit} | {allowed} | {verdict} | {note} |");
    }
    text
}

/// The machine: processor, cores, memory, system.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processors, memory, kernel) =
        (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"));
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kilobytes: u64 = field(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    format!(
        "{} ({cores} cores), {} GB of memory, Linux {}",
        field(&processors, "model name"),
        kilobytes / 1_000_000,
        kernel.trim()
    )
}
