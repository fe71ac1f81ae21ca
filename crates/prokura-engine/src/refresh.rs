//! Redeeming a refresh token, and choosing the company to act for while doing so. A refused request leaves the token as
//! it was; a reused one ends its family before it is refused.

use crate::{
    Actor, Engine, Error, Granted, Origin, Refusal, Tenant,
    audit::Entry,
    id_token::{IdTokenFacts, amr, company},
    issue::{Chain, Door, Holder, Manner, Order, REFRESH_PREFIX, Terms},
    retrying,
    store::{RefreshTokenRow, Tx},
    target::{self, narrower},
};
use prokura_domain::{
    ActingFor, ClientId, LegalEntityId, Redemption, RefreshPolicy, RefreshTokenState, Replay, Scopes, Standing,
    Subject, Timestamp,
};
use prokura_jose::{Secret, SecretHash};

/// Repeated answers of one family that are still believed within [`REPEATS_SECONDS`] (S-26).
const MAX_REPEATS: u32 = 5;
const REPEATS_SECONDS: i64 = 3_600;
/// A repetition that comes this soon is a racing tab, not a lost answer, and is not counted.
const RACE_MILLIS: i64 = 2_000;

/// The access token a request came with, verified.
#[derive(Clone, Copy, Debug)]
pub struct Bearer<'a> {
    /// What it says.
    pub standing: &'a Standing,
}

/// Whom to act for from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityWish {
    /// Whom the family acts for already.
    Keep,
    /// Nobody: a private person.
    Nobody,
    /// This company.
    Of(LegalEntityId),
    /// Something that cannot be an id: refused like any entity that is not the customer's, but only after the token has
    /// been looked at.
    Malformed,
}

/// A request to refresh.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The refresh token.
    pub refresh_token: Secret,
    /// The client that proved who it is, where the door asks for that; the token must be its own.
    pub client: Option<ClientId>,
    /// Whom to act for.
    pub legal_entity: EntityWish,
    /// Fewer scopes than were granted, for this one access token.
    pub scopes: Option<Scopes>,
    /// The resources the access token is for (RFC 8707); what was granted when there are none.
    pub resources: Vec<String>,
    /// What the dialect wants otherwise.
    pub manner: Manner,
}

impl Engine {
    /// Redeems a customer's refresh token.
    ///
    /// The bearer may be any guest's of the tenant, or the same customer's.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`], [`Refusal::ExpiredGrant`], [`Refusal::NotAssigned`], or the state of the customer.
    pub async fn refresh(
        &self,
        tenant: &Tenant,
        bearer: Option<Bearer<'_>>,
        request: &Refresh,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        retrying!(self.refresh_once(tenant, bearer, request, origin))
    }

