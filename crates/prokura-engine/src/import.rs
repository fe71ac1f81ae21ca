//! Taking many rows in: a batch is one transaction, a row that is there already is compared and left or changed, a row
//! that does not fit is named and skipped. Reading files is the caller's part.

use crate::audit::Entry;
use crate::{
    Actor, CreateCustomer, CreateLegalEntity, Engine, Error, FieldFault, LegalEntity, LegalEntityDetails,
    LocationDetails, NewAssignment, NewPassword, Origin, PutLocation, Refusal, Segment, SegmentItem, SegmentMember,
    StoreError, Tenant, retrying, store::Tx,
};
use prokura_domain::{
    AssignmentKind, CompanyKind, Email, GroupCode, LegalEntityId, LocationId, LocationKind, PasswordPolicy, SegmentId,
};

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// It is new.
    Created,
    /// It was there and differed.
    Updated,
    /// It was there just so.
    Unchanged,
    /// It was left out; each fault names a field and what would be right.
    Refused(Vec<FieldFault>),
}

impl RowOutcome {
    fn refused(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Refused(vec![FieldFault { field, reason: reason.into() }])
    }
}

/// A legal entity, as files name it.
#[derive(Clone, Debug)]
pub struct ImportLegalEntity {
    /// Its id.
    pub id: LegalEntityId,
    /// Its name.
    pub name: String,
    /// Whether it stands for itself.
    pub kind: CompanyKind,
    /// What it belongs to; a subsidiary needs it.
    pub parent: Option<LegalEntityId>,
    /// Its country (ISO 3166 alpha-2).
    pub country: Option<String>,
    /// Where it sits; a location of its own.
    pub seat: Option<ImportSeat>,
}

/// Where a legal entity sits, as files name it.
#[derive(Clone, Debug, Default)]
pub struct ImportSeat {
    /// Street and number.
    pub address: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Postal code.
    pub postcode: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
}

/// A right to act, as files name it: by e-mail address.
#[derive(Clone, Debug)]
pub struct ImportAssignment {
    /// Who.
    pub email: Email,
    /// For whom.
    pub legal_entity: LegalEntityId,
    /// What they are to the company.
    pub kind: AssignmentKind,
    /// Whether they are the one main person.
    pub is_primary: bool,
    /// Their predefined group.
    pub group: GroupCode,
}

/// A member of a segment, as files name it.
#[derive(Clone, Debug)]
pub struct ImportSegmentMember {
    /// Of which segment.
    pub segment: SegmentId,
    /// The company.
    pub legal_entity: Option<LegalEntityId>,
    /// The customer.
    pub email: Option<Email>,
}

/// An item of a segment, as files name it.
#[derive(Clone, Debug)]
pub struct ImportSegmentItem {
    /// Of which segment.
    pub segment: SegmentId,
    /// The item.
    pub item: SegmentItem,
}

/// The importer's own words for who did it.
const ORIGIN: &str = "import";

