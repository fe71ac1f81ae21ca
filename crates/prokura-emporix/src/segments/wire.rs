//! Segments, members, items and categories as this service spells them.

use crate::{
    companies::wire::{Checked, MetadataBody, metadata, upsert, without_nulls},
    query::Fields,
    wire::iso,
};
use http::{HeaderMap, StatusCode, header};
use prokura_domain::{SegmentState, SiteId, Timestamp, Validity};
use prokura_engine::{Category, PutMode, PutOutcome, PutSegment, Refusal, Segment, SegmentEntry, SegmentMembership};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What segments may be narrowed and sorted by. Without a page size a list is as long as one may be.
pub(super) const FIELDS: Fields = Fields::new(
    &["id", "name.*", "description.*", "siteCode", "status", "validity.from", "validity.to", "mixins.*", "metadata.*"],
    1_000,
);

/// What members may be narrowed and sorted by.
pub(super) const MEMBER_FIELDS: Fields = Fields::new(
    &[
        "customer.*",
        "customerId=customer.id",
        "legalEntity.*",
        "legalEntityId=legalEntity.id",
        "assignmentType",
        "metadata.*",
    ],
    1_000,
);

/// What items may be narrowed and sorted by.
pub(super) const ITEM_FIELDS: Fields =
    Fields::new(&["segmentId", "type", "item.*", "itemId=item.id", "id=item.id", "mixins.*", "metadata.*"], 1_000);

/// The most characters of one text.
const MAX_TEXT: usize = 2_000;

/// A text in several languages, or in the one `Content-Language` names.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Localized {
    Map(Map<String, Value>),
    Text(String),
}

impl Localized {
    pub(super) fn read(self, field: &'static str, language: &str, checked: &mut Checked) -> Map<String, Value> {
        let texts = match self {
            Self::Map(texts) => texts,
            Self::Text(text) => Map::from_iter([(language.to_owned(), Value::String(text))]),
        };
        let is_text = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() <= MAX_TEXT);
        if !texts.values().all(is_text) {
            checked.wrong(field, format!("a text of at most {MAX_TEXT} characters for each language"));
        }
        texts
    }
}

/// From when to when.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ValidityBody {
    from: Option<String>,
    to: Option<String>,
}

impl ValidityBody {
    fn read(&self, checked: &mut Checked) -> Validity {
        let mut moment = |field, text: &Option<String>| {
            let text = text.as_deref()?;
            let moment = text.parse::<jiff::Timestamp>();
            if moment.is_err() {
                checked.wrong(field, "a moment such as 2026-08-21T10:00:00.000Z");
            }
            moment.ok().map(|moment| Timestamp::from_millis(moment.as_millisecond()))
        };
        Validity { from: moment("validity.from", &self.from), until: moment("validity.to", &self.to) }
    }
}

/// A segment that is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SegmentBody {
    id: Option<String>,
    name: Option<Localized>,
    description: Option<Localized>,
    site_code: Option<String>,
    status: Option<String>,
    validity: Option<ValidityBody>,
    mixins: Option<Map<String, Value>>,
    metadata: Option<MetadataBody>,
}

impl SegmentBody {
    /// What a `PUT` of it may replace.
    pub(super) fn mode(&self) -> PutMode {
        upsert(self.metadata.as_ref())
    }

    /// The version the writer has seen.
    pub(super) fn version(&self) -> Option<i64> {
        self.metadata.as_ref().and_then(|metadata| metadata.version)
    }

