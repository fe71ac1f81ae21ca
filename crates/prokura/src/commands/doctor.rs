//! `prokura doctor`: whether a node could start here, one line a question.

use super::answer;
use crate::{cli::Output, config::Config, node};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Asks every question, even when an earlier one was answered badly.
pub(super) async fn doctor(config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let mut findings: Vec<(&str, Result<String, String>)> = vec![("configuration", Ok("is right".to_owned()))];
    findings.push((
        "master key",
        node::prepare_folders(config)
            .and_then(|()| config.master_key())
            .map(|_| "can be read, by its owner alone".to_owned())
            .map_err(|error| format!("{error:#}")),
    ));
    match node::open_engine(config).await {
        Ok(engine) => {
            findings.push((
                "database",
                engine
                    .schema_version()
                    .await
                    .map(|version| format!("answers, tables at version {version}"))
                    .map_err(|error| error.to_string()),
            ));
            findings.push(("readiness", engine.readiness().await.map(|()| "would take traffic".to_owned())));
            let tenants = engine.load_tenants().await.map(|()| engine.loaded_tenants().len());
            findings.push((
                "tenants and keys",
                tenants.map(|count| format!("{count} can be opened")).map_err(|error| error.to_string()),
            ));
            let _ = engine.close().await;
        }
        Err(error) => findings.push(("database", Err(format!("{error:#}")))),
    }
    let is_well = findings.iter().all(|(_, finding)| finding.is_ok());
    let text: Vec<String> = findings
        .iter()
        .map(|(name, finding)| match finding {
            Ok(text) => format!("ok    {name}: {text}"),
            Err(text) => format!("WRONG {name}: {text}"),
        })
        .collect();
    let list: Vec<Value> = findings
        .iter()
        .map(|(name, finding)| json!({ "check": name, "ok": finding.is_ok(), "finding": finding.as_ref().unwrap_or_else(|text| text) }))
        .collect();
    answer(output, &text.join("\n"), &json!({ "ok": is_well, "checks": list }))?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
