//! One file per command. A command reads the configuration, does its work and prints its answer.

mod admin;
mod assignment;
mod audit;
mod client;
mod customer;
mod demo;
mod doctor;
mod entity;
mod generate;
mod import;
mod keys;
mod serve;
mod storage;
mod tenant;
mod work;

use crate::{
    cli::{Cli, Command, ConfigCommand, Global, Output},
    config::Config,
};
use anyhow::Context as _;
use serde_json::Value;
use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

/// Runs one command.
///
/// # Errors
/// What kept it from succeeding, for people.
pub async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = configure(&cli.global)?;
    let output = cli.global.output;
    let file = cli.global.config;
    match cli.command {
        Command::Serve { listen } => serve::serve(config, file, listen).await,
        Command::Gateway { server, listen } => serve::gateway(config, file, &server, listen).await,
        Command::Demo { port, gateway_port, import } => {
            let data = cli.global.data.unwrap_or_else(|| PathBuf::from("./prokura-data"));
            demo::demo(&data, port, gateway_port, import.as_deref()).await
        }
        Command::Import { folder, tenant } => import::import(&config, &folder, &tenant, output).await,
        Command::Admin(command) => admin::admin(&config, command, output).await,
        Command::Tenant(command) => tenant::tenant(&config, command, output).await,
        Command::Client(command) => client::client(&config, command, output).await,
        Command::Customer(command) => customer::customer(&config, command, output).await,
        Command::Entity(command) => entity::entity(&config, command, output).await,
        Command::Assignment(command) => assignment::assignment(&config, command, output).await,
        Command::Keys(command) => keys::keys(&config, command, output).await,
        Command::Audit(command) => audit::audit(&config, command, output).await,
        Command::Migrate => storage::migrate(&config, output).await,
        Command::Doctor => doctor::doctor(&config, output).await,
        Command::Backup { file } => storage::backup(&config, &file, output).await,
        Command::Restore { file: Some(file), .. } => storage::restore(&config, &file, output).await,
        Command::Restore { file: None, .. } => storage::mark_restored(&config, output).await,
        Command::Config { command: ConfigCommand::Check } => {
            say(&format!("{config:#?}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Generate { what } => {
            say(&generate::generate(what))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The configuration, with `--data` laid over it.
fn configure(global: &Global) -> anyhow::Result<Config> {
    let mut config = Config::load(global.config.as_deref())?;
    if let Some(data) = &global.data {
        config.database.url = format!("sqlite:{}", data.join("prokura.db").display()).into();
        config.database.url_file = None;
        config.master_key.file = data.join("master.key");
        config.mail.folder = data.join("mail");
    }
    Ok(config)
}

/// One line, or many, to whoever called.
fn say(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{text}").context("the answer cannot be written")
}

/// An answer in the form that was asked for.
fn answer(output: Output, text: &str, json: &Value) -> anyhow::Result<()> {
    match output {
        Output::Text => say(text),
        Output::Json => say(&json.to_string()),
    }
}

/// An error, with everything that led to it.
pub fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr().lock(), "prokura: {error:#}");
}
