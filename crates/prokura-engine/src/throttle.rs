//! Throttling without lock-out (S-100, S-101). A slot is taken before anything is checked, for unknown names too; a
//! device that has been let in before has a budget of its own that strangers cannot use up.

use crate::{
    Engine, Error, Origin, Refusal, Tenant,
    store::{Spent, Tx},
};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use prokura_domain::Timestamp;
use prokura_jose::{Secret, SecretHash};
use std::collections::HashMap;

/// How much wider the budgets of an address prefix and of the whole tenant are than that of an account.
const ADDRESS_FACTOR: i64 = 20;
const TENANT_FACTOR: i64 = 1_000;
/// For how long the same guess for the same account counts once: clients repeat a refused login by themselves.
const SAME_GUESS_MILLIS: i64 = 10_000;
/// The most guesses remembered; more means an attack, and then each one counts.
const MAX_GUESSES: usize = 100_000;

/// The door of second factors. Their codes are short, so a spent slot comes back this many times slower.
pub(crate) const SECOND_FACTOR: &str = "second_factor";
const SHORT_CODE_SLOWNESS: i64 = 15;
/// The door of one-time codes, which are as short.
pub(crate) const ONE_TIME_CODE: &str = "one_time_code";
/// The door of codes for which nobody says whose they are: all who come by a client share its budget, so it is wider.
pub(crate) const NAMELESS_CODE: &str = "nameless_code";
const NAMELESS_FACTOR: i64 = 4;

/// How often something may be asked for in a row, per account, address prefix and tenant, and after how long an
/// account may ask once more.
const REQUESTS_PER_ACCOUNT: i64 = 5;
const REQUESTS_PER_ADDRESS: i64 = 100;
const REQUESTS_PER_TENANT: i64 = 10_000;
const REQUEST_REFILL_MILLIS: i64 = 300_000;

/// How many codes may be asked for per account and purpose in how many seconds.
const CODES_PER_ACCOUNT: u8 = 6;
const CODES_SECONDS: u32 = 600;
const CODE_REQUEST: &str = "code_request";

/// Keys of budgets, and the guesses of the last seconds (digests, in memory only).
pub(crate) struct Throttle {
    key: hmac::Key,
    guess_key: hmac::Key,
    guesses: Mutex<HashMap<[u8; 16], Timestamp>>,
}

/// Milliseconds until an attempt like the one that was just refused, and given back, is let in again; `None` when it
/// was within the budget.
fn wait_millis(spent: Spent, limit: i64, refill_millis: i64, now: Timestamp) -> Option<i64> {
    let surplus = spent.slots - limit;
    (surplus > 0).then(|| surplus.saturating_mul(refill_millis) - now.millis_since(spent.since))
}

/// The refusal of somebody who has to wait that long.
fn throttled(wait_millis: i64) -> Refusal {
    let seconds = u32::try_from(wait_millis.max(1).unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX);
    Refusal::Throttled { retry_after_seconds: seconds }
}

/// A slot that was taken.
pub(crate) struct Attempt {
    account: String,
    device: String,
    budgets: Vec<String>,
}

impl Attempt {
    /// The account as the trail may name it: a keyed digest.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }
}

impl Throttle {
    pub(crate) fn new(key: [u8; 32], guess_key: [u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            guess_key: hmac::Key::new(hmac::HMAC_SHA256, &guess_key),
            guesses: Mutex::default(),
        }
    }

    fn name(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let tag = context.sign();
        URL_SAFE_NO_PAD.encode(tag.as_ref().get(..16).unwrap_or_default())
    }

    /// The name of an account in the table of one-time codes, and in the trail.
    pub(crate) fn code_account(&self, email_key: &str) -> String {
        self.name(&[ONE_TIME_CODE, "account", email_key])
    }

    /// Whether this very guess was made from the same place within the last seconds.
    fn is_repeated(&self, parts: [&str; 4], secret: &Secret, now: Timestamp) -> bool {
        let mut context = hmac::Context::with_key(&self.guess_key);
        for part in parts.into_iter().chain([secret.expose()]) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let tag = context.sign();
        let Some(digest) = tag.as_ref().first_chunk::<16>() else { return false };
        let mut guesses = self.guesses.lock();
        if guesses.len() >= MAX_GUESSES {
            guesses.retain(|_, at| now.millis_since(*at) < SAME_GUESS_MILLIS);
            if guesses.len() >= MAX_GUESSES {
                return false;
            }
        }
        match guesses.get(digest) {
            Some(at) if now.millis_since(*at) < SAME_GUESS_MILLIS => true,
            _ => {
                guesses.insert(*digest, now);
                false
            }
        }
    }
}

