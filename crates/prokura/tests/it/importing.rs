//! The importer: every fault is named once and exactly, good rows go in, a second run changes nothing.

use prokura::import::{self, ImportOptions, ImportReport};
use prokura_engine::{
    Actor, Location, LocationDetails, LocationFilter, Origin, PutLegalEntity, PutLocation, PutMode, Tenant,
};
use prokura_testkit::TestServer;
use std::{fmt::Write as _, fs, path::Path};

async fn import(server: &TestServer, tenant: &Tenant, folder: &Path) -> ImportReport {
    import::run(&server.engine, tenant, folder, &ImportOptions::quiet()).await.unwrap()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn created(report: &ImportReport) -> Vec<(&'static str, u64, u64, u64)> {
    report.kinds.iter().map(|(name, counts)| (*name, counts.created, counts.unchanged, counts.left_out)).collect()
}

const ENTITIES: &str = "\
id,name,type,parent_id,country,city,address,postal_code,phone
child,Child,SUBSIDIARY,mother,DE,,,,
mother,Mother,COMPANY,,DE,Kiel,Kai 1,24103,
mother,Mother again,COMPANY,,DE,,,,
orphan,Orphan,SUBSIDIARY,nobody,DE,,,,
grandorphan,Grandorphan,SUBSIDIARY,orphan,DE,,,,
one,One,SUBSIDIARY,two,DE,,,,
two,Two,SUBSIDIARY,one,DE,,,,
wrongland,Wrong,COMPANY,,Germany,,,,
,Nameless,COMPANY,,DE,,,,
short,Short,COMPANY
bad id!,Bad,COMPANY,,DE,,,,
";

const CUSTOMERS: &str = "\
email,first_name,last_name,job_title,phone,preferred_language,password
anna@kiel.example,Anna,Muster,,,de,long enough
ANNA@kiel.example,Anna,Muster,,,de,long enough
nowhere,No,Mail,,,,long enough
short@kiel.example,Short,Password,,,,abc
";

const ASSIGNMENTS: &str = "\
customer_email,legal_entity_id,type,primary,group
anna@kiel.example,child,PRIMARY,true,ADMIN
anna@kiel.example,child,CONTACT,false,BUYER
anna@kiel.example,nobody,CONTACT,false,BUYER
nobody@kiel.example,child,CONTACT,false,BUYER
anna@kiel.example,mother,BOSS,perhaps,KING
";

#[tokio::test]
async fn every_bad_row_is_named_and_the_others_go_in() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let files = folder(&[
        ("legal_entities.csv", ENTITIES),
        ("customers.csv", CUSTOMERS),
        ("contact_assignments.csv", ASSIGNMENTS),
    ]);
    let report = import(&server, &tenant, files.path()).await;
    let mut text = String::new();
    for fault in &report.faults {
        writeln!(text, "{fault}").unwrap();
    }
    insta::assert_snapshot!(text, @r#"
    legal_entities.csv:4: id: stands in line 3 already: keep one of the two
    legal_entities.csv:5: parent_id: there is no such legal entity in this file or in the tenant
    legal_entities.csv:6: parent_id: the parent's own row is left out: mend that one first
    legal_entities.csv:7: parent_id: the parents form a circle: one of them must be a COMPANY without a parent
    legal_entities.csv:8: parent_id: the parents form a circle: one of them must be a COMPANY without a parent
    legal_entities.csv:9: country: "Germany" is not a code of two capital letters (ISO 3166 alpha-2), such as DE
    legal_entities.csv:10: id: must not be empty
    legal_entities.csv:11: has 3 fields, and the header has 9
    legal_entities.csv:12: id: an id has only the characters A-Z, a-z, 0-9, _ and -, not ' '
    customers.csv:3: email: stands in line 2 already: keep one of the two
    customers.csv:4: email: an e-mail address is name@domain, at most 254 characters, with one @ and no blanks or control characters
    customers.csv:5: password: the password must have at least 6 characters
    contact_assignments.csv:3: legal_entity_id: stands in line 2 already: keep one of the two
    contact_assignments.csv:4: legal_entity_id: there is no such legal entity
    contact_assignments.csv:5: customer_email: there is no such customer
    contact_assignments.csv:6: type: "BOSS" is not one of PRIMARY, BILLING, LOGISTICS, CONTACT
    contact_assignments.csv:6: primary: "perhaps" is not true or false
    contact_assignments.csv:6: group: "KING" is not one of ADMIN, BUYER, REQUESTER, CONTACT
    "#);
    assert_eq!(
        created(&report),
        [("legal_entities", 2, 0, 9), ("customers", 1, 0, 3), ("contact_assignments", 1, 0, 4)]
    );

    let again = import(&server, &tenant, files.path()).await;
    assert_eq!(again.faults, report.faults);
    assert_eq!(
        created(&again),
        [("legal_entities", 0, 2, 9), ("customers", 0, 1, 3), ("contact_assignments", 0, 1, 4)]
    );
}

#[tokio::test]
async fn json_lines_are_the_same_rows() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let files = folder(&[
        (
            "legal_entities.jsonl",
            "{\"id\":\"mother\",\"name\":\"Mother\",\"type\":\"COMPANY\",\"country\":\"DE\"}\n\n{\"id\":\"x\"\n{\"id\":\"y\",\"name\":\"Y\",\"type\":\"COMPANY\",\"color\":\"red\"}\n",
        ),
        ("segments.jsonl", "{\"id\":\"general\",\"name\":\"General\",\"status\":\"ACTIVE\"}\n"),
        ("segment_items.jsonl", "{\"segment_id\":\"general\",\"item_type\":\"PRODUCT\",\"item_id\":7}\n"),
        ("segment_members.jsonl", "{\"segment_id\":\"general\",\"legal_entity_id\":\"mother\"}\n"),
    ]);
    let report = import(&server, &tenant, files.path()).await;
    assert_eq!(
        created(&report),
        [("legal_entities", 1, 0, 2), ("segments", 1, 0, 0), ("segment_members", 1, 0, 0), ("segment_items", 1, 0, 0)]
    );
    let lines: Vec<u64> = report.faults.iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [3, 4]);
}

