//! Whether a request may pass: a pure rule over a route and a standing.
//!
//! A request never passes without the legal entity on a route that requires it: absent means "everything" to many
//! upstreams. Nothing is remembered between requests, so a change of routes needs no invalidation (S-58).

use crate::{config::Requirement, refusal::Refusal};
use prokura_domain::{Scope, Scopes, Standing, Subject, TenantId, Timestamp};

/// What a route asks of who comes.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) require: Requirement,
    pub(crate) scopes_any: Vec<Scope>,
    pub(crate) scopes_all: Scopes,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) allow_service: bool,
    /// How surely and how lately the customer must have proven who they are; few routes ask.
    pub(crate) proof: Option<Proof>,
}

/// How surely and how lately a customer must have proven who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) is_multi_factor: bool,
    pub(crate) max_age_seconds: Option<u32>,
}

impl Proof {
    /// What a route asks; `None` when it asks nothing.
    pub(crate) fn of(is_multi_factor: bool, max_age_seconds: Option<u32>) -> Option<Self> {
        (is_multi_factor || max_age_seconds.is_some()).then_some(Self { is_multi_factor, max_age_seconds })
    }

    fn check(self, standing: &Standing, now: Timestamp) -> Result<(), Refusal> {
        if standing.has_proven(self.is_multi_factor, self.max_age_seconds, now) {
            Ok(())
        } else {
            Err(Refusal::ProofNeeded(self))
        }
    }
}

impl Demand {
    /// Decides about somebody without a token.
    pub(crate) fn check_anonymous(&self) -> Result<(), Refusal> {
        match self.require {
            Requirement::None if self.proof.is_none() && self.scopes_any.is_empty() && self.scopes_all.is_empty() => {
                Ok(())
            }
            Requirement::None | Requirement::Guest | Requirement::Customer | Requirement::LegalEntity => {
                Err(Refusal::MissingCredential)
            }
        }
    }

    /// Decides about somebody with a verified token.
    pub(crate) fn check(&self, standing: &Standing, now: Timestamp) -> Result<(), Refusal> {
        if self.tenant.as_ref().is_some_and(|tenant| *tenant != standing.tenant) {
            return Err(Refusal::InvalidCredential);
        }
        let is_high_enough = match (&standing.subject, self.require) {
            (Subject::Service, Requirement::LegalEntity) => self.allow_service && standing.acting_for.is_some(),
            (Subject::Service, Requirement::None) => true,
            (Subject::Service, Requirement::Guest | Requirement::Customer) => self.allow_service,
            (Subject::Guest, Requirement::None | Requirement::Guest) => true,
            (Subject::Guest, Requirement::Customer | Requirement::LegalEntity) => false,
            (Subject::Customer(_), Requirement::None | Requirement::Guest | Requirement::Customer) => true,
            (Subject::Customer(_), Requirement::LegalEntity) => standing.acting_for.is_some(),
        };
        if !is_high_enough {
            return Err(Refusal::WrongLevel);
        }
        let has_any =
            self.scopes_any.is_empty() || self.scopes_any.iter().any(|scope| standing.scopes.contains(scope.as_str()));
        if !has_any || !self.scopes_all.is_subset(&standing.scopes) {
            return Err(Refusal::MissingScope);
        }
        match self.proof {
            Some(proof) => proof.check(standing, now),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{acting_for, customer, guest, service};

    const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

    #[test]
    fn a_route_may_ask_for_a_surer_and_newer_login() {
        let mut standing = customer();
        standing.authenticated_at = Some(NOW.plus_seconds(-60));
        let check = |standing: &Standing, is_multi_factor, max_age_seconds| {
            let demand = Demand { proof: Proof::of(is_multi_factor, max_age_seconds), ..demand(Requirement::Customer) };
            demand.check(standing, NOW).is_ok()
        };
        assert!(check(&standing, false, None) && check(&standing, false, Some(60)));
        assert!(!check(&standing, false, Some(59)) && !check(&standing, true, None));
        standing.is_multi_factor = true;
        assert!(check(&standing, true, Some(60)) && !check(&standing, true, Some(59)));
        standing.authenticated_at = None;
        assert!(!check(&standing, false, Some(60)), "a login nobody knows of is no login");
        let open = Demand { proof: Proof::of(true, None), ..demand(Requirement::None) };
        assert_eq!(open.check_anonymous(), Err(Refusal::MissingCredential));
    }

    fn demand(require: Requirement) -> Demand {
        Demand {
            require,
            scopes_any: Vec::new(),
            scopes_all: Scopes::default(),
            tenant: None,
            allow_service: false,
            proof: None,
        }
    }

    #[test]
    fn s56_who_is_not_enough_does_not_pass() {
        use Requirement::{Customer, Guest, LegalEntity, None as Nobody};
        for (require, anonymous, as_guest, as_customer, as_buyer, as_service) in [
            (Nobody, true, true, true, true, true),
            (Guest, false, true, true, true, false),
            (Customer, false, false, true, true, false),
            (LegalEntity, false, false, false, true, false),
        ] {
            let demand = demand(require);
            assert_eq!(demand.check_anonymous().is_ok(), anonymous, "{require:?}");
            assert_eq!(demand.check(&guest(), NOW).is_ok(), as_guest, "{require:?}");
            assert_eq!(demand.check(&customer(), NOW).is_ok(), as_customer, "{require:?}");
            assert_eq!(demand.check(&acting_for("LE_1"), NOW).is_ok(), as_buyer, "{require:?}");
            assert_eq!(demand.check(&service(), NOW).is_ok(), as_service, "{require:?}");
        }
        let mut demand = demand(LegalEntity);
        demand.allow_service = true;
        assert_eq!(demand.check(&service(), NOW), Err(Refusal::WrongLevel), "it has no entity either");
        demand.require = Customer;
        assert_eq!(demand.check(&service(), NOW), Ok(()));
    }

    #[test]
    fn s58_scopes_and_tenant_are_asked_for_each_time() {
        let mut demand = demand(Requirement::Customer);
        let standing = customer(); // has "orders.read cart"
        demand.scopes_any = ["x", "cart"].map(|scope| scope.parse().unwrap()).to_vec();
        assert_eq!(demand.check(&standing, NOW), Ok(()));
        demand.scopes_all = Scopes::parse("cart orders.read").unwrap();
        assert_eq!(demand.check(&standing, NOW), Ok(()));
        demand.scopes_all = Scopes::parse("cart orders.write").unwrap();
        assert_eq!(demand.check(&standing, NOW), Err(Refusal::MissingScope));
        demand.scopes_all = Scopes::default();
        demand.scopes_any = vec!["x".parse().unwrap()];
        assert_eq!(demand.check(&standing, NOW), Err(Refusal::MissingScope));
        demand.scopes_any.clear();
        demand.tenant = Some("other".parse().unwrap());
        assert_eq!(demand.check(&standing, NOW), Err(Refusal::InvalidCredential), "S-40: another tenant's token");
        demand.require = Requirement::None;
        demand.scopes_any = vec!["x".parse().unwrap()];
        assert_eq!(demand.check_anonymous(), Err(Refusal::MissingCredential));
    }
}
