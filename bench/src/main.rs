//! What a request costs: the real server and bare programs that do only the unavoidable, measured side by side in one
//! run. Started by `cargo xtask bench`; the driver starts the servers, and the floors are this very program.

mod extras;
mod floor;
mod load;
mod measure;
mod oauth;
mod peer;
mod process;
mod rows;
mod size;
mod slas;
mod table;
mod world;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, and print a table.
    Run(Options),
    /// Be a floor program: print the port, then answer until ended.
    Floor {
        /// Which one, and what it is told.
        #[command(subcommand)]
        which: floor::Which,
    },
}

/// What is measured, and with what.
#[derive(Args, Clone, Debug)]
struct Options {
    /// The `prokura` program to measure.
    #[arg(long)]
    server: PathBuf,
    /// Few requests: enough to see that everything works, not to judge by.
    #[arg(long)]
    quick: bool,
    /// Compare a small database with a large one instead.
    #[arg(long)]
    data_size: bool,
    /// Only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Put the table into this file, too.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `true` when everything met its budget.
fn run(command: Command) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Run(options) => measure::run(&options).await,
            Command::Floor { which } => floor::run(which).await.map(|()| true),
        }
    })
}