    async fn refresh_once(
        &self,
        tenant: &Tenant,
        bearer: Option<Bearer<'_>>,
        request: &Refresh,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let now = self.clock.now();
        let hash = SecretHash::of(request.refresh_token.expose());
        let mut tx = self.store.write_for(origin).await?;
        let row = tx.refresh_token(&tenant.id, &hash).await?.ok_or(Refusal::InvalidGrant)?;
        let customer = row.customer.as_ref().ok_or(Refusal::InvalidGrant)?;
        if request.client.as_ref().is_some_and(|client| *client != row.client) {
            return Err(Refusal::InvalidGrant.into());
        }
        if let Some(bearer) = bearer {
            match &bearer.standing.subject {
                Subject::Guest => {}
                Subject::Customer(presenter) if presenter == customer => {}
                Subject::Customer(_) | Subject::Service => return Err(Refusal::InvalidGrant.into()),
            }
        }
        tx = self.check_bound_key(tx, tenant, &row, origin).await?;
        let redemption = match redeem(&row, now) {
            Ok(redemption) => redemption,
            Err(refusal) => {
                self.punish_reuse(tx, tenant, &row, &refusal, origin).await?;
                return Err(refusal.into());
            }
        };
        let acts_for = row.acting_for.as_ref().map(|acting_for| &acting_for.legal_entity);
        let entity = match &request.legal_entity {
            EntityWish::Keep => acts_for,
            EntityWish::Of(entity) => Some(entity),
            EntityWish::Nobody | EntityWish::Malformed => None,
        };
        let scopes = granted_scopes(&row, request.scopes.as_ref())?;
        let audience = narrower(&target::read(row.audience.as_deref()), &request.resources)?;
        let result = if request.legal_entity == EntityWish::Malformed {
            Err(Refusal::NotAssigned.into())
        } else if redemption == Redemption::Repeat && entity != acts_for {
            // The answer that was lost named another company: this is not the same request (S-26).
            Err(Refusal::InvalidGrant.into())
        } else if self.is_repeated_too_often(&mut tx, tenant, &row, redemption, &hash, now).await? {
            self.punish_reuse(tx, tenant, &row, &Refusal::InvalidGrant, origin).await?;
            return Err(Refusal::InvalidGrant.into());
        } else {
            let before = row.acting_for.as_ref();
            let chain = self.chain(&mut tx, tenant, &row, redemption, &request.refresh_token, &hash, before).await?;
            let holder = Holder::Customer { session: &row.session, customer, scopes: scopes.as_ref() };
            let terms = Terms { audience: &audience, manner: request.manner.clone(), ..Terms::default() };
            let order =
                Order { tenant, door: Door::Refresh, client: &row.client, holder, entity, chain, terms, origin };
            self.issue(&mut tx, order).await
        };
        match result {
            Ok(draft) => {
                let (session, context) = (&row.session, draft.standing().legal_entity());
                tx.set_context_entity(&tenant.id, session, context).await?;
                let company = company(&mut tx, tenant, draft.standing(), &draft.standing().scopes).await?;
                let amr = amr(&mut tx, tenant, draft.standing()).await?;
                let does_not_track = self.keep_tracking(&mut tx, tenant, &row, &request.manner).await?;
                tx.commit().await?;
                let mut granted = Self::grant(tenant, draft);
                (granted.family_door, granted.does_not_track) = (row.door.as_str().into(), does_not_track);
                let facts = IdTokenFacts { nonce: None, company, amr };
                granted.id_token = self.id_token(tenant, granted.standing(), facts, granted.access_seconds)?;
                Ok(granted)
            }
            Err(Error::Refused(refusal)) => {
                drop(tx);
                let actor = Actor::Customer(customer.clone());
                let entry = Entry::new(&actor, Door::Refresh.verb(), "family", row.family.as_str())
                    .entity(entity)
                    .client(&row.client)
                    .session(Some(&row.session));
                Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Notes a new word about being followed; gives the one that counts.
    pub(crate) async fn keep_tracking(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &RefreshTokenRow,
        manner: &Manner,
    ) -> Result<bool, Error> {
        let wanted = manner.do_not_track.unwrap_or(row.does_not_track);
        if wanted != row.does_not_track {
            tx.set_family_tracking(&tenant.id, &row.family, wanted).await?;
        }
        Ok(wanted)
    }

    /// Redeems a refresh token of whoever has it, a guest's or a customer's.
    ///
    /// # Errors
    /// As [`Engine::refresh`] and [`Engine::refresh_guest`].
    pub async fn refresh_anybody(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        request: &Refresh,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let hash = SecretHash::of(request.refresh_token.expose());
        let row = self.store.read().await?.refresh_token(&tenant.id, &hash).await?.ok_or(Refusal::InvalidGrant)?;
        if row.customer.is_some() {
            self.refresh(tenant, None, request, origin).await
        } else if matches!(request.legal_entity, EntityWish::Of(_) | EntityWish::Malformed) {
            Err(Refusal::NotAssigned.into())
        } else {
            self.refresh_guest(tenant, client, &request.refresh_token, &request.manner, origin).await
        }
    }

    /// A bound token counts only from whoever has its key (S-11). Asked first, so that a thief without the key cannot even
    /// end the family.
    pub(crate) async fn check_bound_key<'t>(
        &self,
        tx: Tx<'t>,
        tenant: &Tenant,
        row: &RefreshTokenRow,
        origin: &Origin,
    ) -> Result<Tx<'t>, Error> {
        let refusal = match (&row.bound_to, &origin.key_proof) {
            (None, _) => return Ok(tx),
            (Some(key), Some(shown)) if *key == shown.thumbprint => return Ok(tx),
            (Some(_), Some(_)) => Refusal::InvalidGrant,
            (Some(_), None) => Refusal::InvalidProof,
        };
        drop(tx);
        let actor = Actor::shopper(row.customer.as_ref());
        let entry = Entry::new(&actor, "family.wrong_key", "family", row.family.as_str())
            .client(&row.client)
            .session(Some(&row.session));
        Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?)
    }

