//! `prokura import`: takes a folder in; names every row that does not fit, and ends with status 2 when there was one.

use super::{
    answer,
    work::{origin, parse, told, with_engine},
};
use crate::{
    cli::Output,
    config::Config,
    import::{ImportOptions, ImportReport, run},
};
use prokura_domain::TenantId;
use prokura_engine::{Actor, CreateTenant, Engine, Error, Refusal, Tenant};
use serde_json::{Value, json};
use std::{io::Write as _, path::Path, process::ExitCode, sync::Arc};

/// The exit status when rows were left out.
const LEFT_OUT: u8 = 2;

pub(super) async fn import(config: &Config, folder: &Path, tenant: &str, output: Output) -> anyhow::Result<ExitCode> {
    let id: TenantId = parse("tenant", tenant)?;
    if !folder.is_dir() {
        anyhow::bail!("{} is no folder", folder.display());
    }
    with_engine(config, async |engine| {
        let tenant = tenant_or_new(engine, &id).await?;
        let options = ImportOptions::interactive(|fault| {
            // A closed terminal must not stop the work.
            let _ = writeln!(std::io::stderr().lock(), "{fault}");
        });
        let report = run(engine, &tenant, folder, &options).await?;
        answer(output, &table(&report), &summary(&report))?;
        Ok(if report.left_out() == 0 { ExitCode::SUCCESS } else { ExitCode::from(LEFT_OUT) })
    })
    .await
}

async fn tenant_or_new(engine: &Engine, id: &TenantId) -> anyhow::Result<Arc<Tenant>> {
    match engine.any_tenant(id).await {
        Ok(tenant) => Ok(tenant),
        Err(Error::Refused(Refusal::UnknownTenant)) => {
            let request = CreateTenant { id: id.clone(), name: id.to_string(), settings: None };
            engine.create_tenant(&request, &Actor::System, &origin("import")).await.map_err(told)
        }
        Err(error) => Err(told(error)),
    }
}

fn table(report: &ImportReport) -> String {
    let mut lines = vec![format!(
        "{:22} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "read", "created", "updated", "unchanged", "left out"
    )];
    for (kind, counts) in &report.kinds {
        lines.push(format!(
            "{kind:22} {:>10} {:>10} {:>10} {:>10} {:>10}",
            counts.read, counts.created, counts.updated, counts.unchanged, counts.left_out
        ));
    }
    lines.join("\n")
}

fn summary(report: &ImportReport) -> Value {
    let kinds: Vec<Value> = report
        .kinds
        .iter()
        .map(|(kind, counts)| {
            json!({ "kind": kind, "read": counts.read, "created": counts.created, "updated": counts.updated,
                    "unchanged": counts.unchanged, "left_out": counts.left_out })
        })
        .collect();
    json!({ "kinds": kinds, "left_out": report.left_out() })
}
