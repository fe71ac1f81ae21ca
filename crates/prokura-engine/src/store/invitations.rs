//! Invitations into companies. What was opened with is kept as a hash, and used up by one conditional change.

use super::{Reader, Row, StoreError, Tx, params};
use crate::invitation::{Invitation, InvitationState};
use prokura_domain::{CustomerId, GroupCode, InvitationId, LegalEntityId, TenantId, Timestamp};
use prokura_jose::SecretHash;

/// An invitation to be stored.
pub(crate) struct NewInvitation<'a> {
    pub(crate) id: &'a InvitationId,
    pub(crate) legal_entity: &'a LegalEntityId,
    pub(crate) group: GroupCode,
    pub(crate) email: &'a str,
    pub(crate) email_key: &'a str,
    pub(crate) given_name: &'a str,
    pub(crate) family_name: &'a str,
    pub(crate) inviter: (&'a str, &'a str),
    pub(crate) expires_at: Timestamp,
}

fn invitation(row: &Row) -> Result<Invitation, StoreError> {
    let word: String = row.get(8)?;
    let state = InvitationState::parse(&word).ok_or(StoreError::Corrupt { what: "invitations.state".to_owned() })?;
    Ok(Invitation {
        id: row.get(0)?,
        legal_entity: row.get(1)?,
        group: row.get(2)?,
        email: row.get(3)?,
        given_name: row.get(4)?,
        family_name: row.get(5)?,
        inviter_kind: row.get(6)?,
        inviter_id: row.get(7)?,
        state,
        decided_at: if state == InvitationState::Open { None } else { Some(row.get(9)?) },
        customer: row.get(10)?,
        created_at: row.get(11)?,
        expires_at: row.get(12)?,
    })
}

impl Reader {
    pub(crate) async fn invitation(
        &mut self,
        tenant: &TenantId,
        id: &InvitationId,
    ) -> Result<Option<Invitation>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, legal_entity_id, group_code, email, given_name, family_name, inviter_kind, inviter_id, state,
                        state_at, customer_id, created_at, expires_at
                   FROM invitations WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| invitation(&row)).transpose()
    }

    /// The invitation a link opens, when it still does.
    pub(crate) async fn invitation_by_link(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<Option<Invitation>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, legal_entity_id, group_code, email, given_name, family_name, inviter_kind, inviter_id, state,
                        state_at, customer_id, created_at, expires_at
                   FROM invitations WHERE tenant_id = $1 AND hash = $2 AND state = 'open' AND expires_at > $3",
                params![tenant, hash, now],
            )
            .await?;
        row.map(|row| invitation(&row)).transpose()
    }

    /// Invitations after `after`, by id; those into one company and in one state when named.
    pub(crate) async fn invitations(
        &mut self,
        tenant: &TenantId,
        entity: Option<&LegalEntityId>,
        state: Option<&str>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Invitation>, StoreError> {
        self.query(
            "SELECT id, legal_entity_id, group_code, email, given_name, family_name, inviter_kind, inviter_id, state,
                    state_at, customer_id, created_at, expires_at
               FROM invitations
              WHERE tenant_id = $1 AND id > $2 AND ($3 IS NULL OR legal_entity_id = $3) AND ($4 IS NULL OR state = $4)
              ORDER BY id LIMIT $5",
            params![tenant, after, entity, state, limit],
        )
        .await?
        .iter()
        .map(invitation)
        .collect()
    }

    /// How many invitations into a company are open.
    pub(crate) async fn open_invitations(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let row = self
            .query_one(
                "SELECT COUNT(*) FROM invitations
                  WHERE tenant_id = $1 AND legal_entity_id = $2 AND state = 'open' AND expires_at > $3",
                params![tenant, entity, now],
            )
            .await?;
        row.map_or(Ok(0), |row| row.get(0))
    }
}

impl Tx<'_> {
    pub(crate) async fn insert_invitation(
        &mut self,
        tenant: &TenantId,
        new: &NewInvitation<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO invitations (tenant_id, id, legal_entity_id, group_code, email, email_key, given_name,
                                      family_name, inviter_kind, inviter_id, state, state_at, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open', $11, $11, $12)",
            params![
                tenant,
                new.id,
                new.legal_entity,
                new.group,
                new.email,
                new.email_key,
                new.given_name,
                new.family_name,
                new.inviter.0,
                new.inviter.1,
                now,
                new.expires_at
            ],
        )
        .await?;
        Ok(())
    }

    /// Makes `hash` open an invitation, and what opened it before open nothing; `false` when it is over.
    pub(crate) async fn set_invitation_link(
        &mut self,
        tenant: &TenantId,
        id: &InvitationId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE invitations SET hash = $3
                  WHERE tenant_id = $1 AND id = $2 AND state = 'open' AND expires_at > $4",
                params![tenant, id, hash, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Uses an invitation up for `customer`; `None` when somebody was faster or it is over.
    pub(crate) async fn accept_invitation(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<Option<Invitation>, StoreError> {
        let row = self
            .query_one(
                "UPDATE invitations SET state = 'accepted', state_at = $4, customer_id = $3, hash = NULL
                  WHERE tenant_id = $1 AND hash = $2 AND state = 'open' AND expires_at > $4
                  RETURNING id, legal_entity_id, group_code, email, given_name, family_name, inviter_kind, inviter_id,
                            state, state_at, customer_id, created_at, expires_at",
                params![tenant, hash, customer, now],
            )
            .await?;
        row.map(|row| invitation(&row)).transpose()
    }

    /// Takes an invitation back; `false` when it was over.
    pub(crate) async fn withdraw_invitation(
        &mut self,
        tenant: &TenantId,
        id: &InvitationId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE invitations SET state = 'withdrawn', state_at = $3, hash = NULL
                  WHERE tenant_id = $1 AND id = $2 AND state = 'open'",
                params![tenant, id, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// The same for what is open for an address: a new invitation takes its place.
    pub(crate) async fn replace_invitation(
        &mut self,
        tenant: &TenantId,
        entity: &LegalEntityId,
        email_key: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE invitations SET state = 'withdrawn', state_at = $4, hash = NULL
                  WHERE tenant_id = $1 AND legal_entity_id = $2 AND email_key = $3 AND state = 'open'",
                params![tenant, entity, email_key, now],
            )
            .await?;
        Ok(changed > 0)
    }

    /// Deletes invitations that ended before `before`, at most `limit`.
    pub(crate) async fn forget_invitations(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            "DELETE FROM invitations WHERE (tenant_id, id) IN
                (SELECT tenant_id, id FROM invitations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            params![before, limit],
        )
        .await
    }
}
