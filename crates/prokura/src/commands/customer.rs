//! `prokura customer`: who buys.

use super::{
    answer,
    work::{list, origin, parse, secret_from, tenant, told, with_engine},
};
use crate::{
    cli::{CustomerCommand, Output},
    config::Config,
};
use prokura_domain::{CustomerId, CustomerKind, CustomerState, Email};
use prokura_engine::{Actor, CreateCustomer, Customer, Engine, NewPassword, Profile};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) async fn customer(config: &Config, command: CustomerCommand, output: Output) -> anyhow::Result<ExitCode> {
    with_engine(config, async |engine| match command {
        CustomerCommand::List { of, email } => {
            let tenant = &*tenant(engine, &of.tenant).await?;
            let email = email.map(|email| Email::parse(&email)).transpose()?;
            list(
                output,
                async |after: String, limit| match &email {
                    Some(email) => Ok(engine.customer_by_email(tenant, email).await?.into_iter().collect()),
                    None => engine.customers(tenant, &after, limit).await,
                },
                |customer| customer.id.to_string(),
                |customer| {
                    let email = customer.email.as_deref().unwrap_or("-");
                    format!("{:34}  {:8}  {email}", customer.id.as_str(), customer.state.as_str())
                },
                view,
            )
            .await
        }
        CustomerCommand::Create { of, email, id, given_name, family_name, password_file } => {
            let password = password_file.map(|file| secret_from(&file)).transpose()?;
            let request = CreateCustomer {
                id: id.map(|id| parse("id", &id)).transpose()?,
                kind: CustomerKind::Customer,
                email: Some(Email::parse(&email)?),
                profile: Profile { given_name, family_name, ..Profile::default() },
                state: CustomerState::Active,
                password: password.map(|password| (NewPassword::Plain(password), false)),
            };
            let tenant = tenant(engine, &of.tenant).await?;
            let id = engine
                .create_customer(&tenant, &request, &Actor::System, &origin("customer-create"))
                .await
                .map_err(told)?;
            let customer = engine.customer(&tenant, &id).await.map_err(told)?;
            answer(output, id.as_str(), &view(&customer))?;
            Ok(ExitCode::SUCCESS)
        }
        CustomerCommand::Disable { of, id } => {
            set_state(engine, &of.tenant, &id, CustomerState::Inactive, output).await
        }
        CustomerCommand::Enable { of, id } => set_state(engine, &of.tenant, &id, CustomerState::Active, output).await,
        CustomerCommand::RemoveFactors { of, id } => {
            let tenant = tenant(engine, &of.tenant).await?;
            let id: CustomerId = parse("id", &id)?;
            let from = origin("customer-remove-factors");
            engine.remove_factors(&tenant, &id, &Actor::System, &from).await.map_err(told)?;
            let json = json!({ "id": id.as_str(), "has_second_factor": false });
            answer(output, &format!("{id} has no second factor any more"), &json)?;
            Ok(ExitCode::SUCCESS)
        }
        CustomerCommand::Delete { of, id } => set_state(engine, &of.tenant, &id, CustomerState::Deleted, output).await,
    })
    .await
}

async fn set_state(
    engine: &Engine,
    tenant_id: &str,
    id: &str,
    state: CustomerState,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let tenant = tenant(engine, tenant_id).await?;
    let id: CustomerId = parse("id", id)?;
    engine.set_customer_state(&tenant, &id, state, &Actor::System, &origin("customer-state")).await.map_err(told)?;
    let json = json!({ "id": id.as_str(), "state": state.as_str() });
    answer(output, &format!("{id} is {}", state.as_str()), &json)?;
    Ok(ExitCode::SUCCESS)
}

fn view(customer: &Customer) -> Value {
    json!({
        "id": customer.id.as_str(),
        "email": customer.email,
        "state": customer.state.as_str(),
        "given_name": customer.profile.given_name,
        "family_name": customer.profile.family_name,
        "version": customer.version,
    })
}
