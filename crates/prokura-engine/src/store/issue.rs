//! What the issuing function asks of the database, and the refresh tokens it writes.

use super::{NewSession, Reader, StoreError, Tx, clients::policy_from, params, sessions::acting_for};
use crate::assurance::is_multi_factor;
use prokura_domain::{
    ActingFor, AssignmentId, ClientId, ClientKind, CustomerId, CustomerKind, CustomerState, FamilyId, GrantId,
    LegalEntityId, RefreshPolicy, RefreshTokenState, SessionId, SiteId, TenantId, Timestamp, VisitorId,
};
use prokura_jose::{SecretHash, dpop::Thumbprint};

super::driver::text_columns!(SecretHash, Thumbprint);

/// Everything about tenant, client, session and customer that an issue depends on, as it is now.
#[derive(Clone, Debug)]
pub(crate) struct IssueFacts {
    pub(crate) is_tenant_active: bool,
    pub(crate) client: Option<ClientFacts>,
    pub(crate) session: Option<SessionFacts>,
    pub(crate) customer: Option<(CustomerState, CustomerKind)>,
}

/// The client's part of the facts.
#[derive(Clone, Debug)]
pub(crate) struct ClientFacts {
    pub(crate) is_active: bool,
    pub(crate) kind: ClientKind,
    /// Whether it gets tokens only with a proof of its key (RFC 9449).
    pub(crate) needs_proof: bool,
    pub(crate) scopes: String,
    pub(crate) grants: String,
    pub(crate) refresh_policy: RefreshPolicy,
    pub(crate) access_seconds: Option<u32>,
    pub(crate) refresh_seconds: Option<u32>,
}

/// The session's part of the facts.
#[derive(Clone, Debug)]
pub(crate) struct SessionFacts {
    pub(crate) is_active: bool,
    pub(crate) expires_at: Timestamp,
    pub(crate) is_entity_locked: bool,
    /// Whom a locked session acts for; `None` for nobody.
    pub(crate) locked_entity: Option<LegalEntityId>,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) authenticated_at: Option<Timestamp>,
    pub(crate) site: Option<SiteId>,
    pub(crate) visitor: Option<VisitorId>,
    pub(crate) is_multi_factor: bool,
}

impl SessionFacts {
    /// Those of a guest's session that is just being written.
    pub(crate) fn of_new(session: &NewSession<'_>) -> Self {
        Self {
            is_active: true,
            expires_at: session.expires_at,
            is_entity_locked: false,
            locked_entity: None,
            customer: session.customer.cloned(),
            authenticated_at: session.authenticated_at,
            site: session.site.cloned(),
            visitor: session.visitor.cloned(),
            is_multi_factor: false,
        }
    }

    /// Whether a lock leaves `entity`: whoever is locked to a company acts for it and for nobody else, not even for
    /// themselves (S-34).
    pub(crate) fn lock_allows(&self, entity: Option<&LegalEntityId>) -> bool {
        !self.is_entity_locked || self.locked_entity.as_ref() == entity
    }
}

/// A customer's right to act for an entity, as it is now.
#[derive(Clone, Debug)]
pub(crate) struct AssignmentFacts {
    pub(crate) id: AssignmentId,
    pub(crate) grant: GrantId,
    pub(crate) is_entity_active: bool,
}

/// A refresh token with its family.
#[derive(Clone, Debug)]
pub(crate) struct RefreshTokenRow {
    pub(crate) family: FamilyId,
    pub(crate) state: RefreshTokenState,
    pub(crate) expires_at: Timestamp,
    pub(crate) session: SessionId,
    pub(crate) client: ClientId,
    /// The client's policy; `None` when the client is gone.
    pub(crate) refresh_policy: Option<RefreshPolicy>,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) acting_for: Option<ActingFor>,
    /// What was granted at the native door; `None`: whatever the customer may do.
    pub(crate) scope: Option<String>,
    /// The resources its access tokens are for, separated by blanks; `None` for everything.
    pub(crate) audience: Option<String>,
    /// The verb of the door the family came through.
    pub(crate) door: String,
    /// Whether the person wants not to be followed by a shop's statistics.
    pub(crate) does_not_track: bool,
    /// The key whoever presents the token must show (RFC 9449 section 5).
    pub(crate) bound_to: Option<Thumbprint>,
    pub(crate) epoch: u32,
    pub(crate) is_family_active: bool,
    pub(crate) family_expires_at: Timestamp,
}

