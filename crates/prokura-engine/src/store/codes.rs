//! One-time codes: a few digits that exactly one request redeems, and that end after a few wrong ones.

use super::{StoreError, Tx, params};
use crate::one_time_codes::CodePurpose;
use prokura_domain::{ClientId, CustomerId, TenantId, Timestamp};

/// For what, and for whom a code is.
#[derive(Clone, Copy)]
pub(crate) struct CodeFor<'a> {
    pub(crate) purpose: CodePurpose,
    pub(crate) client: &'a ClientId,
    /// The address it was asked for, by its keyed name.
    pub(crate) account: &'a str,
}

/// A code to be stored.
pub(crate) struct NewCode<'a> {
    pub(crate) id: &'a str,
    pub(crate) whose: CodeFor<'a>,
    /// `None` while nobody has the address.
    pub(crate) customer: Option<&'a CustomerId>,
    pub(crate) hash: &'a str,
    pub(crate) kept_sealed: &'a str,
    pub(crate) expires_at: Timestamp,
}

/// A code that was redeemed.
pub(crate) struct UsedCode {
    pub(crate) id: String,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) kept_sealed: String,
}

impl Tx<'_> {
    /// Stores a code; `false` when another open one has the same digits.
    pub(crate) async fn insert_code(
        &mut self,
        tenant: &TenantId,
        code: &NewCode<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "INSERT INTO one_time_codes (tenant_id, id, purpose, client_id, account_hash, customer_id, code_hash,
                                             kept_sealed, state, state_at, wrong_tries, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $9, 0, $9, $10)
                 ON CONFLICT DO NOTHING",
                params![
                    tenant,
                    code.id,
                    code.whose.purpose.as_str(),
                    code.whose.client,
                    code.whose.account,
                    code.customer,
                    code.hash,
                    code.kept_sealed,
                    now,
                    code.expires_at
                ],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Tries digits for whoever has an address: the open code is used up when they are its own, and otherwise one wrong
    /// try more, of which `most` end it. One statement, so no number of tries at once is worth more.
    pub(crate) async fn try_code(
        &mut self,
        tenant: &TenantId,
        whose: CodeFor<'_>,
        hash: &str,
        most: i64,
        now: Timestamp,
    ) -> Result<Option<UsedCode>, StoreError> {
        let rows = self
            .query(
                "UPDATE one_time_codes
                    SET state = CASE WHEN code_hash = $5 THEN 'used' WHEN wrong_tries + 1 >= $6 THEN 'burnt' ELSE 'open' END,
                        wrong_tries = wrong_tries + CASE WHEN code_hash = $5 THEN 0 ELSE 1 END,
                        state_at = $7
                  WHERE tenant_id = $1 AND account_hash = $2 AND purpose = $3 AND client_id = $4
                    AND state = 'open' AND expires_at > $7
                  RETURNING id, customer_id, kept_sealed, state",
                params![tenant, whose.account, whose.purpose.as_str(), whose.client, hash, most, now],
            )
            .await?;
        for row in rows {
            if row.get::<String>(3)? == "used" {
                return Ok(Some(UsedCode { id: row.get(0)?, customer: row.get(1)?, kept_sealed: row.get(2)? }));
            }
        }
        Ok(None)
    }

    /// The same where nobody says for which address: the digits alone must be those of an open code.
    pub(crate) async fn use_code(
        &mut self,
        tenant: &TenantId,
        (purpose, client): (CodePurpose, &ClientId),
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<UsedCode>, StoreError> {
        let row = self
            .query_one(
                "UPDATE one_time_codes SET state = 'used', state_at = $5
                  WHERE tenant_id = $1 AND client_id = $2 AND purpose = $3 AND code_hash = $4 AND state = 'open'
                    AND expires_at > $5
                  RETURNING id, customer_id, kept_sealed",
                params![tenant, client, purpose.as_str(), hash, now],
            )
            .await?;
        row.map(|row| Ok(UsedCode { id: row.get(0)?, customer: row.get(1)?, kept_sealed: row.get(2)? })).transpose()
    }

    /// Ends what is open of the same kind: only the newest code counts. Codes past their end free their digits, too.
    pub(crate) async fn revoke_codes(
        &mut self,
        tenant: &TenantId,
        whose: CodeFor<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE one_time_codes SET state = 'revoked', state_at = $5
              WHERE tenant_id = $1 AND account_hash = $2 AND purpose = $3 AND client_id = $4 AND state = 'open'",
            params![tenant, whose.account, whose.purpose.as_str(), whose.client, now],
        )
        .await?;
        Ok(())
    }

    /// Ends every open code of a customer.
    pub(crate) async fn revoke_codes_of(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE one_time_codes SET state = 'revoked', state_at = $3
              WHERE tenant_id = $1 AND customer_id = $2 AND state = 'open'",
            params![tenant, customer, now],
        )
        .await?;
        Ok(())
    }

    /// Deletes codes that ended before `before`, at most `limit`.
    pub(crate) async fn forget_codes(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM one_time_codes WHERE (tenant_id, id) IN
                (SELECT tenant_id, id FROM one_time_codes WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