impl Engine {
    /// Takes legal entities in. Parents must stand before their subsidiaries, or be there already.
    ///
    /// # Errors
    /// Only faults; then nothing of the batch is in.
    pub async fn import_legal_entities(
        &self,
        tenant: &Tenant,
        rows: &[ImportLegalEntity],
    ) -> Result<Vec<RowOutcome>, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let mut outcomes = Vec::with_capacity(rows.len());
            for row in rows {
                outcomes.push(self.import_legal_entity(&mut tx, tenant, row).await?);
            }
            tx.commit().await?;
            Ok::<_, Error>(outcomes)
        })
    }

    async fn import_legal_entity(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &ImportLegalEntity,
    ) -> Result<RowOutcome, Error> {
        let there = tx.legal_entity(&tenant.id, &row.id).await?;
        let seat = match &row.seat {
            Some(seat) => self.seat(tx, tenant, row, seat).await?,
            None => SeatChange::Nothing,
        };
        if matches!(seat, SeatChange::IsTaken) {
            let reason = format!("the location {} is there already and serves others: rename it", row.id);
            return Ok(RowOutcome::refused("address", reason));
        }
        // Files know a few columns; what else is known of the entity stays.
        let details = LegalEntityDetails {
            country: row.country.clone(),
            ..there.as_ref().map(|there| there.details.clone()).unwrap_or_default()
        };
        let request = CreateLegalEntity {
            id: Some(row.id.clone()),
            name: row.name.clone(),
            kind: row.kind,
            parent: row.parent.clone(),
            details,
        };
        let origin = Origin::local(ORIGIN);
        let result = match &there {
            Some(there) if is_same(there, &request) => Ok(RowOutcome::Unchanged),
            Some(there) => self
                .change_legal_entity_in(tx, tenant, there, &request, &Actor::System, &origin)
                .await
                .map(|()| RowOutcome::Updated),
            None => self
                .create_legal_entity_in(tx, tenant, &request, &Actor::System, &origin)
                .await
                .map(|_| RowOutcome::Created),
        };
        let outcome = refusals_are_outcomes(result, "id")?;
        let is_refused = matches!(outcome, RowOutcome::Refused(_));
        if is_refused || !self.import_seat(tx, tenant, row, seat).await? || outcome != RowOutcome::Unchanged {
            return Ok(outcome);
        }
        Ok(RowOutcome::Updated)
    }

    /// What has to be done about the seat. It is named after its entity, so that the next import finds it again.
    async fn seat(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &ImportLegalEntity,
        seat: &ImportSeat,
    ) -> Result<SeatChange, Error> {
        let id: LocationId = row.id.as_str().parse().map_err(Error::crypto)?;
        let there = tx.hold_location(&tenant.id, &id).await?;
        if there.is_some() {
            let own = tx.locations_of_entities(&tenant.id, &[row.id.as_str()]).await?;
            if !own.iter().any(|(_, own)| own.id == id) {
                return Ok(SeatChange::IsTaken);
            }
        }
        let before = there.as_ref().map(|there| there.details.clone()).unwrap_or_default();
        let phones = seat.phone.iter().cloned().chain(before.phones.iter().skip(1).cloned()).collect();
        let details = LocationDetails {
            address_line_1: seat.address.clone(),
            city: seat.city.clone(),
            postcode: seat.postcode.clone(),
            country_code: row.country.clone(),
            phones,
            ..before.clone()
        };
        let is_same = details == before;
        let (name, kind) = match &there {
            Some(there) => (there.name.clone(), there.kind),
            None => (row.name.clone(), LocationKind::Headquarter),
        };
        let request = Box::new(PutLocation { id: Some(id), name, kind, details });
        Ok(match there {
            None => SeatChange::New(request),
            Some(_) if is_same => SeatChange::Nothing,
            Some(there) => SeatChange::Changed(there.id, request),
        })
    }

    /// Returns whether something changed.
    async fn import_seat(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &ImportLegalEntity,
        seat: SeatChange,
    ) -> Result<bool, Error> {
        let now = self.clock.now();
        let (verb, id) = match seat {
            SeatChange::Nothing | SeatChange::IsTaken => return Ok(false),
            SeatChange::New(request) => {
                let id: LocationId = row.id.as_str().parse().map_err(Error::crypto)?;
                if !tx.insert_location(&tenant.id, &id, &request, now).await? {
                    // Somebody made it a moment ago: the batch is taken in again, and finds it.
                    return Err(StoreError::Conflict.into());
                }
                tx.link_location(&tenant.id, &row.id, &id).await?;
                ("location.create", id)
            }
            SeatChange::Changed(id, request) => {
                tx.update_location(&tenant.id, &id, &request, now).await?;
                ("location.update", id)
            }
        };
        let entry = Entry::new(&Actor::System, verb, "location", id.as_str()).entity(Some(&row.id));
        self.audit(tx, &tenant.id, &Origin::local(ORIGIN), entry, now).await?;
        Ok(true)
    }

    /// Takes customers in, by e-mail address. Passwords are hashed before the transaction, several at a time; somebody
    /// who is there already keeps theirs.
    ///
    /// # Errors
    /// Only faults; then nothing of the batch is in.
    pub async fn import_customers(&self, tenant: &Tenant, rows: &[CreateCustomer]) -> Result<Vec<RowOutcome>, Error> {
        let mut hashed = Vec::with_capacity(rows.len());
        for row in rows {
            hashed.push(self.import_password(tenant, row));
        }
        let hashed = futures_util::future::join_all(hashed).await;
        let mut passwords = Vec::with_capacity(rows.len());
        for result in hashed {
            passwords.push(match result {
                Ok(password) => Ok(password),
                Err(Error::Refused(Refusal::Invalid(faults))) => Err(faults),
                Err(error) => return Err(error),
            });
        }
        retrying!(async {
            let mut tx = self.store.write().await?;
            let mut outcomes = Vec::with_capacity(rows.len());
            for (row, password) in rows.iter().zip(&passwords) {
                outcomes.push(match password {
                    Ok(password) => self.import_customer(&mut tx, tenant, row, password.as_ref()).await?,
                    Err(faults) => RowOutcome::Refused(faults.clone()),
                });
            }
            tx.commit().await?;
            Ok::<_, Error>(outcomes)
        })
    }

    /// The hash of a new customer's password; nothing for somebody who is there.
    async fn import_password(&self, tenant: &Tenant, row: &CreateCustomer) -> Result<Option<(String, bool)>, Error> {
        let Some((password, is_initial)) = &row.password else { return Ok(None) };
        if let NewPassword::Plain(secret) = password {
            let min_characters = tenant.settings.password_min as usize;
            PasswordPolicy { min_characters }
                .check(secret.expose())
                .map_err(|fault| Refusal::invalid("password", fault))?;
        }
        if let Some(email) = &row.email
            && self.customer_by_email(tenant, email).await?.is_some()
        {
            return Ok(None);
        }
        loop {
            match self.password_hash(tenant, password).await {
                // Other logins come first; a batch can wait.
                Err(Error::Refused(Refusal::Throttled { .. })) => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                result => return Ok(Some((result?, *is_initial))),
            }
        }
    }

    async fn import_customer(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &CreateCustomer,
        password: Option<&(String, bool)>,
    ) -> Result<RowOutcome, Error> {
        let Some(email) = &row.email else { return Ok(RowOutcome::refused("email", "every row needs one")) };
        if let Some(there) = tx.customer_by_email(&tenant.id, email.key()).await? {
            // Files know a few columns; what else the profile holds stays.
            let mut profile = there.profile.clone();
            profile.given_name.clone_from(&row.profile.given_name);
            profile.family_name.clone_from(&row.profile.family_name);
            profile.job_title.clone_from(&row.profile.job_title);
            profile.phone.clone_from(&row.profile.phone);
            profile.language.clone_from(&row.profile.language);
            if there.profile == profile {
                return Ok(RowOutcome::Unchanged);
            }
            let now = self.clock.now();
            tx.update_profile(&tenant.id, &there.id, &profile, None, now).await?;
            let entry = Entry::new(&Actor::System, "customer.update", "customer", there.id.as_str());
            self.audit(tx, &tenant.id, &Origin::local(ORIGIN), entry, now).await?;
            return Ok(RowOutcome::Updated);
        }
        let result = self.create_customer_in(tx, tenant, row, password, &Actor::System, &Origin::local(ORIGIN)).await;
        refusals_are_outcomes(result.map(|_| RowOutcome::Created), "email")
    }

    /// Takes contact assignments in.
    ///
    /// # Errors
    /// Only faults; then nothing of the batch is in.
    pub async fn import_assignments(
        &self,
        tenant: &Tenant,
        rows: &[ImportAssignment],
    ) -> Result<Vec<RowOutcome>, Error> {
        retrying!(async {
            let mut tx = self.store.write().await?;
            let mut outcomes = Vec::with_capacity(rows.len());
            for row in rows {
                outcomes.push(self.import_assignment(&mut tx, tenant, row).await?);
            }
            tx.commit().await?;
            Ok::<_, Error>(outcomes)
        })
    }

    async fn import_assignment(
        &self,
        tx: &mut Tx<'_>,
        tenant: &Tenant,
        row: &ImportAssignment,
    ) -> Result<RowOutcome, Error> {
        let mut faults = Vec::new();
        let customer = tx.customer_by_email(&tenant.id, row.email.key()).await?;
        if customer.is_none() {
            faults.push(FieldFault { field: "customer_email", reason: "there is no such customer".to_owned() });
        }
        if tx.legal_entity(&tenant.id, &row.legal_entity).await?.is_none() {
            faults.push(FieldFault { field: "legal_entity_id", reason: "there is no such legal entity".to_owned() });
        }
        let Some(customer) = customer.filter(|_| faults.is_empty()) else { return Ok(RowOutcome::Refused(faults)) };
        let there = tx.assignments_of_customer(&tenant.id, &customer.id).await?;
        let there = there.into_iter().find(|assignment| assignment.legal_entity == row.legal_entity);
        let request = NewAssignment {
            id: None,
            legal_entity: row.legal_entity.clone(),
            customer: customer.id.clone(),
            kind: row.kind,
            is_primary: row.is_primary,
            group: Some(row.group),
        };
        if let Some(there) = there {
            let now = self.clock.now();
            let (member, entity) = (customer.id.as_str(), &row.legal_entity);
            // Somebody may be a contact and have a role besides, as the people of a subsidiary do in its parent.
            let is_same_group = tx.is_in_predefined_group(&tenant.id, member, entity, row.group.as_str()).await?;
            if there.kind == row.kind && there.is_primary == row.is_primary && there.origin.is_none() && is_same_group {
                return Ok(RowOutcome::Unchanged);
            }
            if row.is_primary && !there.is_primary {
                tx.clear_primary(&tenant.id, &row.legal_entity, now).await?;
            }
            tx.own_assignment(&tenant.id, &there.id, row.kind, row.is_primary, now).await?;
            if !is_same_group {
                self.join_group_in(tx, tenant, &customer.id, &row.legal_entity, row.group).await?;
                self.publish_rights(tx, tenant, Some(&customer.id), now).await?;
            }
            let entry = Entry::new(&Actor::System, "assignment.update", "contact_assignment", there.id.as_str())
                .entity(Some(&row.legal_entity));
            self.audit(tx, &tenant.id, &Origin::local(ORIGIN), entry, now).await?;
            return Ok(RowOutcome::Updated);
        }
        let result = self.assign_in(tx, tenant, &request, &Actor::System, &Origin::local(ORIGIN)).await;
        refusals_are_outcomes(result.map(|_| RowOutcome::Created), "legal_entity_id")
    }

    /// Takes segments in.
    ///
    /// # Errors
    /// Only faults; then nothing of the batch is in.
    pub async fn import_segments(&self, tenant: &Tenant, rows: &[Segment]) -> Result<Vec<RowOutcome>, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let mut outcomes = Vec::with_capacity(rows.len());
            for row in rows {
                outcomes.push(match tx.segment(&tenant.id, &row.id).await? {
                    Some(there) if there.name == row.name && there.state == row.state => RowOutcome::Unchanged,
                    Some(there) => {
                        let changed = Segment { name: row.name.clone(), state: row.state, ..there };
                        tx.update_segment(&tenant.id, &changed, None, now).await?;
                        RowOutcome::Updated
                    }
                    None => {
                        tx.insert_segment(&tenant.id, row, now).await?;
                        RowOutcome::Created
                    }
                });
            }
            self.finish_segments(tx, tenant, &outcomes).await?;
            Ok::<_, Error>(outcomes)
        })
    }

    /// Takes members of segments in.
    ///
    /// # Errors
    /// Only faults; then nothing of the batch is in.
    pub async fn import_segment_members(
        &self,
        tenant: &Tenant,
        rows: &[ImportSegmentMember],
    ) -> Result<Vec<RowOutcome>, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let mut outcomes = Vec::with_capacity(rows.len());
            for row in rows {
                let mut faults = Vec::new();
                if tx.segment(&tenant.id, &row.segment).await?.is_none() {
                    faults.push(FieldFault { field: "segment_id", reason: "there is no such segment".to_owned() });
                }
                if let Some(entity) = &row.legal_entity
                    && tx.legal_entity(&tenant.id, entity).await?.is_none()
                {
                    faults.push(FieldFault {
                        field: "legal_entity_id",
                        reason: "there is no such legal entity".to_owned(),
                    });
                }
                let customer = match &row.email {
                    Some(email) => tx.customer_by_email(&tenant.id, email.key()).await?,
                    None => None,
                };
                if row.email.is_some() && customer.is_none() {
                    faults.push(FieldFault { field: "customer_email", reason: "there is no such customer".to_owned() });
                }
                if !faults.is_empty() {
                    outcomes.push(RowOutcome::Refused(faults));
                    continue;
                }
                let member = SegmentMember {
                    customer: customer.map(|customer| customer.id),
                    legal_entity: row.legal_entity.clone(),
                };
                let is_new = tx.insert_segment_member(&tenant.id, &row.segment, &member, now).await?;
                outcomes.push(if is_new { RowOutcome::Created } else { RowOutcome::Unchanged });
            }
            self.finish_segments(tx, tenant, &outcomes).await?;
            Ok::<_, Error>(outcomes)
        })
    }

    /// Takes items of segments in.
    ///
    /// # Errors
    /// Only faults; then nothing of the batch is in.
    pub async fn import_segment_items(
        &self,
        tenant: &Tenant,
        rows: &[ImportSegmentItem],
    ) -> Result<Vec<RowOutcome>, Error> {
        retrying!(async {
            let now = self.clock.now();
            let mut tx = self.store.write().await?;
            let mut outcomes = Vec::with_capacity(rows.len());
            for row in rows {
                outcomes.push(if tx.segment(&tenant.id, &row.segment).await?.is_none() {
                    RowOutcome::refused("segment_id", "there is no such segment")
                } else if tx.insert_segment_item(&tenant.id, &row.segment, &row.item, now).await? {
                    RowOutcome::Created
                } else {
                    RowOutcome::Unchanged
                });
            }
            self.finish_segments(tx, tenant, &outcomes).await?;
            Ok::<_, Error>(outcomes)
        })
    }

    /// One entry of the trail and one of the feed for a batch that changed who sees what.
    async fn finish_segments(&self, mut tx: Tx<'_>, tenant: &Tenant, outcomes: &[RowOutcome]) -> Result<(), Error> {
        let count =
            outcomes.iter().filter(|outcome| matches!(outcome, RowOutcome::Created | RowOutcome::Updated)).count();
        if count > 0 {
            let now = self.clock.now();
            self.publish_rights(&mut tx, tenant, None, now).await?;
            let entry = Entry::new(&Actor::System, "segment.import", "tenant", tenant.id.as_str())
                .detail(serde_json::json!({ "rows": count }));
            self.audit(&mut tx, &tenant.id, &Origin::local(ORIGIN), entry, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// What has to be done about a seat.
enum SeatChange {
    /// It is as the file has it, or the file says nothing about it.
    Nothing,
    /// A place of others has its id.
    IsTaken,
    /// It is made, and linked to its entity.
    New(Box<PutLocation>),
    /// It is changed.
    Changed(LocationId, Box<PutLocation>),
}

fn is_same(there: &LegalEntity, row: &CreateLegalEntity) -> bool {
    there.name == row.name && there.kind == row.kind && there.parent == row.parent && there.details == row.details
}

/// What was refused is an outcome of the row; what broke stays an error of the batch.
fn refusals_are_outcomes(result: Result<RowOutcome, Error>, field: &'static str) -> Result<RowOutcome, Error> {
    match result {
        Ok(outcome) => Ok(outcome),
        Err(Error::Refused(Refusal::Invalid(faults))) => Ok(RowOutcome::Refused(faults)),
        Err(Error::Refused(refusal)) => Ok(RowOutcome::refused(field, refusal.to_string())),
        Err(fault) => Err(fault),
    }
}
