//! How customers and their addresses are spelled, and what of them may be written by whom. Whatever is not known or
//! not writable is ignored; what is known and wrong is named.

use crate::{fault::E2, wire::iso};
use prokura_domain::{CustomerKind, CustomerState, Email};
use prokura_engine::{Address, AddressBody, AddressDetails, Assignment, Customer, LegalEntity, Profile};
use serde_json::{Map, Value, json};

/// The longest text of a field, in characters.
const MAX_TEXT: usize = 255;
/// The most bytes of free objects together.
const MAX_MIXINS: usize = 64 * 1024;
/// The most tags of an address.
const MAX_TAGS: usize = 20;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The customer.
    Own,
    /// An administrator of their company.
    Company,
    /// Who runs the tenant.
    Tenant,
}

/// What is wrong with a body, by the names of the wire.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<(String, &'static str, String)>);

impl Faults {
    /// A field that is wrong.
    pub(crate) fn invalid(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push((field.into(), "invalid_value", message.into()));
    }

    /// A field that must be there.
    pub(crate) fn missing(&mut self, field: impl Into<String>) {
        self.0.push((field.into(), "field_required", "This is needed.".to_owned()));
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing, or a 400 that names everything.
    ///
    /// # Errors
    /// When there is something.
    pub(crate) fn check(self) -> Result<(), E2> {
        if self.is_empty() { Ok(()) } else { Err(self.into()) }
    }
}

impl From<Faults> for E2 {
    fn from(faults: Faults) -> Self {
        let fault = E2::validation_failure("The request is not valid.");
        faults.0.iter().fold(fault, |fault, (field, kind, message)| fault.detail(field, kind, message))
    }
}

/// The members of an object, where `place` names it in messages.
pub(crate) struct Reader<'a> {
    members: &'a Map<String, Value>,
    place: &'static str,
}

impl<'a> Reader<'a> {
    /// A whole body.
    pub(crate) fn new(members: &'a Map<String, Value>) -> Self {
        Self { members, place: "" }
    }

