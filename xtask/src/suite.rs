//! `cargo xtask test`: installs what is missing, builds once, runs every test to the end even after a failure, and closes
//! with one line of totals. Any failed test, and a run in which no test ran, is a failure.

use crate::process::{cargo, program, run as run_to_success, step};
use crate::{needs, tidy};
use anyhow::{Context, Result};
use std::fmt;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// How long all tests together may run before they are ended; at a terminal a person decides that for themselves.
const LIMIT_MINUTES: u32 = 45;

/// Runs the tests whose name contains the filter; `true` when some ran and all of them passed.
///
/// # Errors
/// When something is missing or the build fails.
pub(crate) fn run(root: &Path, filter: Option<&str>) -> Result<bool> {
    let schemathesis = step("look for what the tests need", || {
        needs::programs()?;
        needs::schemathesis(&tidy::target_directory(root)?)
    })?;
    step("build the tests", || run_to_success(cargo(root).args(["test", "--workspace", "--no-run"])))?;

    let mut command = bounded(cargo(root).args(["test", "--workspace", "--no-fail-fast"]).args(filter));
    command.env("PROKURA_SCHEMATHESIS", schemathesis);
    let (status, totals) = step("run the tests", || watch(&mut command, std::io::stdout().lock()))?;
    if status.code() == Some(124) {
        eprintln!("xtask: the tests had not ended after {LIMIT_MINUTES} minutes and were stopped");
    }
    if totals.passed + totals.failed == 0 {
        eprintln!("xtask: no test ran");
    }
    writeln!(std::io::stdout(), "{totals}")?;
    Ok(status.success() && totals.failed == 0 && totals.passed > 0)
}

/// The same command under `timeout`, which ends all processes of the tests and not only cargo. At a terminal the command
/// stays as it is, because `timeout` would keep Ctrl-C from it.
fn bounded(command: &Command) -> Command {
    let watched = std::io::stdin().is_terminal() || !crate::process::succeeds(program("timeout").arg("--version"));
    let mut bounded = if watched {
        program(command.get_program())
    } else {
        let mut timeout = program("timeout");
        timeout.args(["--kill-after=30s", &format!("{LIMIT_MINUTES}m")]).arg(command.get_program());
        timeout
    };
    bounded.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    bounded
}

/// Runs the command, hands on what it prints line by line, and adds up the results among those lines.
fn watch(command: &mut Command, mut out: impl Write) -> Result<(ExitStatus, Totals)> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {command:?}"))?;
    let mut printed = BufReader::new(child.stdout.take().context("the output of the tests is not piped")?);
    let mut totals = Totals::default();
    let mut line = Vec::new();
    while printed.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        totals.add(&String::from_utf8_lossy(&line));
        line.clear();
    }
    out.flush()?;
    Ok((child.wait()?, totals))
}

/// How the tests of all programs ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Totals {
    /// Adds the closing line of one test program; any other line changes nothing.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let counts = counts.split_once(". ").map_or(counts, |(_, counts)| counts);
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let (Some(Ok(number)), Some(word)) = (words.next().map(str::parse::<u64>), words.next()) else { continue };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tests: {} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_test_programs_are_added_up() {
        let script = "
            echo 'test a ... ok'
            echo 'test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.03s'
            echo 'test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s'
            exit 101";
        let mut shown = Vec::new();
        let (status, totals) = watch(program("sh").args(["-c", script]), &mut shown).unwrap();
        assert_eq!(status.code(), Some(101));
        assert_eq!(totals, Totals { passed: 16, failed: 2, skipped: 1 });
        assert_eq!(totals.to_string(), "tests: 16 passed, 2 failed, 1 skipped");
        assert!(String::from_utf8(shown).unwrap().contains("test a ... ok"));
    }

    #[test]
    fn output_that_is_not_utf8_is_handed_on_as_it_is() {
        let mut shown = Vec::new();
        watch(program("printf").arg("\\377 no line end"), &mut shown).unwrap();
        assert_eq!(shown, b"\xff no line end");
    }
}
