//! `cargo xtask bench`: builds the server and the programs it is compared with for release, and lets them run. What is
//! measured and how is in the crate `bench`.

use crate::process::{cargo, program, run as run_to_success, step};
use crate::tidy;
use anyhow::{Context, Result};
use clap::Args;
use std::path::Path;

/// Where the table is kept.
const PAGE: &str = "docs/benchmarks.md";

/// What is to be measured.
#[derive(Args)]
pub(crate) struct Wanted {
    /// Few requests: to see that everything works, not to judge by.
    #[arg(long)]
    quick: bool,
    /// Compare a database of a thousand customers with one of a million.
    #[arg(long)]
    data_size: bool,
    /// Only operations whose name contains this.
    #[arg(long, value_name = "ROW")]
    only: Option<String>,
    /// Keep the table in `docs/benchmarks.md`.
    #[arg(long)]
    write: bool,
}

/// Measures; `true` when every budget was kept.
///
/// # Errors
/// When the build fails, or the programs do not start.
pub(crate) fn run(root: &Path, wanted: &Wanted) -> Result<bool> {
    step("build for release", || {
        run_to_success(cargo(root).args(["build", "--release", "--package", "prokura", "--package", "prokura-bench"]))
    })?;
    let release = tidy::target_directory(root)?.join("release");
    let mut command = program(release.join("prokura-bench"));
    command.arg("run").arg("--server").arg(release.join("prokura"));
    for (flag, is_wanted) in [("--quick", wanted.quick), ("--data-size", wanted.data_size)] {
        if is_wanted {
            command.arg(flag);
        }
    }
    if let Some(only) = &wanted.only {
        command.arg("--only").arg(only);
    }
    if wanted.write {
        command.arg("--write").arg(root.join(PAGE));
    }
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    Ok(status.success())
}