    /// The object `name` of this one; absent and `null` are `None`.
    pub(crate) fn object(&self, name: &'static str, faults: &mut Faults) -> Option<Reader<'a>> {
        match self.members.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(members)) => Some(Reader { members, place: name }),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                faults.invalid(self.name(name), "An object is needed.");
                None
            }
        }
    }

    /// How `name` is called in messages.
    pub(crate) fn name(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    /// Whether there is something, even `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A text: `None` when absent, `Some(None)` for `null` and empty.
    #[expect(clippy::option_option, reason = "not mentioned, taken away and set are three things")]
    pub(crate) fn text(&self, name: &str, faults: &mut Faults) -> Option<Option<String>> {
        match self.members.get(name)? {
            Value::Null => Some(None),
            Value::String(text) if text.trim().is_empty() => Some(None),
            Value::String(text) if text.chars().nth(MAX_TEXT).is_some() => {
                faults.invalid(self.name(name), format!("At most {MAX_TEXT} characters are taken."));
                None
            }
            Value::String(text) if text.chars().any(char::is_control) => {
                faults.invalid(self.name(name), "Control characters are not taken.");
                None
            }
            Value::String(text) => Some(Some(text.clone())),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                faults.invalid(self.name(name), "A text is needed.");
                None
            }
        }
    }

    /// A switch: `None` when absent or `null`.
    pub(crate) fn switch(&self, name: &str, faults: &mut Faults) -> Option<bool> {
        match self.members.get(name)? {
            Value::Null => None,
            Value::Bool(value) => Some(*value),
            Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                faults.invalid(self.name(name), "true or false is needed.");
                None
            }
        }
    }

    /// An e-mail address; `None` when absent, `null` or empty.
    pub(crate) fn email(&self, name: &str, faults: &mut Faults) -> Option<Email> {
        let text = self.text(name, faults)??;
        let email = Email::parse(&text).ok();
        if email.is_none() {
            faults.invalid(self.name(name), "An e-mail address is needed.");
        }
        email
    }

    /// An id of the caller's choice; `None` when absent, `null` or empty.
    pub(crate) fn id<T: std::str::FromStr>(&self, name: &str, faults: &mut Faults) -> Option<T> {
        let text = self.text(name, faults)??;
        let id = text.parse().ok();
        if id.is_none() {
            faults.invalid(self.name(name), "1 to 66 of A-Z, a-z, 0-9, _ and - are needed.");
        }
        id
    }

    /// An e-mail address that must be there.
    pub(crate) fn required_email(&self, name: &str, faults: &mut Faults) -> Option<Email> {
        let before = faults.0.len();
        let email = self.email(name, faults);
        if email.is_none() && faults.0.len() == before {
            faults.missing(self.name(name));
        }
        email
    }

    /// A secret text that must be there.
    pub(crate) fn required_secret(&self, name: &str, faults: &mut Faults) -> Option<prokura_jose::Secret> {
        let before = faults.0.len();
        let secret = self.secret(name, faults);
        if secret.is_none() && faults.0.len() == before {
            faults.missing(self.name(name));
        }
        secret
    }

    /// A secret text, as it is: never trimmed, never repeated in a message.
    pub(crate) fn secret(&self, name: &str, faults: &mut Faults) -> Option<prokura_jose::Secret> {
        match self.members.get(name)? {
            Value::String(text) if text.len() > MAX_SECRET_BYTES => {
                faults.invalid(self.name(name), "At most 1024 bytes are taken.");
                None
            }
            Value::String(text) if !text.is_empty() => Some(prokura_jose::Secret::from(text.clone())),
            Value::String(_) | Value::Null => None,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                faults.invalid(self.name(name), "A text is needed.");
                None
            }
        }
    }

    /// The version that was read, from `metadata.version`.
    pub(crate) fn version(&self, faults: &mut Faults) -> Option<i64> {
        match self.object("metadata", faults)?.members.get("version")? {
            Value::Number(version) => version.as_i64(),
            Value::Null => None,
            Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                faults.invalid("metadata.version", "A number is needed.");
                None
            }
        }
    }

    /// Merges the free objects and their schemas into those that are there.
    fn mixins(&self, mixins: &mut Map<String, Value>, schemas: &mut Map<String, Value>, faults: &mut Faults) {
        if let Some(patch) = self.object("mixins", faults) {
            merge(mixins, patch.members);
        }
        if let Some(patch) = self.object("metadata", faults).and_then(|metadata| metadata.object("mixins", faults)) {
            merge(schemas, patch.members);
        }
        let bytes = serde_json::to_vec(&(&*mixins, &*schemas)).map_or(0, |bytes| bytes.len());
        if bytes > MAX_MIXINS {
            faults.invalid(self.name("mixins"), "At most 64 KiB of mixins are taken.");
        }
    }
}

/// The most bytes of a password or token that are looked at (S-104).
const MAX_SECRET_BYTES: usize = 1024;

/// Merges as RFC 7396 says: `null` takes away, objects merge, everything else replaces.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match (value, target.get_mut(name)) {
            (Value::Null, _) => {
                target.remove(name);
            }
            (Value::Object(patch), Some(Value::Object(target))) => merge(target, patch),
            (Value::Object(patch), _) => {
                let mut fresh = Map::new();
                merge(&mut fresh, patch);
                target.insert(name.clone(), Value::Object(fresh));
            }
            (value, _) => {
                target.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Writes what a body says about a customer into `profile`.
pub(crate) fn apply_profile(body: &Reader<'_>, profile: &mut Profile, writer: Writer, faults: &mut Faults) {
    for (name, field) in [
        ("firstName", &mut profile.given_name),
        ("lastName", &mut profile.family_name),
        ("company", &mut profile.company_name),
    ] {
        if let Some(text) = body.text(name, faults) {
            *field = text.unwrap_or_default();
        }
    }
    for (name, field) in [
        ("title", &mut profile.title),
        ("middleName", &mut profile.middle_name),
        ("jobTitle", &mut profile.job_title),
        ("contactPhone", &mut profile.phone),
        ("preferredLanguage", &mut profile.language),
        ("preferredCurrency", &mut profile.currency),
    ] {
        if let Some(text) = body.text(name, faults) {
            *field = text;
        }
    }
    if profile
        .currency
        .as_ref()
        .is_some_and(|currency| currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()))
    {
        faults.invalid(body.name("preferredCurrency"), "Three capital letters are needed, as EUR.");
    }
    if profile.language.as_ref().is_some_and(|language| {
        language.len() > 35 || !language.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    }) {
        faults.invalid(body.name("preferredLanguage"), "A language is needed, as en or en_US.");
    }
    if let Some(site) = body.text("preferredSite", faults) {
        match site.map(|site| site.parse()).transpose() {
            Ok(site) => profile.site = site,
            Err(_) => faults.invalid(body.name("preferredSite"), "The code of a site is needed."),
        }
    }
    if writer == Writer::Tenant {
        for (name, field) in [("photoUrl", &mut profile.photo_url), ("restriction", &mut profile.restriction)] {
            if let Some(text) = body.text(name, faults) {
                *field = text;
            }
        }
        if let Some(text) = body.object("b2b", faults).and_then(|b2b| b2b.text("companyRegistrationId", faults)) {
            profile.company_registration_id = text;
        }
    }
    body.mixins(&mut profile.mixins, &mut profile.mixin_schemas, faults);
}

