//! `prokura entity`: companies and subsidiaries.

use super::{
    answer,
    work::{list, origin, parse, tenant, told, with_engine},
};
use crate::{
    cli::{EntityCommand, Output},
    config::Config,
};
use prokura_domain::{CompanyKind, LegalEntityId};
use prokura_engine::{Actor, CreateLegalEntity, Engine, LegalEntity, LegalEntityDetails, LegalEntityFilter, Tenant};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) async fn entity(config: &Config, command: EntityCommand, output: Output) -> anyhow::Result<ExitCode> {
    with_engine(config, async |engine| match command {
        EntityCommand::List { of } => {
            let tenant = &*tenant(engine, &of.tenant).await?;
            let filter = &LegalEntityFilter::default();
            list(
                output,
                async |after: String, limit| engine.legal_entities(tenant, filter, &after, limit).await,
                |entity| entity.id.to_string(),
                |entity| {
                    let state = if entity.is_active { "active" } else { "disabled" };
                    format!("{:34}  {:10}  {state:8}  {}", entity.id.as_str(), entity.kind.as_str(), entity.name)
                },
                view,
            )
            .await
        }
        EntityCommand::Show { of, id } => {
            let tenant = tenant(engine, &of.tenant).await?;
            show(engine, &tenant, &parse("id", &id)?, output).await
        }
        EntityCommand::Create { of, name, id, parent } => {
            let parent = parent.map(|parent| parse("parent", &parent)).transpose()?;
            let request = CreateLegalEntity {
                id: id.map(|id| parse("id", &id)).transpose()?,
                name,
                kind: if parent.is_some() { CompanyKind::Subsidiary } else { CompanyKind::Company },
                parent,
                details: LegalEntityDetails::default(),
            };
            let tenant = tenant(engine, &of.tenant).await?;
            let origin = origin("entity-create");
            let id = engine.create_legal_entity(&tenant, &request, &Actor::System, &origin).await.map_err(told)?;
            show(engine, &tenant, &id, output).await
        }
    })
    .await
}

async fn show(engine: &Engine, tenant: &Tenant, id: &LegalEntityId, output: Output) -> anyhow::Result<ExitCode> {
    let entity = engine.legal_entity(tenant, id).await.map_err(told)?;
    let json = view(&entity);
    answer(output, &serde_json::to_string_pretty(&json)?, &json)?;
    Ok(ExitCode::SUCCESS)
}

fn view(entity: &LegalEntity) -> Value {
    json!({
        "id": entity.id.as_str(),
        "name": entity.name,
        "kind": entity.kind.as_str(),
        "parent_id": entity.parent.as_ref().map(LegalEntityId::as_str),
        "is_active": entity.is_active,
        "registration_id": entity.details.registration_id,
        "version": entity.version,
    })
}
