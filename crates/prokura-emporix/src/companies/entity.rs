//! A legal entity on the wire. Writes name what belongs to it by reference, reads show it whole.

use super::{
    contacts, locations,
    wire::{Checked, MetadataBody, Reference, metadata, without_nulls},
};
use prokura_domain::{AssignmentId, CompanyKind, LegalEntityId};
use prokura_engine::{CreateLegalEntity, LegalEntity, LegalEntityDetails, LegalEntityParts, PutLegalEntity, Refusal};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntityBody {
    id: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    parent_id: Option<String>,
    account_limit: Option<AmountBody>,
    legal_info: Option<LegalInfoBody>,
    customer_groups: Option<Vec<Reference>>,
    entities_addresses: Option<Vec<Reference>>,
    approval_group: Option<Vec<Reference>>,
    restrictions: Option<Vec<String>>,
    mixins: Option<Map<String, Value>>,
    pub(super) metadata: Option<MetadataBody>,
}

#[derive(Debug, Deserialize)]
struct AmountBody {
    currency: String,
    value: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LegalInfoBody {
    legal_name: Option<String>,
    registration_date: Option<String>,
    tax_registration_number: Option<String>,
    registration_agency: Option<String>,
    country_of_registration: Option<String>,
    registration_id: Option<String>,
}

impl EntityBody {
    /// The body of a `POST`, or of a `PUT` on `path_id`. A `PUT` replaces: what is absent is taken away, but for groups,
    /// which only go when the list of them is there.
    pub(super) fn read(self, path_id: Option<&str>) -> Result<PutLegalEntity, Refusal> {
        let is_put = path_id.is_some();
        let mut checked = Checked::default();
        let id = checked.path_id(path_id, self.id.as_deref());
        let name = checked.name("name", self.name);
        if is_put && self.kind.is_none() {
            checked.wrong("type", "is required");
        }
        let kind = checked.word("type", self.kind.as_deref()).unwrap_or(CompanyKind::Company);
        let parent = checked.id("parent_id", self.parent_id.as_deref());
        let account_limit = self.account_limit.map(|limit| {
            if limit.currency.len() != 3 || !limit.currency.bytes().all(|b| b.is_ascii_uppercase()) {
                checked.wrong("account_limit.currency", "is three capital letters (ISO 4217)");
            }
            if !limit.value.is_finite() || limit.value < 0.0 {
                checked.wrong("account_limit.value", "is a number from 0");
            }
            (limit.currency, limit.value)
        });
        let info = self.legal_info.unwrap_or_default();
        let restrictions = checked.texts("restrictions", self.restrictions, 1);
        let approvers: Vec<AssignmentId> = checked.ids("approval_group", self.approval_group).unwrap_or_default();
        let locations = checked.ids("entities_addresses", self.entities_addresses).unwrap_or_default();
        let groups = checked.ids("customer_groups", self.customer_groups);
        let (mixins, mixin_schemas) = checked.mixins(self.mixins, self.metadata);
        let details = LegalEntityDetails {
            account_limit,
            legal_name: checked.text("legal_info.legal_name", info.legal_name),
            registration_date: checked.text("legal_info.registration_date", info.registration_date),
            tax_registration_number: checked.text("legal_info.tax_registration_number", info.tax_registration_number),
            registration_agency: checked.text("legal_info.registration_agency", info.registration_agency),
            country: checked.text("legal_info.country_of_registration", info.country_of_registration),
            registration_id: checked.text("legal_info.registration_id", info.registration_id),
            restrictions,
            approval_group: approvers.iter().map(ToString::to_string).collect(),
            mixins,
            mixin_schemas,
        };
        checked.done()?;
        let entity = CreateLegalEntity { id, name, kind, parent, details };
        Ok(PutLegalEntity { entity, locations: Some(locations), groups: if is_put { groups } else { None } })
    }
}

/// The entity with bare references.
pub(super) fn json(entity: &LegalEntity) -> Value {
    let details = &entity.details;
    let legal_info = without_nulls(json!({
        "legalName": details.legal_name,
        "registrationDate": details.registration_date,
        "taxRegistrationNumber": details.tax_registration_number,
        "registrationAgency": details.registration_agency,
        "countryOfRegistration": details.country,
        "registrationId": details.registration_id,
    }));
    let limit = details.account_limit.as_ref();
    without_nulls(json!({
        "id": entity.id.as_str(),
        "name": entity.name,
        "type": entity.kind.as_str(),
        "parentId": entity.parent.as_ref().map(LegalEntityId::as_str),
        "accountLimit": limit.map(|(currency, value)| json!({ "currency": currency, "value": value })),
        "legalInfo": legal_info,
        "customerGroups": [],
        "entitiesAddresses": [],
        "approvalGroup": details.approval_group.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>(),
        "restrictions": details.restrictions,
        "metadata": metadata(entity.version, entity.created_at, entity.modified_at, &details.mixin_schemas),
        "mixins": details.mixins,
    }))
}

/// The id of an answer and the assignments its approvers are named by.
pub(super) fn references(item: &Value) -> Option<(LegalEntityId, Vec<String>)> {
    let approvers = item.get("approvalGroup").and_then(Value::as_array).into_iter().flatten();
    let approvers = approvers.filter_map(|reference| reference.get("id")?.as_str()).map(str::to_owned).collect();
    Some((item.get("id")?.as_str()?.parse().ok()?, approvers))
}

/// Puts what the references name into an answer.
pub(super) fn expand(item: &mut Value, parts: &LegalEntityParts) {
    let Value::Object(members) = item else { return };
    let groups = parts.groups.iter().map(|group| {
        without_nulls(json!({
            "id": group.id.as_str(),
            "name": group.name,
            "role": group.role().map(prokura_domain::GroupCode::as_str),
        }))
    });
    members.insert("customerGroups".to_owned(), groups.collect());
    members.insert("entitiesAddresses".to_owned(), parts.locations.iter().map(locations::json).collect());
    members.insert("approvalGroup".to_owned(), parts.approvers.iter().map(contacts::json).collect());
}
