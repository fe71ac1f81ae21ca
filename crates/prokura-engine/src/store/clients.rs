//! Clients and their secrets.

use super::{Reader, Row, StoreError, Tx, from_json, params, to_json};
use crate::Registration;
use prokura_domain::{ClientId, ClientKind, RefreshPolicy, TenantId, Timestamp};
use prokura_jose::SecretHash;

/// A client as stored.
#[derive(Clone)]
pub(crate) struct ClientRow {
    pub(crate) id: ClientId,
    pub(crate) name: String,
    pub(crate) kind: ClientKind,
    pub(crate) is_active: bool,
    pub(crate) secret_hash: Option<String>,
    pub(crate) previous_secret_hash: Option<String>,
    pub(crate) previous_secret_until: Option<Timestamp>,
    pub(crate) scopes: String,
    pub(crate) grants: String,
    pub(crate) refresh_policy: RefreshPolicy,
    pub(crate) access_seconds: Option<u32>,
    pub(crate) refresh_seconds: Option<u32>,
    pub(crate) registration: Registration,
    pub(crate) settings_json: String,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
}

/// A client to be stored.
pub(crate) struct NewClient<'a> {
    pub(crate) id: &'a ClientId,
    pub(crate) name: &'a str,
    pub(crate) kind: ClientKind,
    pub(crate) secret_hash: Option<&'a str>,
    pub(crate) scopes: &'a str,
    pub(crate) grants: &'a str,
    pub(crate) refresh_policy: RefreshPolicy,
    pub(crate) access_seconds: Option<u32>,
    pub(crate) refresh_seconds: Option<u32>,
    pub(crate) registration: &'a Registration,
    pub(crate) settings_json: &'a str,
    /// What opens the registration of a client that made itself.
    pub(crate) registration_hash: Option<&'a SecretHash>,
}

/// How a refresh policy is spelled in its two columns.
pub(super) fn policy_columns(policy: RefreshPolicy) -> (&'static str, u32) {
    match policy {
        RefreshPolicy::Rotate { leeway_seconds } => ("rotate", leeway_seconds),
        RefreshPolicy::Once { leeway_seconds } => ("once", leeway_seconds),
        RefreshPolicy::Reuse => ("reuse", 0),
        RefreshPolicy::Family => ("family", 0),
    }
}

/// Reads the two columns of a refresh policy.
pub(super) fn policy_from(word: &str, leeway_seconds: u32) -> Result<RefreshPolicy, StoreError> {
    match word {
        "rotate" => Ok(RefreshPolicy::Rotate { leeway_seconds }),
        "once" => Ok(RefreshPolicy::Once { leeway_seconds }),
        "reuse" => Ok(RefreshPolicy::Reuse),
        "family" => Ok(RefreshPolicy::Family),
        _ => Err(StoreError::Corrupt { what: "clients.refresh_policy".to_owned() }),
    }
}

fn client_row(row: &Row) -> Result<ClientRow, StoreError> {
    Ok(ClientRow {
        id: row.get(0)?,
        name: row.get(1)?,
        kind: row.get(2)?,
        is_active: row.get::<String>(3)? == "active",
        secret_hash: row.get(4)?,
        previous_secret_hash: row.get(5)?,
        previous_secret_until: row.get(6)?,
        scopes: row.get(7)?,
        grants: row.get(8)?,
        refresh_policy: policy_from(&row.get::<String>(9)?, row.get(10)?)?,
        access_seconds: row.get(11)?,
        refresh_seconds: row.get(12)?,
        settings_json: row.get(13)?,
        version: row.get(14)?,
        created_at: row.get(15)?,
        modified_at: row.get(16)?,
        registration: from_json(&row.get::<String>(17)?, "clients.registration_json")?,
    })
}