/// Writes where to write to, unless it is where they log in. It can be changed and not be taken away.
pub(crate) fn apply_contact_email(body: &Reader<'_>, login: Option<&str>, profile: &mut Profile, faults: &mut Faults) {
    if body.has("contactEmail")
        && let Some(email) = body.required_email("contactEmail", faults)
    {
        profile.contact_email = Some(email.as_str().to_owned()).filter(|email| Some(email.as_str()) != login);
    }
}

/// Writes what a body says about an address into `address`.
pub(crate) fn apply_address(body: &Reader<'_>, address: &mut AddressBody, faults: &mut Faults) {
    let details = &mut address.details;
    let [one, two, three, four] = &mut details.extra_lines;
    for (name, field) in [
        ("contactName", &mut details.contact_name),
        ("companyName", &mut details.company_name),
        ("street", &mut details.street),
        ("streetNumber", &mut details.street_number),
        ("streetAppendix", &mut details.street_appendix),
        ("extraLine1", one),
        ("extraLine2", two),
        ("extraLine3", three),
        ("extraLine4", four),
        ("zipCode", &mut details.zip_code),
        ("city", &mut details.city),
        ("state", &mut details.state),
        ("country", &mut details.country),
        ("contactPhone", &mut details.phone),
    ] {
        if let Some(text) = body.text(name, faults) {
            *field = text;
        }
    }
    if details
        .country
        .as_ref()
        .is_some_and(|country| country.len() != 2 || !country.bytes().all(|b| b.is_ascii_alphabetic()))
    {
        faults.invalid(body.name("country"), "Two letters are needed, as DE.");
    }
    if let Some(is_default) = body.switch("isDefault", faults) {
        address.is_default = is_default;
    }
    match body.members.get("tags") {
        None => {}
        Some(Value::Null) => address.tags = Vec::new(),
        Some(Value::Array(tags)) if tags.iter().all(Value::is_string) => {
            address.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            tidy_tags(&body.name("tags"), address, faults);
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            faults.invalid(body.name("tags"), "A list of texts is needed.");
        }
    }
    let AddressDetails { mixins, mixin_schemas, .. } = &mut address.details;
    body.mixins(mixins, mixin_schemas, faults);
}

/// Every tag once, not too many, not too long.
pub(crate) fn tidy_tags(place: &str, address: &mut AddressBody, faults: &mut Faults) {
    let mut tags: Vec<String> = Vec::new();
    for tag in address.tags.drain(..).filter(|tag| !tag.trim().is_empty()) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > MAX_TAGS || tags.iter().any(|tag| tag.chars().nth(63).is_some()) {
        faults.invalid(place, format!("At most {MAX_TAGS} tags of at most 63 characters are taken."));
    }
    address.tags = tags;
}

fn metadata(
    version: i64,
    created: prokura_domain::Timestamp,
    modified: prokura_domain::Timestamp,
    mixins: &Map<String, Value>,
) -> Value {
    json!({ "version": version, "createdAt": iso(created), "modifiedAt": iso(modified), "mixins": mixins })
}

