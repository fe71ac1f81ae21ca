//! The one function that issues tokens (S-23). Every door comes here; here, in the door's own transaction, everything
//! the token will claim is read again as it is now.

use crate::{
    AccentLifetimes, Actor, Engine, Error, Lifetimes, Origin, Refusal, Tenant,
    audit::Entry,
    store::{AssignmentFacts, ContextRow, NewFamily, NewRefreshToken, NewSession, SessionFacts, Tx},
    target,
    tenant::outlasting,
};
use prokura_domain::{
    ActingFor, ClientId, ClientKind, CustomerId, CustomerKind, CustomerState, FamilyId, LegalEntityId,
    MAX_TOKEN_SEGMENTS, RefreshPolicy, Revocation, RevocationKind, Scopes, SessionId, SiteId, Standing, Subject,
    Timestamp,
};
use prokura_jose::{Accent, AccessToken, ActorClaim, Audience, Secret, SecretHash, TokenMinter, dpop::Thumbprint};
use std::sync::Arc;

/// The kind prefix of refresh tokens.
pub(crate) const REFRESH_PREFIX: &str = "pkr_rt_";
/// What the trail calls a refresh that leads to another company.
const SWITCH_VERB: &str = "customer.switch_company";

/// Every way to come by a token. The list is closed: a new door shows up in the matrix of tests by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A visitor's first call.
    Guest,
    /// A visitor's next hour.
    GuestRefresh,
    /// E-mail and password.
    Password,
    /// A refresh token, with or without another company.
    Refresh,
    /// A machine's own credentials.
    ClientCredentials,
    /// The link that confirms a sign-up.
    SignUpConfirmation,
    /// A token of another identity provider.
    PartnerToken,
    /// An authorization code of a partner's identity provider.
    PartnerCode,
    /// A code of the authorization endpoint.
    AuthorizationCode,
    /// An access token, for another one.
    TokenExchange,
    /// A device somebody let in.
    DeviceCode,
    /// A session of a shop's own pages, for tokens of it.
    Bridge,
    /// A trusted client that logs somebody in whom it knows.
    OnBehalf,
    /// An agent of the shop who acts for somebody.
    Agent,
    /// A code somebody was sent.
    OneTimeCode,
    /// A passkey, at a shop's own page.
    Passkey,
}

impl Door {
    /// Every door.
    pub const ALL: &'static [Self] = &[
        Self::Guest,
        Self::GuestRefresh,
        Self::Password,
        Self::Refresh,
        Self::ClientCredentials,
        Self::SignUpConfirmation,
        Self::PartnerToken,
        Self::PartnerCode,
        Self::AuthorizationCode,
        Self::TokenExchange,
        Self::DeviceCode,
        Self::Bridge,
        Self::OnBehalf,
        Self::Agent,
        Self::OneTimeCode,
        Self::Passkey,
    ];

    /// The verb in the audit trail.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Guest => "guest.begin",
            Self::GuestRefresh => "guest.refresh",
            Self::Password => "customer.log_in",
            Self::Refresh => "customer.refresh",
            Self::ClientCredentials => "client.credentials",
            Self::SignUpConfirmation => "customer.confirm_sign_up",
            Self::PartnerToken => "customer.exchange_partner_token",
            Self::PartnerCode => "customer.redeem_partner_code",
            Self::AuthorizationCode => "customer.redeem_code",
            Self::TokenExchange => "customer.exchange_token",
            Self::DeviceCode => "customer.redeem_device_code",
            Self::Bridge => "session.bridge",
            Self::OnBehalf => "customer.log_in_on_behalf",
            Self::Agent => "agent.act_for_somebody",
            Self::OneTimeCode => "customer.log_in_by_code",
            Self::Passkey => "customer.log_in_by_passkey",
        }
    }

    /// Whether a client with these grants, blank separated, may come in here.
    pub(crate) fn is_among(self, grants: &str) -> bool {
        grants.split_ascii_whitespace().any(|grant| grant == self.grant())
    }

    /// The grant a client must be registered for.
    pub const fn grant(self) -> &'static str {
        match self {
            Self::Guest | Self::GuestRefresh => "guest",
            Self::Password | Self::SignUpConfirmation => "password",
            Self::Refresh => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::PartnerToken | Self::PartnerCode | Self::TokenExchange => "token_exchange",
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "device_code",
            Self::Bridge => "session_bridge",
            Self::OnBehalf | Self::Agent => "on_behalf",
            Self::OneTimeCode => "one_time_code",
            Self::Passkey => "passkey",
        }
    }
}

