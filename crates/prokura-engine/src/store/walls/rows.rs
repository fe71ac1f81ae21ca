//! The rows of the tenant whose wall is tested, one of everything, and the values its changes are called with.

use super::{
    super::{
        CeremonyRow, ClientRow, CodeFor, ContextRow, DeviceRow, KeyRow, Lane, NewAuthorization, NewClient, NewCode,
        NewCustomer, NewErrand, NewFamily, NewInvitation, NewLink, NewRefreshToken, NewSession, NewShopCookie,
        PasskeyRow, PendingLoginRow, SealRow, Site, Store, StoreError, Tx,
    },
    LATER, NOW,
};
use crate::{
    AddressBody, AssignmentDetails, AuditEvent, CreateLegalEntity, Group, GroupDetails, GroupTemplate,
    LegalEntityDetails, LocationDetails, NewAssignment, Origin, Outcome, Profile, PutCategory, PutGroup, PutLocation,
    Registration, Segment, SegmentItem, SegmentMember, SegmentViewer, assurance::Proven, one_time_codes::CodePurpose,
    one_time_link::Purpose,
};
use prokura_domain::{
    ActingFor, AssignmentKind, ClientKind, CompanyKind, CustomerKind, CustomerState, Email, FamilyId, GroupCode,
    InvitationId, LocationKind, MemberKind, RefreshPolicy, Revocation, RevocationKind, Scopes, SegmentItemKind,
    SegmentState, SessionId, TenantId, Validity,
};
use prokura_jose::SecretHash;
use serde_json::Map;
use std::{fmt::Debug, str::FromStr};

pub(super) fn id<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// What is asked for: the rows of tenant `acme`, by ids that a change may want new.
pub(super) struct Cast {
    /// Whether the asking tenant is a stranger: then new rows take ids that are in use next door.
    pub(super) is_stranger: bool,
    pub(super) session: SessionId,
    pub(super) family: FamilyId,
    pub(super) token: SecretHash,
    pub(super) older_token: SecretHash,
    pub(super) unused_token: SecretHash,
    pub(super) link: SecretHash,
    pub(super) email: Email,
    pub(super) acting_for: ActingFor,
}

impl Cast {
    pub(super) fn new(is_stranger: bool) -> Self {
        Self {
            is_stranger,
            session: id("s-1"),
            family: id("f-1"),
            token: SecretHash::of("newest"),
            older_token: SecretHash::of("older"),
            unused_token: SecretHash::of("unused"),
            link: SecretHash::of("link"),
            email: Email::parse("ann@a.example").unwrap(),
            acting_for: ActingFor { legal_entity: id("le-1"), assignment: id("a-1"), grant: id("g-1") },
        }
    }

    /// The id of `acme`'s row for a stranger, a new one for `acme`.
    pub(super) fn fresh(&self, existing: &str) -> String {
        if self.is_stranger { existing.to_owned() } else { format!("{existing}9") }
    }
}

pub(super) fn assignment(customer: &str, entity: &str) -> NewAssignment {
    NewAssignment {
        id: None,
        legal_entity: id(entity),
        customer: id(customer),
        kind: AssignmentKind::Contact,
        is_primary: false,
        group: None,
    }
}

pub(super) fn company(parent: Option<&str>) -> CreateLegalEntity {
    CreateLegalEntity {
        id: None,
        name: "Company".to_owned(),
        kind: CompanyKind::Company,
        parent: parent.map(id),
        details: LegalEntityDetails { registration_id: Some("HRB 1".to_owned()), ..LegalEntityDetails::default() },
    }
}

pub(super) fn invitation<'a>(name: &'a InvitationId, email_key: &'a str) -> NewInvitation<'a> {
    NewInvitation {
        id: name,
        legal_entity: Box::leak(Box::new(id("le-1"))),
        group: GroupCode::Buyer,
        email: email_key,
        email_key,
        given_name: "",
        family_name: "",
        inviter: ("system", "-"),
        expires_at: LATER,
    }
}

