//! Logging a device in that has no browser of its own (RFC 8628): it shows a short code, a person types it in elsewhere,
//! compares, and lets it in for the company they act for there.

use crate::{
    Actor, Client, Engine, Error, Granted, Origin, Refusal, Tenant,
    audit::Entry,
    id_token::{IdTokenFacts, amr, company},
    issue::{Chain, Door, Holder, Order, Terms},
    retrying,
    store::{DeviceRow, StoreError},
};
use prokura_domain::{ClientId, LegalEntityId, Scopes};
use prokura_jose::{Secret, SecretHash};

/// The kind prefix of a device's own code.
const DEVICE_PREFIX: &str = "pkr_dc_";
/// Letters nobody mistakes for another or makes a word of (RFC 8628 section 6.1), and how many make a code: 34 bits for
/// ten minutes, behind a budget of guesses.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const CODE_LETTERS: usize = 8;
/// How long a device waits, in seconds.
pub const DEVICE_SECONDS: u32 = 600;
/// The least pause between two questions of a device, in seconds.
pub const DEVICE_INTERVAL_SECONDS: u32 = 5;

/// A device that begins to wait.
#[derive(Debug)]
pub struct DeviceGrant {
    /// Its own code.
    pub device_code: Secret,
    /// What a person types in.
    pub user_code: String,
}

/// A device, for the person who may let it in.
#[derive(Clone, Debug)]
pub struct WaitingDevice {
    /// The code, as it is shown.
    pub user_code: String,
    /// Its client.
    pub client: ClientId,
    /// The scopes it asks for, blank separated.
    pub scope: String,
    /// The company it asks for.
    pub legal_entity: Option<LegalEntityId>,
}

/// What a device hears when it asks.
#[derive(Debug)]
pub enum DevicePoll {
    /// It is in.
    Granted(Box<Granted>),
    /// Nobody has decided.
    Pending,
    /// It asks too often.
    TooOften,
    /// Somebody said no.
    Denied,
    /// It waited too long.
    Expired,
}

/// A code as people type it: without blanks and dashes, in capitals, and shown in two halves.
fn normalized(text: &str) -> String {
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).collect();
    match letters.split_at_checked(CODE_LETTERS / 2) {
        Some((first, second)) => format!("{first}-{second}"),
        None => letters,
    }
}

impl Engine {
    /// A device begins to wait.
    ///
    /// # Errors
    /// [`Refusal::UnauthorizedClient`].
    pub async fn begin_device_grant(
        &self,
        tenant: &Tenant,
        client: &Client,
        scopes: &Scopes,
        legal_entity: Option<&LegalEntityId>,
    ) -> Result<DeviceGrant, Error> {
        if !Door::DeviceCode.is_among(&client.grants) {
            return Err(Refusal::UnauthorizedClient.into());
        }
        retrying!(async {
            let now = self.clock.now();
            let device_code = Secret::generate(&*self.entropy, DEVICE_PREFIX)?;
            let user_code = self.new_user_code()?;
            let row = DeviceRow {
                user_code: user_code.clone(),
                client: client.id.clone(),
                scope: scopes.to_string(),
                legal_entity: legal_entity.cloned(),
                session: None,
                state: "pending".to_owned(),
                expires_at: now.plus_seconds(DEVICE_SECONDS.into()),
            };
            let mut tx = self.store.write().await?;
            if !tx.insert_device(&tenant.id, &SecretHash::of(device_code.expose()), &row, now).await? {
                // Another device has that code: draw again.
                return Err(StoreError::Conflict.into());
            }
            tx.commit().await?;
            Ok::<_, Error>(DeviceGrant { device_code, user_code })
        })
    }

    fn new_user_code(&self) -> Result<String, Error> {
        let mut code = String::with_capacity(CODE_LETTERS);
        while code.len() < CODE_LETTERS {
            let mut byte = [0];
            self.entropy.fill(&mut byte)?;
            // 240 is the last multiple of 20 in a byte: above it, some letters would come more often.
            if let Some(letter) = LETTERS.get(usize::from(byte[0]) % 20).filter(|_| byte[0] < 240) {
                code.push(char::from(*letter));
            }
        }
        Ok(normalized(&code))
    }

    /// The device whose code somebody typed in. Guesses have a budget of their own (S-101).
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is none that waits; [`Refusal::Throttled`].
    pub async fn waiting_device(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        user_code: &str,
        origin: &Origin,
    ) -> Result<WaitingDevice, Error> {
        let page = self.page_session(tenant, cookie).await?.ok_or(Refusal::InvalidToken)?;
        let code = normalized(user_code);
        let guess = Secret::from(code.clone());
        let attempt = self.take_attempt(tenant, "device_code", page.customer.as_str(), &guess, origin).await?;
        let now = self.clock.now();
        let row = self.store.read().await?.device_by_user_code(&tenant.id, &code).await?;
        let row = row.filter(|row| row.state == "pending" && row.expires_at > now);
        let row = row.ok_or(Refusal::NotFound("device"))?;
        let mut tx = self.store.write().await?;
        self.attempt_was_right(&mut tx, tenant, &attempt, now).await?;
        tx.commit().await?;
        Ok(WaitingDevice {
            user_code: row.user_code,
            client: row.client,
            scope: row.scope,
            legal_entity: row.legal_entity,
        })
    }