    /// When a rotated token comes back outside every grace, its family ends: durably, before the refusal is returned
    /// (S-27).
    pub(crate) async fn punish_reuse(
        &self,
        mut tx: Tx<'_>,
        tenant: &Tenant,
        row: &RefreshTokenRow,
        refusal: &Refusal,
        origin: &Origin,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let is_reused = matches!(row.state, RefreshTokenState::Rotated { .. })
            && *refusal == Refusal::InvalidGrant
            && row.is_family_active;
        let actor = Actor::shopper(row.customer.as_ref());
        let verb = if is_reused { "family.reuse_detected" } else { Door::Refresh.verb() };
        if is_reused && !matches!(row.refresh_policy, Some(RefreshPolicy::Once { .. })) {
            self.end_family(&mut tx, tenant, &row.family, "reuse", now).await?;
        }
        let entry = Entry::new(&actor, verb, "family", row.family.as_str())
            .client(&row.client)
            .session(Some(&row.session))
            .refused(refusal);
        self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Counts a repeated answer, and tells whether the family got more of them than answers get lost (S-26).
    pub(crate) async fn is_repeated_too_often(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &RefreshTokenRow,
        redemption: Redemption,
        hash: &SecretHash,
        now: Timestamp,
    ) -> Result<bool, Error> {
        if redemption != Redemption::Repeat || is_racing(row, now) {
            return Ok(false);
        }
        let since = now.plus_seconds(-REPEATS_SECONDS);
        Ok(tx.count_repeat(&tenant.id, &row.family, hash, since).await? > MAX_REPEATS)
    }

    /// What the issuing function is to do with the chain of refresh tokens.
    pub(crate) async fn chain<'a>(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &'a RefreshTokenRow,
        redemption: Redemption,
        presented: &'a Secret,
        hash: &SecretHash,
        before: Option<&'a ActingFor>,
    ) -> Result<Chain<'a>, Error> {
        let (family, family_expires_at) = (&row.family, row.family_expires_at);
        match redemption {
            Redemption::Rotate => Ok(Chain::Rotate { family, family_expires_at, presented, before }),
            Redemption::Keep => Ok(Chain::Keep { family, expires_at: row.expires_at, presented, before }),
            Redemption::Repeat => {
                let (salt, expires_at) = tx.successor(&tenant.id, family, hash).await?.ok_or(Refusal::InvalidGrant)?;
                let successor = Secret::derive_successor(&self.refresh_key, presented, &salt, REFRESH_PREFIX);
                Ok(Chain::Repeat { family, epoch: row.epoch, successor, expires_at })
            }
        }
    }
}

/// What the family was granted, or the part of it that is asked for.
fn granted_scopes(row: &RefreshTokenRow, wanted: Option<&Scopes>) -> Result<Option<Scopes>, Refusal> {
    let granted = row.scope.as_deref().map(Scopes::parse).transpose().map_err(|_| Refusal::InvalidScope)?;
    match (granted, wanted) {
        (Some(granted), Some(wanted)) if wanted.is_subset(&granted) => Ok(Some(wanted.clone())),
        (_, Some(_)) => Err(Refusal::InvalidScope),
        (granted, None) => Ok(granted),
    }
}

/// Asks the client's policy what presenting this token leads to.
pub(crate) fn redeem(row: &RefreshTokenRow, now: Timestamp) -> Result<Redemption, Refusal> {
    let policy = row.refresh_policy.filter(|_| row.is_family_active).ok_or(Refusal::InvalidGrant)?;
    let until = row.expires_at.min(row.family_expires_at);
    match policy.redeem(row.state, until, now) {
        Ok(redemption) => Ok(redemption),
        Err(Replay::Dead) if until <= now => Err(Refusal::ExpiredGrant),
        Err(Replay::Dead | Replay::Refused | Replay::Reused) => Err(Refusal::InvalidGrant),
    }
}

/// Whether a rotated token comes so soon after its rotation that two tabs must have raced.
fn is_racing(row: &RefreshTokenRow, now: Timestamp) -> bool {
    match row.state {
        RefreshTokenState::Rotated { at, .. } => now.millis_since(at) < RACE_MILLIS,
        RefreshTokenState::Active | RefreshTokenState::Revoked => false,
    }
}
