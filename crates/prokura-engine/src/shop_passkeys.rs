//! Passkeys at a shop's own pages: made by whoever shows a code they were sent, and a login by themselves. The relying party
//! is the shop's host, so these are others than those of the pages of this server. What names a ceremony is its
//! challenge, which comes back in what the authenticator signs.

use crate::{
    Actor, Engine, Error, Granted, Manner, Origin, Refusal, ShownCode, Tenant, VisitorWish,
    arrival::Arrival,
    assurance::{Proven, is_fresh},
    audit::Entry,
    issue::Door,
    log_out::Keep,
    mail::Change,
    passkey::{CEREMONY_SECONDS, check_name, finished},
    retrying,
    store::CeremonyRow,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_credentials::{PasskeyFault, Passkeys};
use prokura_domain::{ClientId, CustomerId, CustomerState, SessionId, SiteId, Standing, Timestamp};
use prokura_jose::{Secret, SecretHash};
use serde_json::Value;

/// What the trail calls it.
const ADD_VERB: &str = "customer.add_passkey";
const REMOVE_VERB: &str = "customer.remove_passkey";

/// Where passkeys are used.
#[derive(Clone, Debug, Default)]
pub struct RelyingParty {
    /// The host they belong to: that of the pages, or one above it.
    pub host: String,
    /// The origins of the pages.
    pub origins: Vec<String>,
}

impl RelyingParty {
    fn passkeys(&self) -> Result<Passkeys, Refusal> {
        let refused = Refusal::Forbidden("passkeys cannot be used at the addresses of this client");
        Passkeys::at(&self.host, &self.origins).ok_or(refused)
    }
}

/// A passkey that was made at a shop's page.
#[derive(Clone, Debug)]
pub struct MadePasskey<'a> {
    /// Through which client.
    pub client: &'a ClientId,
    /// The code the ceremony began with.
    pub code: &'a Secret,
    /// The credential, as JSON.
    pub credential: &'a str,
    /// What its owner calls it.
    pub name: &'a str,
    /// The session it was made in, which does not end with the others.
    pub keep: Option<&'a SessionId>,
}

/// Somebody shows a passkey at a shop's page.
#[derive(Clone, Debug)]
pub struct PasskeyLogIn<'a> {
    /// Through which client.
    pub client: &'a ClientId,
    /// The credential, as JSON.
    pub credential: &'a str,
    /// The name the visitor goes by.
    pub visitor: VisitorWish,
    /// The storefront.
    pub site: Option<SiteId>,
    /// What the dialect wants otherwise.
    pub manner: Manner,
}

/// Whether somebody logged in with two factors just before.
fn has_just_proven(standing: &Standing, now: Timestamp) -> bool {
    standing.is_multi_factor && is_fresh(standing.authenticated_at, now)
}

/// The challenge an authenticator answered.
fn challenge_of(credential: &str) -> Option<Secret> {
    let credential: Value = serde_json::from_str(credential).ok()?;
    let signed = URL_SAFE_NO_PAD.decode(credential.pointer("/response/clientDataJSON")?.as_str()?).ok()?;
    let signed: Value = serde_json::from_slice(&signed).ok()?;
    Some(Secret::from(signed.get("challenge")?.as_str()?.to_owned()))
}

/// Who began a ceremony: a client, and the code it began with.
fn beginner(client: &ClientId, code: Option<&Secret>) -> Secret {
    Secret::from(format!("{client}\0{}", code.map_or("", Secret::expose)))
}

