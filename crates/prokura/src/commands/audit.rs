//! `prokura audit`: the trail, read and verified. The head of each verification can be kept in a file elsewhere, so that
//! cutting the trail's end is found out as well (S-144).

use super::{
    answer, say,
    work::{parse, told, with_engine},
};
use crate::{
    cli::{AuditCommand, Output},
    config::Config,
};
use anyhow::Context as _;
use prokura_domain::TenantId;
use prokura_engine::{AuditFilter, AuditVerdict, Engine};
use serde_json::{Value, json};
use std::{fs, io::Write as _, path::Path, process::ExitCode};

/// The exit status when the trail is not whole.
const NOT_WHOLE: u8 = 3;
/// Entries that are read at once.
const PAGE: u32 = 200;

pub(super) async fn audit(config: &Config, command: AuditCommand, output: Output) -> anyhow::Result<ExitCode> {
    with_engine(config, async |engine| match command {
        AuditCommand::List { of, verb, limit } => {
            list(engine, &parse("tenant", &of.tenant)?, AuditFilter { verb, ..AuditFilter::default() }, limit, output)
                .await
        }
        AuditCommand::Verify { of, head } => {
            verify(engine, &parse("tenant", &of.tenant)?, head.as_deref(), output).await
        }
    })
    .await
}

async fn list(
    engine: &Engine,
    trail: &TenantId,
    filter: AuditFilter,
    limit: u32,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut before = String::new();
    let mut left = limit;
    while left > 0 {
        let events = engine.audit_trail(trail, &filter, &before, left.min(PAGE)).await.map_err(told)?;
        for event in &events {
            let line = match output {
                Output::Text => format!(
                    "{}  {}:{}  {}  {}:{}  {}",
                    event.at.millis(),
                    event.actor_kind,
                    event.actor_id,
                    event.verb,
                    event.subject_kind,
                    event.subject_id,
                    event.outcome.as_str()
                ),
                Output::Json => json!({
                    "id": event.id,
                    "at_millis": event.at.millis(),
                    "actor": { "kind": event.actor_kind, "id": event.actor_id },
                    "verb": event.verb,
                    "subject": { "kind": event.subject_kind, "id": event.subject_id },
                    "outcome": event.outcome.as_str(),
                    "refusal": event.refusal,
                    "detail": serde_json::from_str::<Value>(&event.detail_json).unwrap_or_default(),
                })
                .to_string(),
            };
            say(&line)?;
        }
        let count = u32::try_from(events.len()).unwrap_or(PAGE);
        match events.last() {
            Some(last) if count == left.min(PAGE) => before.clone_from(&last.id),
            Some(_) | None => break,
        }
        left -= count;
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(engine: &Engine, trail: &TenantId, file: Option<&Path>, output: Output) -> anyhow::Result<ExitCode> {
    let kept = file.map(|file| last_head(file, trail)).transpose()?.flatten();
    // Commands leave entries that no seal covers yet; the head is to cover everything.
    engine.seal_audit().await.map_err(told)?;
    let verdict = engine.verify_audit(trail, kept.as_ref()).await.map_err(told)?;
    let AuditVerdict { entries, seals, head, fault } = &verdict;
    let json = json!({
        "is_whole": fault.is_none(),
        "entries": entries,
        "seals": seals,
        "head": head.as_ref().map(|(seal, code)| json!({ "seal": seal, "code": code })),
        "fault": fault,
    });
    let text = match fault {
        Some(fault) => format!("NOT WHOLE: {fault}"),
        None => format!("whole: {entries} entries under {seals} seals"),
    };
    if let (None, Some(file), Some((seal, code))) = (fault, file, head)
        && kept.as_ref() != Some(&(*seal, code.clone()))
    {
        let mut options = fs::OpenOptions::new();
        let written = options.create(true).append(true).open(file);
        written
            .and_then(|mut written| writeln!(written, "{trail} {seal} {code}"))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    answer(output, &text, &json)?;
    Ok(if fault.is_none() { ExitCode::SUCCESS } else { ExitCode::from(NOT_WHOLE) })
}

/// The last head of this trail in the file; there is none yet in a new one.
fn last_head(file: &Path, trail: &TenantId) -> anyhow::Result<Option<(i64, String)>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
    };
    let mut found = None;
    for (index, line) in text.lines().enumerate() {
        let wrong = || format!("{}:{}: a line is a tenant, a seal and its code", file.display(), index + 1);
        let mut words = line.split_whitespace();
        let (Some(name), Some(seal), Some(code), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            anyhow::bail!(wrong());
        };
        if name == trail.as_str() {
            found = Some((seal.parse().with_context(wrong)?, code.to_owned()));
        }
    }
    Ok(found)
}