pub(super) fn partner_idp(name: &str, is_active: bool) -> crate::PartnerIdp {
    crate::PartnerIdp {
        id: id(name),
        is_active,
        version: 1,
        ..crate::partner_idp::tests::idp(&["https://shop.example/cb"])
    }
}

pub(super) fn errand(id: &str) -> NewErrand<'_> {
    NewErrand { id, lane: Lane::Call, kind: "logout", target: Some("sf"), payload_sealed: "sealed" }
}

pub(super) fn client(client: &prokura_domain::ClientId) -> NewClient<'_> {
    NewClient {
        id: client,
        name: "Storefront",
        kind: ClientKind::Public,
        secret_hash: None,
        scopes: "",
        grants: "password",
        refresh_policy: RefreshPolicy::Family,
        access_seconds: None,
        refresh_seconds: None,
        registration: Box::leak(Box::default()),
        settings_json: "{}",
        registration_hash: Some(Box::leak(Box::new(SecretHash::of("registration")))),
    }
}

pub(super) fn client_row(client: &str) -> ClientRow {
    ClientRow {
        id: id(client),
        name: "Taken over".to_owned(),
        kind: ClientKind::Public,
        is_active: true,
        secret_hash: None,
        previous_secret_hash: None,
        previous_secret_until: None,
        scopes: String::new(),
        grants: String::new(),
        refresh_policy: RefreshPolicy::Family,
        access_seconds: None,
        refresh_seconds: None,
        registration: Registration::default(),
        settings_json: "{}".to_owned(),
        version: 1,
        created_at: NOW,
        modified_at: NOW,
    }
}

pub(super) fn context(session: &str) -> ContextRow {
    ContextRow {
        session: id(session),
        customer: Some(id("ann")),
        legal_entity: Some(id("le-1")),
        site: "main".to_owned(),
        currency: "EUR".to_owned(),
        language: "en".to_owned(),
        target_location: "DE".to_owned(),
        cart: Some("cart".to_owned()),
        attributes_json: "{}".to_owned(),
        version: 1,
        used_at: NOW,
    }
}

pub(super) fn session<'a>(session: &'a SessionId, customer: &'a prokura_domain::CustomerId) -> NewSession<'a> {
    NewSession {
        id: session,
        client: Box::leak(Box::new(id("sf"))),
        customer: Some(customer),
        visitor: None,
        site: None,
        door: "password",
        authenticated_at: Some(NOW),
        proven: Some(Proven::Password),
        expires_at: LATER,
        look_at: Some(NOW),
        origin: Box::leak(Box::new(Origin::local("test"))),
    }
}

pub(super) fn family<'a>(
    family: &'a FamilyId,
    session: &'a SessionId,
    customer: &'a prokura_domain::CustomerId,
    acting_for: &'a ActingFor,
) -> NewFamily<'a> {
    NewFamily {
        id: family,
        session,
        client: Box::leak(Box::new(id("sf"))),
        customer: Some(customer),
        acting_for: Some(acting_for),
        scope: Some("openid"),
        audience: None,
        door: "customer.log_in",
        does_not_track: false,
        expires_at: LATER,
        tokens_until: LATER,
    }
}

pub(super) fn shop_cookie<'a>(hash: &'a SecretHash, session: &'a SessionId, family: &'a FamilyId) -> NewShopCookie<'a> {
    NewShopCookie { hash, session, family, idle_until: LATER, expires_at: LATER.plus_seconds(3_600) }
}

pub(super) fn token<'a>(
    hash: &'a SecretHash,
    family: &'a FamilyId,
    predecessor: Option<&'a SecretHash>,
) -> NewRefreshToken<'a> {
    NewRefreshToken {
        hash,
        family,
        generation: 0,
        salt: "salt",
        predecessor,
        legal_entity: None,
        epoch: 0,
        expires_at: LATER,
    }
}

