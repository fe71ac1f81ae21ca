//! Operators, their roles, and facts about the installation as a whole. Outside any tenant.

use super::{Reader, StoreError, Tx, params};
use crate::operator::Operator;
use prokura_domain::{OperatorId, Timestamp};
use prokura_jose::SecretHash;

impl Reader {
    /// The enabled operator a token belongs to.
    pub(crate) async fn operator_by_token(&mut self, hash: &SecretHash) -> Result<Option<Operator>, StoreError> {
        let row = self
            .query_one("SELECT id, name FROM operators WHERE token_hash = $1 AND state = 'active'", params![hash])
            .await?;
        let Some(row) = row else { return Ok(None) };
        let id: OperatorId = row.get(0)?;
        let roles = self.operator_roles(&id).await?;
        Ok(Some(Operator { id, name: row.get(1)?, roles }))
    }

    /// Operators after `after`, by id.
    pub(crate) async fn operators(&mut self, after: &str, limit: u32) -> Result<Vec<Operator>, StoreError> {
        let rows = self
            .query(
                "SELECT id, name FROM operators WHERE id > $1 AND state = 'active' ORDER BY id LIMIT $2",
                params![after, limit],
            )
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: OperatorId = row.get(0)?;
            found.push(Operator { roles: self.operator_roles(&id).await?, name: row.get(1)?, id });
        }
        Ok(found)
    }

    async fn operator_roles(&mut self, id: &OperatorId) -> Result<Vec<(String, String)>, StoreError> {
        self.query("SELECT tenant_id, role FROM operator_roles WHERE operator_id = $1 ORDER BY tenant_id", params![id])
            .await?
            .iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect()
    }

    pub(crate) async fn installation_value(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let row = self.query_one("SELECT value FROM installation WHERE name = $1", params![name]).await?;
        row.map(|row| row.get(0)).transpose()
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_operator(
        &mut self,
        id: &OperatorId,
        name: &str,
        token: &SecretHash,
        roles: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO operators (id, name, token_hash, state, created_at) VALUES ($1, $2, $3, 'active', $4)",
            params![id, name, token, now],
        )
        .await?;
        for (tenant, role) in roles {
            self.execute(
                "INSERT INTO operator_roles (operator_id, tenant_id, role) VALUES ($1, $2, $3)",
                params![id, *tenant, *role],
            )
            .await?;
        }
        Ok(())
    }

    /// `false` when there is no such operator.
    pub(crate) async fn delete_operator(&mut self, id: &OperatorId) -> Result<bool, StoreError> {
        self.execute("DELETE FROM operator_roles WHERE operator_id = $1", params![id]).await?;
        Ok(self.execute("DELETE FROM operators WHERE id = $1", params![id]).await? == 1)
    }

    pub(crate) async fn set_installation_value(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO installation (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, value],
        )
        .await?;
        Ok(())
    }

    /// `false` when somebody was faster.
    pub(crate) async fn claim_installation_value(&mut self, name: &str, value: &str) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                params![name, value],
            )
            .await?;
        Ok(changed == 1)
    }

    pub(crate) async fn delete_installation_value(&mut self, name: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM installation WHERE name = $1", params![name]).await?;
        Ok(())
    }
}
