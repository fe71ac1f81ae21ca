//! Operators: people and programs that run tenants. Their tokens are random, shown once, and kept as hashes. The first
//! one comes in by a one-time set-up secret, and that door closes for ever (S-107).

use crate::{Actor, Engine, Error, Origin, Refusal, audit::Entry, retrying};
use prokura_domain::{OperatorId, TenantId, Timestamp};
use prokura_jose::{Secret, SecretHash};

/// The kind prefix of operators' tokens.
const TOKEN_PREFIX: &str = "pkr_op_";
/// The kind prefix of set-up secrets.
const SET_UP_PREFIX: &str = "pkr_su_";
/// How long a set-up secret is good.
const SET_UP_SECONDS: i64 = 3_600;
/// What the audit trail of the installation itself hangs on.
pub(crate) const INSTALLATION: &str = "installation";

/// Who an operator's token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Which operator.
    pub id: OperatorId,
    /// Their name.
    pub name: String,
    /// What they may do where: tenant id or `*`, and `admin` or `viewer`.
    pub roles: Vec<(String, String)>,
}

/// An operator who was made, with their token, which is shown this once.
#[derive(Debug)]
pub struct CreatedOperator {
    /// Which operator.
    pub id: OperatorId,
    /// Their token.
    pub token: Secret,
}

impl Operator {
    /// Whether they may see the tenant.
    pub fn may_view(&self, tenant: &str) -> bool {
        self.roles.iter().any(|(scope, _)| scope == "*" || scope == tenant)
    }

    /// Whether they may change the tenant.
    pub fn may_change(&self, tenant: &str) -> bool {
        self.roles.iter().any(|(scope, role)| role == "admin" && (scope == "*" || scope == tenant))
    }

    /// Whether they run the whole installation.
    pub fn runs_installation(&self) -> bool {
        self.roles.iter().any(|(scope, role)| role == "admin" && scope == "*")
    }
}

impl Engine {
    /// Makes an operator. Roles name a tenant or `*`, each once, and `admin` or `viewer`.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for roles that are not such.
    pub async fn create_operator(
        &self,
        name: &str,
        roles: &[(&str, &str)],
        actor: &Actor,
        origin: &Origin,
    ) -> Result<CreatedOperator, Error> {
        check_roles(roles)?;
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let made = self.create_operator_in(&mut tx, name, roles, actor, origin, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(made)
        })
    }

    async fn create_operator_in(
        &self,
        tx: &mut crate::store::Tx<'_>,
        name: &str,
        roles: &[(&str, &str)],
        actor: &Actor,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<CreatedOperator, Error> {
        let id: OperatorId = self.new_id(now)?.parse().map_err(Error::crypto)?;
        let token = self.new_secret(TOKEN_PREFIX)?;
        tx.insert_operator(&id, name, &SecretHash::of(token.expose()), roles, now).await?;
        let entry = Entry::new(actor, "operator.create", "operator", id.as_str());
        self.audit(tx, &installation()?, origin, entry, now).await?;
        Ok(CreatedOperator { id, token })
    }

    /// Operators after `after`, by id.
    ///
    /// # Errors
    /// Only faults.
    pub async fn operators(&self, after: &str, limit: u32) -> Result<Vec<Operator>, Error> {
        Ok(self.store.read().await?.operators(after, limit).await?)
    }

    /// Removes an operator; their token ends with them, on every node at once.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_operator(&self, id: &OperatorId, actor: &Actor, origin: &Origin) -> Result<(), Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            if !tx.delete_operator(id).await? {
                return Err(Refusal::NotFound("operator").into());
            }
            let entry = Entry::new(actor, "operator.delete", "operator", id.as_str());
            self.audit(&mut tx, &installation()?, origin, entry, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(())
        })
    }

    /// What the installation's own trail is kept under, for reading and verifying it.
    ///
    /// # Errors
    /// Only faults.
    pub fn installation_trail(&self) -> Result<TenantId, Error> {
        installation()
    }

    /// Whether there is somebody to run the installation: the door for the first operator has closed, or one was made on
    /// this machine.
    ///
    /// # Errors
    /// Only faults.
    pub async fn is_set_up(&self) -> Result<bool, Error> {
        let mut reader = self.store.read().await?;
        Ok(reader.installation_value("set_up_closed_at").await?.is_some() || !reader.operators("", 1).await?.is_empty())
    }

    /// Who a token stands for.
    ///
    /// # Errors
    /// [`Refusal::InvalidToken`].
    pub async fn authenticate_operator(&self, token: &str) -> Result<Operator, Error> {
        let found = self.store.read().await?.operator_by_token(&SecretHash::of(token)).await?;
        Ok(found.ok_or(Refusal::InvalidToken)?)
    }

    /// Opens the door for the first operator: returns a one-time secret, good for an hour, or `None` when the door has
    /// closed. Asking again makes a new secret and ends the one before.
    ///
    /// # Errors
    /// Only faults.
    pub async fn begin_set_up(&self) -> Result<Option<Secret>, Error> {
        let now = self.clock.now();
        let secret = self.new_secret(SET_UP_PREFIX)?;
        let mut tx = self.store.write().await?;
        if tx.installation_value("set_up_closed_at").await?.is_some() {
            return Ok(None);
        }
        let hash = SecretHash::of(secret.expose());
        tx.set_installation_value("set_up_secret", &format!("{hash} {}", now.plus_seconds(SET_UP_SECONDS).millis()))
            .await?;
        tx.commit().await?;
        Ok(Some(secret))
    }

    /// Redeems the set-up secret: the first operator is made, and the door closes, whatever becomes of operators later.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for a wrong, expired or used secret and for a closed door alike.
    pub async fn set_up(&self, secret: &Secret, name: &str, origin: &Origin) -> Result<CreatedOperator, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let refused = || Error::from(Refusal::NotFound("set-up"));
            let kept = tx.installation_value("set_up_secret").await?.ok_or_else(refused)?;
            let (hash, until) = kept.split_once(' ').ok_or_else(refused)?;
            let hash: SecretHash = hash.parse().map_err(|_| refused())?;
            let until = Timestamp::from_millis(until.parse().map_err(|_| refused())?);
            if !hash.matches(&SecretHash::of(secret.expose())) || until <= now {
                return Err(refused());
            }
            if !tx.claim_installation_value("set_up_closed_at", &now.millis().to_string()).await? {
                return Err(refused());
            }
            tx.delete_installation_value("set_up_secret").await?;
            let made = self.create_operator_in(&mut tx, name, &[("*", "admin")], &Actor::System, origin, now).await?;
            tx.commit().await?;
            Ok::<_, Error>(made)
        })
    }
}

/// Whether roles can be stored: a tenant's id or `*`, each once, with a known word.
fn check_roles(roles: &[(&str, &str)]) -> Result<(), Refusal> {
    let mut seen = std::collections::HashSet::new();
    for (scope, role) in roles {
        if *scope != "*" && scope.parse::<TenantId>().is_err() {
            return Err(Refusal::invalid("roles", "a role names a tenant, or * for all of them"));
        }
        if !matches!(*role, "admin" | "viewer") {
            return Err(Refusal::invalid("roles", "a role is admin or viewer"));
        }
        if !seen.insert(scope) {
            return Err(Refusal::invalid("roles", "each tenant at most once"));
        }
    }
    if roles.is_empty() || roles.len() > 200 {
        return Err(Refusal::invalid("roles", "1 to 200 of them"));
    }
    Ok(())
}

/// The installation's own trail is kept under a name no tenant can take.
fn installation() -> Result<TenantId, Error> {
    INSTALLATION.parse().map_err(Error::crypto)
}