/// Who the token is for.
pub(crate) enum Holder<'a> {
    Service {
        wanted: Option<&'a Scopes>,
    },
    Guest {
        session: &'a SessionId,
    },
    /// A visitor whose session is written with their first token.
    NewGuest {
        session: &'a NewSession<'a>,
        context: &'a ContextRow,
    },
    /// `scopes` is what was granted at the native door; `None`: whatever they may do.
    Customer {
        session: &'a SessionId,
        customer: &'a CustomerId,
        scopes: Option<&'a Scopes>,
    },
}

impl Holder<'_> {
    /// The lives of access and refresh tokens where the client has none of its own, in seconds.
    fn lifetimes(&self, lifetimes: &Lifetimes, lives: Option<AccentLifetimes>) -> (u32, u32) {
        match (self, lives) {
            (Self::Service { .. }, _) => (lifetimes.service, 0),
            (Self::Guest { .. } | Self::NewGuest { .. }, None) => (lifetimes.guest_access, lifetimes.guest_refresh),
            (Self::Guest { .. } | Self::NewGuest { .. }, Some(lives)) => (lives.guest_access, lives.guest_refresh),
            (Self::Customer { .. }, None) => (lifetimes.access, lifetimes.refresh),
            (Self::Customer { .. }, Some(lives)) => (lives.access, lives.refresh),
        }
    }
}

/// What happens to the chain of refresh tokens.
pub(crate) enum Chain<'a> {
    /// No refresh token.
    None,
    /// A new family, with a refresh token where the client may use one.
    Begin { is_refreshable: bool },
    /// A successor for the family's newest token.
    Rotate { family: &'a FamilyId, family_expires_at: Timestamp, presented: &'a Secret, before: Option<&'a ActingFor> },
    /// The same answer again: the successor that was made before.
    Repeat { family: &'a FamilyId, epoch: u32, successor: Secret, expires_at: Timestamp },
    /// No refresh token, but an access token of a family that goes on.
    Within { family: &'a FamilyId, epoch: u32 },
    /// The same string again, until it ends.
    Keep { family: &'a FamilyId, expires_at: Timestamp, presented: &'a Secret, before: Option<&'a ActingFor> },
    /// No refresh token, but an access token of a family that goes on and acts for somebody else from now on.
    Switch { family: &'a FamilyId, before: Option<&'a ActingFor> },
}

/// What narrows a token, or says who uses it.
#[derive(Clone, Default)]
pub(crate) struct Terms<'a> {
    /// The resources it is for (RFC 8707); none for everything of the tenant.
    pub(crate) audience: &'a [String],
    /// Who acts for the subject, the latest first (RFC 8693 section 4.1).
    pub(crate) actors: &'a [ActorClaim],
    /// What the dialect wants otherwise.
    pub(crate) manner: Manner,
    /// The longest it may live, whatever the client is registered for, in seconds.
    pub(crate) most_seconds: Option<u32>,
}

/// What a dialect wants otherwise than the tenant's settings have it.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// How long tokens live.
    pub lives: Option<AccentLifetimes>,
    /// Whether the person wants not to be followed by a shop's statistics; `None`: as they said before.
    pub do_not_track: Option<bool>,
    /// The storefront the session must be of.
    pub site: Option<SiteId>,
}

/// An order to issue.
pub(crate) struct Order<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) door: Door,
    pub(crate) client: &'a ClientId,
    pub(crate) holder: Holder<'a>,
    pub(crate) entity: Option<&'a LegalEntityId>,
    pub(crate) chain: Chain<'a>,
    pub(crate) terms: Terms<'a>,
    pub(crate) origin: &'a Origin,
}

