//! What the noun commands share: the engine opened for one piece of work, answers as text or JSON, pages read to the
//! end, secrets read from where nobody looks over a shoulder.

use super::say;
use crate::{cli::Output, config::Config, node};
use anyhow::{Context as _, bail};
use prokura_domain::TenantId;
use prokura_engine::{Engine, Error, Origin, Refusal, Tenant};
use prokura_jose::Secret;
use serde_json::Value;
use std::{fmt::Display, fs, future::Future, io::Read as _, path::Path, process::ExitCode, str::FromStr, sync::Arc};

/// The most bytes a file with a secret has.
const MAX_SECRET: u64 = 4_096;
/// The most bytes of a document in JSON.
const MAX_JSON: u64 = 64 * 1_024;
/// Items of a list that are read at once.
const PAGE: u32 = 200;

/// Opens the engine, does the work, and closes it in any case. A refusal is told in words.
pub(super) async fn with_engine<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Engine) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let engine = node::open_engine(config).await.context(
        "this command works on the database itself; while a server has it, use the administration API of that server",
    )?;
    let result = work(&engine).await;
    engine.close().await.context("the database could not be closed in order")?;
    result
}

/// The origin the audit trail keeps for a command.
pub(super) fn origin(command: &str) -> Origin {
    Origin::local(command)
}

/// The tenant, suspended or not.
pub(super) async fn tenant(engine: &Engine, id: &str) -> anyhow::Result<Arc<Tenant>> {
    let id: TenantId = parse("tenant", id)?;
    engine.any_tenant(&id).await.map_err(|error| match error {
        Error::Refused(Refusal::UnknownTenant) => {
            anyhow::anyhow!("there is no tenant {id}: `prokura tenant list` shows those there are")
        }
        error @ (Error::Refused(_) | Error::Fault(_)) => told(error),
    })
}

/// Reads an argument; a mistake names it.
pub(super) fn parse<T: FromStr<Err: Display>>(what: &str, text: &str) -> anyhow::Result<T> {
    text.parse().map_err(|error| anyhow::anyhow!("{what} {text:?}: {error}"))
}

/// A refusal with all it says; a fault with its sources.
pub(super) fn told(error: Error) -> anyhow::Error {
    match error {
        Error::Refused(Refusal::Invalid(faults)) => {
            let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.reason)).collect();
            anyhow::anyhow!("{}", faults.join("; "))
        }
        Error::Refused(refusal) => anyhow::anyhow!("{refusal}"),
        fault @ Error::Fault(_) => fault.into(),
    }
}

/// Reads a list to its end and says each item as it comes: a line of text, or a line of JSON.
pub(super) async fn list<I, F: Future<Output = Result<Vec<I>, Error>>>(
    output: Output,
    mut page: impl FnMut(String, u32) -> F,
    key: impl Fn(&I) -> String,
    text: impl Fn(&I) -> String,
    json: impl Fn(&I) -> Value,
) -> anyhow::Result<ExitCode> {
    let mut after = String::new();
    loop {
        let items = page(after, PAGE).await.map_err(told)?;
        for item in &items {
            match output {
                Output::Text => say(&text(item))?,
                Output::Json => say(&json(item).to_string())?,
            }
        }
        match items.last() {
            Some(last) if items.len() == PAGE as usize => after = key(last),
            Some(_) | None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// The text of a file, `-` for standard input, up to `limit` bytes.
fn text_from(file: &Path, limit: u64) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        fs::File::open(file)
            .with_context(|| format!("{} cannot be opened", file.display()))?
            .take(limit)
            .read_to_string(&mut text)
    };
    read.with_context(|| format!("{} cannot be read as text", file.display()))?;
    Ok(text)
}

/// JSON from a file, `-` for standard input.
pub(super) fn json_from(file: &Path) -> anyhow::Result<Value> {
    let text = text_from(file, MAX_JSON)?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))
}

/// A secret from a file, `-` for standard input; a line end after it does not belong to it.
pub(super) fn secret_from(file: &Path) -> anyhow::Result<Secret> {
    let text = text_from(file, MAX_SECRET)?;
    let trimmed = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if trimmed.is_empty() {
        bail!("{} holds no secret", file.display());
    }
    Ok(Secret::from(trimmed.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_ends_before_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [("a b \n", "a b "), ("a\r\n", "a"), ("a", "a"), ("a\n\n", "a\n")] {
            let file = folder.path().join("secret");
            fs::write(&file, text).unwrap();
            assert_eq!(secret_from(&file).unwrap().expose(), expected);
        }
        let file = folder.path().join("empty");
        fs::write(&file, "\n").unwrap();
        assert!(secret_from(&file).is_err());
    }
}