    pub(super) fn read(self, path_id: Option<&str>, language: &str) -> Result<PutSegment, Refusal> {
        let mut checked = Checked::default();
        let id = checked.path_id(path_id, self.id.as_deref());
        let name = self.name.map(|name| name.read("name", language, &mut checked)).unwrap_or_default();
        if name.is_empty() {
            checked.wrong("name", "is required");
        }
        let description =
            self.description.map(|text| text.read("description", language, &mut checked)).unwrap_or_default();
        if self.site_code.is_none() {
            checked.wrong("site_code", "is required");
        }
        let site: Option<SiteId> = checked.id("site_code", self.site_code.as_deref());
        let state = match self.status.as_deref().map(state) {
            Some(Err(())) => {
                checked.wrong("status", "is ACTIVE or INACTIVE");
                SegmentState::Inactive
            }
            Some(Ok(state)) => state,
            None => SegmentState::Inactive,
        };
        let validity = self.validity.unwrap_or_default().read(&mut checked);
        let (mixins, schemas) = checked.mixins(self.mixins, self.metadata);
        checked.done()?;
        Ok(PutSegment { id, name, description, site, state, validity, details: objects(mixins, schemas) })
    }
}

/// Free objects and their schemas, as the engine keeps them.
pub(super) fn objects(mixins: Map<String, Value>, schemas: Map<String, Value>) -> Map<String, Value> {
    let mut details = Map::new();
    for (name, map) in [("mixins", mixins), ("mixinSchemas", schemas)] {
        if !map.is_empty() {
            details.insert(name.to_owned(), Value::Object(map));
        }
    }
    details
}

fn object(details: &Map<String, Value>, name: &str) -> Map<String, Value> {
    details.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The wire's word for whether a segment counts.
pub(super) fn state(word: &str) -> Result<SegmentState, ()> {
    match word {
        "ACTIVE" => Ok(SegmentState::Active),
        "INACTIVE" => Ok(SegmentState::Inactive),
        _ => Err(()),
    }
}

fn state_word(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Active => "ACTIVE",
        SegmentState::Inactive => "INACTIVE",
    }
}

/// The status of an entry of a bulk answer.
pub(super) fn status(outcome: PutOutcome) -> StatusCode {
    match outcome {
        PutOutcome::Created => StatusCode::CREATED,
        PutOutcome::Replaced => StatusCode::NO_CONTENT,
    }
}

/// A segment as it is answered.
pub(super) fn segment_json(segment: &Segment) -> Value {
    let mut answer = patchable(segment);
    if let Value::Object(members) = &mut answer {
        members.insert(
            "metadata".to_owned(),
            metadata(
                segment.version,
                segment.created_at,
                segment.modified_at,
                &object(&segment.details, "mixinSchemas"),
            ),
        );
    }
    answer
}

/// A segment as a patch finds it: what can be written, and no version, so that a version in it is the patch's own.
pub(super) fn patchable(segment: &Segment) -> Value {
    let schemas = object(&segment.details, "mixinSchemas");
    without_nulls(json!({
        "id": segment.id.as_str(),
        "name": segment.name,
        "description": segment.description,
        "siteCode": segment.site.as_ref().map(SiteId::as_str),
        "status": state_word(segment.state),
        "validity": without_nulls(json!({
            "from": segment.validity.from.map(iso),
            "to": segment.validity.until.map(iso),
        })),
        "mixins": object(&segment.details, "mixins"),
        "metadata": if schemas.is_empty() { json!({}) } else { json!({ "mixins": schemas }) },
    }))
}

/// A member as it is answered.
pub(super) fn member_json(membership: &SegmentMembership) -> Value {
    let customer = membership.member.customer.as_ref().map(|customer| {
        without_nulls(json!({
            "id": customer.as_str(),
            "firstName": membership.given_name,
            "lastName": membership.family_name,
            "email": membership.email,
        }))
    });
    let entity = membership
        .member
        .legal_entity
        .as_ref()
        .map(|entity| without_nulls(json!({ "id": entity.as_str(), "name": membership.legal_entity_name })));
    without_nulls(json!({
        "customer": customer,
        "legalEntity": entity,
        "assignmentType": if membership.is_automatic { "AUTOMATIC" } else { "MANUAL" },
        "metadata": { "createdAt": iso(membership.created_at), "modifiedAt": iso(membership.modified_at) },
    }))
}