pub(super) fn authorization(pushed: Option<&'static str>, id: &'static str) -> NewAuthorization<'static> {
    NewAuthorization {
        id: Box::leak(Box::new(self::id(id))),
        client: Box::leak(Box::new(self::id("sf"))),
        request: Box::leak(Box::default()),
        pushed: pushed.map(|text| &*Box::leak(Box::new(SecretHash::of(text)))),
        browser: Some(Box::leak(Box::new(SecretHash::of("browser")))),
        expires_at: LATER,
    }
}

pub(super) fn device(user_code: &str) -> DeviceRow {
    DeviceRow {
        user_code: user_code.to_owned(),
        client: id("sf"),
        scope: String::new(),
        legal_entity: None,
        session: None,
        state: "pending".to_owned(),
        expires_at: LATER,
    }
}

pub(super) fn passkey(id: &str) -> PasskeyRow {
    PasskeyRow {
        id: id.to_owned(),
        customer: self::id("ann"),
        user_handle: "handle".to_owned(),
        credential: format!("credential of {id}"),
        name: "Laptop".to_owned(),
        kept_json: "{}".to_owned(),
        created_at: NOW,
        used_at: None,
    }
}

pub(super) fn ceremony() -> CeremonyRow {
    CeremonyRow {
        browser: SecretHash::of("browser"),
        customer: Some(id("ann")),
        user_handle: Some("handle".to_owned()),
        state_json: "{}".to_owned(),
    }
}

pub(super) fn pending(customer: &prokura_domain::CustomerId) -> PendingLoginRow {
    PendingLoginRow { customer: customer.clone(), credential: "c-1".to_owned(), expires_at: LATER }
}

pub(super) fn link(customer: &prokura_domain::CustomerId) -> NewLink<'_> {
    NewLink { purpose: Purpose::PasswordReset, customer, payload_json: "{}", expires_at: LATER }
}

pub(super) fn code_for(purpose: CodePurpose) -> CodeFor<'static> {
    CodeFor { purpose, client: Box::leak(Box::new(id("sf"))), account: "account" }
}

pub(super) fn code<'a>(id: &'a str, hash: &'a str) -> NewCode<'a> {
    NewCode {
        id,
        whose: code_for(CodePurpose::LogIn),
        customer: Some(Box::leak(Box::new(self::id("ann")))),
        hash,
        kept_sealed: "sealed",
        expires_at: LATER,
    }
}

pub(super) fn template() -> GroupTemplate {
    GroupTemplate { code: "B2B_BUYER".to_owned(), name: "Buyer".to_owned(), scopes: "a b".to_owned() }
}

pub(super) fn segment(segment: &str) -> Segment {
    Segment {
        id: id(segment),
        name: Map::new(),
        description: Map::new(),
        site: None,
        state: SegmentState::Active,
        validity: Validity { from: None, until: Some(LATER) },
        details: Map::new(),
        version: 1,
        created_at: NOW,
        modified_at: NOW,
    }
}

pub(super) fn member(customer: &str) -> SegmentMember {
    SegmentMember { customer: Some(id(customer)), legal_entity: Some(id("le-1")) }
}

pub(super) fn item(item: &str) -> SegmentItem {
    SegmentItem { kind: SegmentItemKind::Product, item: item.to_owned(), details: Map::new() }
}

pub(super) fn site(site: &str) -> Site {
    Site {
        id: id(site),
        name: "Main".to_owned(),
        language: "en".to_owned(),
        languages: vec!["en".to_owned()],
        currency: "EUR".to_owned(),
        country: "DE".to_owned(),
        is_default: true,
        is_active: true,
        version: 1,
        created_at: NOW,
        modified_at: NOW,
    }
}

pub(super) fn key(kid: &str, state: &str) -> KeyRow {
    KeyRow {
        kid: id(kid),
        algorithm: "ES256".to_owned(),
        state: state.to_owned(),
        private_sealed: "sealed".to_owned(),
        public_json: "{}".to_owned(),
        created_at: NOW,
        published_at: NOW,
        activated_at: None,
        retired_at: None,
    }
}

