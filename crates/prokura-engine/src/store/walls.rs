//! The wall between tenants (S-72): every method of the store is called for one tenant with the ids of another, on both
//! databases. It finds nothing, changes nothing, or makes a row of its own. Called for the right tenant it finds or
//! changes something, so that no wall holds for want of a row. A method without a wall fails the test.

mod rows;
mod statements;

use super::{NewCustomer, Store, StoreError, Tx, driver::Driver, params};
use crate::{
    AddressBody, AssignmentDetails, AuthorizationRequest, ContactFilter, GroupFilter, ItemFilter, JoinState,
    LegalEntityFilter, LocationFilter, MemberFilter, Profile, SegmentFilter, assurance::Proven, feed::Feed,
    one_time_codes::CodePurpose, one_time_link::Purpose, store::DatabaseConfig, store::Reader,
};
use prokura_domain::{AssignmentKind, CustomerKind, CustomerState, Email, SegmentItemKind, TenantId, Timestamp};
use prokura_jose::{SecretHash, TokenVerifier};
use prokura_testdb::Postgres;
use rows::{
    Cast, assignment, authorization, build, category, ceremony, client, client_row, code, code_for, company, context,
    device, errand, event, family, group, group_row, id, invitation, item, key, link, location, member, partner_idp,
    passkey, pending, seal, segment, session, shop_cookie, site, template, token, viewer,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LATER: Timestamp = Timestamp::from_millis(9_000_000);

/// Changes that make a row of the asking tenant's own although another tenant uses the same id.
const OWN_ROWS: &[&str] = &[
    "insert_audit_event",
    "insert_authorization",
    "insert_category",
    "insert_client",
    "insert_customer",
    "insert_device",
    "insert_direct_code",
    "insert_errand",
    "insert_group",
    "insert_legal_entity",
    "insert_location",
    "insert_partner_idp",
    "insert_partner_idp_domain",
    "insert_seal",
    "insert_segment",
    "insert_signing_key",
    "remember_device",
    "take_attempt",
    "take_turn",
    "upsert_site",
    "use_for_now",
    "use_once",
];

/// Methods that belong to no tenant, and why.
const OUTSIDE_TENANTS: &[(&str, &str)] = &[
    ("schema_version", "the installation"),
    ("installation_value", "the installation"),
    ("set_installation_value", "the installation"),
    ("claim_installation_value", "the installation"),
    ("delete_installation_value", "the installation"),
    ("operator_by_token", "operators are of the installation; their roles name tenants"),
    ("operators", "operators are of the installation; their roles name tenants"),
    ("delete_operator", "operators are of the installation; their roles name tenants"),
    ("insert_operator", "operators are of the installation; their roles name tenants"),
    ("tenants", "the list of tenants itself"),
    ("tenant_by_name", "finds the tenant"),
    ("update_tenant", "the row names the tenant"),
    ("revoke", "the entry names the tenant"),
    ("revocations", "read by nodes, not by tenants"),
    ("forget_revocations", "goes by age, by keys that name the tenant"),
    ("forget_sessions", "goes by age, by keys that name the tenant"),
    ("forget_attempts", "goes by age alone"),
    ("tenants_with_unsealed_events", "answers with tenants only"),
    ("forget_guards", "goes by age, by keys that name the tenant"),
    ("tenants_with_segment_changes", "answers with tenants only"),
    ("forget_authorizations", "goes by age, by keys that name the tenant"),
    ("forget_pending_logins", "goes by age, by keys that name the tenant"),
    ("forget_ceremonies", "goes by age, by keys that name the tenant"),
    ("forget_cookies", "goes by age, by keys that name the tenant"),
    ("forget_devices", "goes by age, by keys that name the tenant"),
    ("forget_invitations", "goes by age, by keys that name the tenant"),
    ("forget_links", "goes by age, by keys that name the tenant"),
    ("forget_codes", "goes by age, by keys that name the tenant"),
    ("forget_errands", "goes by age, by keys that name the tenant"),
    ("fading_sessions", "looked for by nodes; the rows name the tenant"),
    ("has_due_errand", "asked by nodes, not by tenants"),
    ("disabled_partner_idps_with_sessions", "asked by nodes; the rows name the tenant"),
    ("claim_errands", "worked off by nodes; the row names the tenant"),
    ("finish_errand", "the row names the tenant"),
    ("postpone_errand", "the row names the tenant"),
];

/// Whether an answer holds anything.
trait Found {
    fn is_found(&self) -> bool;
}

impl<T> Found for Option<T> {
    fn is_found(&self) -> bool {
        self.is_some()
    }
}

impl<T> Found for Vec<T> {
    fn is_found(&self) -> bool {
        !self.is_empty()
    }
}

impl Found for bool {
    fn is_found(&self) -> bool {
        *self
    }
}

impl Found for () {
    fn is_found(&self) -> bool {
        false
    }
}

macro_rules! counts {
    ($($number:ty),+) => {$(
        impl Found for $number {
            fn is_found(&self) -> bool {
                *self != 0
            }
        }
    )+};
}
counts!(i64, u32, u64, usize);

/// A list of method names, and a function that calls one of them and says whether it found something.
macro_rules! calls {
    ($names:ident, $call:ident, |$on:ident: $kind:ty, $tenant:ident, $cast:ident|
     $($method:ident($($argument:expr),* $(,)?) $(=> $is_found:expr)?;)+) => {
        const $names: &[&str] = &[$(stringify!($method)),+];

        async fn $call(name: &str, $on: &mut $kind, $tenant: &TenantId, $cast: &Cast) -> Result<bool, StoreError> {
            match name {
                $(stringify!($method) => {
                    let answer = $on.$method($($argument),*).await?;
                    $(let answer: bool = $is_found(answer);)?
                    Ok(answer.is_found())
                })+
                _ => unreachable!("{name}"),
            }
        }
    };
}

calls!(QUESTIONS, ask, |reader: Reader, tenant, cast|
    address(tenant, &id("ann"), &id("ad-1"));
    addresses(tenant, &id("ann"));
    assignment(tenant, &id("a-1"));
    assignments_following(tenant, &id("a-1"));
    assignments_of_customer(tenant, &id("ann"));
    attempts(tenant, "budget");
    audit_event(tenant, "e-1");
    audit_events(tenant, "", None, None, 9);
    audit_events_about(tenant, ("customer", "ann"), None, "", "z", 9);
    audit_events_before(tenant, None, "", "z", 9);
    client(tenant, &id("sf"));
    clients(tenant, "", 9);
    context(tenant, &cast.session);
    count_customers(tenant, None);
    customer(tenant, &id("ann"));
    customer_by_email(tenant, cast.email.key());
    customers(tenant, "", None, 9);
    customers_of_entity(tenant, &id("le-1"), "", None, 9);
    entities_of(tenant, &id("ann"), 9);
    entity_by_registration(tenant, "HRB 1");
    families_of_session(tenant, &cast.session);
    family(tenant, &cast.session, &cast.family, NOW);
    older_guest_sessions_of(tenant, &id("v-guest"), 0, NOW);
    is_visitor_taken(tenant, &id("v-ann"), None, NOW);
    shop_cookie(tenant, &SecretHash::of("shop"), NOW);
    group_scopes(tenant, &id("ann"), Some(&id("le-1")));
    is_family_active(tenant, &cast.family, NOW);
    is_known_device(tenant, "account", "device");
    link_customer(tenant, &cast.link, Purpose::PasswordReset, NOW);
    is_link_open(tenant, &cast.link, Purpose::PasswordReset, NOW);
    issue_facts(tenant, &id("sf"), Some(&cast.session), Some(&id("ann"))) => |facts: Option<super::issue::IssueFacts>| {
        facts.is_some_and(|facts| facts.client.is_some() || facts.session.is_some() || facts.customer.is_some())
    };
    invitation(tenant, &id("in-1"));
    invitation_by_link(tenant, &SecretHash::of("invitation"), NOW);
    invitations(tenant, None, None, "", 9);
    open_invitations(tenant, &id("le-1"), NOW);
    colleagues(tenant, &id("le-1"), None, 0, 9);
    count_colleagues(tenant, &id("le-1"), None);
    audit_events_for_entity(tenant, &id("le-1"), "z", 9);
    join_request(tenant, "j-1");
    join_requests(tenant, None, None, "", 9);
    last_seal(tenant);
    legal_entity(tenant, &id("le-1"));
    levels_below(tenant, &id("le-1"));
    parent_chain(tenant, &id("le-2"));
    password(tenant, &id("ann"));
    refresh_token(tenant, &cast.token);
    seals(tenant, 0, 9);
    segment(tenant, &id("seg"));
    segments_for(tenant, &id("ann"), Some(&id("le-1")), NOW, 9);
    session(tenant, &cast.session);
    session_lock(tenant, &id("s-locked"));
    sessions_locked_to(tenant, &id("ann"), &id("le-1"));
    ended_families(tenant, &cast.session);
    clients_in_sessions(tenant, ("", ""), 9);
    sessions(tenant, None, "", 9);
    own_sessions(tenant, &id("ann"), &cast.session, NOW, 9);
    signing_keys(tenant);
    site(tenant, &id("main"));
    sites(tenant);
    sites_after(tenant, "", 9);
    subsidiaries(tenant, &id("le-1"));
    successor(tenant, &cast.family, &cast.older_token);
    tenant(tenant) => |row: Option<super::TenantRow>| row.is_some_and(|row| row.name == "Name of acme");
    unsealed_audit_events(tenant, 9);
    is_audit_event_unsealed(tenant, "e-1");
    assignments_of_entity(tenant, &id("le-1"), 9);
    is_assigned(tenant, &id("ann"), &id("le-1"));
    authorization(tenant, &id("au-1"));
    authorization_by_code(tenant, &SecretHash::of("code"));
    choices_of(tenant, &id("ann"), Some(&id("le-1")), 9);
    registration_hash(tenant, &id("sf"));
    registered_clients(tenant);
    consent(tenant, &id("ann"), &id("sf"));
    cookie_session(tenant, &cast.token, NOW);
    totp(tenant, &id("ann"));
    passkeys(tenant, &id("ann"));
    passkey_by_credential(tenant, "credential of p-1");
    recovery_codes_left(tenant, &id("ann"));
    pending_login(tenant, &SecretHash::of("browser"), NOW);
    device_by_user_code(tenant, "BCDF-GHJK");
    category(tenant, "cat");
    categories(tenant, None, "", 9);
    category_chain(tenant, "cat");
    legal_entities_of(tenant, &id("ann"), None, 9);
    has_subsidiaries(tenant, &id("le-1"));
    federated_identity(tenant, "idp", "subject");
    partner_idp(tenant, &id("idp"));
    partner_idps(tenant, "", 9);
    only_storefront_partner_idp(tenant);
    group(tenant, &id("group"));
    groups_of_entities(tenant, &["le-1"]);
    groups_of_member(tenant, "ann", 9);
    predefined_group(tenant, &id("le-1"), "B2B_BUYER");
    group_members(tenant, &id("group"), "", 9);
    membership(tenant, &id("group"), "ann");
    role_of(tenant, &id("ann"), &id("le-1"));
    is_in_predefined_group(tenant, "ann", &id("le-1"), "B2B_BUYER");
    has_other_member(tenant, "bob", &id("le-1"), "B2B_BUYER");
    location(tenant, &id("loc"));
    locations_of_entities(tenant, &["le-1"]);
    segments_holding(tenant, "sku", None, NOW);
    segment_member(tenant, &id("seg"), &member("ann"));
    segment_has_members(tenant, &id("seg"));
    segment_has_items(tenant, &id("seg"));
    may_act_for(tenant, &id("ann"), &id("le-1"));
    belongs_to_segment(tenant, &viewer(), &id("seg"));
    categories_to_root(tenant, &viewer(), None, NOW, 9);
    category_ids_seen(tenant, &viewer(), None, NOW, 9);
    contacts(tenant, &ContactFilter::default(), "", 9);
    contacts_by_id(tenant, &["a-1", "a-2"]);
    groups(tenant, &GroupFilter::default(), "", 9);
    items_seen(tenant, &viewer(), &ItemFilter::default(), NOW, 9);
    legal_entities(tenant, &LegalEntityFilter::default(), "", 9);
    locations(tenant, &LocationFilter::default(), "", 9);
    next_segment_change(tenant, &id("ann"), Some(&id("le-1")), NOW);
    segment_items(tenant, &ItemFilter::default(), 9);
    segment_members(tenant, &id("seg"), &MemberFilter::default(), 9);
    segments(tenant, &SegmentFilter::default(), "", 9);
    segments_seen(tenant, &viewer(), None, NOW, "", 9);
);

calls!(CHANGES, change, |tx: Tx<'_>, tenant, cast|
    adopt_session(tenant, &cast.session, &id("bob"), ("other", None, None), LATER, NOW);
    prove_session(tenant, &cast.session, Proven::PasswordAndCode, NOW);
    renew_cookie_session(tenant, &cast.token, &cast.unused_token);
    begin_totp(tenant, &id("bob"), "sealed again", LATER);
    confirm_totp(tenant, &id("bob"), 7);
    use_totp_step(tenant, &id("ann"), 2);
    delete_totp(tenant, &id("ann"));
    insert_passkey(tenant, &id("ann"), &passkey("p-9"), NOW);
    use_passkey(tenant, "p-1", ("{}", "{\"counter\":1}"), LATER);
    delete_passkey(tenant, &id("ann"), "p-1");
    delete_passkeys(tenant, &id("ann"));
    insert_ceremony(tenant, &SecretHash::of("another ceremony"), &ceremony(), LATER);
    take_ceremony(tenant, &SecretHash::of("ceremony"), &SecretHash::of("browser"), NOW);
    insert_recovery_code(tenant, &id("bob"), "digest", NOW);
    use_recovery_code(tenant, &id("ann"), "digest", LATER);
    delete_recovery_codes(tenant, &id("ann"));
    put_pending_login(tenant, &SecretHash::of("other browser"), &pending(&id("ann")), NOW);
    try_pending_login(tenant, &SecretHash::of("browser"), 5, NOW);
    delete_pending_login(tenant, &SecretHash::of("browser"));
    advance_family(tenant, &cast.family, None, (true, true), LATER, NOW);
    prolong_family(tenant, &cast.family, LATER.plus_seconds(60));
    assignment_for_issue(tenant, &id("ann"), &id("le-1"));
    clear_default_address(tenant, &id("ann"), &id("ad-9"));
    clear_primary(tenant, &id("le-1"), LATER);
    count_repeat(tenant, &cast.family, &cast.older_token, Timestamp::from_millis(0));
    decide_join_request(tenant, "j-1", JoinState::Rejected, LATER);
    delete_address(tenant, &id("ann"), &id("ad-1"));
    delete_assignment(tenant, &id("a-2"));
    delete_signing_key(tenant, &id("k-1"));
    drop_context(tenant, &cast.session);
    end_everything(tenant, LATER);
    end_session(tenant, &cast.session, "test", LATER);
    forget_customer_details(tenant, &id("ann"));
    give_back_attempt(tenant, "budget");
    hold_customer(tenant, &id("ann"));
    insert_address(tenant, &id("ann"), &id("ad-9"), &AddressBody::default(), NOW);
    insert_assignment(tenant, (&id("a-9"), &id("g-9")), &assignment("bob", "le-1"), &AssignmentDetails::default(), None, NOW);
    insert_audit_event(tenant, &event(&cast.fresh("e-1")));
    insert_client(tenant, &client(&id(&cast.fresh("sf"))), NOW);
    insert_context(tenant, &context("s-2"));
    insert_customer(tenant, &NewCustomer {
        id: &id(&cast.fresh("ann")),
        kind: CustomerKind::Customer,
        email: Some(&Email::parse(&cast.fresh("ann@a.example")).unwrap()),
        state: CustomerState::Active,
        profile: &Profile::default(),
    }, NOW);
    insert_code(tenant, &code("oc-9", "other digits"), NOW);
    try_code(tenant, code_for(CodePurpose::LogIn), "other digits", 5, NOW) => |used: Option<super::codes::UsedCode>| used.is_some();
    use_code(tenant, (CodePurpose::LogIn, &id("sf")), "digits", NOW) => |used: Option<super::codes::UsedCode>| used.is_some();
    revoke_codes(tenant, code_for(CodePurpose::LogIn), LATER);
    revoke_codes_of(tenant, &id("ann"), LATER);
    insert_errand(tenant, &errand(&cast.fresh("o-1")), NOW);
    pause_errands(tenant, "sf", LATER, 9);
    insert_family(tenant, &family(&id("f-9"), &cast.session, &id("ann"), &cast.acting_for), NOW);
    insert_invitation(tenant, &invitation(&id("in-9"), "new@a.example"), NOW);
    set_invitation_link(tenant, &id("in-1"), &SecretHash::of("other"), NOW);
    accept_invitation(tenant, &SecretHash::of("invitation"), &id("ann"), NOW);
    withdraw_invitation(tenant, &id("in-1"), NOW);
    replace_invitation(tenant, &id("le-1"), "invited@a.example", NOW);
    insert_join_request(tenant, "j-9", &id("bob"), &id("le-1"), NOW);
    insert_link(tenant, &cast.unused_token, &link(&id("ann")), NOW);
    insert_legal_entity(tenant, &id(&cast.fresh("le-1")), &company(None), NOW);
    insert_predefined_group(tenant, &id("group-9"), &id("le-2"), &template(), NOW);
    insert_refresh_token(tenant, &token(&cast.unused_token, &id("f-2"), None), NOW);
    insert_seal(tenant, &seal(if cast.is_stranger { 1 } else { 2 }));
    insert_segment(tenant, &segment(&cast.fresh("seg")), NOW);
    insert_segment_item(tenant, &id("seg"), &item("sku-9"), NOW);
    insert_segment_member(tenant, &id("seg"), &member("bob"), NOW);
    insert_session(tenant, &session(&id("s-9"), &id("ann")), NOW);
    insert_signing_key(tenant, &key(&cast.fresh("k-1"), "next"));
    insert_tenant(&id(&cast.fresh("acme")), "Another", "{}", 300, NOW);
    insert_tenant_name("client", &cast.fresh("sf"), tenant);
    leave_groups_of_entity(tenant, &id("ann"), &id("le-1"));
    longest_access_seconds(tenant) => |longest: Option<u32>| longest == Some(900);
    mark_sealed(tenant, "e-1", 1);
    move_customer(tenant, &id("ann"), CustomerState::OnHold, LATER);
    move_signing_key(tenant, &id("k-1"), "active", "retired", LATER);
    note_context_use(tenant, &cast.session, LATER);
    note_login(tenant, &id("ann"), LATER);
    own_assignment(tenant, &id("a-2"), AssignmentKind::Contact, false, LATER);
    prolong_family_tokens(tenant, &cast.family, Timestamp::from_millis(10_000_000), NOW);
    look_at_session(tenant, &cast.session, LATER);
    prolong_session(tenant, &cast.session, Timestamp::from_millis(10_000_000));
    raise_longest_access(tenant, 1_200);
    redeem_link(tenant, &cast.link, Purpose::PasswordReset, NOW);
    rehash_password(tenant, "c-1", "hash", "stronger");
    remember_device(tenant, "account", "device", LATER);
    revoke_links(tenant, &id("ann"), None, LATER);
    revoke_family(tenant, &cast.family, "test", LATER);
    rotate_leaf(tenant, &cast.family, LATER);
    rotate_refresh_token(tenant, &cast.token, LATER);
    set_context_customer(tenant, &cast.session, Some(&id("bob")), LATER);
    set_context_entity(tenant, &cast.session, None);
    set_password(tenant, &id("ann"), "c-9", "other", false, LATER);
    take_attempt(tenant, "budget", 1_000_000_000, NOW) => |spent: super::Spent| spent.slots != 0;
    take_turn(tenant, "k", "h", Timestamp::from_millis(10_000_000));
    update_address(tenant, &id("ann"), &id("ad-1"), &AddressBody::default(), LATER);
    update_client(tenant, &client_row("sf"), None, LATER);
    update_context(tenant, &context("s-1"), 1, LATER);
    update_email(tenant, &id("ann"), &Email::parse("other@a.example").unwrap(), LATER);
    update_legal_entity(tenant, &id("le-1"), &company(None), 1, LATER);
    update_profile(tenant, &id("ann"), &Profile::default(), None, LATER);
    update_segment(tenant, &segment("seg"), None, LATER);
    upsert_site(tenant, &site("main"), LATER);
    use_password(tenant, "c-1", LATER);
    verify_email(tenant, &id("ann"), LATER);
    bind_authorization(tenant, &id("au-1"), &id("s-2"), NOW);
    lock_session(tenant, &cast.session, Some(&id("le-1")));
    inherit_session(tenant, &cast.session, (&id("s-2"), &id("ann")), NOW);
    bind_family(tenant, &cast.family, &id("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"));
    cancel_authorization(tenant, &id("au-1"), NOW);
    choose_for_authorization(tenant, &id("au-1"), &cast.session, Some(&id("le-1")), NOW);
    consent_to_authorization(tenant, &id("au-1"), &cast.session, NOW);
    choose_for_cookie(tenant, &cast.token, Some(&id("le-2")));
    delete_cookies_but(tenant, &id("ann"), &id("f-other"));
    decide_device(tenant, "BCDF-GHJK", "denied", &cast.session, None, NOW);
    insert_device(tenant, &cast.unused_token, &device(&cast.fresh("BCDF-GHJK")), NOW);
    poll_device(tenant, &cast.token, NOW);
    use_device(tenant, &cast.older_token, NOW);
    delete_cookie_session(tenant, &cast.token);
    exchange_authorization(tenant, &id("au-2"), LATER, NOW);
    amend_authorization(tenant, &id("au-1"), &AuthorizationRequest { scope: "amended".to_owned(), ..AuthorizationRequest::default() }, NOW);
    fulfil_authorization(tenant, &id("au-1"), &cast.session, &SecretHash::of("other"), LATER, NOW);
    insert_authorization(tenant, &authorization(None, if cast.is_stranger { "au-1" } else { "au-9" }), NOW);
    insert_cookie_session(tenant, &cast.unused_token, &cast.session, LATER, LATER, NOW);
    open_pushed(tenant, &SecretHash::of("pushed"), &id("sf"), &SecretHash::of("browser"), LATER, NOW);
    take_authorization(tenant, &SecretHash::of("taken"), &SecretHash::of("browser"), NOW);
    put_consent(tenant, &id("ann"), &id("sf"), "openid email", LATER);
    set_authorization_family(tenant, &id("au-2"), &cast.family);
    touch_cookie_session(tenant, &cast.token, Some(&id("le-2")), LATER);
    use_once(tenant, "k", &SecretHash::of("other"), LATER);
    delete_registered_client(tenant, &id("sf"));
    use_for_now(tenant, "k", &SecretHash::of("another"), LATER, NOW);
    insert_direct_code(tenant, &authorization(None, if cast.is_stranger { "au-1" } else { "au-8" }), (None, &SecretHash::of("direct")), NOW);
    insert_shop_cookie(tenant, &shop_cookie(&cast.unused_token, &cast.session, &cast.family), NOW);
    touch_shop_cookie(tenant, &SecretHash::of("shop"), LATER.plus_seconds(60), NOW);
    move_shop_cookie(tenant, &SecretHash::of("shop"), &id("f-2"));
    set_family_tracking(tenant, &cast.family, true);
    delete_tenant_name("issuer", "slas/dev/acme", tenant);
    delete_category(tenant, "cat");
    delete_group(tenant, &id("group"));
    delete_location(tenant, &id("loc"));
    delete_member(tenant, &id("group"), "ann");
    delete_segment_contents(tenant, &id("seg"), 9);
    delete_segment_item(tenant, &id("seg"), SegmentItemKind::Product, "sku");
    delete_segment_member(tenant, &id("seg"), &member("ann"));
    forget_federated_identities(tenant, &id("ann"));
    hold_category(tenant, "cat");
    hold_group(tenant, &id("group"));
    hold_legal_entity(tenant, &id("le-1"));
    hold_location(tenant, &id("loc"));
    hold_parent_chain(tenant, &id("le-2"));
    hold_segment(tenant, &id("seg"));
    insert_federated_identity(tenant, ("idp", "other"), &id("bob"), Some("bob@a.example"), NOW);
    is_federated(tenant, "idp", &id("ann"));
    touch_federated_identity(tenant, ("idp", "subject"), &id("ann"), LATER);
    has_federated_identities(tenant, &id("idp"));
    forget_identities_of_partner_idp(tenant, &id("idp"), 9);
    hold_partner_idp(tenant, &id("idp"));
    insert_partner_idp(tenant, &partner_idp(&cast.fresh("idp"), true), NOW);
    update_partner_idp(tenant, &partner_idp("idp", false), 1, LATER);
    delete_partner_idp(tenant, &id("idp-off"));
    insert_partner_idp_domain(tenant, "other.example", &id("idp"), NOW);
    delete_partner_idp_domain(tenant, "a.example", &id("idp"));
    sessions_of_partner_idp(tenant, &id("idp"), 9);
    partner_idp_of_session(tenant, &id("s-2"));
    leave_roles(tenant, &id("ann"), &id("le-1"), &id("group-9"));
    link_location(tenant, &id("le-2"), &id("loc"));
    move_legal_entity(tenant, &id("le-1"), false, LATER);
    share_segment(tenant, &id("seg"));
    touch_segment_member(tenant, &id("seg"), &member("ann"), LATER);
    unlink_locations(tenant, &id("le-1"));
    update_assignment(tenant, &id("a-2"), AssignmentKind::Contact, false, &AssignmentDetails::default(), LATER);
    update_segment_item(tenant, &id("seg"), &item("sku"), LATER);
    delete_segment(tenant, &id("seg-2"));
    forget_legal_entity(tenant, &id("le-3"));
    insert_category(tenant, &category(&cast.fresh("cat")), NOW);
    insert_group(tenant, &id(&cast.fresh("group")), &group(), NOW);
    insert_location(tenant, &id(&cast.fresh("loc")), &location(), NOW);
    insert_member(tenant, "m-9", &group_row("group"), "bob", None, NOW);
    update_category(tenant, &category("cat"), LATER);
    update_group(tenant, &id("group"), &group(), LATER);
    update_location(tenant, &id("loc"), &location(), LATER);
);

/// Every row of a tenant, as text.
async fn rows_of(reader: &mut Reader, tenant: &TenantId) -> String {
    let mut all = Vec::new();
    for table in statements::tables() {
        let Some(key) = table.tenant_key() else { continue };
        let sql = format!("SELECT {} FROM {} WHERE {key} = $1", table.columns.join(", "), table.name);
        let mut rows = Vec::new();
        for row in reader.query(sql.leak(), params![tenant]).await.unwrap() {
            let cells = (0..table.columns.len()).map(|column| match row.get::<Option<i64>>(column) {
                Ok(number) => format!("{number:?}"),
                Err(_) => format!("{:?}", row.get::<Option<String>>(column).unwrap()),
            });
            rows.push(cells.collect::<Vec<_>>().join(" | "));
        }
        rows.sort_unstable();
        all.push(format!("{}: {}\n{}", table.name, rows.len(), rows.join("\n")));
    }
    all.join("\n")
}

async fn the_wall_holds(config: DatabaseConfig) {
    let driver = Driver::open(config).await.unwrap();
    driver.migrate(NOW).await.unwrap();
    let store = Store::new(driver, Arc::new(Feed::new(Arc::new(TokenVerifier::new(16)))), [7; 32]);
    build(&store).await.unwrap();
    let (acme, beta): (TenantId, TenantId) = (id("acme"), id("beta"));
    let (own, stranger) = (Cast::new(false), Cast::new(true));
    let before = rows_of(&mut store.read().await.unwrap(), &acme).await;
    for line in before.lines() {
        assert!(!line.ends_with(": 0"), "acme has no row in {line}");
    }
    for name in QUESTIONS {
        let mut reader = store.read().await.unwrap();
        assert!(ask(name, &mut reader, &acme, &own).await.unwrap(), "{name} finds nothing for acme itself");
        assert!(!ask(name, &mut reader, &beta, &stranger).await.unwrap(), "{name} tells beta about acme");
    }
    for name in CHANGES {
        let mut tx = store.write().await.unwrap();
        let has_found = change(name, &mut tx, &acme, &own).await.unwrap();
        let is_changed = rows_of(&mut tx, &acme).await != before;
        assert!(has_found || is_changed, "{name} does nothing for acme itself");
        drop(tx);
        let mut tx = store.write().await.unwrap();
        match change(name, &mut tx, &beta, &stranger).await {
            // A foreign key says no. The transaction is over then.
            Err(StoreError::Constraint) => {}
            Err(error) => panic!("{name}: {error:?}"),
            Ok(has_found) => {
                assert!(!has_found || OWN_ROWS.contains(name), "{name} gives beta something of acme");
                assert_eq!(rows_of(&mut tx, &acme).await, before, "{name} changes a row of acme for beta");
            }
        }
    }
    assert_eq!(rows_of(&mut store.read().await.unwrap(), &acme).await, before, "dropped is undone");
    statements::prepare_all(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s72_nothing_of_a_tenant_is_seen_or_changed_from_another_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prokura.db");
    the_wall_holds(DatabaseConfig::Sqlite { path, read_connections: 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s72_nothing_of_a_tenant_is_seen_or_changed_from_another_on_postgresql() {
    let database = tokio::task::spawn_blocking(|| Postgres::shared().database()).await.unwrap();
    let statement_deadline = Duration::from_secs(20);
    the_wall_holds(DatabaseConfig::Postgres { url: database.url(), pool_size: 4, statement_deadline }).await;
}

#[test]
fn s72_every_method_of_the_store_stands_behind_a_wall() {
    let called: BTreeSet<&str> = QUESTIONS.iter().chain(CHANGES).copied().collect();
    let outside: BTreeSet<&str> = OUTSIDE_TENANTS.iter().map(|(name, _)| *name).collect();
    let (mut with_tenant, mut without) = (BTreeSet::new(), BTreeSet::new());
    let sources = statements::sources();
    for method in sources.iter().flat_map(statements::Source::methods) {
        if method.takes_tenant {
            with_tenant.insert(method.name)
        } else {
            without.insert(method.name)
        };
    }
    let bare: Vec<_> = with_tenant.symmetric_difference(&called).collect();
    assert!(bare.is_empty(), "these take a tenant and have no wall, or have a wall and are gone: {bare:?}");
    let loose: Vec<_> = without.symmetric_difference(&outside).collect();
    assert!(loose.is_empty(), "these take no tenant and nobody said why, or are gone: {loose:?}");
}