impl Order<'_> {
    /// The seconds an access token may live that would live for `seconds`.
    fn bounded(&self, seconds: u32) -> u32 {
        self.terms.most_seconds.map_or(seconds, |most| seconds.min(most))
    }
}

/// A refresh token that was granted.
#[derive(Debug)]
pub struct RefreshGranted {
    /// The token.
    pub token: Secret,
    /// Seconds until it ends.
    pub seconds: u32,
}

/// What a door hands out.
#[derive(Debug)]
pub struct Granted {
    /// What the access token says.
    pub token: AccessToken,
    /// Seconds until it ends.
    pub access_seconds: u32,
    /// The refresh token, where there is one.
    pub refresh: Option<RefreshGranted>,
    /// The verb of the door the family came through.
    pub family_door: Arc<str>,
    /// Whether the person wants not to be followed by a shop's statistics.
    pub does_not_track: bool,
    /// The ID token, of native doors with the scope `openid`.
    pub id_token: Option<String>,
    minter: Arc<TokenMinter>,
}

/// What is written but not yet durable, and so not yet signed.
pub(crate) struct Draft {
    token: AccessToken,
    access_seconds: u32,
    refresh: Option<RefreshGranted>,
    door: Door,
    does_not_track: bool,
}

impl Draft {
    pub(crate) fn standing(&self) -> &Standing {
        &self.token.standing
    }
}

