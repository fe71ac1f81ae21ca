//! Standings for the tests of this crate.

use prokura_domain::{ActingFor, Scopes, Standing, Subject};

fn standing(subject: Subject) -> Standing {
    Standing {
        tenant: "demo".parse().unwrap(),
        site: None,
        client: "web".parse().unwrap(),
        subject,
        acting_for: None,
        scopes: Scopes::parse("orders.read cart").unwrap(),
        segments: vec!["gold".parse().unwrap(), "north".parse().unwrap()],
        has_more_segments: false,
        session: Some("s1".parse().unwrap()),
        visitor: None,
        family: Some("f1".parse().unwrap()),
        epoch: 1,
        authenticated_at: None,
        is_multi_factor: false,
        is_entity_locked: false,
        is_scope_limited: false,
    }
}

pub(crate) fn guest() -> Standing {
    Standing { scopes: Scopes::default(), ..standing(Subject::Guest) }
}

pub(crate) fn customer() -> Standing {
    standing(Subject::Customer("anna".parse().unwrap()))
}

pub(crate) fn acting_for(legal_entity: &str) -> Standing {
    Standing {
        acting_for: Some(ActingFor {
            legal_entity: legal_entity.parse().unwrap(),
            assignment: "a1".parse().unwrap(),
            grant: "g1".parse().unwrap(),
        }),
        ..customer()
    }
}

pub(crate) fn service() -> Standing {
    Standing { session: None, family: None, ..standing(Subject::Service) }
}
