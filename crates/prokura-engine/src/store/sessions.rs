//! Sessions and token families: who is here, and for whom.

use super::{Reader, StoreError, Tx, params};
use crate::{Origin, account::OwnSession, assurance::Proven};
use prokura_domain::{
    ActingFor, AssignmentId, ClientId, CustomerId, FamilyId, GrantId, LegalEntityId, PartnerIdpId, SessionId, SiteId,
    TenantId, Timestamp, VisitorId,
};
use prokura_jose::dpop::Thumbprint;

/// A session as stored.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub(crate) id: SessionId,
    pub(crate) client: ClientId,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) site: Option<SiteId>,
    pub(crate) door: String,
    pub(crate) authenticated_at: Option<Timestamp>,
    pub(crate) is_active: bool,
    pub(crate) end_reason: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) user_agent: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) amr: Option<String>,
}

/// A session to be stored.
pub(crate) struct NewSession<'a> {
    pub(crate) id: &'a SessionId,
    pub(crate) client: &'a ClientId,
    pub(crate) customer: Option<&'a CustomerId>,
    pub(crate) visitor: Option<&'a VisitorId>,
    pub(crate) site: Option<&'a SiteId>,
    pub(crate) door: &'a str,
    pub(crate) authenticated_at: Option<Timestamp>,
    pub(crate) proven: Option<Proven>,
    pub(crate) expires_at: Timestamp,
    /// When to look whether it ran out; `None` for sessions without ID tokens, where nobody would have to be told.
    pub(crate) look_at: Option<Timestamp>,
    pub(crate) origin: &'a Origin,
}

/// A session that may have run out.
pub(crate) struct FadingSession {
    pub(crate) tenant: TenantId,
    pub(crate) id: SessionId,
    pub(crate) expires_at: Timestamp,
    /// Until when a cookie, a refresh token or an access token of it is good; `None` when there is none left.
    pub(crate) usable_until: Option<Timestamp>,
}

/// A token family as stored.
#[derive(Clone, Debug)]
pub(crate) struct FamilyRow {
    pub(crate) id: FamilyId,
    pub(crate) client: ClientId,
    /// What was granted at the native door; `None` at others.
    pub(crate) scope: Option<String>,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) acting_for: Option<ActingFor>,
    pub(crate) epoch: u32,
}

/// A family that was revoked.
pub(crate) struct EndedFamily {
    /// Until when its access tokens run.
    pub(crate) tokens_until: Timestamp,
    pub(crate) session: SessionId,
    pub(crate) client: ClientId,
    pub(crate) customer: Option<CustomerId>,
    pub(crate) scope: Option<String>,
}

/// A token family to be stored.
pub(crate) struct NewFamily<'a> {
    pub(crate) id: &'a FamilyId,
    pub(crate) session: &'a SessionId,
    pub(crate) client: &'a ClientId,
    pub(crate) customer: Option<&'a CustomerId>,
    pub(crate) acting_for: Option<&'a ActingFor>,
    pub(crate) scope: Option<&'a str>,
    pub(crate) audience: Option<&'a str>,
    pub(crate) door: &'a str,
    pub(crate) does_not_track: bool,
    pub(crate) expires_at: Timestamp,
    pub(crate) tokens_until: Timestamp,
}

/// Three columns that are all there or all absent.
pub(super) fn acting_for(
    legal_entity: Option<LegalEntityId>,
    assignment: Option<AssignmentId>,
    grant: Option<GrantId>,
) -> Result<Option<ActingFor>, StoreError> {
    match (legal_entity, assignment, grant) {
        (Some(legal_entity), Some(assignment), Some(grant)) => Ok(Some(ActingFor { legal_entity, assignment, grant })),
        (None, None, None) => Ok(None),
        _ => Err(StoreError::Corrupt { what: "token_families.assignment_id".to_owned() }),
    }
}

fn session(row: &super::Row) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: row.get(0)?,
        client: row.get(1)?,
        customer: row.get(2)?,
        door: row.get(3)?,
        authenticated_at: row.get(4)?,
        is_active: row.get::<String>(5)? == "active",
        end_reason: row.get(6)?,
        created_at: row.get(7)?,
        expires_at: row.get(8)?,
        user_agent: row.get(9)?,
        address: row.get(10)?,
        amr: row.get(11)?,
        site: row.get(12)?,
    })
}