/// A refresh token to be stored.
pub(crate) struct NewRefreshToken<'a> {
    pub(crate) hash: &'a SecretHash,
    pub(crate) family: &'a FamilyId,
    pub(crate) generation: u32,
    pub(crate) salt: &'a str,
    pub(crate) predecessor: Option<&'a SecretHash>,
    pub(crate) legal_entity: Option<&'a LegalEntityId>,
    pub(crate) epoch: u32,
    pub(crate) expires_at: Timestamp,
}

impl Reader {
    /// Re-reads tenant, client, session and customer in one question (S-23). `None`: there is no such tenant.
    pub(crate) async fn issue_facts(
        &mut self,
        tenant: &TenantId,
        client: &ClientId,
        session: Option<&SessionId>,
        customer: Option<&CustomerId>,
    ) -> Result<Option<IssueFacts>, StoreError> {
        let row = self
            .query_one(
                "SELECT t.state, c.state, c.scopes, c.grants, c.refresh_policy, c.leeway_seconds, c.access_seconds,
                        c.refresh_seconds, s.state, s.expires_at, s.is_entity_locked, s.customer_id, s.authenticated_at,
                        s.site_id, u.state, u.kind, c.kind, c.needs_proof, s.locked_entity_id, s.amr,
                        s.visitor_id
                   FROM tenants t
                   LEFT JOIN clients c ON c.tenant_id = t.id AND c.id = $2
                   LEFT JOIN sessions s ON s.tenant_id = t.id AND s.id = $3
                   LEFT JOIN customers u ON u.tenant_id = t.id AND u.id = $4
                  WHERE t.id = $1",
                params![tenant, client, session, customer],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let client = match row.get::<Option<String>>(1)? {
            None => None,
            Some(state) => Some(ClientFacts {
                is_active: state == "active",
                kind: row.get(16)?,
                needs_proof: row.get(17)?,
                scopes: row.get(2)?,
                grants: row.get(3)?,
                refresh_policy: policy_from(&row.get::<String>(4)?, row.get(5)?)?,
                access_seconds: row.get(6)?,
                refresh_seconds: row.get(7)?,
            }),
        };
        let session = match row.get::<Option<String>>(8)? {
            None => None,
            Some(state) => Some(SessionFacts {
                is_active: state == "active",
                expires_at: row.get(9)?,
                is_entity_locked: row.get(10)?,
                locked_entity: row.get(18)?,
                customer: row.get(11)?,
                authenticated_at: row.get(12)?,
                site: row.get(13)?,
                visitor: row.get(20)?,
                is_multi_factor: is_multi_factor(row.get::<Option<String>>(19)?.as_deref()),
            }),
        };
        let customer = match row.get::<Option<CustomerState>>(14)? {
            None => None,
            Some(state) => Some((state, row.get(15)?)),
        };
        Ok(Some(IssueFacts { is_tenant_active: row.get::<String>(0)? == "active", client, session, customer }))
    }

    /// A refresh token with the family it belongs to and the policy of its client.
    pub(crate) async fn refresh_token(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
    ) -> Result<Option<RefreshTokenRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT r.family_id, r.state, r.state_at, r.expires_at, f.session_id, f.client_id, f.customer_id,
                        f.legal_entity_id, f.assignment_id, f.grant_id, f.epoch, f.state, f.expires_at,
                        CASE WHEN r.generation = f.generation - 1 THEN 1 ELSE 0 END, c.refresh_policy, c.leeway_seconds,
                        f.scope, f.key_thumbprint, f.audience, f.door, f.do_not_track
                   FROM refresh_tokens r
                   JOIN token_families f ON f.tenant_id = r.tenant_id AND f.id = r.family_id
                   LEFT JOIN clients c ON c.tenant_id = f.tenant_id AND c.id = f.client_id
                  WHERE r.tenant_id = $1 AND r.hash = $2",
                params![tenant, hash],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let at: Timestamp = row.get(2)?;
        let state = match row.get::<String>(1)?.as_str() {
            "active" => RefreshTokenState::Active,
            "rotated" => RefreshTokenState::Rotated { at, is_direct_predecessor: row.get(13)? },
            _ => RefreshTokenState::Revoked,
        };
        let refresh_policy = match row.get::<Option<String>>(14)? {
            None => None,
            Some(word) => Some(policy_from(&word, row.get(15)?)?),
        };
        Ok(Some(RefreshTokenRow {
            family: row.get(0)?,
            state,
            expires_at: row.get(3)?,
            session: row.get(4)?,
            client: row.get(5)?,
            refresh_policy,
            customer: row.get(6)?,
            acting_for: acting_for(row.get(7)?, row.get(8)?, row.get(9)?)?,
            scope: row.get(16)?,
            bound_to: row.get(17)?,
            audience: row.get(18)?,
            door: row.get(19)?,
            does_not_track: row.get(20)?,
            epoch: row.get(10)?,
            is_family_active: row.get::<String>(11)? == "active",
            family_expires_at: row.get(12)?,
        }))
    }

