//! Passwords that people choose on the pages: long enough to stand alone, known to nobody, and not made of names (S-105).
//! What a dialect or an operator sets is held to the tenant's own minimum only.

use crate::{Engine, Error, Tenant, one_time_link::Purpose};
use prokura_credentials::{is_common, is_personal};
use prokura_domain::{CustomerId, Email, PasswordFault, PasswordPolicy};
use prokura_jose::{Secret, SecretHash};

/// The product, which is in too many of its passwords.
const PRODUCT: &str = "prokura";

/// Who chooses a password.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// A customer.
    Customer(&'a CustomerId),
    /// Whoever a link to choose a password was sent to.
    Link(&'a Secret),
    /// Somebody who signs up, with what they tell of themselves.
    Newcomer(&'a [&'a str]),
}

impl Engine {
    /// Whether somebody may choose a password on the pages; the inner error says why not.
    ///
    /// # Errors
    /// Only faults. When the list of leaks cannot be read, it counts as empty and is logged.
    pub async fn check_page_password(
        &self,
        tenant: &Tenant,
        whose: Whose<'_>,
        password: &Secret,
    ) -> Result<Result<(), PasswordFault>, Error> {
        let rules = &tenant.settings.page_passwords;
        let password = password.expose();
        let (words, has_second_factor) = self.known_of(tenant, whose).await?;
        let least = if has_second_factor { rules.min_with_second_factor } else { rules.min };
        let min_characters = usize::try_from(least).unwrap_or(usize::MAX);
        if let Err(fault) = (PasswordPolicy { min_characters }).check(password) {
            return Ok(Err(fault));
        }
        if !rules.refuses_weak {
            return Ok(Ok(()));
        }
        if is_common(password) {
            return Ok(Err(PasswordFault::TooCommon));
        }
        let words: Vec<&str> =
            words.iter().map(String::as_str).chain([PRODUCT, tenant.id.as_str(), tenant.name.as_str()]).collect();
        if is_personal(password, &words) {
            return Ok(Err(PasswordFault::TooPersonal));
        }
        Ok(if self.is_leaked(password).await { Err(PasswordFault::TooCommon) } else { Ok(()) })
    }

    /// The words that stand for a person, and whether they have more than a password.
    async fn known_of(&self, tenant: &Tenant, whose: Whose<'_>) -> Result<(Vec<String>, bool), Error> {
        let now = self.clock.now();
        let mut reader = self.store.read().await?;
        let id = match whose {
            Whose::Newcomer(words) => return Ok((words.iter().map(|word| (*word).to_owned()).collect(), false)),
            Whose::Customer(id) => Some(id.clone()),
            Whose::Link(link) => {
                let hash = SecretHash::of(link.expose());
                reader.link_customer(&tenant.id, &hash, Purpose::PasswordReset, now).await?
            }
        };
        let Some(id) = id else { return Ok((Vec::new(), false)) };
        let Some(customer) = reader.customer(&tenant.id, &id).await? else { return Ok((Vec::new(), false)) };
        let has_app = reader.totp(&tenant.id, &id).await?.is_some_and(|row| row.is_active);
        let has_second_factor = has_app || !reader.passkeys(&tenant.id, &id).await?.is_empty();
        let email = customer.email.as_deref().and_then(|email| Email::parse(email).ok());
        let profile = customer.profile;
        let mut words = vec![profile.given_name, profile.family_name, profile.company_name];
        words.extend(email.map(|email| email.key().to_owned()));
        Ok((words, has_second_factor))
    }

    async fn is_leaked(&self, password: &str) -> bool {
        let Some(leaked) = self.leaked.clone() else { return false };
        let password = zeroize::Zeroizing::new(password.to_owned());
        let found = tokio::task::spawn_blocking(move || leaked.contains(&password)).await;
        match found {
            Ok(Ok(is_leaked)) => is_leaked,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the list of leaked passwords could not be read");
                false
            }
            Err(_) => false,
        }
    }
}
