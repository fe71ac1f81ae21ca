//! The kinds of rows: their columns, how a row is read, and how a batch of them is taken in.

use super::{countries, table::Record};
use prokura_domain::{
    AssignmentKind, CompanyKind, CustomerKind, CustomerState, Email, GroupCode, SegmentState, Timestamp, UnknownWord,
    Validity,
};
use prokura_engine::{
    CreateCustomer, Engine, FieldFault, ImportAssignment, ImportLegalEntity, ImportSeat, ImportSegmentItem,
    ImportSegmentMember, NewPassword, Profile, RowOutcome, Segment, SegmentItem, Tenant,
};
use prokura_jose::Secret;
use serde_json::{Map, json};
use std::str::FromStr;

/// What reading a row gives: its key within the file and the row, or everything that is wrong with it.
pub(super) type Read = Result<(String, Row), Vec<FieldFault>>;

/// A kind of rows.
pub(super) struct Kind {
    /// The file's name without its ending.
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
    /// The column a repeated row is reported at.
    pub(super) key: &'static str,
    /// Reads a row: its key within the file, and the row.
    pub(super) read: fn(&Record) -> Read,
}

/// The kinds, each after what it refers to.
pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "legal_entities",
        columns: &["id", "name", "type", "parent_id", "country", "city", "address", "postal_code", "phone"],
        optional: &[],
        key: "id",
        read: legal_entity,
    },
    Kind {
        name: "customers",
        columns: &["email", "first_name", "last_name", "job_title", "phone", "preferred_language", "password"],
        optional: &["password_hash"],
        key: "email",
        read: customer,
    },
    Kind {
        name: "contact_assignments",
        columns: &["customer_email", "legal_entity_id", "type", "primary", "group"],
        optional: &[],
        key: "legal_entity_id",
        read: assignment,
    },
    Kind { name: "segments", columns: &["id", "name", "status"], optional: &[], key: "id", read: segment },
    Kind {
        name: "segment_members",
        columns: &["segment_id", "legal_entity_id", "customer_email"],
        optional: &[],
        key: "segment_id",
        read: segment_member,
    },
    Kind {
        name: "segment_items",
        columns: &["segment_id", "item_type", "item_id"],
        optional: &[],
        key: "item_id",
        read: segment_item,
    },
];

/// A row that is right by itself.
pub(super) enum Row {
    LegalEntity(Box<ImportLegalEntity>),
    Customer(Box<CreateCustomer>),
    Assignment(ImportAssignment),
    Segment(Box<Segment>),
    Member(ImportSegmentMember),
    Item(ImportSegmentItem),
}

/// Takes a batch of one kind in.
pub(super) async fn take_in(
    engine: &Engine,
    tenant: &Tenant,
    rows: Vec<Row>,
) -> Result<Vec<RowOutcome>, prokura_engine::Error> {
    let (mut entities, mut customers, mut assignments) = (Vec::new(), Vec::new(), Vec::new());
    let (mut segments, mut members, mut items) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        match row {
            Row::LegalEntity(row) => entities.push(*row),
            Row::Customer(row) => customers.push(*row),
            Row::Assignment(row) => assignments.push(row),
            Row::Segment(row) => segments.push(*row),
            Row::Member(row) => members.push(row),
            Row::Item(row) => items.push(row),
        }
    }
    let mut outcomes = Vec::new();
    if !entities.is_empty() {
        outcomes.extend(engine.import_legal_entities(tenant, &entities).await?);
    }
    if !customers.is_empty() {
        outcomes.extend(engine.import_customers(tenant, &customers).await?);
    }
    if !assignments.is_empty() {
        outcomes.extend(engine.import_assignments(tenant, &assignments).await?);
    }
    if !segments.is_empty() {
        outcomes.extend(engine.import_segments(tenant, &segments).await?);
    }
    if !members.is_empty() {
        outcomes.extend(engine.import_segment_members(tenant, &members).await?);
    }
    if !items.is_empty() {
        outcomes.extend(engine.import_segment_items(tenant, &items).await?);
    }
    Ok(outcomes)
}

/// Collects what is wrong with a row, field by field, so that one look at the report mends it.
struct Fields<'a> {
    record: &'a Record,
    faults: Vec<FieldFault>,
}