pub(super) fn seal(number: i64) -> SealRow {
    SealRow { number, at: NOW, entries_json: "[]".to_owned(), mac: "mac".to_owned() }
}

pub(super) fn event(event: &str) -> AuditEvent {
    AuditEvent {
        id: event.to_owned(),
        at: NOW,
        actor_kind: "system".to_owned(),
        actor_id: "system".to_owned(),
        verb: "test.done".to_owned(),
        subject_kind: "customer".to_owned(),
        subject_id: "ann".to_owned(),
        legal_entity: Some("le-1".to_owned()),
        client: None,
        session: None,
        outcome: Outcome::Done,
        refusal: None,
        request_id: "r".to_owned(),
        address: None,
        user_agent: None,
        detail_json: "{}".to_owned(),
    }
}

pub(super) fn viewer() -> SegmentViewer {
    SegmentViewer { customer: id("ann"), legal_entity: Some(id("le-1")), is_private: true }
}

pub(super) fn category(category: &str) -> PutCategory {
    PutCategory {
        id: category.to_owned(),
        parent: None,
        code: "other".to_owned(),
        name: Map::new(),
        position: 2,
        is_published: false,
        details: Map::new(),
    }
}

pub(super) fn group() -> PutGroup {
    PutGroup {
        id: None,
        legal_entity: None,
        code: None,
        member_kind: MemberKind::Customer,
        name: Map::new(),
        description: Map::new(),
        scopes: Scopes::default(),
        details: GroupDetails::default(),
    }
}

pub(super) fn group_row(group: &str) -> Group {
    Group {
        id: id(group),
        legal_entity: None,
        code: None,
        member_kind: MemberKind::Customer,
        name: Map::new(),
        description: Map::new(),
        scopes: Scopes::default(),
        details: GroupDetails::default(),
        version: 1,
        created_at: NOW,
        modified_at: NOW,
    }
}

pub(super) fn location() -> PutLocation {
    PutLocation {
        id: None,
        name: "Elsewhere".to_owned(),
        kind: LocationKind::Warehouse,
        details: LocationDetails::default(),
    }
}

/// Two providers, ann as one of them knows her, and her session by it.
async fn build_partners(tx: &mut Tx<'_>, acme: &TenantId) -> Result<(), StoreError> {
    tx.insert_federated_identity(acme, ("idp", "subject"), &id("ann"), None, NOW).await?;
    tx.insert_partner_idp(acme, &partner_idp("idp", true), NOW).await?;
    tx.insert_partner_idp(acme, &partner_idp("idp-off", false), NOW).await?;
    tx.insert_partner_idp_domain(acme, "a.example", &id("idp"), NOW).await?;
    let came = ("other", None, Some(&id("idp")));
    tx.adopt_session(acme, &id("s-2"), &id("ann"), came, LATER, NOW).await?;
    Ok(())
}

/// A visitor, a customer under another visitor's name, a session of a shop's own pages, and a code.
async fn put_shop(tx: &mut Tx<'_>, acme: &TenantId, cast: &Cast) -> Result<(), StoreError> {
    let shop = SecretHash::of("shop");
    tx.insert_shop_cookie(acme, &shop_cookie(&shop, &cast.session, &cast.family), NOW).await?;
    let (visit, ann) = (id("s-visit"), id("ann"));
    for (session_id, visitor, customer) in [("s-visit", "v-guest", None), ("s-known", "v-ann", Some(&ann))] {
        let (session_id, visitor) = (id(session_id), id(visitor));
        let new = NewSession { id: &session_id, visitor: Some(&visitor), customer, ..session(&visit, &ann) };
        tx.insert_session(acme, &new, NOW).await?;
    }
    tx.insert_tenant_name("issuer", "slas/dev/acme", acme).await?;
    tx.insert_code(acme, &code("oc-1", "digits"), NOW).await?;
    Ok(())
}