impl Reader {
    pub(crate) async fn session(
        &mut self,
        tenant: &TenantId,
        id: &SessionId,
    ) -> Result<Option<SessionRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, client_id, customer_id, door, authenticated_at, state, end_reason,
                        created_at, expires_at, user_agent, address, amr, site_id
                   FROM sessions WHERE tenant_id = $1 AND id = $2",
                params![tenant, id],
            )
            .await?;
        row.map(|row| session(&row)).transpose()
    }

    /// Sessions after `after`, by id; of one customer when named.
    pub(crate) async fn sessions(
        &mut self,
        tenant: &TenantId,
        customer: Option<&CustomerId>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.query(
            "SELECT id, client_id, customer_id, door, authenticated_at, state, end_reason,
                    created_at, expires_at, user_agent, address, amr, site_id
               FROM sessions WHERE tenant_id = $1 AND id > $2 AND ($3 IS NULL OR customer_id = $3)
              ORDER BY id LIMIT $4",
            params![tenant, after, customer, limit],
        )
        .await?
        .iter()
        .map(session)
        .collect()
    }

    /// The sessions a customer can still do something with, `current` first, then the newest.
    pub(crate) async fn own_sessions(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        current: &SessionId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<OwnSession>, StoreError> {
        // A rotated refresh token tells when its family was last used: the newest one is the family's only active one.
        self.query(
            "SELECT o.id, c.name, o.user_agent, o.address, o.created_at, o.seen_at, o.leaf_at, o.cookie_at, e.id, e.name
               FROM (SELECT s.tenant_id, s.id, s.client_id, s.user_agent, s.address, s.created_at,
                            COALESCE(s.authenticated_at, s.created_at) AS seen_at,
                            (SELECT MAX(r.issued_at) FROM token_families f
                               JOIN refresh_tokens r ON r.tenant_id = f.tenant_id AND r.family_id = f.id
                              WHERE f.tenant_id = s.tenant_id AND f.session_id = s.id AND r.state = 'active') AS leaf_at,
                            (SELECT MAX(k.issued_at) FROM cookie_sessions k
                              WHERE k.tenant_id = s.tenant_id AND k.session_id = s.id) AS cookie_at,
                            COALESCE(
                                (SELECT f.legal_entity_id FROM token_families f
                                  WHERE f.tenant_id = s.tenant_id AND f.session_id = s.id AND f.state = 'active'
                                    AND f.customer_id = $2 AND f.expires_at > $4
                                  ORDER BY f.created_at DESC, f.id DESC LIMIT 1),
                                (SELECT MAX(k.legal_entity_id) FROM cookie_sessions k
                                  WHERE k.tenant_id = s.tenant_id AND k.session_id = s.id)) AS legal_entity_id
                       FROM sessions s
                      WHERE s.tenant_id = $1 AND s.customer_id = $2 AND s.state = 'active' AND s.expires_at > $4
                        AND (EXISTS (SELECT 1 FROM token_families f
                                      WHERE f.tenant_id = s.tenant_id AND f.session_id = s.id AND f.state = 'active'
                                        AND f.customer_id = $2 AND f.expires_at > $4)
                             OR EXISTS (SELECT 1 FROM cookie_sessions k
                                         WHERE k.tenant_id = s.tenant_id AND k.session_id = s.id AND k.idle_until > $4
                                           AND k.expires_at > $4))
                      ORDER BY CASE WHEN s.id = $3 THEN 0 ELSE 1 END, s.id DESC LIMIT $5) o
               LEFT JOIN clients c ON c.tenant_id = o.tenant_id AND c.id = o.client_id
               LEFT JOIN legal_entities e ON e.tenant_id = o.tenant_id AND e.id = o.legal_entity_id
              ORDER BY CASE WHEN o.id = $3 THEN 0 ELSE 1 END, o.id DESC",
            params![tenant, customer, current, now, limit],
        )
        .await?
        .iter()
        .map(|row| {
            let id: SessionId = row.get(0)?;
            let (seen, leaf, cookie): (Timestamp, Option<Timestamp>, Option<Timestamp>) =
                (row.get(5)?, row.get(6)?, row.get(7)?);
            let entity: Option<LegalEntityId> = row.get(8)?;
            let name: Option<String> = row.get(9)?;
            Ok(OwnSession {
                is_current: id == *current,
                id,
                client_name: row.get(1)?,
                user_agent: row.get(2)?,
                address: row.get(3)?,
                started_at: row.get(4)?,
                seen_at: seen.max(leaf.unwrap_or(seen)).max(cookie.unwrap_or(seen)),
                legal_entity: entity.zip(name),
            })
        })
        .collect()
    }

    /// Whom a session is locked to: outer `None` when it is not, inner `None` for nobody (S-34).
    pub(crate) async fn session_lock(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Option<Option<LegalEntityId>>, StoreError> {
        let row = self
            .query_one(
                "SELECT locked_entity_id FROM sessions WHERE tenant_id = $1 AND id = $2 AND is_entity_locked = 1",
                params![tenant, session],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// The sessions it is time to look at, of all tenants.
    pub(crate) async fn fading_sessions(
        &mut self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<FadingSession>, StoreError> {
        self.query(
            "SELECT s.tenant_id, s.id, s.expires_at,
                    (SELECT MAX(CASE WHEN k.idle_until < k.expires_at THEN k.idle_until ELSE k.expires_at END)
                       FROM cookie_sessions k WHERE k.tenant_id = s.tenant_id AND k.session_id = s.id),
                    (SELECT MAX(CASE WHEN r.expires_at > f.tokens_until THEN r.expires_at ELSE f.tokens_until END)
                       FROM token_families f
                       LEFT JOIN refresh_tokens r
                              ON r.tenant_id = f.tenant_id AND r.family_id = f.id AND r.state = 'active'
                      WHERE f.tenant_id = s.tenant_id AND f.session_id = s.id AND f.state = 'active')
               FROM sessions s WHERE s.look_at <= $1 AND s.state = 'active' ORDER BY s.look_at LIMIT $2",
            params![now, limit],
        )
        .await?
        .iter()
        .map(|row| {
            let (cookie, tokens): (Option<Timestamp>, Option<Timestamp>) = (row.get(3)?, row.get(4)?);
            Ok(FadingSession {
                tenant: row.get(0)?,
                id: row.get(1)?,
                expires_at: row.get(2)?,
                usable_until: cookie.max(tokens),
            })
        })
        .collect()
    }

    /// The active sessions of a customer that are locked to a company.
    pub(crate) async fn sessions_locked_to(
        &mut self,
        tenant: &TenantId,
        customer: &CustomerId,
        entity: &LegalEntityId,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.query(
            "SELECT id FROM sessions
              WHERE tenant_id = $1 AND customer_id = $2 AND locked_entity_id = $3 AND is_entity_locked = 1
                AND state = 'active' ORDER BY id",
            params![tenant, customer, entity],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }

    /// The families of a session that are over: client, customer, scope and why, the newest end first.
    pub(crate) async fn ended_families(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Vec<(ClientId, Option<CustomerId>, Option<String>, Option<String>)>, StoreError> {
        self.query(
            "SELECT client_id, customer_id, scope, end_reason FROM token_families
              WHERE tenant_id = $1 AND session_id = $2 AND state = 'revoked' ORDER BY state_at DESC, id DESC",
            params![tenant, session],
        )
        .await?
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .collect()
    }

    /// Sessions that stand and the clients whose families in them stand, or were given back by the client itself: at
    /// most `limit` after the pair named, by session and client.
    pub(crate) async fn clients_in_sessions(
        &mut self,
        tenant: &TenantId,
        (session, client): (&str, &str),
        limit: u32,
    ) -> Result<Vec<(SessionId, ClientId, CustomerId)>, StoreError> {
        self.query(
            "SELECT f.session_id, f.client_id, MIN(f.customer_id)
               FROM token_families f JOIN sessions s ON s.tenant_id = f.tenant_id AND s.id = f.session_id
              WHERE f.tenant_id = $1 AND (f.session_id, f.client_id) > ($2, $3) AND s.state = 'active'
                AND (f.state = 'active' OR f.end_reason = 'revoked') AND f.customer_id IS NOT NULL
                AND ' ' || f.scope || ' ' LIKE '% openid %'
              GROUP BY f.session_id, f.client_id ORDER BY f.session_id, f.client_id LIMIT $4",
            params![tenant, session, client, limit],
        )
        .await?
        .iter()
        .map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .collect()
    }

    /// Whether the tokens of a family may still be used.
    pub(crate) async fn is_family_active(
        &mut self,
        tenant: &TenantId,
        id: &FamilyId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let row = self
            .query_one(
                "SELECT 1 FROM token_families WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND expires_at > $3",
                params![tenant, id, now],
            )
            .await?;
        Ok(row.is_some())
    }

    /// A family of a session, if it stands; `None` when it is over.
    pub(crate) async fn family(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        id: &FamilyId,
        now: Timestamp,
    ) -> Result<Option<FamilyRow>, StoreError> {
        let row = self
            .query_one(
                "SELECT id, customer_id, legal_entity_id, assignment_id, grant_id, client_id, scope, epoch
                   FROM token_families
                  WHERE tenant_id = $1 AND session_id = $2 AND id = $3 AND state = 'active' AND expires_at > $4",
                params![tenant, session, id, now],
            )
            .await?;
        row.map(|row| family(&row)).transpose()
    }

    /// The families of a session that may still be used.
    pub(crate) async fn families_of_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Vec<FamilyRow>, StoreError> {
        self.query(
            "SELECT id, customer_id, legal_entity_id, assignment_id, grant_id, client_id, scope, epoch
               FROM token_families WHERE tenant_id = $1 AND session_id = $2 AND state = 'active' ORDER BY id",
            params![tenant, session],
        )
        .await?
        .iter()
        .map(family)
        .collect()
    }
}

fn family(row: &super::Row) -> Result<FamilyRow, StoreError> {
    Ok(FamilyRow {
        id: row.get(0)?,
        customer: row.get(1)?,
        acting_for: acting_for(row.get(2)?, row.get(3)?, row.get(4)?)?,
        client: row.get(5)?,
        scope: row.get(6)?,
        epoch: row.get(7)?,
    })
}

impl Tx<'_> {
    pub(crate) async fn insert_session(
        &mut self,
        tenant: &TenantId,
        session: &NewSession<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO sessions (tenant_id, id, client_id, customer_id, site_id, door, is_entity_locked,
                                   authenticated_at, amr, state, state_at, expires_at, user_agent, address, created_at,
                                   look_at, visitor_id)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $12, 'active', $8, $9, $10, $11, $8, $13, $14)",
            params![
                tenant,
                session.id,
                session.client,
                session.customer,
                session.site,
                session.door,
                session.authenticated_at,
                now,
                session.expires_at,
                session.origin.user_agent.as_deref(),
                session.origin.address.map(|address| address.to_string()),
                session.proven.map(Proven::amr),
                session.look_at,
                session.visitor
            ],
        )
        .await?;
        Ok(())
    }

    /// A guest's session becomes the customer's (or stays theirs); `false` when it is over.
    pub(crate) async fn adopt_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        customer: &CustomerId,
        (door, proven, partner_idp): (&str, Option<Proven>, Option<&PartnerIdpId>),
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE sessions SET customer_id = $3, door = $4, authenticated_at = $5, amr = $7, partner_idp_id = $8,
                        expires_at = CASE WHEN expires_at > $6 THEN expires_at ELSE $6 END
                  WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND expires_at > $5",
                params![tenant, session, customer, door, now, expires_at, proven.map(Proven::amr), partner_idp],
            )
            .await?;
        Ok(changed == 1)
    }

    /// The partner's identity provider a session came by.
    pub(crate) async fn partner_idp_of_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
    ) -> Result<Option<PartnerIdpId>, StoreError> {
        let row = self
            .query_one(
                "SELECT partner_idp_id FROM sessions WHERE tenant_id = $1 AND id = $2 AND partner_idp_id IS NOT NULL",
                params![tenant, session],
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Sessions by a partner's identity provider that go on.
    pub(crate) async fn sessions_of_partner_idp(
        &mut self,
        tenant: &TenantId,
        partner_idp: &PartnerIdpId,
        limit: u32,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.query(
            "SELECT id FROM sessions
              WHERE tenant_id = $1 AND partner_idp_id = $2 AND state = 'active' ORDER BY id LIMIT $3",
            params![tenant, partner_idp, limit],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect()
    }

    /// Notes that who is in a session proved it anew; `false` when it is over.
    pub(crate) async fn prove_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        proven: Proven,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE sessions SET authenticated_at = $3, amr = $4
                  WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND expires_at > $3",
                params![tenant, session, now, proven.amr()],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Notes whether the person wants to be followed by a shop's statistics.
    pub(crate) async fn set_family_tracking(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        does_not_track: bool,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE token_families SET do_not_track = $3 WHERE tenant_id = $1 AND id = $2",
            params![tenant, family, does_not_track],
        )
        .await?;
        Ok(())
    }

    /// Prolongs a session; never shortens it.
    pub(crate) async fn prolong_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE sessions SET expires_at = $3 WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND expires_at < $3",
            params![tenant, session, expires_at],
        )
        .await?;
        Ok(())
    }

    /// A session takes over how another one of the same customer was come by: when and how they proved who they are,
    /// who vouched for them, and the company it is locked to. `false` when the other one is over.
    pub(crate) async fn inherit_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        (from, customer): (&SessionId, &CustomerId),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE sessions SET
                    (authenticated_at, amr, partner_idp_id, is_entity_locked, locked_entity_id) =
                        (SELECT o.authenticated_at, o.amr, o.partner_idp_id, o.is_entity_locked, o.locked_entity_id
                           FROM sessions o WHERE o.tenant_id = $1 AND o.id = $3)
                  WHERE tenant_id = $1 AND id = $2 AND customer_id = $4 AND state = 'active'
                    AND EXISTS (SELECT 1 FROM sessions o WHERE o.tenant_id = $1 AND o.id = $3 AND o.customer_id = $4
                                                           AND o.state = 'active' AND o.expires_at > $5)",
                params![tenant, session, from, customer, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Locks a session to a company, or to nobody; `false` when it is over or locked already.
    pub(crate) async fn lock_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        entity: Option<&LegalEntityId>,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE sessions SET is_entity_locked = 1, locked_entity_id = $3
                  WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND is_entity_locked = 0",
                params![tenant, session, entity],
            )
            .await?;
        Ok(changed == 1)
    }

    /// `false` when the session had ended before.
    pub(crate) async fn end_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE sessions SET state = 'ended', state_at = $4, end_reason = $3
                  WHERE tenant_id = $1 AND id = $2 AND state = 'active'",
                params![tenant, session, reason, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Says when to look at an active session again.
    pub(crate) async fn look_at_session(
        &mut self,
        tenant: &TenantId,
        session: &SessionId,
        look_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE sessions SET look_at = $3 WHERE tenant_id = $1 AND id = $2 AND state = 'active'",
            params![tenant, session, look_at],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn insert_family(
        &mut self,
        tenant: &TenantId,
        family: &NewFamily<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let acting_for = family.acting_for;
        self.execute(
            "INSERT INTO token_families (tenant_id, id, session_id, client_id, customer_id, legal_entity_id,
                                         assignment_id, grant_id, epoch, generation, state, state_at, created_at,
                                         expires_at, tokens_until, scope, audience, door, do_not_track)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 'active', $9, $9, $10, $11, $12, $13, $14, $15)",
            params![
                tenant,
                family.id,
                family.session,
                family.client,
                family.customer,
                acting_for.map(|a| &a.legal_entity),
                acting_for.map(|a| &a.assignment),
                acting_for.map(|a| &a.grant),
                now,
                family.expires_at,
                family.tokens_until,
                family.scope,
                family.audience,
                family.door,
                family.does_not_track
            ],
        )
        .await?;
        Ok(())
    }

    /// Takes the family's row for this transaction, moves it to the chosen company and counts one generation on;
    /// `None` when the family is over. The epoch grows only when `is_switch`. The two moments are until when its access
    /// tokens run and when it ends; neither comes nearer. Returns epoch, generation and until when its tokens run now.
    pub(crate) async fn advance_family(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        acting_for: Option<&ActingFor>,
        (is_switch, has_successor): (bool, bool),
        tokens_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<(u32, u32, Timestamp)>, StoreError> {
        let row = self
            .query_one(
                "UPDATE token_families
                    SET generation = generation + $9, epoch = epoch + $3, legal_entity_id = $4, assignment_id = $5,
                        grant_id = $6, tokens_until = CASE WHEN tokens_until > $7 THEN tokens_until ELSE $7 END
                  WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND expires_at > $8
                  RETURNING epoch, generation, tokens_until",
                params![
                    tenant,
                    family,
                    i64::from(is_switch),
                    acting_for.map(|a| &a.legal_entity),
                    acting_for.map(|a| &a.assignment),
                    acting_for.map(|a| &a.grant),
                    tokens_until,
                    now,
                    i64::from(has_successor)
                ],
            )
            .await?;
        row.map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).transpose()
    }

    /// Binds a family that is bound to no key yet.
    pub(crate) async fn bind_family(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        key: &Thumbprint,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE token_families SET key_thumbprint = $3 WHERE tenant_id = $1 AND id = $2 AND key_thumbprint IS NULL",
            params![tenant, family, key],
        )
        .await?;
        Ok(())
    }

    /// Moves the end of a family; never to an earlier moment.
    pub(crate) async fn prolong_family(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE token_families SET expires_at = $3 WHERE tenant_id = $1 AND id = $2 AND expires_at < $3",
            params![tenant, family, expires_at],
        )
        .await?;
        Ok(())
    }

    /// Notes that access tokens of a family run until `tokens_until`; `false` when the family is over.
    pub(crate) async fn prolong_family_tokens(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        tokens_until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self
            .execute(
                "UPDATE token_families SET tokens_until = CASE WHEN tokens_until > $3 THEN tokens_until ELSE $3 END
                  WHERE tenant_id = $1 AND id = $2 AND state = 'active' AND expires_at > $4",
                params![tenant, family, tokens_until, now],
            )
            .await?;
        Ok(changed == 1)
    }

    /// Revokes a family; `None` when it was over before.
    pub(crate) async fn revoke_family(
        &mut self,
        tenant: &TenantId,
        family: &FamilyId,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<EndedFamily>, StoreError> {
        let row = self
            .query_one(
                "UPDATE token_families SET state = 'revoked', state_at = $4, end_reason = $3
                  WHERE tenant_id = $1 AND id = $2 AND state = 'active'
                  RETURNING tokens_until, session_id, client_id, customer_id, scope",
                params![tenant, family, reason, now],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        self.execute(
            "UPDATE refresh_tokens SET state = 'revoked', state_at = $3
              WHERE tenant_id = $1 AND family_id = $2 AND state = 'active'",
            params![tenant, family, now],
        )
        .await?;
        Ok(Some(EndedFamily {
            tokens_until: row.get(0)?,
            session: row.get(1)?,
            client: row.get(2)?,
            customer: row.get(3)?,
            scope: row.get(4)?,
        }))
    }

    /// Ends every session, family, refresh token, one-time link and code of a tenant; returns how many sessions.
    pub(crate) async fn end_everything(&mut self, tenant: &TenantId, now: Timestamp) -> Result<u64, StoreError> {
        for statement in [
            "UPDATE refresh_tokens SET state = 'revoked', state_at = $2 WHERE tenant_id = $1 AND state <> 'revoked'",
            "UPDATE token_families SET state = 'revoked', state_at = $2, end_reason = 'restore'
              WHERE tenant_id = $1 AND state = 'active'",
            "UPDATE login_tokens SET state = 'revoked', state_at = $2 WHERE tenant_id = $1 AND state = 'open'",
            "UPDATE one_time_codes SET state = 'revoked', state_at = $2 WHERE tenant_id = $1 AND state = 'open'",
        ] {
            self.execute(statement, params![tenant, now]).await?;
        }
        self.execute(
            "UPDATE sessions SET state = 'ended', state_at = $2, end_reason = 'restore'
              WHERE tenant_id = $1 AND state = 'active'",
            params![tenant, now],
        )
        .await
    }

    /// Deletes ended and expired sessions with everything under them, oldest first, at most `limit` of each kind.
    pub(crate) async fn forget_sessions(&mut self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let mut gone = self
            .execute(
                "DELETE FROM refresh_tokens WHERE (tenant_id, hash) IN
                    (SELECT tenant_id, hash FROM refresh_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
                params![before, limit],
            )
            .await?;
        gone += self
            .execute(
                "DELETE FROM token_families WHERE (tenant_id, id) IN
                    (SELECT f.tenant_id, f.id FROM token_families f
                      WHERE f.expires_at <= $1 AND f.tokens_until <= $1
                        AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.tenant_id = f.tenant_id AND r.family_id = f.id)
                      ORDER BY f.expires_at LIMIT $2)",
                params![before, limit],
            )
            .await?;
        gone += self
            .execute(
                "DELETE FROM sessions WHERE (tenant_id, id) IN
                    (SELECT s.tenant_id, s.id FROM sessions s
                      WHERE s.expires_at <= $1
                        AND NOT EXISTS (SELECT 1 FROM token_families f WHERE f.tenant_id = s.tenant_id AND f.session_id = s.id)
                      ORDER BY s.expires_at LIMIT $2)",
                params![before, limit],
            )
            .await?;
        Ok(gone)
    }
}
