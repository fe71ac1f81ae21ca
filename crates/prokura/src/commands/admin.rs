//! `prokura admin`: the first operator, and the way back in when nobody has a token any more. Both need the database
//! itself, which is to say this machine (S-107).

use super::{
    answer,
    work::{origin, told, with_engine},
};
use crate::{
    cli::{AdminCommand, Output},
    config::Config,
};
use anyhow::bail;
use prokura_engine::Actor;
use serde_json::json;
use std::process::ExitCode;

pub(super) async fn admin(config: &Config, command: AdminCommand, output: Output) -> anyhow::Result<ExitCode> {
    with_engine(config, async |engine| {
        match command {
            AdminCommand::Setup => {
                let Some(secret) = engine.begin_set_up().await.map_err(told)? else {
                    bail!("the first operator came in already, and that door stays closed: `prokura admin recover`");
                };
                let url = format!("{}/admin/v1/set-up", engine.public_url());
                let text = format!(
                    "{}\n\nGood once, for an hour. Start the server, then become the first operator:\n\n  curl {url} \
                     --json '{{\"secret\": \"…\", \"name\": \"your name\"}}'\n\nThe answer holds your token. It is shown \
                     that once.",
                    secret.expose()
                );
                answer(output, &text, &json!({ "secret": secret.expose(), "url": url, "good_for_seconds": 3600 }))?;
            }
            AdminCommand::Recover { name } => {
                let made = engine
                    .create_operator(&name, &[("*", "admin")], &Actor::System, &origin("admin-recover"))
                    .await
                    .map_err(told)?;
                let token = made.token.expose();
                answer(
                    output,
                    &format!("{token}\n\nThe token of operator {}, who may do everything. It is shown this once.", made.id),
                    &json!({ "id": made.id.as_str(), "token": token }),
                )?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}