/// Requests at the authorization endpoint: two with pages open, one nobody opened yet, one a browser took elsewhere.
async fn put_authorizations(tx: &mut Tx<'_>, acme: &TenantId, cast: &Cast) -> Result<(), StoreError> {
    for (pushed, name) in [(None, "au-1"), (None, "au-2"), (Some("pushed"), "au-3"), (Some("taken"), "au-4")] {
        tx.insert_authorization(acme, &authorization(pushed, name), NOW).await?;
    }
    tx.open_pushed(acme, &SecretHash::of("taken"), &id("sf"), &SecretHash::of("browser"), LATER, NOW).await?;
    for name in ["au-1", "au-2"] {
        tx.bind_authorization(acme, &id(name), &cast.session, NOW).await?;
    }
    tx.fulfil_authorization(acme, &id("au-2"), &cast.session, &SecretHash::of("code"), LATER, NOW).await?;
    Ok(())
}

/// One row of everything for `acme`; for `beta` nothing but the tenant.
pub(super) async fn build(store: &Store) -> Result<(), StoreError> {
    let (acme, beta): (TenantId, TenantId) = (id("acme"), id("beta"));
    let cast = Cast::new(false);
    let mut tx = store.write().await?;
    for (tenant, longest) in [(&acme, 900), (&beta, 300)] {
        tx.insert_tenant(tenant, &format!("Name of {tenant}"), "{}", longest, NOW).await?;
    }
    tx.insert_tenant_name("client", "sf", &acme).await?;
    tx.upsert_site(&acme, &site("main"), NOW).await?;
    tx.insert_client(&acme, &client(&id("sf")), NOW).await?;
    for (customer, email) in [("ann", Some(&cast.email)), ("bob", None)] {
        let profile = Profile { given_name: "Ann".to_owned(), ..Profile::default() };
        let (kind, state) = (CustomerKind::Customer, CustomerState::Active);
        let customer = NewCustomer { id: &id(customer), kind, email, state, profile: &profile };
        tx.insert_customer(&acme, &customer, NOW).await?;
    }
    tx.set_password(&acme, &id("ann"), "c-1", "hash", false, NOW).await?;
    tx.insert_legal_entity(&acme, &id("le-1"), &company(None), NOW).await?;
    tx.insert_legal_entity(&acme, &id("le-2"), &company(Some("le-1")), NOW).await?;
    tx.insert_legal_entity(&acme, &id("le-3"), &company(None), NOW).await?;
    tx.insert_predefined_group(&acme, &id("group"), &id("le-1"), &template(), NOW).await?;
    let group = tx.predefined_group(&acme, &id("le-1"), "B2B_BUYER").await?.unwrap();
    tx.insert_member(&acme, "m-1", &group, "ann", None, NOW).await?;
    let details = AssignmentDetails::default();
    let primary = NewAssignment { is_primary: true, ..assignment("ann", "le-1") };
    tx.insert_assignment(&acme, (&id("a-1"), &id("g-1")), &primary, &details, None, NOW).await?;
    tx.insert_assignment(&acme, (&id("a-2"), &id("g-2")), &assignment("ann", "le-2"), &details, Some(&id("a-1")), NOW)
        .await?;
    tx.insert_segment(&acme, &segment("seg"), NOW).await?;
    tx.insert_segment_member(&acme, &id("seg"), &member("ann"), NOW).await?;
    tx.insert_segment_item(&acme, &id("seg"), &item("sku"), NOW).await?;
    let in_category = SegmentItem { kind: SegmentItemKind::Category, ..item("cat") };
    tx.insert_segment_item(&acme, &id("seg"), &in_category, NOW).await?;
    tx.insert_segment(&acme, &segment("seg-2"), NOW).await?;
    for name in ["s-1", "s-2", "s-locked"] {
        tx.insert_session(&acme, &session(&id(name), &id("ann")), NOW).await?;
    }
    tx.lock_session(&acme, &id("s-locked"), Some(&id("le-1"))).await?;
    build_partners(&mut tx, &acme).await?;
    tx.insert_context(&acme, &context("s-1")).await?;
    for name in ["f-1", "f-2", "f-3"] {
        tx.insert_family(&acme, &family(&id(name), &cast.session, &id("ann"), &cast.acting_for), NOW).await?;
    }
    tx.revoke_family(&acme, &id("f-3"), "revoked", NOW).await?;
    tx.insert_refresh_token(&acme, &token(&cast.older_token, &cast.family, None), NOW).await?;
    tx.rotate_refresh_token(&acme, &cast.older_token, NOW).await?;
    tx.insert_refresh_token(&acme, &token(&cast.token, &cast.family, Some(&cast.older_token)), NOW).await?;
    tx.insert_signing_key(&acme, &key("k-1", "active")).await?;
    tx.take_attempt(&acme, "budget", 1_000_000_000, NOW).await?;
    tx.remember_device(&acme, "account", "device", NOW).await?;
    let default_address = AddressBody { is_default: true, ..AddressBody::default() };
    tx.insert_address(&acme, &id("ann"), &id("ad-1"), &default_address, NOW).await?;
    tx.insert_join_request(&acme, "j-1", &id("ann"), &id("le-1"), NOW).await?;
    tx.insert_link(&acme, &cast.link, &link(&id("ann")), NOW).await?;
    tx.insert_errand(&acme, &errand("o-1"), NOW).await?;
    tx.insert_invitation(&acme, &invitation(&id("in-1"), "invited@a.example"), NOW).await?;
    tx.set_invitation_link(&acme, &id("in-1"), &SecretHash::of("invitation"), NOW).await?;
    put_authorizations(&mut tx, &acme, &cast).await?;
    tx.insert_device(&acme, &cast.token, &device("BCDF-GHJK"), NOW).await?;
    tx.insert_device(&acme, &cast.older_token, &device("LMNP-QRST"), NOW).await?;
    tx.decide_device(&acme, "LMNP-QRST", "allowed", &cast.session, None, NOW).await?;
    tx.put_consent(&acme, &id("ann"), &id("sf"), "openid", NOW).await?;
    tx.begin_totp(&acme, &id("ann"), "sealed", NOW).await?;
    tx.confirm_totp(&acme, &id("ann"), 1).await?;
    tx.begin_totp(&acme, &id("bob"), "sealed", NOW).await?;
    tx.insert_recovery_code(&acme, &id("ann"), "digest", NOW).await?;
    tx.insert_passkey(&acme, &id("ann"), &passkey("p-1"), NOW).await?;
    tx.insert_ceremony(&acme, &SecretHash::of("ceremony"), &ceremony(), LATER).await?;
    tx.put_pending_login(&acme, &SecretHash::of("browser"), &pending(&id("ann")), NOW).await?;
    tx.insert_cookie_session(&acme, &cast.token, &cast.session, LATER, LATER, NOW).await?;
    put_shop(&mut tx, &acme, &cast).await?;
    tx.take_turn(&acme, "k", "h", LATER).await?;
    tx.insert_audit_event(&acme, &event("e-1")).await?;
    tx.insert_seal(&acme, &seal(1)).await?;
    tx.insert_operator(&id("op"), "Op", &cast.unused_token, &[("acme", "admin")], NOW).await?;
    tx.revoke(Revocation {
        id: "r-1".to_owned(),
        tenant: acme.clone(),
        kind: RevocationKind::Token,
        value: "jti".to_owned(),
        is_lifted: false,
        at: NOW,
        effective_at: LATER,
        expires_at: LATER,
    })
    .await?;
    let office = PutLocation { name: "Place".to_owned(), kind: LocationKind::Office, ..location() };
    tx.insert_location(&acme, &id("loc"), &office, NOW).await?;
    tx.link_location(&acme, &id("le-1"), &id("loc")).await?;
    let first = PutCategory { code: "c".to_owned(), position: 1, is_published: true, ..category("cat") };
    tx.insert_category(&acme, &first, NOW).await?;
    tx.commit().await?;
    Ok(())
}