/// A customer without what has to be looked up elsewhere; [`complete`] adds it.
pub(crate) fn customer(customer: &Customer) -> Map<String, Value> {
    let profile = &customer.profile;
    let contact = profile.contact_email.as_ref().or(customer.email.as_ref());
    let accounts: Vec<Value> =
        customer.email.iter().map(|email| json!({ "id": email, "providerId": "internal" })).collect();
    let mut shown = Map::new();
    let mut set = |name: &str, value: Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value);
        }
    };
    set("id", json!(customer.id.as_str()));
    set("customerNumber", json!(customer.id.as_str()));
    set("title", json!(profile.title));
    set("firstName", json!(profile.given_name));
    set("middleName", json!(profile.middle_name));
    set("lastName", json!(profile.family_name));
    set("jobTitle", json!(profile.job_title));
    set("contactEmail", json!(contact));
    set("contactPhone", json!(profile.phone.as_deref().unwrap_or_default()));
    set("company", json!(profile.company_name));
    set("preferredLanguage", json!(profile.language));
    set("preferredCurrency", json!(profile.currency));
    set("preferredSite", json!(profile.site.as_ref().map(prokura_domain::SiteId::as_str)));
    set("photoUrl", json!(profile.photo_url));
    set("restriction", json!(profile.restriction));
    set("type", json!(customer.kind.as_str()));
    set("active", json!(matches!(customer.state, CustomerState::Active | CustomerState::OnHold)));
    set("onHold", json!(customer.state == CustomerState::OnHold));
    set("accounts", Value::Array(accounts));
    set("lastLogin", json!(customer.last_login_at.map(iso)));
    set("mixins", Value::Object(profile.mixins.clone()));
    set("metadata", metadata(customer.version, customer.created_at, customer.modified_at, &profile.mixin_schemas));
    if let Some(registration) = &profile.company_registration_id {
        set("b2b", json!({ "companyRegistrationId": registration }));
    }
    shown
}

/// Adds all companies of a customer, whatever company a token acts for, and their addresses when asked for.
pub(crate) fn complete(
    shown: &mut Map<String, Value>,
    companies: &[(Assignment, LegalEntity)],
    addresses: Option<&[Address]>,
) {
    let model = if companies.is_empty() { "B2C" } else { "B2B" };
    shown.insert("businessModel".to_owned(), json!(model));
    let entities: Vec<Value> = companies
        .iter()
        .map(|(assignment, entity)| {
            json!({ "id": entity.id.as_str(), "name": entity.name, "contactAssignmentId": assignment.id.as_str() })
        })
        .collect();
    let b2b = shown.entry("b2b").or_insert_with(|| json!({}));
    if let Value::Object(b2b) = b2b {
        b2b.insert("legalEntities".to_owned(), Value::Array(entities));
    }
    if let Some(addresses) = addresses {
        let default = addresses.iter().find(|address| address.body.is_default).map_or_else(|| json!({}), address);
        shown.insert("addresses".to_owned(), addresses.iter().map(address).collect());
        shown.insert("defaultAddress".to_owned(), default);
    }
}

/// A visitor, in the shape of a customer.
pub(crate) fn guest(site: Option<&str>) -> Value {
    json!({
        "id": "00000000",
        "customerNumber": "00000000",
        "firstName": "Anonymous",
        "lastName": "Anonymous",
        "accounts": [],
        "preferredSite": site,
        "businessModel": "B2C",
        "b2b": { "legalEntities": [] },
        "mixins": {},
        "metadata": { "version": 1, "mixins": {} },
    })
}

