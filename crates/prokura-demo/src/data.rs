//! A small data set of our own: an invented wholesaler's customers, for the demo and for tests.
//!
//! The files have the form that `prokura import` reads. All people and companies are made up, all addresses end in
//! `.example`. Two coffee-and-bread companies share a buyer, a hotel group has two houses, one company stands alone.

use std::io;
use std::path::Path;

/// A person of the data set to try things with, and what they may and may not do.
#[derive(Debug, Clone, Copy)]
pub struct SampleLogin {
    /// E-mail address to log in with.
    pub email: &'static str,
    /// Password, published here on purpose.
    pub password: &'static str,
    /// Who it is, in words.
    pub about: &'static str,
    /// Exactly the companies this person acts for.
    pub legal_entities: &'static [&'static str],
}

/// Acts for two companies that see different products, prices and orders.
pub const BUYER: SampleLogin = SampleLogin {
    email: "erika.muster@nordwind.example",
    password: "Anker-Kaffee-Lichtung-7",
    about: "buys for a coffee house and a bakehouse",
    legal_entities: &["nordwind-hamburg", "nordwind-bremen"],
};

/// Acts for a hotel company and its two houses.
pub const GROUP_BUYER: SampleLogin = SampleLogin {
    email: "mario.esempio@lagune.example",
    password: "Gondola-Lino-Chiave-2",
    about: "buys for three hotel companies",
    legal_entities: &["lagune", "lagune-lido", "lagune-mestre"],
};

/// Acts for one company, and so never has to choose.
pub const OWNER: SampleLogin = SampleLogin {
    email: "vreni.musterfrau@alpenkueche.example",
    password: "Gipfel-Kessel-Schnee-3",
    about: "owns one company",
    legal_entities: &["alpenkueche"],
};

/// Acts for nobody else.
pub const PRIVATE_PERSON: SampleLogin = SampleLogin {
    email: "nemo.privat@post.example",
    password: "Allein-Teekanne-Regen-6",
    about: "shops as a private person",
    legal_entities: &[],
};

/// A company that [`BUYER`] does not act for.
pub const FOREIGN_LEGAL_ENTITY: &str = "alpenkueche";

/// The segment whose items everybody may see: for [`crate::shop::ShopConfig::public_segments`].
pub const PUBLIC_SEGMENT: &str = "general";

/// Name and content of every file.
pub const fn files() -> &'static [(&'static str, &'static str)] {
    &[
        ("legal_entities.csv", include_str!("../data/legal_entities.csv")),
        ("customers.csv", include_str!("../data/customers.csv")),
        ("contact_assignments.csv", include_str!("../data/contact_assignments.csv")),
        ("segments.csv", include_str!("../data/segments.csv")),
        ("segment_members.csv", include_str!("../data/segment_members.csv")),
        ("segment_items.csv", include_str!("../data/segment_items.csv")),
        ("products.csv", include_str!("../data/products.csv")),
        ("prices.csv", include_str!("../data/prices.csv")),
        ("orders.csv", include_str!("../data/orders.csv")),
        ("order_lines.csv", include_str!("../data/order_lines.csv")),
    ]
}

/// Writes every file into a directory that exists.
pub fn write_to(directory: &Path) -> io::Result<()> {
    files().iter().try_for_each(|(name, content)| std::fs::write(directory.join(name), content))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rows(name: &str) -> Vec<csv::StringRecord> {
        let (_, content) = files().iter().find(|(file, _)| *file == name).unwrap();
        csv::Reader::from_reader(content.as_bytes()).records().collect::<Result<_, _>>().unwrap()
    }

    fn column(name: &str, position: usize) -> BTreeSet<String> {
        rows(name).iter().map(|row| row[position].to_owned()).filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn the_sample_logins_are_what_their_descriptions_say() {
        for login in [BUYER, GROUP_BUYER, OWNER, PRIVATE_PERSON] {
            let customers = rows("customers.csv");
            let customer = customers.iter().find(|row| &row[0] == login.email).expect(login.email);
            assert_eq!(&customer[6], login.password);
            let assigned: BTreeSet<String> = rows("contact_assignments.csv")
                .iter()
                .filter(|row| &row[0] == login.email)
                .map(|row| row[1].to_owned())
                .collect();
            assert_eq!(assigned, login.legal_entities.iter().map(|&id| id.to_owned()).collect(), "{}", login.email);
        }
        assert!(column("legal_entities.csv", 0).contains(FOREIGN_LEGAL_ENTITY));
        assert!(!BUYER.legal_entities.contains(&FOREIGN_LEGAL_ENTITY));
    }

    #[test]
    fn whoever_acts_for_a_subsidiary_acts_for_its_parent_too() {
        // With upward propagation of assignments an import would otherwise add companies to the sample logins.
        let assignments = rows("contact_assignments.csv");
        for entity in rows("legal_entities.csv").iter().filter(|entity| !entity[3].is_empty()) {
            for assignment in assignments.iter().filter(|assignment| assignment[1] == entity[0]) {
                let has_parent = assignments.iter().any(|other| other[0] == assignment[0] && other[1] == entity[3]);
                assert!(has_parent, "{} for {}", &assignment[0], &entity[0]);
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let (companies, customers) = (column("legal_entities.csv", 0), column("customers.csv", 0));
        let (products, segments) = (column("products.csv", 0), column("segments.csv", 0));
        for (name, position, known) in [
            ("legal_entities.csv", 3, &companies),
            ("contact_assignments.csv", 0, &customers),
            ("contact_assignments.csv", 1, &companies),
            ("segment_members.csv", 0, &segments),
            ("segment_members.csv", 1, &companies),
            ("segment_members.csv", 2, &customers),
            ("segment_items.csv", 0, &segments),
            ("segment_items.csv", 2, &products),
            ("prices.csv", 0, &companies),
            ("prices.csv", 1, &products),
            ("orders.csv", 1, &companies),
            ("orders.csv", 2, &customers),
            ("order_lines.csv", 1, &products),
        ] {
            let used = column(name, position);
            assert!(used.is_subset(known), "{name}, column {position}: {:?}", used.difference(known));
        }
        assert_eq!(column("orders.csv", 0), column("order_lines.csv", 0));
    }
}