    /// Lets a device in, for `entity`, or not.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it waits no more; [`Refusal::NotAssigned`]; [`Refusal::InvalidToken`] when nobody is
    /// logged in.
    pub async fn decide_device(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        user_code: &str,
        is_allowed: bool,
        entity: Option<&LegalEntityId>,
        origin: &Origin,
    ) -> Result<(), Error> {
        let code = normalized(user_code);
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let there = self.page_session_in(&mut tx, tenant, cookie).await?;
            if is_allowed {
                Self::check_lock(&mut tx, tenant, &there.session, entity).await?;
            }
            if let Some(entity) = entity.filter(|_| is_allowed) {
                let found = tx.assignment_for_issue(&tenant.id, &there.customer, entity).await?;
                found.filter(|found| found.is_entity_active).ok_or(Refusal::NotAssigned)?;
            }
            let state = if is_allowed { "allowed" } else { "denied" };
            if !tx.decide_device(&tenant.id, &code, state, &there.session, entity, now).await? {
                return Err(Refusal::NotFound("device").into());
            }
            let actor = Actor::Customer(there.customer);
            let verb = if is_allowed { "device.allow" } else { "device.deny" };
            let entry = Entry::new(&actor, verb, "session", there.session.as_str())
                .entity(entity)
                .session(Some(&there.session));
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// A device asks whether it is in.
    ///
    /// # Errors
    /// [`Refusal::InvalidGrant`] for an unknown code, another client's, and a used one; what the issuing function
    /// refuses.
    pub async fn poll_device(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        device_code: &Secret,
        origin: &Origin,
    ) -> Result<DevicePoll, Error> {
        retrying!(self.poll_device_once(tenant, client, device_code, origin))
    }

    async fn poll_device_once(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        device_code: &Secret,
        origin: &Origin,
    ) -> Result<DevicePoll, Error> {
        let now = self.clock.now();
        let hash = SecretHash::of(device_code.expose());
        let mut tx = self.store.write().await?;
        let found = tx.poll_device(&tenant.id, &hash, now).await?;
        let (row, polled_at) = found.filter(|(row, _)| row.client == *client).ok_or(Refusal::InvalidGrant)?;
        let answer = match row.state.as_str() {
            "allowed" | "pending" if row.expires_at <= now => DevicePoll::Expired,
            "denied" => DevicePoll::Denied,
            "pending" if now.millis_since(polled_at) < i64::from(DEVICE_INTERVAL_SECONDS) * 1000 => {
                DevicePoll::TooOften
            }
            "pending" => DevicePoll::Pending,
            "allowed" => {
                let session = row.session.as_ref().ok_or(Refusal::InvalidGrant)?;
                let customer = tx.session(&tenant.id, session).await?.and_then(|session| session.customer);
                let customer = customer.ok_or(Refusal::InvalidGrant)?;
                if !tx.use_device(&tenant.id, &hash, now).await? {
                    return Err(Refusal::InvalidGrant.into());
                }
                let scopes = Scopes::parse(&row.scope).map_err(|_| Refusal::InvalidScope)?;
                let known = tx.client(&tenant.id, client).await?.ok_or(Refusal::InvalidClient)?;
                let is_refreshable = Door::Refresh.is_among(&known.grants);
                let order = Order {
                    tenant,
                    door: Door::DeviceCode,
                    client,
                    holder: Holder::Customer { session, customer: &customer, scopes: Some(&scopes) },
                    entity: row.legal_entity.as_ref(),
                    chain: Chain::Begin { is_refreshable },
                    terms: Terms::default(),
                    origin,
                };
                let draft = self.issue(&mut tx, order).await?;
                let company = company(&mut tx, tenant, draft.standing(), &draft.standing().scopes).await?;
                let amr = amr(&mut tx, tenant, draft.standing()).await?;
                tx.commit().await?;
                let mut granted = Self::grant(tenant, draft);
                let facts = IdTokenFacts { nonce: None, company, amr };
                granted.id_token = self.id_token(tenant, granted.standing(), facts, granted.access_seconds)?;
                return Ok(DevicePoll::Granted(Box::new(granted)));
            }
            _ => return Err(Refusal::InvalidGrant.into()),
        };
        tx.commit().await?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_understood_however_it_is_typed() {
        for typed in ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "WDJB–MJHT"] {
            assert_eq!(normalized(typed), "WDJB-MJHT", "{typed}");
        }
        assert_eq!(normalized("abc"), "ABC");
        assert_eq!(normalized(""), "");
    }
}