    /// The salt and the expiry of the family's newest token, when it followed `predecessor`.
    pub(crate) async fn successor(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        predecessor: &SecretHash,
    ) -> Result<Option<(String, Timestamp)>, StoreError> {
        let row = self
            .query_one(
                "SELECT salt, expires_at FROM refresh_tokens
                  WHERE tenant_id = $1 AND family_id = $2 AND state = 'active' AND predecessor_hash = $3",
                params![tenant, family, predecessor],
            )
            .await?;
        row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
    }
}

impl Tx<'_> {
    /// The customer's right to act for the entity, held until the end of the transaction: taking it away either comes
    /// first and is seen, or comes later and ends what is issued here.
    pub(crate) async fn assignment_for_issue(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<Option<AssignmentFacts>, StoreError> {
        let row = self
            .query_locked(
                "SELECT a.id, a.grant_id, e.state
                   FROM contact_assignments a
                   JOIN legal_entities e ON e.tenant_id = a.tenant_id AND e.id = a.legal_entity_id
                  WHERE a.tenant_id = $1 AND a.customer_id = $2 AND a.legal_entity_id = $3",
                params![tenant, customer, entity],
            )
            .await?
            .into_iter()
            .next();
        row.map(|row| {
            Ok(AssignmentFacts {
                id: row.get(0)?,
                grant: row.get(1)?,
                is_entity_active: row.get::<String>(2)? == "active",
            })
        })
        .transpose()
    }

    pub(crate) async fn insert_refresh_token(
        &mut self,
        tenant: &TenantId,
        token: &NewRefreshToken<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO refresh_tokens (tenant_id, hash, family_id, generation, salt, predecessor_hash, legal_entity_id,
                                         epoch, repeats, state, state_at, issued_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 'active', $9, $9, $10)",
            params![
                tenant, token.hash, token.family, token.generation, token.salt, token.predecessor, token.legal_entity,
                token.epoch, now, token.expires_at
            ],
        )
        .await?;
        Ok(())
    }

    /// Marks one active token as rotated; `false` when another request was faster.
    pub(crate) async fn rotate_refresh_token(
        &mut self,
        tenant: &TenantId,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE refresh_tokens SET state = 'rotated', state_at = $3
                  WHERE tenant_id = $1 AND hash = $2 AND state = 'active'",
                params![tenant, hash, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Marks the family's newest token as rotated, whichever it is. The family's row must be held.
    pub(crate) async fn rotate_leaf(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE refresh_tokens SET state = 'rotated', state_at = $3
              WHERE tenant_id = $1 AND family_id = $2 AND state = 'active'",
            params![tenant, family, now],
        )
        .await?;
        Ok(())
    }

    /// Counts a repeated answer for a rotated token; returns how many its family had for tokens rotated after `since`.
    pub(crate) async fn count_repeat(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        hash: &SecretHash,
        since: Timestamp,
    ) -> Result<u32, StoreError> {
        self.execute(
            "UPDATE refresh_tokens SET repeats = repeats + 1 WHERE tenant_id = $1 AND hash = $2 AND state = 'rotated'",
            params![tenant, hash],
        )
        .await?;
        let row = self
            .query_one(
                "SELECT CAST(COALESCE(SUM(repeats), 0) AS BIGINT) FROM refresh_tokens
                  WHERE tenant_id = $1 AND family_id = $2 AND state_at > $3",
                params![tenant, family, since],
            )
            .await?;
        row.map_or(Ok(0), |row| row.get(0))
    }
}