/// An address.
pub(crate) fn address(address: &Address) -> Value {
    let details = &address.body.details;
    let [one, two, three, four] = &details.extra_lines;
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(address.id.as_str()));
    for (name, text) in [
        ("contactName", &details.contact_name),
        ("companyName", &details.company_name),
        ("street", &details.street),
        ("streetNumber", &details.street_number),
        ("streetAppendix", &details.street_appendix),
        ("extraLine1", one),
        ("extraLine2", two),
        ("extraLine3", three),
        ("extraLine4", four),
        ("zipCode", &details.zip_code),
        ("city", &details.city),
        ("state", &details.state),
        ("country", &details.country),
        ("contactPhone", &details.phone),
    ] {
        if let Some(text) = text {
            shown.insert(name.to_owned(), json!(text));
        }
    }
    shown.insert("isDefault".to_owned(), json!(address.body.is_default));
    shown.insert("tags".to_owned(), json!(address.body.tags));
    shown.insert("mixins".to_owned(), Value::Object(details.mixins.clone()));
    let about = metadata(address.version, address.created_at, address.modified_at, &details.mixin_schemas);
    shown.insert("metadata".to_owned(), about);
    Value::Object(shown)
}

/// The state two switches ask for, from the one there is.
pub(crate) fn state(now: CustomerState, active: Option<bool>, on_hold: Option<bool>) -> Option<CustomerState> {
    let is_on_hold = now == CustomerState::OnHold;
    let is_active = matches!(now, CustomerState::Active | CustomerState::OnHold);
    if active.is_none() && on_hold.is_none() {
        return None;
    }
    let wanted = match (active.unwrap_or(is_active), on_hold.unwrap_or(is_on_hold)) {
        (true, true) => CustomerState::OnHold,
        (true, false) => CustomerState::Active,
        (false, _) if now == CustomerState::Pending && active.is_none() => CustomerState::Pending,
        (false, _) => CustomerState::Inactive,
    };
    (wanted != now).then_some(wanted)
}

/// Reads `type`.
pub(crate) fn kind(body: &Reader<'_>, faults: &mut Faults) -> CustomerKind {
    match body.text("type", faults).flatten().map(|word| word.parse()) {
        None => CustomerKind::Customer,
        Some(Ok(kind)) => kind,
        Some(Err(_)) => {
            faults.invalid(body.name("type"), "CUSTOMER or CONTACT is needed.");
            CustomerKind::Customer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_merges() {
        let mut target = json!({ "a": { "x": 1, "y": 2 }, "b": 1, "c": [1] });
        let patch = json!({ "a": { "x": null, "z": { "n": null, "m": 3 } }, "b": null, "c": [2], "d": { "e": null } });
        if let (Value::Object(target), Value::Object(patch)) = (&mut target, &patch) {
            merge(target, patch);
        }
        assert_eq!(target, json!({ "a": { "y": 2, "z": { "m": 3 } }, "c": [2], "d": {} }));
    }

    #[test]
    fn two_switches_make_a_state() {
        use CustomerState::{Active, Inactive, OnHold, Pending};
        for (now, active, on_hold, expected) in [
            (Active, None, None, None),
            (Active, Some(true), Some(false), None),
            (Active, Some(false), None, Some(Inactive)),
            (Active, None, Some(true), Some(OnHold)),
            (OnHold, None, Some(false), Some(Active)),
            (OnHold, Some(false), None, Some(Inactive)),
            (Inactive, Some(true), None, Some(Active)),
            (Inactive, None, Some(false), None),
            (Inactive, None, Some(true), None),
            (Pending, Some(true), None, Some(Active)),
            (Pending, None, Some(false), None),
            (Pending, Some(false), None, Some(Inactive)),
        ] {
            assert_eq!(state(now, active, on_hold), expected, "{now} {active:?} {on_hold:?}");
        }
    }

    #[test]
    fn a_customer_writes_only_what_is_theirs() {
        let body = json!({
            "id": "9", "customerNumber": "9", "accounts": [], "businessModel": "B2B", "active": false, "onHold": true,
            "type": "CONTACT", "lastLogin": "x", "restriction": "r", "photoUrl": "p",
            "b2b": { "companyRegistrationId": "HRB 1", "legalEntities": [{ "id": "le-1" }] }, "firstName": "Ann"
        });
        let mut profile = Profile::default();
        let mut faults = Faults::default();
        if let Value::Object(members) = &body {
            apply_profile(&Reader::new(members), &mut profile, Writer::Own, &mut faults);
        }
        assert!(faults.check().is_ok());
        assert_eq!(profile, Profile { given_name: "Ann".to_owned(), ..Profile::default() });
    }
}
