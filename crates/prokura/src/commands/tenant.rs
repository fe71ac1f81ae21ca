//! `prokura tenant`: shops and their belongings.

use super::{
    answer,
    work::{list, origin, parse, tenant as find, told, with_engine},
};
use crate::{
    cli::{Output, TenantCommand},
    config::Config,
};
use prokura_engine::{Actor, CreateTenant, Engine, Tenant};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) async fn tenant(config: &Config, command: TenantCommand, output: Output) -> anyhow::Result<ExitCode> {
    with_engine(config, async |engine| match command {
        TenantCommand::List => {
            list(
                output,
                async |after: String, limit| engine.list_tenants(&after, limit).await,
                |tenant| tenant.id.to_string(),
                |tenant| format!("{:16}  {:9}  {}", tenant.id.as_str(), state(tenant.is_active), tenant.name),
                |tenant| {
                    json!({ "id": tenant.id.as_str(), "name": tenant.name, "state": state(tenant.is_active),
                            "version": tenant.version })
                },
            )
            .await
        }
        TenantCommand::Show { id } => show(&*find(engine, &id).await?, output),
        TenantCommand::Create { id, name } => {
            let request =
                CreateTenant { id: parse("tenant", &id)?, name: name.unwrap_or_else(|| id.clone()), settings: None };
            let made = engine.create_tenant(&request, &Actor::System, &origin("tenant-create")).await.map_err(told)?;
            show(&made, output)
        }
        TenantCommand::Suspend { id } => set_active(engine, &id, false, output).await,
        TenantCommand::Resume { id } => set_active(engine, &id, true, output).await,
    })
    .await
}

fn state(is_active: bool) -> &'static str {
    if is_active { "active" } else { "suspended" }
}

async fn set_active(engine: &Engine, id: &str, is_active: bool, output: Output) -> anyhow::Result<ExitCode> {
    let tenant = find(engine, id).await?;
    let (version, settings) = (Some(tenant.version), &tenant.settings);
    let origin = origin("tenant-state");
    let changed = engine
        .update_tenant(&tenant, &tenant.name, is_active, settings, version, &Actor::System, &origin)
        .await
        .map_err(told)?;
    show(&changed, output)
}

fn show(tenant: &Tenant, output: Output) -> anyhow::Result<ExitCode> {
    let settings = serde_json::to_value(&tenant.settings)?;
    let state = state(tenant.is_active);
    let text = format!(
        "{} ({}), {state}\nissuer    {}\nsettings  {}",
        tenant.id,
        tenant.name,
        tenant.issuer,
        serde_json::to_string_pretty(&settings)?
    );
    let json: Value = json!({
        "id": tenant.id.as_str(), "name": tenant.name, "state": state, "issuer": &*tenant.issuer, "settings": settings,
        "version": tenant.version,
    });
    answer(output, &text, &json)?;
    Ok(ExitCode::SUCCESS)
}