#[tokio::test]
async fn a_wrong_header_is_refused_before_anything_is_read() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    for (header, expected) in [
        ("id,name\n", "the column status is missing"),
        ("id,name,status,colour\n", "the column \"colour\" is not known"),
    ] {
        let files = folder(&[("segments.csv", header)]);
        let error = import::run(&server.engine, &tenant, files.path(), &ImportOptions::quiet()).await.unwrap_err();
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
    let empty = tempfile::tempdir().unwrap();
    assert!(import::run(&server.engine, &tenant, empty.path(), &ImportOptions::quiet()).await.is_err());
}

#[tokio::test]
async fn the_sample_data_goes_in_whole() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let files = tempfile::tempdir().unwrap();
    prokura_demo::data::write_to(files.path()).unwrap();
    let report = import(&server, &tenant, files.path()).await;
    assert_eq!(report.faults, []);
    let email = prokura_domain::Email::parse(prokura_demo::data::BUYER.email).unwrap();
    let buyer = server.engine.customer_by_email(&tenant, &email).await.unwrap().unwrap();
    let mut entities: Vec<String> = server
        .engine
        .assignments_of(&tenant, &buyer.id)
        .await
        .unwrap()
        .into_iter()
        .map(|(_, entity)| entity.id.to_string())
        .collect();
    entities.sort();
    assert_eq!(entities, ["nordwind-bremen", "nordwind-hamburg"]);
}

const SEATED: &str = "\
id,name,type,parent_id,country,city,address,postal_code,phone
mother,Mother,COMPANY,,DE,Kiel,Kai 1,24103,0431 1
bare,Bare,COMPANY,,DE,,,,
";

async fn locations(server: &TestServer, tenant: &Tenant) -> Vec<Location> {
    server.engine.locations(tenant, &LocationFilter::default(), "", 100).await.unwrap()
}

#[tokio::test]
async fn the_address_of_a_company_is_a_location_of_it() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let files = folder(&[("legal_entities.csv", SEATED)]);
    import(&server, &tenant, files.path()).await;
    let found = locations(&server, &tenant).await;
    assert_eq!(found.len(), 1, "an entity without an address has no location");
    let expected = LocationDetails {
        phones: vec!["0431 1".to_owned()],
        address_line_1: Some("Kai 1".to_owned()),
        city: Some("Kiel".to_owned()),
        postcode: Some("24103".to_owned()),
        country_code: Some("DE".to_owned()),
        ..LocationDetails::default()
    };
    assert_eq!((found[0].name.as_str(), found[0].kind.as_str()), ("Mother", "HEADQUARTER"));
    assert_eq!(found[0].details, expected);
    let of_mother = LocationFilter { legal_entity: Some("mother".parse().unwrap()), ..LocationFilter::default() };
    assert_eq!(server.engine.locations(&tenant, &of_mother, "", 9).await.unwrap().len(), 1);

    // What the file does not know stays, and a row that is there just so touches nothing.
    let (system, from) = (Actor::System, Origin::local("test"));
    let details = LocationDetails { emails: vec!["seat@mother.example".to_owned()], ..expected.clone() };
    let seat = PutLocation {
        id: Some(found[0].id.clone()),
        name: "Quay".to_owned(),
        kind: found[0].kind,
        details: details.clone(),
    };
    server.engine.put_location(&tenant, &seat, PutMode::Upsert { version: None }, &system, &from).await.unwrap();
    let mut mother = server.engine.legal_entity(&tenant, &"mother".parse().unwrap()).await.unwrap();
    assert!(mother.details.mixins.is_empty(), "{:?}", mother.details.mixins);
    mother.details.mixins.insert("erp".to_owned(), serde_json::json!({ "number": 7 }));
    let put = PutLegalEntity {
        entity: prokura_engine::CreateLegalEntity {
            id: Some(mother.id.clone()),
            name: mother.name.clone(),
            kind: mother.kind,
            parent: None,
            details: mother.details.clone(),
        },
        locations: None,
        groups: None,
    };
    server.engine.put_legal_entity(&tenant, &put, PutMode::Upsert { version: None }, &system, &from).await.unwrap();
    let again = import(&server, &tenant, files.path()).await;
    assert_eq!(created(&again), [("legal_entities", 0, 2, 0)]);
    assert_eq!(locations(&server, &tenant).await[0].details, details);

    // A moved company: the address follows, the rest of the location and of the company stays.
    let moved = folder(&[("legal_entities.csv", &SEATED.replace("Kai 1,24103", "Kai 2,24105"))]);
    let report = import(&server, &tenant, moved.path()).await;
    assert_eq!(report.kinds[0].1.updated, 1);
    let found = locations(&server, &tenant).await;
    let expected =
        LocationDetails { address_line_1: Some("Kai 2".to_owned()), postcode: Some("24105".to_owned()), ..details };
    assert_eq!((found.len(), found[0].name.as_str(), &found[0].details), (1, "Quay", &expected));
    let mother = server.engine.legal_entity(&tenant, &"mother".parse().unwrap()).await.unwrap();
    assert_eq!(mother.details.mixins["erp"]["number"], 7);
}