impl Engine {
    /// Takes a slot for checking `secret` of `name` at `door`, durably, before the check.
    ///
    /// # Errors
    /// [`Refusal::Throttled`] when a budget is spent.
    pub(crate) async fn take_attempt(
        &self,
        tenant: &Tenant,
        door: &str,
        name: &str,
        secret: &Secret,
        origin: &Origin,
    ) -> Result<Attempt, Error> {
        let now = self.clock.now();
        let throttle = &self.throttle;
        let account = throttle.name(&[door, "account", name]);
        let prefix = origin.prefix();
        let device = throttle.name(&[door, "device", &prefix]);
        let mut attempt = Attempt { account, device, budgets: Vec::new() };
        if throttle.is_repeated([tenant.id.as_str(), door, name, &prefix], secret, now) {
            return Ok(attempt);
        }
        let limit = i64::from(tenant.settings.login_attempts);
        let refill_millis = i64::from(tenant.settings.login_refill_seconds.max(1)) * 1000;
        let (limit, refill_millis) = match door {
            SECOND_FACTOR | ONE_TIME_CODE => (limit, refill_millis * SHORT_CODE_SLOWNESS),
            NAMELESS_CODE => (limit * NAMELESS_FACTOR, refill_millis / NAMELESS_FACTOR),
            _ => (limit, refill_millis),
        };
        let mut tx = self.store.write().await?;
        let is_known = tx.is_known_device(&tenant.id, &attempt.account, &attempt.device).await?;
        let own = if is_known { attempt.device.clone() } else { "stranger".to_owned() };
        let budgets = [
            (throttle.name(&[door, "budget", &attempt.account, &own]), limit, refill_millis),
            (throttle.name(&[door, "address", &prefix]), limit * ADDRESS_FACTOR, refill_millis / ADDRESS_FACTOR),
            (throttle.name(&[door, "everybody"]), limit * TENANT_FACTOR, refill_millis / TENANT_FACTOR),
        ];
        let mut wait = None;
        for (key, limit, refill_millis) in budgets {
            let refill_millis = refill_millis.max(1);
            let spent = tx.take_attempt(&tenant.id, &key, refill_millis, now).await?;
            wait = wait.max(wait_millis(spent, limit, refill_millis, now));
            attempt.budgets.push(key);
        }
        if let Some(wait) = wait {
            // Waiting must help: what was refused without a check does not count.
            for key in &attempt.budgets {
                tx.give_back_attempt(&tenant.id, key).await?;
            }
            tx.commit().await?;
            return Err(throttled(wait).into());
        }
        tx.commit().await?;
        Ok(attempt)
    }

    /// Takes a slot for asking for something that has no secret to be wrong: a mail, an account. Returns the account's
    /// name in the trail, and the refusal when its own budget had none left; an address prefix or a tenant that spent
    /// theirs is refused.
    pub(crate) async fn take_request(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        door: &str,
        name: &str,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(String, Result<(), Refusal>), Error> {
        let throttle = &self.throttle;
        let account = throttle.name(&[door, "account", name]);
        let of_account = throttle.name(&[door, "budget", &account]);
        if let Some(wait) = self.take_shared_request(tx, tenant, door, Some(origin), now).await? {
            return Err(throttled(wait).into());
        }
        let spent = tx.take_attempt(&tenant.id, &of_account, REQUEST_REFILL_MILLIS, now).await?;
        let Some(wait) = wait_millis(spent, REQUESTS_PER_ACCOUNT, REQUEST_REFILL_MILLIS, now) else {
            return Ok((account, Ok(())));
        };
        // Waiting must help, however often is asked meanwhile.
        tx.give_back_attempt(&tenant.id, &of_account).await?;
        Ok((account, Err(throttled(wait))))
    }

    /// Takes a slot for asking for a code of a purpose: so many for an account within any ten minutes, known or not.
    /// `from` is where it comes from, when that says anything. Returns the account's name in the trail.
    pub(crate) async fn take_code_request(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        (purpose, email_key): (&str, &str),
        from: Option<&Origin>,
        now: Timestamp,
    ) -> Result<(String, Result<(), Refusal>), Error> {
        let throttle = &self.throttle;
        let account = throttle.code_account(email_key);
        if let Some(wait) = self.take_shared_request(tx, tenant, CODE_REQUEST, from, now).await? {
            return Err(throttled(wait).into());
        }
        let until = now.plus_seconds(CODES_SECONDS.into());
        for slot in 0..CODES_PER_ACCOUNT {
            let slot = SecretHash::of(&throttle.name(&[CODE_REQUEST, purpose, &account, &slot.to_string()]));
            if tx.use_for_now(&tenant.id, CODE_REQUEST, &slot, until, now).await? {
                return Ok((account, Ok(())));
            }
        }
        Ok((account, Err(Refusal::Throttled { retry_after_seconds: CODES_SECONDS })))
    }

    /// Takes a slot of the budgets of an address prefix, when one is given, and of the tenant. Returns how many
    /// milliseconds to wait when there is none left.
    async fn take_shared_request(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        door: &str,
        from: Option<&Origin>,
        now: Timestamp,
    ) -> Result<Option<i64>, Error> {
        let throttle = &self.throttle;
        let of_prefix = from.map(|origin| throttle.name(&[door, "address", &origin.prefix()]));
        let of_prefix = of_prefix.map(|key| (key, REQUESTS_PER_ADDRESS, REQUEST_REFILL_MILLIS / 10));
        let of_all = (throttle.name(&[door, "everybody"]), REQUESTS_PER_TENANT, REQUEST_REFILL_MILLIS / 1_000);
        for (key, limit, refill_millis) in of_prefix.into_iter().chain([of_all]) {
            let spent = tx.take_attempt(&tenant.id, &key, refill_millis, now).await?;
            if let Some(wait) = wait_millis(spent, limit, refill_millis, now) {
                return Ok(Some(wait));
            }
        }
        Ok(None)
    }

    /// The secret was right: the slots are given back, and the device is known from now on.
    pub(crate) async fn attempt_was_right(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<(), Error> {
        for key in &attempt.budgets {
            tx.give_back_attempt(&tenant.id, key).await?;
        }
        Ok(tx.remember_device(&tenant.id, &attempt.account, &attempt.device, now).await?)
    }

    /// How many attempts at logging in as `email` strangers have spent (for operators and tests).
    ///
    /// # Errors
    /// Only faults.
    pub async fn spent_log_in_attempts(&self, tenant: &Tenant, email: &prokura_domain::Email) -> Result<i64, Error> {
        let account = self.throttle.name(&["log_in", "account", email.key()]);
        let key = self.throttle.name(&["log_in", "budget", &account, "stranger"]);
        Ok(self.store.read().await?.attempts(&tenant.id, &key).await?)
    }
}