impl Engine {
    /// Checks everything as it is now, and writes the family, the refresh token and the audit entry.
    pub(crate) async fn issue(&self, tx: &mut Tx<'_>, order: Order<'_>) -> Result<Draft, Error> {
        let now = self.clock.now();
        let tenant = order.tenant;
        let (session, stored, customer) = match order.holder {
            Holder::Service { .. } => (None, None, None),
            Holder::NewGuest { session, .. } => (Some(session.id), None, None),
            Holder::Guest { session } => (Some(session), Some(session), None),
            Holder::Customer { session, customer, .. } => (Some(session), Some(session), Some(customer)),
        };
        let facts = tx.issue_facts(&tenant.id, order.client, stored, customer).await?.ok_or(Refusal::UnknownTenant)?;
        if !facts.is_tenant_active {
            return Err(Refusal::UnknownTenant.into());
        }
        let client = facts.client.filter(|client| client.is_active).ok_or(Refusal::InvalidClient)?;
        if !order.door.is_among(&client.grants) {
            return Err(Refusal::UnauthorizedClient.into());
        }
        let audience = self.audience(tx, &order).await?;
        let key = self.use_order_key(tx, &order, client.needs_proof).await?;
        if let Some(customer) = customer {
            check_customer(facts.customer)?;
            let owner = facts.session.as_ref().and_then(|session| session.customer.as_ref());
            if owner != Some(customer) {
                return Err(Refusal::InvalidGrant.into());
            }
        }
        let session_facts = match order.holder {
            Holder::Service { .. } => None,
            Holder::NewGuest { session, context } => {
                tx.insert_session(&tenant.id, session, now).await?;
                tx.insert_context(&tenant.id, context).await?;
                Some(SessionFacts::of_new(session))
            }
            Holder::Guest { .. } | Holder::Customer { .. } => {
                let living = facts.session.filter(|session| session.is_active && session.expires_at > now);
                Some(living.ok_or(Refusal::InvalidGrant)?)
            }
        };
        check_session(session_facts.as_ref(), &order)?;
        let acting_for = match (order.entity, customer) {
            (None, _) => None,
            (Some(_), None) => return Err(Refusal::NotAssigned.into()),
            (Some(entity), Some(customer)) => {
                let facts = tx.assignment_for_issue(&tenant.id, customer, entity).await?;
                Some(acting_for(entity, facts)?)
            }
        };

        let (access, refresh) = order.holder.lifetimes(&tenant.settings.lifetimes, order.terms.manner.lives);
        let access_seconds = order.bounded(client.access_seconds.unwrap_or(access));
        let refresh_seconds = client.refresh_seconds.unwrap_or(refresh);
        let expires_at = now.plus_seconds(access_seconds.into());

        let mut standing = Standing {
            tenant: tenant.id.clone(),
            site: session_facts.as_ref().and_then(|session| session.site.clone()),
            client: order.client.clone(),
            subject: match customer {
                Some(customer) => Subject::Customer(customer.clone()),
                None if session.is_some() => Subject::Guest,
                None => Subject::Service,
            },
            acting_for,
            scopes: Scopes::default(),
            is_scope_limited: false,
            segments: Vec::new(),
            has_more_segments: false,
            session: session.cloned(),
            visitor: session_facts.as_ref().and_then(|session| session.visitor.clone()),
            family: None,
            epoch: 0,
            authenticated_at: session_facts.as_ref().and_then(|session| session.authenticated_at),
            is_multi_factor: session_facts.as_ref().is_some_and(|session| session.is_multi_factor),
            is_entity_locked: session_facts.is_some_and(|session| session.is_entity_locked),
        };
        self.set_rights(tx, &order, &client.scopes, &mut standing).await?;
        let refresh = self
            .write_chain(tx, &order, &mut standing, client.refresh_policy, (expires_at, refresh_seconds), now)
            .await?;
        if let (Some(key), Some(family), ClientKind::Public) = (key, &standing.family, client.kind) {
            // A confidential client proves itself each time, so its refresh tokens may follow it to another key.
            if order.chain.has_refresh_token() {
                tx.bind_family(&tenant.id, family, key).await?;
            }
        }

        self.note_issue(tx, &order, &standing, now).await?;
        let token = AccessToken {
            issuer: Arc::clone(&tenant.issuer),
            audience,
            subject: subject(&standing),
            id: self.new_id(now)?.parse().map_err(Error::crypto)?,
            issued_at: now,
            expires_at,
            standing,
            bound_to: key.cloned(),
            actors: order.terms.actors.to_vec(),
        };
        let does_not_track = order.terms.manner.do_not_track.unwrap_or(false);
        Ok(Draft { token, access_seconds, refresh, door: order.door, does_not_track })
    }

    /// Whom the token is for: everything of the tenant, or resources that the client may have tokens for now.
    async fn audience(&self, tx: &mut Tx<'_>, order: &Order<'_>) -> Result<Audience, Error> {
        let tenant = order.tenant;
        if order.terms.audience.is_empty() {
            return Ok(tenant.minter.audience().clone());
        }
        let client = tx.client(&tenant.id, order.client).await?.ok_or(Refusal::InvalidClient)?;
        Ok(target::audience(order.terms.audience, &client.registration.resources)?)
    }

