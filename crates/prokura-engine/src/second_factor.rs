//! Second factors: codes of an authenticator app, with recovery codes for the day it is gone. Who changes them has just
//! proved who they are; what is shared with an app is sealed, what is typed in once is kept as a keyed digest (S-140).

use crate::{
    Actor, Engine, Error, Origin, OwnPasskey, Refusal, Tenant,
    assurance::Proven,
    audit::Entry,
    log_out::Keep,
    mail::Change,
    retrying,
    store::{CookieRow, TotpRow, Tx},
    throttle::{Attempt, SECOND_FACTOR},
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_credentials::{RecoveryCode, Totp};
use prokura_domain::{CustomerId, Timestamp};
use prokura_jose::Secret;

/// How many recovery codes somebody gets at a time.
const RECOVERY_CODES: usize = 10;

/// What a customer can prove themselves with beside the password.
#[derive(Clone, Debug, Default)]
pub struct Factors {
    /// Since when codes of an app are asked for.
    pub totp_since: Option<Timestamp>,
    /// Recovery codes that are left.
    pub recovery_codes_left: u32,
    /// Passkeys, the oldest first.
    pub passkeys: Vec<OwnPasskey>,
    /// Whether passkeys can be used at this server's address.
    pub is_passkey_possible: bool,
}

/// An app that is being set up.
#[derive(Clone)]
pub struct TotpSetup {
    /// The `otpauth://` address.
    pub uri: String,
    /// The secret in base32.
    pub secret: String,
}

/// An app that was set up.
pub struct Enrolled {
    /// The recovery codes, told this once.
    pub recovery_codes: Vec<String>,
    /// The browser's new handle: its session is surer than before.
    pub cookie: Secret,
}

/// What a code was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    App,
    Recovery,
}

impl Engine {
    /// What a customer can prove themselves with.
    ///
    /// # Errors
    /// Only faults.
    pub async fn factors(&self, tenant: &Tenant, customer: &CustomerId) -> Result<Factors, Error> {
        let mut reader = self.store.read().await?;
        let totp = reader.totp(&tenant.id, customer).await?.filter(|row| row.is_active);
        let passkeys = reader.passkeys(&tenant.id, customer).await?;
        let left = reader.recovery_codes_left(&tenant.id, customer).await?;
        Ok(Factors {
            totp_since: totp.map(|row| row.created_at),
            recovery_codes_left: u32::try_from(left).unwrap_or_default(),
            passkeys: passkeys.into_iter().map(OwnPasskey::from).collect(),
            is_passkey_possible: self.passkeys.is_some(),
        })
    }

    /// Makes a secret for an app. Until the app has shown a code of it, nothing is asked for; a second beginning makes
    /// another secret.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`], [`Refusal::AlreadyExists`].
    pub async fn begin_totp(&self, tenant: &Tenant, cookie: &Secret, origin: &Origin) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut random = [0; Totp::RANDOM_BYTES];
            self.entropy.fill(&mut random)?;
            let totp = Totp::of_random(random);
            let mut tx = self.store.write().await?;
            let (there, _) = self.proven_owner(&mut tx, tenant, cookie, now).await?;
            let sealed = self.master_key.seal(&aad(tenant, &there.customer), totp.expose()).map_err(Error::crypto)?;
            if !tx.begin_totp(&tenant.id, &there.customer, &sealed, now).await? {
                return Err(Refusal::AlreadyExists("second factor").into());
            }
            self.note(&mut tx, tenant, &there, "customer.begin_totp", origin, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// The app that is being set up, to be shown to its owner; `None` when there is none.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`].
    pub async fn totp_setup(&self, tenant: &Tenant, cookie: &Secret) -> Result<Option<TotpSetup>, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let (there, row) = self.proven_owner(&mut tx, tenant, cookie, now).await?;
        let Some(row) = row.filter(|row| !row.is_active) else { return Ok(None) };
        let totp = self.open_totp(tenant, &there.customer, &row)?;
        let customer = tx.customer(&tenant.id, &there.customer).await?.ok_or(Refusal::InvalidToken)?;
        let account = customer.email.unwrap_or_else(|| customer.id.to_string());
        let uri = totp.uri(&tenant.name, &account).map_err(Error::crypto)?;
        Ok(Some(TotpSetup { uri, secret: totp.base32() }))
    }

