//! `prokura keys`: what tokens are signed with.

use super::{
    answer, say,
    work::{origin, parse, tenant, told, with_engine},
};
use crate::{
    cli::{KeysCommand, Output},
    config::Config,
};
use prokura_domain::KeyId;
use prokura_engine::{Actor, KeySummary};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) async fn keys(config: &Config, command: KeysCommand, output: Output) -> anyhow::Result<ExitCode> {
    with_engine(config, async |engine| {
        match command {
            KeysCommand::List { of } => {
                let tenant = tenant(engine, &of.tenant).await?;
                for key in engine.keys(&tenant).await.map_err(told)? {
                    match output {
                        Output::Text => {
                            say(&format!("{:34}  {:5}  {}", key.kid.as_str(), key.algorithm, key.state))?;
                        }
                        Output::Json => say(&view(&key).to_string())?,
                    }
                }
            }
            KeysCommand::Rotate { of, at_once } => {
                let tenant = tenant(engine, &of.tenant).await?;
                let key = engine.rotate_keys(&tenant, at_once, &Actor::System, &origin("keys-rotate")).await;
                let key = key.map_err(told)?;
                answer(output, &format!("{} is {}", key.kid, key.state), &view(&key))?;
            }
            KeysCommand::Retire { of, id, compromised } => {
                let tenant = tenant(engine, &of.tenant).await?;
                let id: KeyId = parse("id", &id)?;
                let origin = origin("keys-retire");
                engine.retire_key(&tenant, &id, compromised, &Actor::System, &origin).await.map_err(told)?;
                answer(output, &format!("{id} is out"), &json!({ "id": id.as_str(), "is_compromised": compromised }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn view(key: &KeySummary) -> Value {
    json!({
        "id": key.kid.as_str(),
        "algorithm": key.algorithm,
        "state": key.state,
        "created_at_millis": key.created_at.millis(),
        "published_at_millis": key.published_at.millis(),
    })
}