    /// Uses the proof of the request up, and gives the key of it: what is issued is bound to it (RFC 9449 section 5).
    async fn use_order_key<'a>(
        &self,
        tx: &mut Tx<'_>,
        order: &Order<'a>,
        needs_proof: bool,
    ) -> Result<Option<&'a Thumbprint>, Error> {
        match &order.origin.key_proof {
            None if needs_proof => Err(Refusal::InvalidProof.into()),
            None => Ok(None),
            Some(proof) if proof.use_up(tx, &order.tenant.id).await? => Ok(Some(&proof.thumbprint)),
            Some(_) => Err(Refusal::InvalidProof.into()),
        }
    }

    /// Writes down who got what.
    async fn note_issue(
        &self,
        tx: &mut Tx<'_>,
        order: &Order<'_>,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<(), Error> {
        let actor = match &standing.subject {
            Subject::Customer(customer) => Actor::Customer(customer.clone()),
            Subject::Guest => Actor::Guest,
            Subject::Service => Actor::Client(order.client.clone()),
        };
        let (kind, id) = match &standing.family {
            Some(family) => ("family", family.as_str()),
            None => ("client", order.client.as_str()),
        };
        // The first token for another company is told apart: a company sees who began to act for it.
        let verb = if order.chain.is_switch(standing.acting_for.as_ref()) { SWITCH_VERB } else { order.door.verb() };
        let mut entry = Entry::new(&actor, verb, kind, id)
            .entity(standing.legal_entity())
            .client(order.client)
            .session(standing.session.as_ref());
        if matches!(order.chain, Chain::Repeat { .. }) {
            entry = entry.detail(serde_json::json!({ "is_repeated": true }));
        } else if let Some(actor) = order.terms.actors.first() {
            entry = entry.detail(serde_json::json!({ "actor": actor.subject, "actor_client": actor.client.as_str() }));
        }
        self.audit(tx, &order.tenant.id, order.origin, entry, now).await
    }

    /// What the token may be used for, as it is now.
    async fn set_rights(
        &self,
        tx: &mut Tx<'_>,
        order: &Order<'_>,
        client_scopes: &str,
        standing: &mut Standing,
    ) -> Result<(), Error> {
        match order.holder {
            Holder::Service { wanted } => {
                let own = Scopes::parse(client_scopes).map_err(|_| Refusal::InvalidClient)?;
                standing.scopes = wanted.map_or_else(|| own.clone(), |wanted| own.intersection(wanted));
            }
            Holder::Customer { customer, scopes, .. } => {
                let entity = standing.acting_for.as_ref().map(|acting_for| &acting_for.legal_entity);
                let rights = self.rights_in(tx, order.tenant, customer, entity).await?;
                standing.scopes = match scopes {
                    None => rights.scopes.clone(),
                    Some(granted) => {
                        let own = Scopes::parse(client_scopes).map_err(|_| Refusal::InvalidClient)?;
                        granted.intersection(&own).within(&rights.scopes)
                    }
                };
                standing.is_scope_limited = scopes.is_some();
                standing.segments = rights.segments.iter().take(MAX_TOKEN_SEGMENTS).cloned().collect();
                standing.has_more_segments = rights.segments.len() > MAX_TOKEN_SEGMENTS;
            }
            Holder::Guest { .. } | Holder::NewGuest { .. } => {}
        }
        Ok(())
    }

    /// Writes what the chain asks for, and sets family and epoch in the standing.
    async fn write_chain(
        &self,
        tx: &mut Tx<'_>,
        order: &Order<'_>,
        standing: &mut Standing,
        policy: RefreshPolicy,
        (access_until, refresh_seconds): (Timestamp, u32),
        now: Timestamp,
    ) -> Result<Option<RefreshGranted>, Error> {
        let tenant = order.tenant;
        let acting_for = standing.acting_for.as_ref();
        match &order.chain {
            Chain::None => Ok(None),
            Chain::Within { family, epoch } => {
                if !tx.prolong_family_tokens(&tenant.id, family, access_until, now).await? {
                    return Err(Refusal::InvalidGrant.into());
                }
                standing.family = Some((*family).clone());
                standing.epoch = *epoch;
                Ok(None)
            }
            Chain::Begin { is_refreshable } => {
                self.begin_chain(tx, order, standing, *is_refreshable, (access_until, refresh_seconds), now).await
            }
            Chain::Rotate { family, family_expires_at, presented, before } => {
                let hash = SecretHash::of(presented.expose());
                let is_switch = before.map(|before| &before.grant) != acting_for.map(|now| &now.grant);
                let (epoch, generation, tokens_until) = tx
                    .advance_family(&tenant.id, family, acting_for, (is_switch, true), access_until, now)
                    .await?
                    .ok_or(Refusal::InvalidGrant)?;
                let family_expires_at =
                    self.prolong(tx, order, standing, *family_expires_at, (access_until, refresh_seconds), now).await?;
                match policy {
                    RefreshPolicy::Family => tx.rotate_leaf(&tenant.id, family, now).await?,
                    RefreshPolicy::Rotate { .. } | RefreshPolicy::Once { .. } | RefreshPolicy::Reuse => {
                        if !tx.rotate_refresh_token(&tenant.id, &hash, now).await? {
                            // Another request was faster: read again, and meet the successor it made.
                            return Err(crate::StoreError::Conflict.into());
                        }
                    }
                }
                if is_switch {
                    self.revoke_epoch(tx, order, family, epoch, tokens_until, now).await?;
                }
                let salt = self.new_id(now)?;
                let secret = Secret::derive_successor(&self.refresh_key, presented, &salt, REFRESH_PREFIX);
                let expires_at = now.plus_seconds(refresh_seconds.into()).min(family_expires_at);
                let token = NewRefreshToken {
                    hash: &SecretHash::of(secret.expose()),
                    family,
                    generation,
                    salt: &salt,
                    predecessor: Some(&hash),
                    legal_entity: standing.legal_entity(),
                    epoch,
                    expires_at,
                };
                tx.insert_refresh_token(&tenant.id, &token, now).await?;
                standing.family = Some((*family).clone());
                standing.epoch = epoch;
                Ok(Some(granted(secret, expires_at, now)))
            }
            Chain::Keep { family, expires_at, presented, before } => {
                self.move_family(tx, order, standing, family, *before, access_until, now).await?;
                self.prolong(tx, order, standing, *expires_at, (access_until, refresh_seconds), now).await?;
                Ok(Some(granted((*presented).clone(), *expires_at, now)))
            }
            Chain::Switch { family, before } => {
                self.move_family(tx, order, standing, family, *before, access_until, now).await?;
                Ok(None)
            }
            Chain::Repeat { family, epoch, successor, expires_at } => {
                standing.family = Some((*family).clone());
                standing.epoch = *epoch;
                Ok(Some(granted(successor.clone(), *expires_at, now)))
            }
        }
    }

    /// Lets a family act for whom the standing says, without a successor for its refresh token.
    async fn move_family(
        &self,
        tx: &mut Tx<'_>,
        order: &Order<'_>,
        standing: &mut Standing,
        family: &FamilyId,
        before: Option<&ActingFor>,
        access_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let acting_for = standing.acting_for.as_ref();
        let is_switch = before.map(|before| &before.grant) != acting_for.map(|now| &now.grant);
        let (epoch, _, tokens_until) = tx
            .advance_family(&order.tenant.id, family, acting_for, (is_switch, false), access_until, now)
            .await?
            .ok_or(Refusal::InvalidGrant)?;
        if is_switch {
            self.revoke_epoch(tx, order, family, epoch, tokens_until, now).await?;
        }
        standing.family = Some(family.clone());
        standing.epoch = epoch;
        Ok(())
    }

    /// Moves the end of the family where it slides, and says when it is: a guest's with its session; a customer's stays
    /// at the end of their login.
    async fn prolong(
        &self,
        tx: &mut Tx<'_>,
        order: &Order<'_>,
        standing: &Standing,
        expires_at: Timestamp,
        (access_until, refresh_seconds): (Timestamp, u32),
        now: Timestamp,
    ) -> Result<Timestamp, Error> {
        let (Subject::Guest | Subject::Service, Some(family)) = (&standing.subject, order.chain.family()) else {
            return Ok(expires_at);
        };
        let later = expires_at.max(access_until).max(now.plus_seconds(refresh_seconds.into()));
        tx.prolong_family(&order.tenant.id, family, later).await?;
        Ok(later)
    }

    /// A new family, with its first refresh token where the client may use one.
    async fn begin_chain(
        &self,
        tx: &mut Tx<'_>,
        order: &Order<'_>,
        standing: &mut Standing,
        is_refreshable: bool,
        (access_until, refresh_seconds): (Timestamp, u32),
        now: Timestamp,
    ) -> Result<Option<RefreshGranted>, Error> {
        let tenant = order.tenant;
        let session = standing.session.as_ref().ok_or(Refusal::InvalidGrant)?;
        let family: FamilyId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        let family_expires_at = match standing.subject {
            Subject::Customer(_) => now.plus_seconds(tenant.settings.lifetimes.session.into()),
            Subject::Guest | Subject::Service => access_until.max(now.plus_seconds(refresh_seconds.into())),
        };
        let granted_scope = match order.holder {
            Holder::Customer { scopes, .. } => scopes.map(ToString::to_string),
            Holder::Service { .. } | Holder::Guest { .. } | Holder::NewGuest { .. } => None,
        };
        let audience = target::kept(order.terms.audience);
        let new = NewFamily {
            id: &family,
            session,
            client: order.client,
            customer: standing.customer(),
            acting_for: standing.acting_for.as_ref(),
            scope: granted_scope.as_deref(),
            audience: audience.as_deref(),
            door: order.door.verb(),
            does_not_track: order.terms.manner.do_not_track.unwrap_or(false),
            expires_at: family_expires_at,
            tokens_until: access_until,
        };
        tx.insert_family(&tenant.id, &new, now).await?;
        if !is_refreshable {
            standing.family = Some(family);
            return Ok(None);
        }
        let secret = Secret::generate(&*self.entropy, REFRESH_PREFIX)?;
        let expires_at = now.plus_seconds(refresh_seconds.into()).min(family_expires_at);
        let token = NewRefreshToken {
            hash: &SecretHash::of(secret.expose()),
            family: &family,
            generation: 0,
            salt: "",
            predecessor: None,
            legal_entity: standing.legal_entity(),
            epoch: 0,
            expires_at,
        };
        tx.insert_refresh_token(&tenant.id, &token, now).await?;
        standing.family = Some(family);
        Ok(Some(granted(secret, expires_at, now)))
    }

    /// The tokens before a switch end at once; at the door of a dialect, after the tenant's grace (S-33). Remembered until
    /// the last of them would expire.
    async fn revoke_epoch(
        &self,
        tx: &mut Tx<'_>,
        order: &Order<'_>,
        family: &FamilyId,
        epoch: u32,
        tokens_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Error> {
        let tenant = order.tenant;
        let grace_seconds = match order.holder {
            Holder::Customer { scopes: Some(_), .. } => 0,
            Holder::Customer { scopes: None, .. }
            | Holder::Guest { .. }
            | Holder::NewGuest { .. }
            | Holder::Service { .. } => tenant.settings.switch_grace_seconds,
        };
        let entry = Revocation {
            id: self.new_id(now)?,
            tenant: tenant.id.clone(),
            kind: RevocationKind::Epoch,
            value: format!("{family}/{}", epoch.saturating_sub(1)),
            is_lifted: false,
            at: now,
            effective_at: now.plus_seconds(grace_seconds.into()),
            expires_at: outlasting(tokens_until),
        };
        Ok(tx.revoke(entry).await?)
    }

    /// What a door hands out, of what has become durable.
    pub(crate) fn grant(tenant: &Tenant, draft: Draft) -> Granted {
        let Draft { token, access_seconds, refresh, door, does_not_track } = draft;
        let (family_door, minter) = (door.verb().into(), Arc::clone(&tenant.minter));
        Granted { token, access_seconds, refresh, family_door, does_not_track, id_token: None, minter }
    }
}