impl Reader {
    pub(crate) async fn client(
        &mut self,
        tenant: &TenantId,
        client: &ClientId,
    ) -> Result<Option<ClientRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, name, kind, state, secret_hash, previous_secret_hash, previous_secret_until, scopes, grants,
                        refresh_policy, leeway_seconds, access_seconds, refresh_seconds, settings_json, version,
                        created_at, modified_at, registration_json
                   FROM clients WHERE tenant_id = $1 AND id = $2",
                params![tenant, client],
            )
            .await?;
        row.map(|row| client_row(&row)).transpose()
    }

    /// What opens the registration of a client that made itself; `None` for the others.
    pub(crate) async fn registration_hash(
        &mut self,
        tenant: &TenantId,
        client: &ClientId,
    ) -> Result<Option<SecretHash>, StoreError> {
        let row = self
            .query_one(
                "SELECT registration_hash FROM clients
                  WHERE tenant_id = $1 AND id = $2 AND registration_hash IS NOT NULL",
                params![tenant, client],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// How many clients registered themselves.
    pub(crate) async fn registered_clients(&mut self, tenant: &TenantId) -> Result<u64, StoreError> {
        let row = self
            .query_one(
                "SELECT COUNT(*) FROM clients WHERE tenant_id = $1 AND registration_hash IS NOT NULL",
                params![tenant],
            )
            .await?;
        let count: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or_default();
        Ok(count.unsigned_abs())
    }

    /// Clients after `after`, by id.
    pub(crate) async fn clients(
        &mut self,
        tenant: &TenantId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ClientRow>, StoreError> {
        self.query(
            "SELECT id, name, kind, state, secret_hash, previous_secret_hash, previous_secret_until, scopes, grants,
                    refresh_policy, leeway_seconds, access_seconds, refresh_seconds, settings_json, version,
                    created_at, modified_at, registration_json
               FROM clients WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3",
            params![tenant, after, limit],
        )
        .await?
        .iter()
        .map(client_row)
        .collect()
    }
}

impl Tx<'_> {
    /// `false` when the id is taken.
    pub(crate) async fn insert_client(
        &mut self,
        tenant: &TenantId,
        client: &NewClient<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (policy, leeway) = policy_columns(client.refresh_policy);
        let registration = to_json(&client.registration)?;
        let changed = self
            .execute(
                "INSERT INTO clients (tenant_id, id, name, kind, state, secret_hash, scopes, grants, refresh_policy,
                                      leeway_seconds, access_seconds, refresh_seconds, settings_json, version,
                                      created_at, modified_at, registration_json, needs_proof,
                                      registration_hash)
                 VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9, $10, $11, $12, 1, $13, $13, $14, $15, $16)
                 ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    client.id,
                    client.name,
                    client.kind,
                    client.secret_hash,
                    client.scopes,
                    client.grants,
                    policy,
                    leeway,
                    client.access_seconds,
                    client.refresh_seconds,
                    client.settings_json,
                    now,
                    registration,
                    client.registration.needs_proof(),
                    client.registration_hash
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Deletes a client that registered itself, with what people allowed it; its tokens are the caller's to end. `false`
    /// when there is none.
    pub(crate) async fn delete_registered_client(
        &mut self,
        tenant: &TenantId,
        client: &ClientId,
    ) -> Result<bool, StoreError> {
        let gone = self
            .execute(
                "DELETE FROM clients WHERE tenant_id = $1 AND id = $2 AND registration_hash IS NOT NULL",
                params![tenant, client],
            )
            .await?;
        if gone == 1 {
            for statement in [
                "DELETE FROM consents WHERE tenant_id = $1 AND client_id = $2",
                "DELETE FROM tenant_names WHERE tenant_id = $1 AND kind = 'client' AND name = $2",
            ] {
                self.execute(statement, params![tenant, client]).await?;
            }
        }
        Ok(gone == 1)
    }

    /// Replaces what may be changed of a client; `false` when it is not there or `version` is stale.
    pub(crate) async fn update_client(
        &mut self,
        tenant: &TenantId,
        client: &ClientRow,
        version: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (policy, leeway) = policy_columns(client.refresh_policy);
        let registration = to_json(&client.registration)?;
        let state = if client.is_active { "active" } else { "disabled" };
        let changed = self
            .execute(
                "UPDATE clients
                    SET name = $3, state = $4, scopes = $5, grants = $6, refresh_policy = $7, leeway_seconds = $8,
                        access_seconds = $9, refresh_seconds = $10, settings_json = $11, secret_hash = $12,
                        previous_secret_hash = $13, previous_secret_until = $14, registration_json = $17,
                        needs_proof = $18, version = version + 1, modified_at = $15
                  WHERE tenant_id = $1 AND id = $2 AND ($16 IS NULL OR version = $16)",
                params![
                    tenant,
                    &client.id,
                    &client.name,
                    state,
                    &client.scopes,
                    &client.grants,
                    policy,
                    leeway,
                    client.access_seconds,
                    client.refresh_seconds,
                    &client.settings_json,
                    client.secret_hash.as_deref(),
                    client.previous_secret_hash.as_deref(),
                    client.previous_secret_until,
                    now,
                    version,
                    registration,
                    client.registration.needs_proof()
                ],
            )
            .await?;
        Ok(changed == 1)
    }
}
