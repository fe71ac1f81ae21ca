//! Passkeys: made by who has just logged in, and a login by themselves. A ceremony belongs to the browser that began it
//! and ends once; whatever is wrong with an answer is answered alike (S-102).

use crate::{
    Actor, AtBrowser, Customer, Engine, Error, Origin, PageLogin, Refusal, Tenant,
    assurance::Proven,
    audit::Entry,
    cookie::{PageEntrance, VERB},
    log_out::Keep,
    mail::Change,
    retrying,
    store::{CeremonyRow, PasskeyRow, Tx},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_credentials::{Ceremony, NewPasskey, PasskeyFault, PasskeyOwner, Passkeys};
use prokura_domain::{ClientId, CustomerId, Timestamp};
use prokura_jose::{Secret, SecretHash};
use serde_json::Value;

/// The kind prefix of ceremonies, and how long a browser may take for one.
const CEREMONY_PREFIX: &str = "pkr_pc_";
pub(crate) const CEREMONY_SECONDS: i64 = 300;
/// The most passkeys somebody can have, and the most characters of a name.
const MOST_PASSKEYS: usize = 20;
const LONGEST_NAME: usize = 100;

/// A passkey as its owner sees it.
#[derive(Clone, Debug)]
pub struct OwnPasskey {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

impl From<PasskeyRow> for OwnPasskey {
    fn from(row: PasskeyRow) -> Self {
        Self { id: row.id, name: row.name, created_at: row.created_at, used_at: row.used_at }
    }
}

/// A ceremony that began.
pub struct BegunPasskey {
    /// What names it.
    pub ceremony: Secret,
    /// What the browser is told.
    pub options: Value,
}

/// What a browser answers.
pub struct PasskeyAnswer {
    /// What names the ceremony.
    pub ceremony: Secret,
    /// The credential, as JSON.
    pub credential: String,
}

/// The one answer to a login by a passkey that fails.
fn refused() -> Refusal {
    Refusal::InvalidCredentials
}

impl Engine {
    /// Begins making a passkey for who is logged in with the cookie.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`], [`Refusal::Forbidden`] with too many
    /// of them or where passkeys cannot be.
    pub async fn begin_passkey(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        browser: &Secret,
    ) -> Result<BegunPasskey, Error> {
        let passkeys = self.passkeys.as_ref().ok_or(Refusal::Forbidden("passkeys cannot be used at this address"))?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let (there, _) = self.proven_owner(&mut tx, tenant, cookie, now).await?;
            let customer = tx.customer(&tenant.id, &there.customer).await?.ok_or(Refusal::InvalidToken)?;
            let (begun, handle) = self.begin_registration_in(&mut tx, tenant, passkeys, &customer).await?;
            let row = CeremonyRow {
                browser: SecretHash::of(browser.expose()),
                customer: Some(there.customer.clone()),
                user_handle: Some(handle),
                state_json: begun.state,
            };
            let ceremony = Secret::generate(&*self.entropy, CEREMONY_PREFIX)?;
            let until = now.plus_seconds(CEREMONY_SECONDS);
            tx.insert_ceremony(&tenant.id, &SecretHash::of(ceremony.expose()), &row, until).await?;
            tx.commit().await?;
            Ok::<_, Error>(BegunPasskey { ceremony, options: begun.options })
        })
    }

    /// The first half of making a passkey, and the user handle it is made for.
    pub(crate) async fn begin_registration_in(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        passkeys: &Passkeys,
        customer: &Customer,
    ) -> Result<(Ceremony, String), Error> {
        let present = tx.passkeys(&tenant.id, &customer.id).await?;
        if present.len() >= MOST_PASSKEYS {
            return Err(Refusal::Forbidden("there are too many passkeys").into());
        }
        let handle = if let Some(row) = present.first() {
            handle_of(&row.user_handle)?
        } else {
            let mut random = [0; 16];
            self.entropy.fill(&mut random)?;
            random
        };
        let name = customer.email.clone().unwrap_or_else(|| customer.id.to_string());
        let person = format!("{} {}", customer.profile.given_name, customer.profile.family_name);
        let display_name = if person.trim().is_empty() { name.as_str() } else { person.trim() };
        let owner = PasskeyOwner {
            handle,
            name: &name,
            display_name,
            shop: &tenant.name,
            present: present.iter().filter_map(|row| URL_SAFE_NO_PAD.decode(&row.credential).ok()).collect(),
        };
        let begun = passkeys.begin_registration(&owner).map_err(Error::crypto)?;
        Ok((begun, URL_SAFE_NO_PAD.encode(handle)))
    }

    /// Keeps the passkey that was made. Every other session of the customer ends (S-93).
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`]; [`Refusal::Invalid`] for a name or
    /// an answer that does not hold; [`Refusal::NotFound`] when the ceremony is over, another browser's or another
    /// customer's; [`Refusal::AlreadyExists`].
    pub async fn add_passkey(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        (name, answer): (&str, &PasskeyAnswer),
        browser: &Secret,
        origin: &Origin,
    ) -> Result<(), Error> {
        let passkeys = self.passkeys.as_ref().ok_or(Refusal::NotFound("ceremony"))?;
        let name = check_name(name)?;
        let row = self.take_ceremony(tenant, &answer.ceremony, browser).await?.ok_or(Refusal::NotFound("ceremony"))?;
        let (Some(customer), Some(user_handle)) = (row.customer, row.user_handle) else {
            return Err(Refusal::NotFound("ceremony").into());
        };
        let wrong = || Refusal::invalid("credential", "the passkey's answer does not hold");
        let made = finished(passkeys.finish_registration(&row.state_json, &answer.credential))?.ok_or_else(wrong)?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let (there, _) = self.proven_owner(&mut tx, tenant, cookie, now).await?;
            if there.customer != customer {
                return Err(Refusal::NotFound("ceremony").into());
            }
            let keep = Keep::Session(&there.session);
            self.keep_passkey(&mut tx, tenant, &customer, (name, &user_handle, &made), keep).await?;
            self.note(&mut tx, tenant, &there, "customer.add_passkey", origin, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Stores a passkey that was made; other sessions of its owner end (S-93), and they are told.
    pub(crate) async fn keep_passkey(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        (name, user_handle, made): (&str, &str, &NewPasskey),
        keep: Keep<'_>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let row = PasskeyRow {
            id: self.new_id(now)?,
            customer: customer.clone(),
            user_handle: user_handle.to_owned(),
            credential: URL_SAFE_NO_PAD.encode(&made.credential_id),
            name: name.to_owned(),
            kept_json: made.kept.clone(),
            created_at: now,
            used_at: None,
        };
        if !tx.insert_passkey(&tenant.id, customer, &row, now).await? {
            return Err(Refusal::AlreadyExists("passkey").into());
        }
        self.end_sessions_of(tx, tenant, customer, keep, "passkey_added", now).await?;
        self.tell_owner(tx, tenant, customer, Change::PasskeyAdded, now).await
    }

    /// Forgets a passkey of who is logged in; every other session of theirs ends.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`], [`Refusal::NotFound`].
    pub async fn remove_passkey(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        id: &str,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let (there, _) = self.proven_owner(&mut tx, tenant, cookie, now).await?;
            if !tx.delete_passkey(&tenant.id, &there.customer, id).await? {
                return Err(Refusal::NotFound("passkey").into());
            }
            let keep = Keep::Session(&there.session);
            self.end_sessions_of(&mut tx, tenant, &there.customer, keep, "passkey_removed", now).await?;
            self.tell_owner(&mut tx, tenant, &there.customer, Change::PasskeyRemoved, now).await?;
            self.note(&mut tx, tenant, &there, "customer.remove_passkey", origin, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Whether passkeys can be used at this server's address.
    pub fn is_passkey_possible(&self) -> bool {
        self.passkeys.is_some()
    }

    /// Refuses who is logged in but proved it too long ago, or too weakly, to change how they log in.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`].
    pub async fn check_fresh_proof(&self, tenant: &Tenant, cookie: &Secret) -> Result<(), Error> {
        let mut tx = self.store.write().await?;
        self.proven_owner(&mut tx, tenant, cookie, self.clock.now()).await?;
        Ok(())
    }

    /// Begins a login by passkey. What the browser is told is the same whoever asks.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] where passkeys cannot be.
    pub async fn begin_passkey_login(&self, tenant: &Tenant, browser: &Secret) -> Result<BegunPasskey, Error> {
        let passkeys = self.passkeys.as_ref().ok_or(Refusal::Forbidden("passkeys cannot be used at this address"))?;
        let begun = passkeys.begin_login().map_err(Error::crypto)?;
        let ceremony = Secret::generate(&*self.entropy, CEREMONY_PREFIX)?;
        let row = CeremonyRow {
            browser: SecretHash::of(browser.expose()),
            customer: None,
            user_handle: None,
            state_json: begun.state,
        };
        let mut tx = self.store.write().await?;
        let until = self.clock.now().plus_seconds(CEREMONY_SECONDS);
        tx.insert_ceremony(&tenant.id, &SecretHash::of(ceremony.expose()), &row, until).await?;
        tx.commit().await?;
        Ok(BegunPasskey { ceremony, options: begun.options })
    }

    /// Logs a customer in to pages by a passkey.
    ///
    /// # Errors
    /// [`Refusal::InvalidCredentials`], whatever is wrong with the answer or the ceremony; the state of the customer once
    /// the passkey was right.
    pub async fn log_in_by_passkey(
        &self,
        tenant: &Tenant,
        client: Option<&ClientId>,
        answer: &PasskeyAnswer,
        browser: &AtBrowser<'_>,
        origin: &Origin,
    ) -> Result<PageLogin, Error> {
        let passkeys = self.passkeys.as_ref().ok_or_else(refused)?;
        let ceremony = self.take_ceremony(tenant, &answer.ceremony, browser.secret).await?;
        let ceremony = ceremony.filter(|ceremony| ceremony.customer.is_none()).ok_or_else(refused)?;
        let claim = passkeys.claim(&answer.credential).map_err(|_| refused())?;
        let credential = URL_SAFE_NO_PAD.encode(&claim.credential_id);
        let row = self.store.read().await?.passkey_by_credential(&tenant.id, &credential).await?;
        let row = row.filter(|row| row.user_handle == URL_SAFE_NO_PAD.encode(claim.handle)).ok_or_else(refused)?;
        let kept = match passkeys.finish_login(&ceremony.state_json, &claim, &row.kept_json) {
            Ok(kept) => kept,
            Err(PasskeyFault::Refused(_)) => {
                let actor = Actor::Customer(row.customer.clone());
                let entry = Entry::new(&actor, VERB, "customer", row.customer.as_str()).client_if(client);
                return Err(self.audit_refusal(&tenant.id, origin, entry, refused()).await?);
            }
            Err(fault) => return Err(Error::crypto(fault)),
        };
        retrying!(self.log_in_by_passkey_once(tenant, client, (&row, &kept), browser, origin))
    }

    async fn log_in_by_passkey_once(
        &self,
        tenant: &Tenant,
        client: Option<&ClientId>,
        (row, kept): (&PasskeyRow, &str),
        browser: &AtBrowser<'_>,
        origin: &Origin,
    ) -> Result<PageLogin, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        if !tx.note_login(&tenant.id, &row.customer, now).await? {
            return Err(Refusal::CustomerInactive.into());
        }
        if !tx.use_passkey(&tenant.id, &row.id, (&row.kept_json, kept), now).await? {
            return Err(refused().into());
        }
        tx.delete_pending_login(&tenant.id, &SecretHash::of(browser.secret.expose())).await?;
        let entrance =
            PageEntrance { client, customer: &row.customer, proven: Proven::Passkey, before: browser.before };
        let (cookie, page) = self.open_page_session(&mut tx, tenant, &entrance, origin).await?;
        tx.commit().await?;
        Ok(PageLogin { cookie, page, has_initial_password: false })
    }

    /// Takes a ceremony away, durably, before its answer is looked at: it ends once, well or badly.
    pub(crate) async fn take_ceremony(
        &self,
        tenant: &Tenant,
        ceremony: &Secret,
        browser: &Secret,
    ) -> Result<Option<CeremonyRow>, Error> {
        let (hash, browser) = (SecretHash::of(ceremony.expose()), SecretHash::of(browser.expose()));
        retrying!(async {
            let mut tx = self.store.write().await?;
            let row = tx.take_ceremony(&tenant.id, &hash, &browser, self.clock.now()).await?;
            tx.commit().await?;
            Ok::<_, Error>(row)
        })
    }
}

/// A name of a passkey, as it is kept.
pub(crate) fn check_name(name: &str) -> Result<&str, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Refusal::invalid("name", "a line of at most a hundred characters"));
    }
    Ok(name)
}

/// What came of the second half of making one; `None` for an answer that does not hold.
pub(crate) fn finished(made: Result<NewPasskey, PasskeyFault>) -> Result<Option<NewPasskey>, Error> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(PasskeyFault::Refused(_)) => Ok(None),
        Err(fault) => Err(Error::crypto(fault)),
    }
}

fn handle_of(text: &str) -> Result<[u8; 16], Error> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| crate::StoreError::Corrupt { what: "passkeys.user_handle".to_owned() }.into())
}
