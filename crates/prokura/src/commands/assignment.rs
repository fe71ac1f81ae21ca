//! `prokura assignment`: who may act for which legal entity.

use super::{
    answer,
    work::{list, origin, parse, tenant, told, with_engine},
};
use crate::{
    cli::{AssignmentCommand, Output},
    config::Config,
};
use prokura_domain::AssignmentId;
use prokura_engine::{Actor, Contact, ContactFilter, NewAssignment};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) async fn assignment(
    config: &Config,
    command: AssignmentCommand,
    output: Output,
) -> anyhow::Result<ExitCode> {
    with_engine(config, async |engine| match command {
        AssignmentCommand::List { of, customer, entity } => {
            let tenant = &*tenant(engine, &of.tenant).await?;
            let filter = &ContactFilter {
                customer: customer.map(|id| parse("customer", &id)).transpose()?,
                legal_entity: entity.map(|id| parse("entity", &id)).transpose()?,
                ..ContactFilter::default()
            };
            list(
                output,
                async |after: String, limit| engine.contacts(tenant, filter, &after, limit).await,
                |contact| contact.assignment.id.to_string(),
                |contact| {
                    let found = &contact.assignment;
                    format!(
                        "{:34}  {:34}  {:34}  {}",
                        found.id.as_str(),
                        found.customer.as_str(),
                        found.legal_entity.as_str(),
                        found.kind.as_str()
                    )
                },
                view,
            )
            .await
        }
        AssignmentCommand::Create { of, customer, entity, kind, primary, group } => {
            let request = NewAssignment {
                id: None,
                legal_entity: parse("entity", &entity)?,
                customer: parse("customer", &customer)?,
                kind: parse("kind", &kind)?,
                is_primary: primary,
                group: group.map(|group| parse("group", &group)).transpose()?,
            };
            let tenant = tenant(engine, &of.tenant).await?;
            let origin = origin("assignment-create");
            let id = engine.assign(&tenant, &request, &Actor::System, &origin).await.map_err(told)?;
            let contact = engine.contact(&tenant, &id).await.map_err(told)?;
            answer(output, id.as_str(), &view(&contact))?;
            Ok(ExitCode::SUCCESS)
        }
        AssignmentCommand::Delete { of, id } => {
            let tenant = tenant(engine, &of.tenant).await?;
            let id: AssignmentId = parse("id", &id)?;
            let origin = origin("assignment-delete");
            engine.unassign(&tenant, &id, &Actor::System, &origin).await.map_err(told)?;
            answer(output, &format!("{id} is taken away"), &json!({ "id": id.as_str(), "is_deleted": true }))?;
            Ok(ExitCode::SUCCESS)
        }
    })
    .await
}

fn view(contact: &Contact) -> Value {
    let assignment = &contact.assignment;
    json!({
        "id": assignment.id.as_str(),
        "customer_id": assignment.customer.as_str(),
        "legal_entity_id": assignment.legal_entity.as_str(),
        "legal_entity_name": contact.entity_name,
        "kind": assignment.kind.as_str(),
        "is_primary": assignment.is_primary,
        "version": assignment.version,
    })
}