#[tokio::test]
async fn a_location_of_others_is_not_taken_over() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let depot = PutLocation {
        id: Some("mother".parse().unwrap()),
        name: "Depot".to_owned(),
        kind: prokura_domain::LocationKind::Warehouse,
        details: LocationDetails::default(),
    };
    let (system, from) = (Actor::System, Origin::local("test"));
    server.engine.put_location(&tenant, &depot, PutMode::Create, &system, &from).await.unwrap();
    let report = import(&server, &tenant, folder(&[("legal_entities.csv", SEATED)]).path()).await;
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        ["legal_entities.csv:2: address: the location mother is there already and serves others: rename it"]
    );
    assert_eq!(locations(&server, &tenant).await[0].name, "Depot");
    assert!(
        server.engine.legal_entity(&tenant, &"mother".parse().unwrap()).await.is_err(),
        "the row is left out whole"
    );
}

#[tokio::test]
async fn a_stopped_import_goes_on_when_started_again() {
    const ROWS: usize = 6_000;
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let mut items = "segment_id,item_type,item_id\n".to_owned();
    for number in 0..ROWS {
        writeln!(items, "general,PRODUCT,p{number}").unwrap();
    }
    let files = folder(&[("segments.csv", "id,name,status\ngeneral,General,ACTIVE\n"), ("segment_items.csv", &items)]);
    let first_item = |engine: prokura_engine::Engine, tenant: std::sync::Arc<Tenant>| async move {
        loop {
            let found = engine.segment_items(&tenant, &prokura_engine::ItemFilter::default(), 1).await.unwrap();
            if found.first().is_some_and(|entry| entry.item.item.starts_with('p')) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let options = ImportOptions::quiet();
    tokio::select! {
        biased;
        () = first_item(server.engine.clone(), tenant.clone()) => {}
        _ = import::run(&server.engine, &tenant, files.path(), &options) => panic!("it was not stopped"),
    }
    let report = import(&server, &tenant, files.path()).await;
    let counts = report.kinds[1].1;
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert!(counts.unchanged > 0 && counts.created > 0, "some were in, some were not: {counts:?}");
    assert_eq!(counts.unchanged + counts.created, ROWS as u64);
    let again = import(&server, &tenant, files.path()).await;
    assert_eq!(again.kinds[1].1.unchanged, ROWS as u64);
}

#[tokio::test]
async fn who_has_a_role_and_is_a_contact_besides_is_not_changed_again_and_again() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let entities = "id,name,type,parent_id,country,city,address,postal_code,phone\n\
                    mother,Mother,COMPANY,,DE,,,,\nchild,Child,SUBSIDIARY,mother,DE,,,,\n";
    let customers =
        "email,first_name,last_name,job_title,phone,preferred_language,password\nann@a.example,Ann,Abel,,,de,\n";
    // Whoever is in a subsidiary's group is in the parent's as well.
    let assignments = "customer_email,legal_entity_id,type,primary,group\n\
                       ann@a.example,child,PRIMARY,true,ADMIN\nann@a.example,mother,CONTACT,false,CONTACT\n";
    let files = folder(&[
        ("legal_entities.csv", entities),
        ("customers.csv", customers),
        ("contact_assignments.csv", assignments),
    ]);
    assert!(import(&server, &tenant, files.path()).await.faults.is_empty());
    for _ in 0..2 {
        let again = import(&server, &tenant, files.path()).await;
        let (kind, counts) = &again.kinds[2];
        assert_eq!((*kind, counts.unchanged, counts.updated), ("contact_assignments", 2, 0));
    }
}
