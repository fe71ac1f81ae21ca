//! Legal entities, their places, and the people who act for them.

use crate::{LegalEntityId, word::words};
use thiserror::Error;

/// The longest chain from an entity to its root, both counted.
pub const MAX_HIERARCHY_DEPTH: usize = 20;

words!(
    /// What a legal entity is.
    CompanyKind {
        /// It stands for itself.
        Company = "COMPANY",
        /// It belongs to a parent.
        Subsidiary = "SUBSIDIARY",
    }
);

words!(
    /// What a contact is to a company. A label: rights come from groups.
    AssignmentKind {
        /// The main contact.
        Primary = "PRIMARY",
        /// Pays.
        Billing = "BILLING",
        /// Receives.
        Logistics = "LOGISTICS",
        /// Anybody else.
        Contact = "CONTACT",
    }
);

words!(
    /// What a location is used for.
    LocationKind {
        /// The seat.
        Headquarter = "HEADQUARTER",
        /// A store of goods.
        Warehouse = "WAREHOUSE",
        /// Anything else with a desk.
        Office = "OFFICE",
    }
);

words!(
    /// The predefined customer groups of a legal entity.
    GroupCode {
        /// Manages the company's people and orders without limit.
        Admin = "B2B_ADMIN",
        /// Orders up to the company's limit.
        Buyer = "B2B_BUYER",
        /// Fills carts that others approve.
        Requester = "B2B_REQUESTER",
        /// A contact person without buying rights.
        Contact = "B2B_CONTACT",
    }
);

words!(
    /// Who can be in a group.
    MemberKind {
        /// People who buy.
        Customer = "customer",
        /// People who work for the shop.
        Employee = "employee",
    }
);

words!(
    /// Where else an assignment to a legal entity reaches, at the time it is made.
    ContactPropagation {
        /// To the parents of the entity.
        Upward = "UPWARD",
        /// To its subsidiaries.
        Downward = "DOWNWARD",
        /// Nowhere.
        Disabled = "DISABLED",
    }
);

/// Why an entity cannot have a parent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HierarchyFault {
    /// The entity would be its own ancestor.
    #[error("the parents of a legal entity must not form a circle")]
    Cycle,
    /// The chain of parents is too long.
    #[error("a legal entity has at most 19 ancestors")]
    TooDeep,
}

/// Decides whether `entity`, with `levels_below` levels of subsidiaries under it, may hang under `ancestors` (nearest
/// first).
///
/// # Errors
/// [`HierarchyFault`] names the rule it would break.
pub fn check_hierarchy(
    entity: &LegalEntityId,
    ancestors: &[LegalEntityId],
    levels_below: usize,
) -> Result<(), HierarchyFault> {
    if ancestors.contains(entity) {
        return Err(HierarchyFault::Cycle);
    }
    if ancestors.len() + 1 + levels_below > MAX_HIERARCHY_DEPTH {
        return Err(HierarchyFault::TooDeep);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_company_is_never_its_own_ancestor() {
        let id = |text: &str| text.parse::<LegalEntityId>().expect("id");
        let chain: Vec<_> = (0..MAX_HIERARCHY_DEPTH).map(|n| id(&format!("e{n}"))).collect();
        for (entity, ancestors, levels_below, expected) in [
            ("a", chain.get(..2).expect("two"), 0, Ok(())),
            ("e1", chain.get(..2).expect("two"), 0, Err(HierarchyFault::Cycle)),
            ("a", chain.get(..19).expect("19"), 0, Ok(())),
            ("a", chain.get(..19).expect("19"), 1, Err(HierarchyFault::TooDeep)),
        ] {
            assert_eq!(check_hierarchy(&id(entity), ancestors, levels_below), expected, "{entity}");
        }
    }
}