impl Granted {
    /// Who the access token is for and by what right.
    pub fn standing(&self) -> &Standing {
        &self.token.standing
    }

    /// The access token, signed.
    ///
    /// # Errors
    /// Only faults.
    pub fn access_token(&self) -> Result<String, Error> {
        self.minter.mint(&self.token).map_err(Error::crypto)
    }

    /// The access token, signed as a dialect spells it.
    ///
    /// # Errors
    /// Only faults.
    pub fn access_token_as(&self, accent: &Accent<'_>) -> Result<String, Error> {
        self.minter.mint_as(&self.token, accent).map_err(Error::crypto)
    }
}

impl Chain<'_> {
    /// Whether the family has a refresh token that goes on.
    fn has_refresh_token(&self) -> bool {
        match self {
            Self::Begin { is_refreshable } => *is_refreshable,
            Self::Rotate { .. } | Self::Keep { .. } | Self::Repeat { .. } => true,
            Self::None | Self::Within { .. } | Self::Switch { .. } => false,
        }
    }

    /// Whether a family that goes on acts for somebody else from now on.
    fn is_switch(&self, acting_for: Option<&ActingFor>) -> bool {
        match self {
            Self::Rotate { before, .. } | Self::Keep { before, .. } | Self::Switch { before, .. } => {
                before.map(|before| &before.grant) != acting_for.map(|now| &now.grant)
            }
            Self::None | Self::Begin { .. } | Self::Within { .. } | Self::Repeat { .. } => false,
        }
    }

    fn family(&self) -> Option<&FamilyId> {
        match self {
            Self::Rotate { family, .. }
            | Self::Within { family, .. }
            | Self::Keep { family, .. }
            | Self::Switch { family, .. }
            | Self::Repeat { family, .. } => Some(family),
            Self::None | Self::Begin { .. } => None,
        }
    }
}