impl Engine {
    /// Begins making a passkey for whoever shows the code they were sent for that. Returns what the browser is told. Who
    /// has a passkey or an app for codes already must have logged in with it just before, as at our own pages (S-101):
    /// `here` is what they are logged in with.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`] for a code that is wrong, used, over, or another client's;
    /// [`Refusal::Throttled`]; [`Refusal::ProofNeeded`]; [`Refusal::Forbidden`] with too many of them or where passkeys
    /// cannot be.
    pub async fn begin_shop_passkey(
        &self,
        tenant: &Tenant,
        at: &RelyingParty,
        shown: &ShownCode,
        here: Option<&Standing>,
        origin: &Origin,
    ) -> Result<Value, Error> {
        let passkeys = at.passkeys()?;
        self.check_code_client(tenant, shown.purpose, &shown.client).await?;
        let attempt = self.take_code_attempt(tenant, shown, origin).await?;
        let begun = retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let Some(redeemed) = self.redeem_one_time_code(&mut tx, tenant, shown, now).await? else {
                // The try counts.
                tx.commit().await?;
                return Err(Refusal::InvalidCredentials.into());
            };
            let owner = self.owner_of_code(&mut tx, tenant, &redeemed).await?;
            let owner =
                owner.filter(|owner| owner.state == CustomerState::Active).ok_or(Refusal::InvalidCredentials)?;
            let has_factor = tx.totp(&tenant.id, &owner.id).await?.is_some_and(|row| row.is_active)
                || !tx.passkeys(&tenant.id, &owner.id).await?.is_empty();
            let is_proven = here.is_some_and(|here| here.customer() == Some(&owner.id) && has_just_proven(here, now));
            if has_factor && !is_proven {
                return Err(Refusal::ProofNeeded.into());
            }
            let (begun, handle) = self.begin_registration_in(&mut tx, tenant, &passkeys, &owner).await?;
            let row = CeremonyRow {
                browser: SecretHash::of(beginner(&shown.client, Some(&shown.code)).expose()),
                customer: Some(owner.id.clone()),
                user_handle: Some(handle),
                state_json: begun.state,
            };
            let challenge = challenge_in(&begun.options)?;
            tx.insert_ceremony(&tenant.id, &SecretHash::of(&challenge), &row, now.plus_seconds(CEREMONY_SECONDS))
                .await?;
            self.attempt_was_right(&mut tx, tenant, &attempt, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(begun.options)
        });
        match begun {
            Err(Error::Refused(refusal)) => {
                let entry = Entry::new(&Actor::Guest, ADD_VERB, "account", attempt.account()).client(&shown.client);
                Err(self.audit_refusal(&tenant.id, origin, entry, refusal).await?)
            }
            begun => begun,
        }
    }

    /// Keeps the passkey that was made. Every other session of the customer ends (S-93).
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`], whatever is wrong with the answer or the ceremony; [`Refusal::Invalid`] for a
    /// name; [`Refusal::AlreadyExists`].
    pub async fn add_shop_passkey(
        &self,
        tenant: &Tenant,
        at: &RelyingParty,
        made: &MadePasskey<'_>,
        origin: &Origin,
    ) -> Result<CustomerId, Error> {
        let passkeys = at.passkeys()?;
        let name = check_name(made.name)?;
        let challenge = challenge_of(made.credential).ok_or(Refusal::InvalidCredentials)?;
        let browser = beginner(made.client, Some(made.code));
        let row = self.take_ceremony(tenant, &challenge, &browser).await?.ok_or(Refusal::InvalidCredentials)?;
        let (Some(customer), Some(user_handle)) = (row.customer, row.user_handle) else {
            return Err(Refusal::InvalidCredentials.into());
        };
        let new = finished(passkeys.finish_registration(&row.state_json, made.credential))?
            .ok_or(Refusal::InvalidCredentials)?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let is_held = tx.hold_customer(&tenant.id, &customer).await?;
            let owner = tx.customer(&tenant.id, &customer).await?;
            if !is_held || owner.is_none_or(|owner| owner.state != CustomerState::Active) {
                return Err(Refusal::InvalidCredentials.into());
            }
            let keep = made.keep.map_or(Keep::Nothing, Keep::Session);
            self.keep_passkey(&mut tx, tenant, &customer, (name, &user_handle, &new), keep).await?;
            let actor = Actor::Customer(customer.clone());
            let entry =
                Entry::new(&actor, ADD_VERB, "customer", customer.as_str()).client(made.client).session(made.keep);
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(customer.clone())
        })
    }

    /// Begins a login by passkey. What the browser is told is the same whoever asks (S-102).
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] where passkeys cannot be; [`Refusal::InvalidClient`], [`Refusal::UnauthorizedClient`].
    pub async fn begin_shop_passkey_login(
        &self,
        tenant: &Tenant,
        at: &RelyingParty,
        client: &ClientId,
    ) -> Result<Value, Error> {
        let begun = at.passkeys()?.begin_login().map_err(Error::crypto)?;
        let challenge = challenge_in(&begun.options)?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            Self::check_grant(&mut tx, tenant, client, Door::Passkey).await?;
            let row = CeremonyRow {
                browser: SecretHash::of(beginner(client, None).expose()),
                customer: None,
                user_handle: None,
                state_json: begun.state.clone(),
            };
            tx.insert_ceremony(&tenant.id, &SecretHash::of(&challenge), &row, now.plus_seconds(CEREMONY_SECONDS))
                .await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })?;
        Ok(begun.options)
    }

    /// Logs whoever shows a passkey in, in a new session under their name as a visitor.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`], whatever is wrong with the answer or the ceremony; the state of the customer once
    /// the passkey was right; [`Refusal::UnauthorizedClient`].
    pub async fn log_in_by_shop_passkey(
        &self,
        tenant: &Tenant,
        at: &RelyingParty,
        request: &PasskeyLogIn<'_>,
        origin: &Origin,
    ) -> Result<Granted, Error> {
        let refused = || Refusal::InvalidCredentials;
        let passkeys = at.passkeys()?;
        let challenge = challenge_of(request.credential).ok_or_else(refused)?;
        let ceremony = self.take_ceremony(tenant, &challenge, &beginner(request.client, None)).await?;
        let ceremony = ceremony.filter(|ceremony| ceremony.customer.is_none()).ok_or_else(refused)?;
        let claim = passkeys.claim(request.credential).map_err(|_| refused())?;
        let credential = URL_SAFE_NO_PAD.encode(&claim.credential_id);
        let row = self.store.read().await?.passkey_by_credential(&tenant.id, &credential).await?;
        let row = row.filter(|row| row.user_handle == URL_SAFE_NO_PAD.encode(claim.handle)).ok_or_else(refused)?;
        let kept = match passkeys.finish_login(&ceremony.state_json, &claim, &row.kept_json) {
            Ok(kept) => kept,
            Err(PasskeyFault::Refused(_)) => {
                let actor = Actor::Customer(row.customer.clone());
                let entry = Entry::new(&actor, Door::Passkey.verb(), "customer", row.customer.as_str());
                let entry = entry.client(request.client);
                return Err(self.audit_refusal(&tenant.id, origin, entry, refused()).await?);
            }
            Err(fault) => return Err(Error::crypto(fault)),
        };
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if !tx.note_login(&tenant.id, &row.customer, now).await? {
                return Err(Refusal::CustomerInactive.into());
            }
            if !tx.use_passkey(&tenant.id, &row.id, (&row.kept_json, &kept), now).await? {
                return Err(refused().into());
            }
            let visitor = self.settle_visitor(&mut tx, tenant, &request.visitor, Some(&row.customer), now).await?;
            let visitor = visitor.ok_or(Refusal::InvalidGrant)?;
            let arrival = Arrival {
                client: request.client,
                customer: &row.customer,
                visitor: &visitor,
                site: request.site.as_ref(),
                door: Door::Passkey,
                proven: Some(Proven::Passkey),
                expires_at: now.plus_seconds(tenant.settings.lifetimes.session.into()),
            };
            let draft = self.arrive(&mut tx, tenant, &arrival, &request.manner, origin).await?;
            tx.commit().await?;
            Ok::<_, Error>(Self::grant(tenant, draft))
        })
    }

    /// Forgets a passkey of whoever asks, or all where none is named; every other session of theirs ends.
    ///
    /// # Errors
    /// [`Refusal::ProofNeeded`] when they logged in too long ago or too weakly to change how they do (S-101);
    /// [`Refusal::InvalidToken`], [`Refusal::NotFound`].
    pub async fn remove_shop_passkeys(
        &self,
        tenant: &Tenant,
        standing: &Standing,
        id: Option<&str>,
        origin: &Origin,
    ) -> Result<(), Error> {
        let (Some(customer), Some(session)) = (standing.customer(), standing.session.as_ref()) else {
            return Err(Refusal::InvalidToken.into());
        };
        retrying!(async {
            let now = self.clock.now();
            if !has_just_proven(standing, now) {
                return Err(Refusal::ProofNeeded.into());
            }
            let mut tx = self.store.write().await?;
            let is_gone = match id {
                Some(id) => tx.delete_passkey(&tenant.id, customer, id).await?,
                None => tx.delete_passkeys(&tenant.id, customer).await? > 0,
            };
            if !is_gone {
                return Err(Refusal::NotFound("passkey").into());
            }
            let keep = Keep::Session(session);
            self.end_sessions_of(&mut tx, tenant, customer, keep, "passkey_removed", now).await?;
            self.tell_owner(&mut tx, tenant, customer, Change::PasskeyRemoved, now).await?;
            let actor = Actor::Customer(customer.clone());
            let entry = Entry::new(&actor, REMOVE_VERB, "customer", customer.as_str()).session(Some(session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }
}

/// The challenge in what a browser is told.
fn challenge_in(options: &Value) -> Result<String, Error> {
    let challenge = options.pointer("/publicKey/challenge").and_then(Value::as_str);
    challenge.map(str::to_owned).ok_or_else(|| Error::crypto(PasskeyShape))
}

/// What a browser is told has no challenge.
#[derive(Debug, thiserror::Error)]
#[error("the options of a passkey have no challenge")]
struct PasskeyShape;
