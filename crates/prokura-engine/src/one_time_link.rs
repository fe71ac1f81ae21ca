//! One-time links: what a mail hands out. 256 random bits, kept as a hash, redeemed by exactly one request in the
//! transaction of what it allows (S-22, S-106).

use crate::{
    Engine, Error, Refusal, Tenant,
    store::{NewLink, Tx},
};
use prokura_domain::{CustomerId, Timestamp};
use prokura_jose::{Secret, SecretHash};

/// The kind prefix of one-time links.
const LINK_PREFIX: &str = "pkr_lt_";

/// What a link is good for. One of another purpose is as good as none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To choose a password.
    PasswordReset,
    /// To confirm another address to log in with.
    EmailChange,
    /// To confirm a new account.
    SignUp,
}

impl Purpose {
    /// The word in the table, and in links.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::EmailChange => "email_change",
            Self::SignUp => "sign_up",
        }
    }

    fn seconds(self, tenant: &Tenant) -> u32 {
        match self {
            Self::PasswordReset => tenant.settings.lifetimes.reset_link,
            Self::EmailChange => tenant.settings.lifetimes.email_link,
            Self::SignUp => tenant.settings.lifetimes.sign_up_link,
        }
    }

    /// The page a link leads to, below the issuer.
    pub(crate) const fn page(self) -> &'static str {
        match self {
            Self::PasswordReset => "password/reset",
            Self::EmailChange => "email/confirm",
            Self::SignUp => "sign-up/confirm",
        }
    }
}

/// One answer for unknown, used, revoked, expired and of another purpose.
pub(crate) fn bad_link() -> Refusal {
    Refusal::invalid("token", "it is unknown, used or expired; ask for a new one")
}

impl Engine {
    /// Makes a link. Earlier ones of the same purpose end: only the newest mail counts.
    pub(crate) async fn new_link(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        purpose: Purpose,
        customer: &CustomerId,
        payload: &serde_json::Value,
        now: Timestamp,
    ) -> Result<Secret, Error> {
        let secret = Secret::generate(&*self.entropy, LINK_PREFIX)?;
        let hash = SecretHash::of(secret.expose());
        let expires_at = now.plus_seconds(purpose.seconds(tenant).into());
        tx.revoke_links(&tenant.id, customer, Some(purpose), now).await?;
        let link = NewLink { purpose, customer, payload_json: &payload.to_string(), expires_at };
        tx.insert_link(&tenant.id, &hash, &link, now).await?;
        Ok(secret)
    }

    /// Uses a link up in `tx` and tells whose it is and what was kept with it.
    pub(crate) async fn redeem_link(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        purpose: Purpose,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<(CustomerId, String), Error> {
        let hash = SecretHash::of(secret.expose());
        Ok(tx.redeem_link(&tenant.id, &hash, purpose, now).await?.ok_or_else(bad_link)?)
    }

    /// Whether a link could be used now. Looking uses nothing up: programs that look through mails do it too.
    ///
    /// # Errors
    /// Only faults.
    pub async fn is_link_open(&self, tenant: &Tenant, purpose: Purpose, secret: &Secret) -> Result<bool, Error> {
        let hash = SecretHash::of(secret.expose());
        Ok(self.store.read().await?.is_link_open(&tenant.id, &hash, purpose, self.clock.now()).await?)
    }

    /// Refuses a link that could not be redeemed, before anything costly is done for it.
    pub(crate) async fn check_link(
        &self,
        tenant: &Tenant,
        purpose: Purpose,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<(), Error> {
        let hash = SecretHash::of(secret.expose());
        let is_open = self.store.read().await?.is_link_open(&tenant.id, &hash, purpose, now).await?;
        if is_open { Ok(()) } else { Err(bad_link().into()) }
    }
}