/// Whether a session is of the storefront that is named, and may act for the company.
fn check_session(session: Option<&SessionFacts>, order: &Order<'_>) -> Result<(), Refusal> {
    let site = session.and_then(|session| session.site.as_ref());
    if order.terms.manner.site.as_ref().is_some_and(|wanted| site != Some(wanted)) {
        return Err(Refusal::InvalidGrant);
    }
    if session.is_some_and(|session| !session.lock_allows(order.entity)) { Err(Refusal::EntityLocked) } else { Ok(()) }
}

/// Whether a customer as they are now may have tokens.
fn check_customer(facts: Option<(CustomerState, CustomerKind)>) -> Result<(), Refusal> {
    match facts.ok_or(Refusal::InvalidGrant)? {
        (CustomerState::Active, CustomerKind::Customer) => Ok(()),
        (CustomerState::Pending, CustomerKind::Customer) => Err(Refusal::CustomerPending),
        (CustomerState::OnHold, CustomerKind::Customer) => Err(Refusal::CustomerOnHold),
        (CustomerState::Inactive, CustomerKind::Customer) => Err(Refusal::CustomerInactive),
        (CustomerState::Deleted, _) | (_, CustomerKind::Contact) => Err(Refusal::InvalidGrant),
    }
}

/// One refusal for never existed, deleted, disabled, another tenant's and not assigned.
fn acting_for(entity: &LegalEntityId, facts: Option<AssignmentFacts>) -> Result<ActingFor, Refusal> {
    let facts = facts.filter(|facts| facts.is_entity_active).ok_or(Refusal::NotAssigned)?;
    Ok(ActingFor { legal_entity: entity.clone(), assignment: facts.id, grant: facts.grant })
}

fn granted(token: Secret, expires_at: Timestamp, now: Timestamp) -> RefreshGranted {
    let seconds = u32::try_from(expires_at.millis_since(now) / 1000).unwrap_or(0);
    RefreshGranted { token, seconds }
}

/// The `sub` claim.
fn subject(standing: &Standing) -> String {
    match (&standing.subject, &standing.session) {
        (Subject::Customer(customer), _) => customer.to_string(),
        (Subject::Guest, Some(session)) => format!("guest-{session}"),
        (Subject::Guest | Subject::Service, _) => standing.client.to_string(),
    }
}