/// An item as it is answered. What nobody told us about its code is its id.
pub(super) fn item_json(entry: &SegmentEntry) -> Value {
    let item = &entry.item;
    let code = item.details.get("code").and_then(Value::as_str).or(entry.category_code.as_deref());
    let name = item.details.get("name").and_then(Value::as_object).or(entry.category_name.as_ref());
    let schemas = object(&item.details, "mixinSchemas");
    let mut metadata = json!({ "createdAt": iso(entry.created_at), "modifiedAt": iso(entry.modified_at) });
    if let Some(members) = metadata.as_object_mut()
        && !schemas.is_empty()
    {
        members.insert("mixins".to_owned(), json!(schemas));
    }
    without_nulls(json!({
        "segmentId": entry.segment.as_str(),
        "item": {
            "id": item.item,
            "code": code.unwrap_or(&item.item),
            "name": name.cloned().unwrap_or_default(),
        },
        "type": item.kind.as_str(),
        "mixins": item.details.get("mixins"),
        "metadata": metadata,
    }))
}

/// The names of what a category carries besides; kept and answered as they came.
pub(crate) const CATEGORY_EXTRAS: [&str; 4] = ["localizedDescription", "localizedSlug", "ecn", "validity"];

/// A category as it is answered, without its place in a tree.
pub(crate) fn category_json(category: &Category) -> Value {
    let mut answer = Map::new();
    answer.insert("id".to_owned(), json!(category.id));
    answer.insert("code".to_owned(), json!(category.code));
    answer.insert("name".to_owned(), json!(category.name));
    for name in CATEGORY_EXTRAS {
        if let Some(value) = category.details.get(name) {
            answer.insert(name.to_owned(), value.clone());
        }
    }
    answer.insert("position".to_owned(), json!(category.position));
    answer.insert("published".to_owned(), json!(category.is_published));
    Value::Object(answer)
}

/// The language texts are written in when they come alone.
pub(super) fn content_language(headers: &HeaderMap) -> String {
    let named = headers.get(header::CONTENT_LANGUAGE).and_then(|value| value.to_str().ok());
    let named = named.map(str::trim).filter(|name| !name.is_empty() && *name != "*");
    named.unwrap_or("en").to_owned()
}

/// Leaves one text of each localized field, when the caller asks for a language.
pub(super) fn localize(items: &mut [Value], headers: &HeaderMap) {
    let Some(languages) = accepted(headers) else { return };
    for item in items {
        localize_one(item, &languages);
    }
}

/// The names of localized fields, wherever they stand.
const LOCALIZED: [&str; 4] = ["name", "description", "localizedDescription", "localizedSlug"];

fn localize_one(item: &mut Value, languages: &[String]) {
    let Value::Object(members) = item else { return };
    for (name, member) in members {
        match member {
            Value::Object(texts) if LOCALIZED.contains(&name.as_str()) => *member = choose(texts, languages),
            Value::Object(_) if name == "item" => localize_one(member, languages),
            Value::Array(nodes) if name == "subcategories" => {
                for node in nodes {
                    localize_one(node, languages);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            }
        }
    }
}

/// The languages a caller wants, as they name them in order; `None` for all of them.
fn accepted(headers: &HeaderMap) -> Option<Vec<String>> {
    let text = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let first = |part: &str| part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let languages: Vec<String> = text.split(',').map(first).filter(|name| !name.is_empty()).take(10).collect();
    (languages.first()? != "*").then_some(languages)
}

/// The text of the first language there is one for: by its whole name, then by its first part, then any.
fn choose(texts: &Map<String, Value>, languages: &[String]) -> Value {
    let primary = |name: &str| name.split(['-', '_']).next().unwrap_or(name).to_ascii_lowercase();
    for language in languages {
        let exact = texts.iter().find(|(name, _)| name.eq_ignore_ascii_case(language));
        let near = || texts.iter().find(|(name, _)| primary(name) == primary(language));
        if let Some((_, text)) = exact.or_else(near) {
            return text.clone();
        }
    }
    texts.get("en").or_else(|| texts.values().next()).cloned().unwrap_or_else(|| json!(""))
}