    /// The app shows its first code: from now on one is asked for. Every other session of the customer ends (S-93), and
    /// recovery codes are made.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`], [`Refusal::NotFound`] when no app
    /// is being set up, [`Refusal::InvalidCredentials`] for a wrong code, [`Refusal::Throttled`].
    pub async fn confirm_totp(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        code: &Secret,
        origin: &Origin,
    ) -> Result<Enrolled, Error> {
        let page = self.page_session(tenant, cookie).await?.ok_or(Refusal::InvalidToken)?;
        let attempt = self.take_attempt(tenant, SECOND_FACTOR, page.customer.as_str(), code, origin).await?;
        retrying!(self.confirm_totp_once(tenant, cookie, (code, &attempt), origin))
    }

    async fn confirm_totp_once(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        (code, attempt): (&Secret, &Attempt),
        origin: &Origin,
    ) -> Result<Enrolled, Error> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        let (there, row) = self.proven_owner(&mut tx, tenant, cookie, now).await?;
        let customer = &there.customer;
        let row = row.filter(|row| !row.is_active).ok_or(Refusal::NotFound("second factor"))?;
        let totp = self.open_totp(tenant, customer, &row)?;
        let Some(step) = totp.step_of(code.expose(), now.seconds()) else {
            return Err(Refusal::InvalidCredentials.into());
        };
        if !tx.confirm_totp(&tenant.id, customer, step).await? {
            return Err(Refusal::NotFound("second factor").into());
        }
        self.attempt_was_right(&mut tx, tenant, attempt, now).await?;
        let recovery_codes = self.make_recovery_codes(&mut tx, tenant, customer, now).await?;
        let keep = Keep::Session(&there.session);
        self.end_sessions_of(&mut tx, tenant, customer, keep, "second_factor_added", now).await?;
        if !tx.prove_session(&tenant.id, &there.session, Proven::PasswordAndCode, now).await? {
            return Err(Refusal::InvalidToken.into());
        }
        let cookie = self.renew_cookie(&mut tx, tenant, cookie).await?;
        self.tell_owner(&mut tx, tenant, customer, Change::TotpAdded, now).await?;
        self.note(&mut tx, tenant, &there, "customer.add_totp", origin, now).await?;
        tx.commit().await?;
        Ok(Enrolled { recovery_codes, cookie })
    }

    /// Turns codes off, with the recovery codes; every other session of the customer ends.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`], [`Refusal::NotFound`].
    pub async fn remove_totp(&self, tenant: &Tenant, cookie: &Secret, origin: &Origin) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let (there, _) = self.proven_owner(&mut tx, tenant, cookie, now).await?;
            if !tx.delete_totp(&tenant.id, &there.customer).await? {
                return Err(Refusal::NotFound("second factor").into());
            }
            tx.delete_recovery_codes(&tenant.id, &there.customer).await?;
            let keep = Keep::Session(&there.session);
            self.end_sessions_of(&mut tx, tenant, &there.customer, keep, "second_factor_removed", now).await?;
            self.tell_owner(&mut tx, tenant, &there.customer, Change::TotpRemoved, now).await?;
            self.note(&mut tx, tenant, &there, "customer.remove_totp", origin, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Makes new recovery codes; the ones before are good for nothing.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`] when nobody is logged in, [`Refusal::ProofNeeded`], [`Refusal::NotFound`] without a
    /// second factor.
    pub async fn renew_recovery_codes(
        &self,
        tenant: &Tenant,
        cookie: &Secret,
        origin: &Origin,
    ) -> Result<Vec<String>, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let (there, row) = self.proven_owner(&mut tx, tenant, cookie, now).await?;
            row.filter(|row| row.is_active).ok_or(Refusal::NotFound("second factor"))?;
            let codes = self.make_recovery_codes(&mut tx, tenant, &there.customer, now).await?;
            self.tell_owner(&mut tx, tenant, &there.customer, Change::RecoveryCodesRenewed, now).await?;
            self.note(&mut tx, tenant, &there, "customer.renew_recovery_codes", origin, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(codes)
        })
    }

    /// Takes every second factor and passkey from a customer who lost them, at the word of somebody who manages customers. Nobody
    /// can read one. Every session of the customer ends.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for an unknown customer, or one without a second factor.
    pub async fn remove_factors(
        &self,
        tenant: &Tenant,
        id: &CustomerId,
        actor: &Actor,
        origin: &Origin,
    ) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if !tx.hold_customer(&tenant.id, id).await? {
                return Err(Refusal::NotFound("customer").into());
            }
            let had_app = tx.delete_totp(&tenant.id, id).await?;
            let had_passkeys = tx.delete_passkeys(&tenant.id, id).await? > 0;
            if !had_app && !had_passkeys {
                return Err(Refusal::NotFound("second factor").into());
            }
            tx.delete_recovery_codes(&tenant.id, id).await?;
            self.end_sessions_of(&mut tx, tenant, id, Keep::Nothing, "second_factor_removed", now).await?;
            self.tell_owner(&mut tx, tenant, id, Change::FactorsRemoved, now).await?;
            let entry = Entry::new(actor, "customer.remove_factors", "customer", id.as_str());
            self.audit(&mut tx, &tenant.id, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// Takes a code for right in `tx`: one of the app, whose time step is new, or a recovery code that is left.
    pub(crate) async fn use_code(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        code: &Secret,
        now: Timestamp,
    ) -> Result<Option<Code>, Error> {
        let Some(row) = tx.totp(&tenant.id, customer).await?.filter(|row| row.is_active) else { return Ok(None) };
        if let Some(step) = self.open_totp(tenant, customer, &row)?.step_of(code.expose(), now.seconds()) {
            let is_new = tx.use_totp_step(&tenant.id, customer, step).await?;
            return Ok(is_new.then_some(Code::App));
        }
        let Some(typed) = RecoveryCode::typed(code.expose()) else { return Ok(None) };
        let digest = self.recovery_digest(tenant, customer, &typed);
        let is_left = tx.use_recovery_code(&tenant.id, customer, &digest, now).await?;
        Ok(is_left.then_some(Code::Recovery))
    }

    /// Who is logged in with the cookie, whose row is held, and their app. They have just proved who they are.
    pub(crate) async fn proven_owner(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        cookie: &Secret,
        now: Timestamp,
    ) -> Result<(CookieRow, Option<TotpRow>), Error> {
        let there = self.page_session_in(tx, tenant, cookie).await?;
        if !tx.hold_customer(&tenant.id, &there.customer).await? {
            return Err(Refusal::InvalidToken.into());
        }
        let row = tx.totp(&tenant.id, &there.customer).await?;
        let has_second_factor = row.as_ref().is_some_and(|row| row.is_active);
        if !there.may_change_proofs(has_second_factor, now) {
            return Err(Refusal::ProofNeeded.into());
        }
        Ok((there, row))
    }

    fn open_totp(&self, tenant: &Tenant, customer: &CustomerId, row: &TotpRow) -> Result<Totp, Error> {
        let secret = self.master_key.open(&aad(tenant, customer), &row.secret_sealed).map_err(Error::crypto)?;
        Totp::of_bytes(&secret).map_err(Error::crypto)
    }

    async fn make_recovery_codes(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<Vec<String>, Error> {
        tx.delete_recovery_codes(&tenant.id, customer).await?;
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            let mut random = [0; RecoveryCode::RANDOM_BYTES];
            self.entropy.fill(&mut random)?;
            let code = RecoveryCode::of_random(random);
            let digest = self.recovery_digest(tenant, customer, &code);
            tx.insert_recovery_code(&tenant.id, customer, &digest, now).await?;
            codes.push(code.shown());
        }
        Ok(codes)
    }

    /// What is kept of a recovery code. Keyed, for sixty bits alone could be tried out.
    fn recovery_digest(&self, tenant: &Tenant, customer: &CustomerId, code: &RecoveryCode) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.recovery_key));
        for part in [tenant.id.as_str(), customer.as_str(), code.expose()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(context.sign())
    }

    pub(crate) async fn note(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        there: &CookieRow,
        verb: &'static str,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(), Error> {
        let actor = Actor::Customer(there.customer.clone());
        let entry = Entry::new(&actor, verb, "customer", there.customer.as_str()).session(Some(&there.session));
        self.audit(tx, &tenant.id, origin, entry, now).await
    }
}

fn aad<'a>(tenant: &'a Tenant, customer: &'a CustomerId) -> [&'a str; 3] {
    ["totp", tenant.id.as_str(), customer.as_str()]
}
