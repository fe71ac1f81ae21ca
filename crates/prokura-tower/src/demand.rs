//! What is asked of whoever comes: a pure rule over a standing.

use crate::refusal::Refusal;
use prokura_domain::{Scope, Scopes, Standing, Subject, Timestamp};

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
    pub(crate) login: Login,
}

/// How surely and how lately the customer must have proven who they are (RFC 9470).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) is_multi_factor: bool,
    pub(crate) max_age_seconds: Option<u32>,
}

impl Demand {
    pub(crate) fn check(&self, standing: &Standing, now: Timestamp) -> Result<(), Refusal> {
        let is_high_enough = match (&standing.subject, self.level) {
            (Subject::Service, _) => self.allows_machines,
            (Subject::Guest, level) => level == Level::Guest,
            (Subject::Customer(_), Level::Guest | Level::Customer) => true,
            (Subject::Customer(_), Level::LegalEntity) => standing.acting_for.is_some(),
        };
        if !is_high_enough {
            return Err(Refusal::WrongLevel);
        }
        if !self.scopes.is_subset(&standing.scopes) {
            return Err(Refusal::MissingScope(self.scopes.to_string()));
        }
        // Nobody logs in again for a machine: its scopes are what there is to ask.
        let is_machine = standing.subject == Subject::Service;
        if is_machine || standing.has_proven(self.login.is_multi_factor, self.login.max_age_seconds, now) {
            Ok(())
        } else {
            Err(Refusal::LoginNeeded(self.login))
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

    const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

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
            visitor: None,
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
            assert_eq!(demand.check(&standing(Subject::Guest, false), NOW).is_ok(), guest, "{level:?}");
            assert_eq!(demand.check(&standing(customer(), false), NOW).is_ok(), alone, "{level:?}");
            assert_eq!(demand.check(&standing(customer(), true), NOW).is_ok(), acting, "{level:?}");
            assert_eq!(demand.check(&standing(Subject::Service, false), NOW).is_ok(), machine, "{level:?}");
            demand.allows_machines = true;
            assert_eq!(demand.check(&standing(Subject::Service, false), NOW), Ok(()), "{level:?}");
            demand.add("orders.write".parse().unwrap());
            assert!(demand.check(&standing(customer(), true), NOW).is_err(), "a scope is missing");
        }
    }

    #[test]
    fn a_surer_or_newer_login_can_be_asked_for() {
        let mut ann = standing(Subject::Customer("ann".parse().unwrap()), true);
        ann.authenticated_at = Some(NOW.plus_seconds(-60));
        for (is_multi_factor, max_age_seconds, by_password, by_passkey) in [
            (false, None, true, true),
            (true, None, false, true),
            (false, Some(60), true, true),
            (true, Some(60), false, true),
            (true, Some(59), false, false),
            (false, Some(59), false, false),
        ] {
            let demand = Demand { login: Login { is_multi_factor, max_age_seconds }, ..Demand::default() };
            for (is_sure, expected) in [(false, by_password), (true, by_passkey)] {
                ann.is_multi_factor = is_sure;
                assert_eq!(demand.check(&ann, NOW).is_ok(), expected, "{demand:?} {is_sure}");
            }
            let machines = Demand { allows_machines: true, ..demand };
            assert_eq!(machines.check(&standing(Subject::Service, false), NOW), Ok(()), "a machine logs in nowhere");
        }
        let recent = Demand { login: Login { max_age_seconds: Some(60), ..Login::default() }, ..Demand::default() };
        ann.authenticated_at = None;
        assert!(recent.check(&ann, NOW).is_err(), "a login nobody knows the time of is no login");
    }
}
