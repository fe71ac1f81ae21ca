//! Ending things: a family by logging out, a session by an operator, everything of a customer. Whatever ends here is
//! named in the revocation feed in the same transaction, so no node and no gateway accepts it for longer than the
//! reach of the feed (S-29, S-70).

use crate::{
    Actor, Engine, Error, Origin, Refusal, Tenant,
    audit::Entry,
    backchannel_logout::{ToldClient, is_openid},
    retrying,
    store::{EndedFamily, Tx},
    tenant::{outlasting, remembered_until},
};
use prokura_domain::{
    ClientId, CustomerId, FamilyId, LegalEntityId, Revocation, RevocationKind, SessionId, Standing, Timestamp,
};
use prokura_jose::{Secret, SecretHash};
use std::collections::BTreeSet;

/// A customer logs out.
#[derive(Clone, Debug)]
pub struct LogOut<'a> {
    /// Who asks.
    pub bearer: &'a Standing,
    /// The token that is to end, with its whole family; must be the same customer's.
    pub target: &'a Standing,
}

/// What of a customer's outlives the end of their sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep<'a> {
    /// Nothing.
    Nothing,
    /// A session with all that is in it.
    Session(&'a SessionId),
    /// A family of tokens, and the cookies of its session. Guests' families, in whatever session, are nobody's.
    Family(&'a FamilyId),
}

/// A session, as operators see it.
#[derive(Clone, Debug)]
pub struct SessionSummary {
    /// Its id.
    pub id: SessionId,
    /// The client it began with.
    pub client: ClientId,
    /// Whose it is; `None` for a guest's.
    pub customer: Option<CustomerId>,
    /// The door it came through last.
    pub door: String,
    /// Whether it stands.
    pub is_active: bool,
    /// Why it ended.
    pub end_reason: Option<String>,
    /// The companies its families act for.
    pub legal_entities: Vec<LegalEntityId>,
    /// When the customer proved who they are.
    pub authenticated_at: Option<Timestamp>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// With what.
    pub user_agent: Option<String>,
    /// From where.
    pub address: Option<String>,
}

impl Engine {
    /// Ends the family of `target`: access, refresh and companion tokens.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when the target is somebody else's.
    pub async fn log_out(&self, tenant: &Tenant, request: &LogOut<'_>, origin: &Origin) -> Result<(), Error> {
        retrying!(self.log_out_once(tenant, request, origin))
    }

    async fn log_out_once(&self, tenant: &Tenant, request: &LogOut<'_>, origin: &Origin) -> Result<(), Error> {
        let customer = request.bearer.customer().ok_or(Refusal::InvalidToken)?;
        if request.target.customer() != Some(customer) {
            return Err(Refusal::Forbidden("the token belongs to somebody else").into());
        }
        let family = request.target.family.as_ref().ok_or(Refusal::InvalidToken)?;
        let now = self.clock.now();
        let actor = Actor::Customer(customer.clone());
        let mut tx = self.store.write().await?;
        if self.end_family(&mut tx, tenant, family, "log_out", now).await? {
            if let Some(session) = &request.target.session
                && tx.families_of_session(&tenant.id, session).await?.iter().all(|family| family.customer.is_none())
            {
                tx.set_context_customer(&tenant.id, session, None, now).await?;
            }
            let entry = Entry::new(&actor, "customer.log_out", "family", family.as_str())
                .entity(request.target.legal_entity())
                .client(&request.target.client)
                .session(request.target.session.as_ref());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Ends the session a refresh token is of, with all that is in it; with `is_everywhere`, everything of its customer.
    /// Where an access token came with it, both must be of the same session.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`] when the refresh token is unknown, another client's, or not of the bearer's session.
    pub async fn log_out_shopper(
        &self,
        tenant: &Tenant,
        (client, refresh_token): (&ClientId, &Secret),
        bearer: Option<&Standing>,
        is_everywhere: bool,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let row = tx.refresh_token(&tenant.id, &SecretHash::of(refresh_token.expose())).await?;
            let row = row.filter(|row| row.client == *client).ok_or(Refusal::InvalidGrant)?;
            if bearer.is_some_and(|bearer| bearer.session.as_ref() != Some(&row.session)) {
                return Err(Refusal::InvalidGrant.into());
            }
            let who = Actor::shopper(row.customer.as_ref());
            let mut has_ended = self.end_session_in(&mut tx, tenant, &row.session, "log_out", now).await?;
            if let Some(customer) = row.customer.as_ref().filter(|_| is_everywhere && row.is_family_active) {
                has_ended |= tx.hold_customer(&tenant.id, customer).await?;
                self.end_sessions_of(&mut tx, tenant, customer, Keep::Nothing, "log_out", now).await?;
            }
            if has_ended {
                let entry = Entry::new(&who, "customer.log_out", "session", row.session.as_str())
                    .client(client)
                    .session(Some(&row.session))
                    .detail(serde_json::json!({ "is_everywhere": is_everywhere }));
                self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Ends the session a token is of, with all that is in it.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when it is of none.
    pub async fn log_out_bearer(&self, tenant: &Tenant, bearer: &Standing, origin: &Origin) -> Result<(), Error> {
        let session = bearer.session.as_ref().ok_or(Refusal::InvalidToken)?;
        let actor = Actor::shopper(bearer.customer());
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if self.end_session_in(&mut tx, tenant, session, "log_out", now).await? {
                let entry = Entry::new(&actor, "customer.log_out", "session", session.as_str())
                    .client(&bearer.client)
                    .session(Some(session));
                self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            }
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Whether the tokens of a family may still be used.
    ///
    /// # Errors
    /// Only faults.
    pub async fn is_family_active(&self, tenant: &Tenant, family: &FamilyId) -> Result<bool, Error> {
        Ok(self.store.read().await?.is_family_active(&tenant.id, family, self.clock.now()).await?)
    }

    /// Sessions after `after`, by id; of one customer when named.
    ///
    /// # Errors
    /// Only faults.
    pub async fn sessions(
        &self,
        tenant: &Tenant,
        customer: Option<&CustomerId>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<SessionSummary>, Error> {
        let mut reader = self.store.read().await?;
        let mut found = Vec::new();
        for row in reader.sessions(&tenant.id, customer, after, limit).await? {
            let families = reader.families_of_session(&tenant.id, &row.id).await?;
            let acting_for = families.into_iter().filter_map(|family| family.acting_for);
            found.push(SessionSummary {
                id: row.id,
                client: row.client,
                customer: row.customer,
                door: row.door,
                is_active: row.is_active && row.expires_at > self.clock.now(),
                end_reason: row.end_reason,
                legal_entities: acting_for.map(|acting_for| acting_for.legal_entity).collect(),
                authenticated_at: row.authenticated_at,
                created_at: row.created_at,
                expires_at: row.expires_at,
                user_agent: row.user_agent,
                address: row.address,
            });
        }
        Ok(found)
    }

    /// Ends a session with all its families, at an operator's word.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is no such session. Ending it twice is fine.
    pub async fn end_session(
        &self,
        tenant: &Tenant,
        session: &SessionId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(self.end_session_once(tenant, session, actor, origin))
    }

    async fn end_session_once(
        &self,
        tenant: &Tenant,
        session: &SessionId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        tx.session(&tenant.id, session).await?.ok_or(Refusal::NotFound("session"))?;
        if self.end_session_in(&mut tx, tenant, session, "operator", now).await? {
            let entry = Entry::new(actor, "session.end", "session", session.as_str()).session(Some(session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Ends a family in `tx`, and tells its client when nothing else of it is left in the session; `false` when it was
    /// over before.
    pub(crate) async fn end_family(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        family: &FamilyId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let Some(ended) = self.give_back_family(tx, tenant, family, reason, now).await? else { return Ok(false) };
        if let Some(told) = ToldClient::of(ended.client, ended.customer, ended.scope.as_deref()) {
            let others = tx.families_of_session(&tenant.id, &ended.session).await?;
            if !others.iter().any(|other| other.client == told.client && is_openid(other.scope.as_deref())) {
                self.tell_clients(tx, tenant, &ended.session, BTreeSet::from([told]), now).await?;
            }
        }
        Ok(true)
    }

    /// Ends a family in `tx` at the word of its own client, which need not be told; `None` when it was over before.
    pub(crate) async fn give_back_family(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        family: &FamilyId,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<EndedFamily>, Error> {
        let Some(ended) = tx.revoke_family(&tenant.id, family, reason, now).await? else { return Ok(None) };
        let until = outlasting(ended.tokens_until);
        if until > now {
            self.publish(tx, tenant, RevocationKind::Family, family.as_str(), until, now).await?;
        }
        Ok(Some(ended))
    }

    /// Ends a session and its families in `tx`, and tells their clients; `false` when it had ended before.
    pub(crate) async fn end_session_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        session: &SessionId,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let has_ended = tx.end_session(&tenant.id, session, reason, now).await?;
        let families = tx.families_of_session(&tenant.id, session).await?;
        let mut until = now;
        let mut told = self.clients_that_gave_back(tx, tenant, session).await?;
        for family in families {
            if let Some(ended) = tx.revoke_family(&tenant.id, &family.id, reason, now).await? {
                until = until.max(outlasting(ended.tokens_until));
                told.extend(ToldClient::of(ended.client, ended.customer, ended.scope.as_deref()));
            }
        }
        if until > now {
            self.publish(tx, tenant, RevocationKind::Session, session.as_str(), until, now).await?;
        }
        if has_ended {
            self.tell_clients(tx, tenant, session, told, now).await?;
        }
        Ok(has_ended)
    }

    /// Ends every session of a customer in `tx`, but for what is kept. The customer's row must be held.
    pub(crate) async fn end_sessions_of(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        keep: Keep<'_>,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        if let Keep::Family(family) = keep {
            tx.delete_cookies_but(&tenant.id, customer, family).await?;
        }
        let mut after = String::new();
        loop {
            let page = tx.sessions(&tenant.id, Some(customer), &after, 200).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id.to_string();
            for session in page.iter().filter(|session| session.is_active) {
                match keep {
                    Keep::Session(kept) if session.id == *kept => {}
                    Keep::Nothing | Keep::Session(_) => {
                        self.end_session_in(tx, tenant, &session.id, reason, now).await?;
                    }
                    Keep::Family(except) => {
                        for family in tx.families_of_session(&tenant.id, &session.id).await? {
                            if family.customer.as_ref() == Some(customer) && family.id != *except {
                                self.end_family(tx, tenant, &family.id, reason, now).await?;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Writes an entry of the feed that holds from now on.
    pub(crate) async fn publish(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        kind: RevocationKind,
        value: &str,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let entry = Revocation {
            id: self.new_id(now)?,
            tenant: tenant.id.clone(),
            kind,
            value: value.to_owned(),
            is_lifted: false,
            at: now,
            effective_at: now,
            expires_at,
        };
        Ok(tx.revoke(entry).await?)
    }

    /// Tells every node that groups or segments of a customer changed; `None` for everybody of the tenant.
    pub(crate) async fn publish_rights(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: Option<&CustomerId>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let value = customer.map_or("*", |customer| customer.as_str());
        let until = remembered_until(tx, &tenant.id, now).await?;
        self.publish(tx, tenant, RevocationKind::Rights, value, until, now).await
    }
}