impl<'a> Fields<'a> {
    fn of(record: &'a Record) -> Self {
        Self { record, faults: Vec::new() }
    }

    fn wrong(&mut self, field: &'static str, reason: impl std::fmt::Display) {
        self.faults.push(FieldFault { field, reason: reason.to_string() });
    }

    fn text(&self, column: &str) -> String {
        self.record.get(column).unwrap_or_default().to_owned()
    }

    fn maybe(&self, column: &str) -> Option<String> {
        self.record.get(column).map(str::to_owned)
    }

    fn required(&mut self, column: &'static str) -> Option<&'a str> {
        let found = self.record.get(column);
        if found.is_none() {
            self.wrong(column, "must not be empty");
        }
        found
    }

    /// A required field that is read by its type.
    fn read<T: FromStr<Err: ToString>>(&mut self, column: &'static str) -> Option<T> {
        let text = self.required(column)?;
        text.parse().map_err(|error: T::Err| self.wrong(column, error.to_string())).ok()
    }

    /// A required word of a closed list.
    fn word<T: FromStr<Err = UnknownWord>>(&mut self, column: &'static str) -> Option<T> {
        let text = self.required(column)?;
        let found = text.parse::<T>();
        found
            .map_err(|error| {
                self.wrong(column, format!("{:?} is not one of {}", error.word, error.expected.replace(' ', ", ")));
            })
            .ok()
    }

    fn email(&mut self, column: &'static str) -> Option<Email> {
        let text = self.required(column)?;
        Email::parse(text).map_err(|error| self.wrong(column, error)).ok()
    }

    fn finish<T>(self, row: Option<T>) -> Result<T, Vec<FieldFault>> {
        match row {
            Some(row) if self.faults.is_empty() => Ok(row),
            _ => Err(self.faults),
        }
    }
}

fn legal_entity(record: &Record) -> Read {
    let mut fields = Fields::of(record);
    let id = fields.read::<prokura_domain::LegalEntityId>("id");
    let name = fields.required("name");
    let kind = fields.word::<CompanyKind>("type");
    let parent = match record.get("parent_id") {
        None => None,
        Some(text) => text.parse().map_err(|error| fields.wrong("parent_id", error)).ok(),
    };
    if kind == Some(CompanyKind::Subsidiary) && record.get("parent_id").is_none() {
        fields.wrong("parent_id", "a subsidiary names its parent");
    }
    let country = record.get("country");
    if country.is_some_and(|code| !countries::is_code(code)) {
        fields.wrong(
            "country",
            format!(
                "{:?} is not a code of two capital letters (ISO 3166 alpha-2), such as DE",
                country.unwrap_or_default()
            ),
        );
    }
    let seat = ImportSeat {
        address: fields.maybe("address"),
        city: fields.maybe("city"),
        postcode: fields.maybe("postal_code"),
        phone: fields.maybe("phone"),
    };
    let has_seat = [&seat.address, &seat.city, &seat.postcode, &seat.phone].into_iter().any(Option::is_some);
    let country = country.map(str::to_owned);
    let row = id.zip(name).zip(kind).map(|((id, name), kind)| {
        let key = id.to_string();
        let seat = has_seat.then_some(seat);
        (key, Row::LegalEntity(Box::new(ImportLegalEntity { id, name: name.to_owned(), kind, parent, country, seat })))
    });
    fields.finish(row)
}

fn customer(record: &Record) -> Read {
    let mut fields = Fields::of(record);
    let email = fields.email("email");
    let password = match (record.get("password"), record.get("password_hash")) {
        (Some(_), Some(_)) => {
            fields.wrong("password_hash", "give a password or a hash, not both");
            None
        }
        (Some(plain), None) => Some((NewPassword::Plain(Secret::from(plain.to_owned())), false)),
        (None, Some(hash)) => Some((NewPassword::Hash(hash.to_owned()), false)),
        (None, None) => None,
    };
    let profile = Profile {
        given_name: fields.text("first_name"),
        family_name: fields.text("last_name"),
        job_title: fields.maybe("job_title"),
        phone: fields.maybe("phone"),
        language: fields.maybe("preferred_language"),
        ..Profile::default()
    };
    let row = email.map(|email| {
        let key = email.key().to_owned();
        let row = CreateCustomer {
            id: None,
            kind: CustomerKind::Customer,
            email: Some(email),
            profile,
            state: CustomerState::Active,
            password,
        };
        (key, Row::Customer(Box::new(row)))
    });
    fields.finish(row)
}

fn assignment(record: &Record) -> Read {
    let mut fields = Fields::of(record);
    let email = fields.email("customer_email");
    let entity = fields.read::<prokura_domain::LegalEntityId>("legal_entity_id");
    let kind = fields.word::<AssignmentKind>("type");
    let is_primary = match record.get("primary") {
        Some("true") => Some(true),
        Some("false") | None => Some(false),
        Some(other) => {
            fields.wrong("primary", format!("{other:?} is not true or false"));
            None
        }
    };
    let group = match fields.required("group") {
        Some("ADMIN") => Some(GroupCode::Admin),
        Some("BUYER") => Some(GroupCode::Buyer),
        Some("REQUESTER") => Some(GroupCode::Requester),
        Some("CONTACT") => Some(GroupCode::Contact),
        Some(other) => {
            fields.wrong("group", format!("{other:?} is not one of ADMIN, BUYER, REQUESTER, CONTACT"));
            None
        }
        None => None,
    };
    let row =
        email.zip(entity).zip(kind).zip(is_primary.zip(group)).map(|(((email, entity), kind), (is_primary, group))| {
            let key = format!("{}\n{entity}", email.key());
            (key, Row::Assignment(ImportAssignment { email, legal_entity: entity, kind, is_primary, group }))
        });
    fields.finish(row)
}

fn segment(record: &Record) -> Read {
    let mut fields = Fields::of(record);
    let id = fields.read::<prokura_domain::SegmentId>("id");
    let name = fields.required("name");
    let state = match fields.required("status") {
        Some("ACTIVE") => Some(SegmentState::Active),
        Some("INACTIVE") => Some(SegmentState::Inactive),
        Some(other) => {
            fields.wrong("status", format!("{other:?} is not ACTIVE or INACTIVE"));
            None
        }
        None => None,
    };
    let row = id.zip(name).zip(state).map(|((id, name), state)| {
        let moment = Timestamp::from_millis(0);
        let segment = Segment {
            id: id.clone(),
            name: Map::from_iter([("en".to_owned(), json!(name))]),
            description: Map::new(),
            site: None,
            state,
            validity: Validity::default(),
            details: Map::new(),
            version: 0,
            created_at: moment,
            modified_at: moment,
        };
        (id.to_string(), Row::Segment(Box::new(segment)))
    });
    fields.finish(row)
}

fn segment_member(record: &Record) -> Read {
    let mut fields = Fields::of(record);
    let segment = fields.read::<prokura_domain::SegmentId>("segment_id");
    let legal_entity = match record.get("legal_entity_id") {
        None => None,
        Some(text) => text.parse().map_err(|error| fields.wrong("legal_entity_id", error)).ok(),
    };
    let email = record.get("customer_email").and_then(|_| fields.email("customer_email"));
    if record.get("legal_entity_id").is_none() && record.get("customer_email").is_none() {
        fields.wrong("legal_entity_id", "name a legal entity, a customer, or both");
    }
    let row = segment.map(|segment| {
        let entity = legal_entity.as_ref().map(ToString::to_string).unwrap_or_default();
        let key = format!("{segment}\n{entity}\n{}", email.as_ref().map_or("", |email| email.key()));
        (key, Row::Member(ImportSegmentMember { segment, legal_entity, email }))
    });
    fields.finish(row)
}

fn segment_item(record: &Record) -> Read {
    let mut fields = Fields::of(record);
    let segment = fields.read::<prokura_domain::SegmentId>("segment_id");
    let kind = fields.word::<prokura_domain::SegmentItemKind>("item_type");
    let item = fields.required("item_id").map(str::to_owned);
    let row = segment.zip(kind).zip(item).map(|((segment, kind), item)| {
        let key = format!("{segment}\n{kind}\n{item}");
        (key, Row::Item(ImportSegmentItem { segment, item: SegmentItem { kind, item, details: Map::new() } }))
    });
    fields.finish(row)
}
