//! The project's own tasks: `cargo xtask test`, `bench`, `tidy`, `pages` and `generate`. They run on a machine that has Rust, a C compiler
//! and Debian's package tool, ask nothing, and end with a status other than zero when something is wrong.

mod bench;
mod generate;
mod needs;
mod pages;
mod process;
mod suite;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Tasks of the Prokura project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need, build once, and run every test.
    Test {
        /// Only tests whose name contains this.
        filter: Option<String>,
    },
    /// Build for release and measure what requests cost, beside bare programs in the same run.
    Bench(bench::Wanted),
    /// Check the rules of the source tree that no compiler knows.
    Tidy,
    /// Paint every page, light and dark, wide and narrow, into `docs/images`.
    Pages,
    /// Write the committed files that the program itself can describe: OpenAPI, configuration reference, schema.
    Generate {
        /// Change nothing; fail when a committed file is not what would be written.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // What went wrong and where is in the message; a stack of this program would only push it out of sight.
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does the task; `true` when it found nothing wrong.
fn run(task: &Task) -> Result<bool> {
    let root = process::root();
    match task {
        Task::Test { filter } => suite::run(&root, filter.as_deref()),
        Task::Bench(wanted) => bench::run(&root, wanted),
        Task::Tidy => Ok(tidy::report(&tidy::check(&root)?)),
        Task::Pages => pages::run(&root),
        Task::Generate { check } => generate::run(&root, *check),
    }
}
