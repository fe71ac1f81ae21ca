//! What is asked of whoever comes: a pure rule over a standing.

use crate::refusal::Refusal;
use prokura_domain::{Scope, Scopes, Standing, Subject};

/// How much is known of who comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Whoever has a token: a guest, too.
    Guest,
    /// A logged-in customer.
    #[default]
    Customer,
    /// A customer who acts for a company.
    LegalEntity,
}

/// All that is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    pub(crate) level: Level,
    pub(crate) allows_machines: bool,
    pub(crate) scopes: Scopes,
}

impl Demand {
    pub(crate) fn check(&self, standing: &Standing) -> Result<(), Refusal> {
        let is_high_enough = match (&standing.subject, self.level) {
            (Subject::Service, _) => self.allows_machines,
            (Subject::Guest, level) => level == Level::Guest,
            (Subject::Customer(_), Level::Guest | Level::Customer) => true,
            (Subject::Customer(_), Level::LegalEntity) => standing.acting_for.is_some(),
        };
        if !is_high_enough {
            return Err(Refusal::WrongLevel);
        }
        if self.scopes.is_subset(&standing.scopes) {
            Ok(())
        } else {
            Err(Refusal::MissingScope(self.scopes.to_string()))
        }
    }

    pub(crate) fn add(&mut self, scope: Scope) {
        let more: Scopes = std::iter::once(scope).collect();
        self.scopes.extend(&more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prokura_domain::ActingFor;

    fn standing(subject: Subject, is_acting: bool) -> Standing {
        let acting_for = ActingFor {
            legal_entity: "le-1".parse().unwrap(),
            assignment: "a-1".parse().unwrap(),
            grant: "g-1".parse().unwrap(),
        };
        Standing {
            tenant: "acme".parse().unwrap(),
            site: None,
            client: "web".parse().unwrap(),
            subject,
            acting_for: is_acting.then_some(acting_for),
            scopes: Scopes::parse("orders.read").unwrap(),
            is_scope_limited: false,
            segments: Vec::new(),
            has_more_segments: false,
            session: None,
            family: None,
            epoch: 0,
            authenticated_at: None,
            is_entity_locked: false,
            is_multi_factor: false,
        }
    }

    #[test]
    fn who_is_not_enough_does_not_pass() {
        let customer = || Subject::Customer("ann".parse().unwrap());
        for (level, guest, alone, acting, machine) in [
            (Level::Guest, true, true, true, false),
            (Level::Customer, false, true, true, false),
            (Level::LegalEntity, false, false, true, false),
        ] {
            let mut demand = Demand { level, ..Demand::default() };
            assert_eq!(demand.check(&standing(Subject::Guest, false)).is_ok(), guest, "{level:?}");
            assert_eq!(demand.check(&standing(customer(), false)).is_ok(), alone, "{level:?}");
            assert_eq!(demand.check(&standing(customer(), true)).is_ok(), acting, "{level:?}");
            assert_eq!(demand.check(&standing(Subject::Service, false)).is_ok(), machine, "{level:?}");
            demand.allows_machines = true;
            assert_eq!(demand.check(&standing(Subject::Service, false)), Ok(()), "{level:?}");
            demand.add("orders.write".parse().unwrap());
            assert!(demand.check(&standing(customer(), true)).is_err(), "a scope is missing");
        }
    }
}
