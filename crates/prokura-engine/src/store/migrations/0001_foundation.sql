-- One text for SQLite and PostgreSQL. Columns are TEXT or BIGINT; moments are Unix milliseconds; tenant_id leads every
-- key, so a row cannot point into another tenant.

CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE tenants (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),
    settings_json TEXT NOT NULL,
    -- The longest life any access token could have so far. Never falls: what was issued lives on.
    longest_access_seconds BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);

-- How each surface spells a tenant: a client id, a host name, the issuer of a dialect's tokens.
CREATE TABLE tenant_names (
    kind TEXT NOT NULL CHECK (kind IN ('client', 'host', 'issuer')),
    name TEXT NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    PRIMARY KEY (kind, name)
);
CREATE INDEX tenant_names_by_tenant ON tenant_names (tenant_id, kind, name);

CREATE TABLE sites (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    language TEXT NOT NULL,
    languages_json TEXT NOT NULL,
    currency TEXT NOT NULL,
    country TEXT NOT NULL,
    is_default BIGINT NOT NULL CHECK (is_default IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX sites_one_default ON sites (tenant_id) WHERE is_default = 1;

CREATE TABLE clients (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('public', 'confidential')),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    secret_hash TEXT,
    previous_secret_hash TEXT,
    previous_secret_until BIGINT,
    scopes TEXT NOT NULL,
    grants TEXT NOT NULL,
    refresh_policy TEXT NOT NULL CHECK (refresh_policy IN ('rotate', 'once', 'reuse', 'family')),
    leeway_seconds BIGINT NOT NULL,
    access_seconds BIGINT,
    refresh_seconds BIGINT,
    needs_proof BIGINT NOT NULL CHECK (needs_proof IN (0, 1)),
    registration_json TEXT NOT NULL,
    settings_json TEXT NOT NULL,
    -- What opens the registration of a client that made itself (RFC 7592), hashed; absent for the others.
    registration_hash TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX clients_that_registered ON clients (tenant_id) WHERE registration_hash IS NOT NULL;

CREATE TABLE customers (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('CUSTOMER', 'CONTACT')),
    email TEXT,
    email_key TEXT,
    email_verified_at BIGINT,
    given_name TEXT NOT NULL,
    family_name TEXT NOT NULL,
    company_name TEXT NOT NULL,
    language TEXT,
    currency TEXT,
    site_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'on_hold', 'inactive', 'deleted')),
    state_at BIGINT NOT NULL,
    profile_json TEXT NOT NULL,
    last_login_at BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX customers_by_email ON customers (tenant_id, email_key) WHERE state <> 'deleted';

CREATE TABLE customer_addresses (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    is_default BIGINT NOT NULL CHECK (is_default IN (0, 1)),
    address_json TEXT NOT NULL,
    tags_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE INDEX customer_addresses_by_customer ON customer_addresses (tenant_id, customer_id, id);

CREATE TABLE credentials (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('password')),
    secret TEXT NOT NULL,
    is_initial BIGINT NOT NULL CHECK (is_initial IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('active', 'replaced')),
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE UNIQUE INDEX credentials_one_active ON credentials (tenant_id, customer_id, kind) WHERE state = 'active';

-- Authenticator apps. last_step is the newest time step a code was taken of: a code is good once.
CREATE TABLE totp_factors (
    tenant_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    secret_sealed TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'active')),
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, customer_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);

-- Recovery codes, as keyed digests; each is good once.
CREATE TABLE recovery_codes (
    tenant_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    used_at BIGINT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, customer_id, digest),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);

-- Passkeys: the public key and its counter. user_handle is random, the same for all of a customer's.
CREATE TABLE passkeys (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    user_handle TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kept_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE UNIQUE INDEX passkeys_by_credential ON passkeys (tenant_id, credential_id);
CREATE INDEX passkeys_by_customer ON passkeys (tenant_id, customer_id, id);

-- The first half of a passkey's ceremony, for the browser that began it; the second half takes it away.
CREATE TABLE passkey_ceremonies (
    tenant_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    browser_hash TEXT NOT NULL,
    customer_id TEXT,
    user_handle TEXT,
    state_json TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE INDEX passkey_ceremonies_by_end ON passkey_ceremonies (expires_at);

-- Browsers whose password was right and whose second factor is waited for.
CREATE TABLE pending_logins (
    tenant_id TEXT NOT NULL,
    browser_hash TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    tries BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, browser_hash),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE INDEX pending_logins_by_end ON pending_logins (expires_at);

-- Budgets of the throttle: a bucket of attempts per key (account, address, client, everybody).
CREATE TABLE login_failures (
    tenant_id TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    failures BIGINT NOT NULL,
    window_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, key_hash)
);
CREATE INDEX login_failures_by_age ON login_failures (window_at);

-- Devices (a cookie or an address prefix) an account has logged in from: strangers cannot use up their budget.
CREATE TABLE known_devices (
    tenant_id TEXT NOT NULL,
    account_hash TEXT NOT NULL,
    device_hash TEXT NOT NULL,
    last_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, account_hash, device_hash)
);
CREATE INDEX known_devices_by_age ON known_devices (last_at);

CREATE TABLE legal_entities (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('COMPANY', 'SUBSIDIARY')),
    parent_id TEXT,
    registration_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    details_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES legal_entities (tenant_id, id)
);
CREATE INDEX legal_entities_by_parent ON legal_entities (tenant_id, parent_id, id);
CREATE INDEX legal_entities_by_lower_id ON legal_entities (tenant_id, lower(id));
CREATE INDEX legal_entities_by_registration ON legal_entities (tenant_id, registration_id);

CREATE TABLE locations (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('HEADQUARTER', 'WAREHOUSE', 'OFFICE')),
    details_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE legal_entity_locations (
    tenant_id TEXT NOT NULL,
    legal_entity_id TEXT NOT NULL,
    location_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, legal_entity_id, location_id),
    FOREIGN KEY (tenant_id, legal_entity_id) REFERENCES legal_entities (tenant_id, id),
    FOREIGN KEY (tenant_id, location_id) REFERENCES locations (tenant_id, id)
);
CREATE INDEX legal_entity_locations_by_location ON legal_entity_locations (tenant_id, location_id);

-- grant_id names one very granting and is never used again; tokens and revocations carry it.
CREATE TABLE contact_assignments (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    grant_id TEXT NOT NULL,
    legal_entity_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('PRIMARY', 'BILLING', 'LOGISTICS', 'CONTACT')),
    is_primary BIGINT NOT NULL CHECK (is_primary IN (0, 1)),
    origin_id TEXT,
    details_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, legal_entity_id) REFERENCES legal_entities (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE UNIQUE INDEX contact_assignments_by_pair ON contact_assignments (tenant_id, customer_id, legal_entity_id);
CREATE UNIQUE INDEX contact_assignments_one_primary ON contact_assignments (tenant_id, legal_entity_id) WHERE is_primary = 1;
CREATE INDEX contact_assignments_by_entity ON contact_assignments (tenant_id, legal_entity_id, id);
CREATE INDEX contact_assignments_by_member ON contact_assignments (tenant_id, legal_entity_id, customer_id);
CREATE INDEX contact_assignments_by_origin ON contact_assignments (tenant_id, origin_id);

CREATE TABLE customer_groups (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    legal_entity_id TEXT,
    code TEXT,
    member_kind TEXT NOT NULL CHECK (member_kind IN ('customer', 'employee')),
    name_json TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description_json TEXT NOT NULL,
    scopes TEXT NOT NULL,
    details_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, legal_entity_id) REFERENCES legal_entities (tenant_id, id)
);
CREATE UNIQUE INDEX customer_groups_predefined ON customer_groups (tenant_id, legal_entity_id, code)
    WHERE legal_entity_id IS NOT NULL AND code IS NOT NULL;

-- origin_id names the membership this one follows: of a subsidiary's group, or of the assignment it came with.
CREATE TABLE customer_group_members (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    member_kind TEXT NOT NULL CHECK (member_kind IN ('customer', 'employee')),
    origin_id TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, group_id, member_id),
    FOREIGN KEY (tenant_id, group_id) REFERENCES customer_groups (tenant_id, id)
);
CREATE INDEX customer_group_members_by_origin ON customer_group_members (tenant_id, origin_id);
CREATE INDEX customer_group_members_by_member ON customer_group_members (tenant_id, member_id, group_id);

-- A sign-up that named an existing company waits here until somebody of the company or the shop says yes.
CREATE TABLE join_requests (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    legal_entity_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'accepted', 'rejected')),
    state_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    FOREIGN KEY (tenant_id, legal_entity_id) REFERENCES legal_entities (tenant_id, id)
);
CREATE INDEX join_requests_by_entity ON join_requests (tenant_id, legal_entity_id, id);
CREATE UNIQUE INDEX join_requests_one_pending ON join_requests (tenant_id, customer_id, legal_entity_id) WHERE state = 'pending';

-- Somebody was asked to act for a company, by a mail to one address. What its link opens with is kept as a hash, made
-- when the mail is written.
CREATE TABLE invitations (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    hash TEXT,
    legal_entity_id TEXT NOT NULL,
    group_code TEXT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    given_name TEXT NOT NULL,
    family_name TEXT NOT NULL,
    inviter_kind TEXT NOT NULL,
    inviter_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'accepted', 'withdrawn')),
    state_at BIGINT NOT NULL,
    customer_id TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, legal_entity_id) REFERENCES legal_entities (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE UNIQUE INDEX invitations_by_link ON invitations (tenant_id, hash) WHERE hash IS NOT NULL;
CREATE UNIQUE INDEX invitations_one_open ON invitations (tenant_id, legal_entity_id, email_key) WHERE state = 'open';
CREATE INDEX invitations_by_address ON invitations (tenant_id, email_key);
CREATE INDEX invitations_by_customer ON invitations (tenant_id, customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX invitations_by_end ON invitations (expires_at);

CREATE TABLE categories (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    parent_id TEXT,
    code TEXT NOT NULL,
    name_json TEXT NOT NULL,
    position BIGINT NOT NULL,
    is_published BIGINT NOT NULL CHECK (is_published IN (0, 1)),
    details_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX categories_by_parent ON categories (tenant_id, parent_id, position, id);

CREATE TABLE segments (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name_json TEXT NOT NULL,
    description_json TEXT NOT NULL,
    site_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'inactive')),
    valid_from BIGINT,
    valid_until BIGINT,
    details_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX segments_by_beginning ON segments (valid_from) WHERE valid_from IS NOT NULL;
CREATE INDEX segments_by_end ON segments (valid_until) WHERE valid_until IS NOT NULL;

-- A member is a customer alone, a customer acting for an entity, or everybody who acts for an entity.
CREATE TABLE segment_members (
    tenant_id TEXT NOT NULL,
    segment_id TEXT NOT NULL,
    customer_id TEXT,
    legal_entity_id TEXT,
    is_automatic BIGINT NOT NULL CHECK (is_automatic IN (0, 1)),
    details_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    CHECK (customer_id IS NOT NULL OR legal_entity_id IS NOT NULL),
    FOREIGN KEY (tenant_id, segment_id) REFERENCES segments (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id),
    FOREIGN KEY (tenant_id, legal_entity_id) REFERENCES legal_entities (tenant_id, id)
);
CREATE UNIQUE INDEX segment_members_key ON segment_members (tenant_id, segment_id, COALESCE(customer_id, ''), COALESCE(legal_entity_id, ''));
CREATE INDEX segment_members_by_customer ON segment_members (tenant_id, customer_id, legal_entity_id, segment_id);
CREATE INDEX segment_members_by_entity ON segment_members (tenant_id, legal_entity_id, customer_id, segment_id);

CREATE TABLE segment_items (
    tenant_id TEXT NOT NULL,
    segment_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('PRODUCT', 'CATEGORY')),
    item_id TEXT NOT NULL,
    details_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, segment_id, kind, item_id),
    FOREIGN KEY (tenant_id, segment_id) REFERENCES segments (tenant_id, id)
);
CREATE INDEX segment_items_by_item ON segment_items (tenant_id, kind, item_id, segment_id);

-- The one truth about who is here, by which door, how sure. amr says how they proved it (RFC 8176), blank separated.
CREATE TABLE sessions (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    customer_id TEXT,
    visitor_id TEXT,
    site_id TEXT,
    door TEXT NOT NULL,
    is_entity_locked BIGINT NOT NULL CHECK (is_entity_locked IN (0, 1)),
    locked_entity_id TEXT,
    authenticated_at BIGINT,
    amr TEXT,
    partner_idp_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'ended')),
    state_at BIGINT NOT NULL,
    end_reason TEXT,
    expires_at BIGINT NOT NULL,
    user_agent TEXT,
    address TEXT,
    created_at BIGINT NOT NULL,
    -- When to look whether it ran out; absent where nobody would have to be told.
    look_at BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE INDEX sessions_by_look ON sessions (look_at) WHERE state = 'active' AND look_at IS NOT NULL;
CREATE INDEX sessions_by_customer ON sessions (tenant_id, customer_id, id) WHERE customer_id IS NOT NULL;
CREATE INDEX sessions_by_partner_idp ON sessions (tenant_id, partner_idp_id, id)
    WHERE partner_idp_id IS NOT NULL AND state = 'active';
CREATE INDEX sessions_by_visitor ON sessions (tenant_id, visitor_id) WHERE visitor_id IS NOT NULL;
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Preferences of a session. The company in it is information, never authority.
CREATE TABLE session_contexts (
    tenant_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    customer_id TEXT,
    legal_entity_id TEXT,
    site_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    language TEXT NOT NULL,
    target_location TEXT NOT NULL,
    cart_id TEXT,
    attributes_json TEXT NOT NULL,
    version BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, session_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);

-- Handles of sessions in browsers' cookies: of who is logged in to our pages (sso), and of whoever is on a shop's own
-- pages (shop), which follow the company of one family.
CREATE TABLE cookie_sessions (
    tenant_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sso', 'shop')),
    session_id TEXT NOT NULL,
    family_id TEXT,
    legal_entity_id TEXT,
    issued_at BIGINT NOT NULL,
    idle_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX cookie_sessions_by_session ON cookie_sessions (tenant_id, session_id);
CREATE INDEX cookie_sessions_by_end ON cookie_sessions (expires_at);

-- A client's request at the authorization endpoint, from its arrival to the exchange of its code. What was asked is
-- frozen in request_json; the columns say how far the browser in browser_hash has come.
CREATE TABLE authorizations (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    request_json TEXT NOT NULL,
    pushed_hash TEXT,
    browser_hash TEXT,
    session_id TEXT,
    legal_entity_id TEXT,
    is_entity_chosen BIGINT NOT NULL CHECK (is_entity_chosen IN (0, 1)),
    has_consented BIGINT NOT NULL CHECK (has_consented IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('pushed', 'pending', 'fulfilled', 'exchanged', 'cancelled')),
    state_at BIGINT NOT NULL,
    code_hash TEXT,
    family_id TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX authorizations_by_code ON authorizations (tenant_id, code_hash) WHERE code_hash IS NOT NULL;
CREATE UNIQUE INDEX authorizations_by_push ON authorizations (tenant_id, pushed_hash) WHERE pushed_hash IS NOT NULL;
CREATE INDEX authorizations_by_end ON authorizations (expires_at);

-- Devices without a browser that wait for somebody to let them in.
CREATE TABLE device_grants (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    hash TEXT NOT NULL,
    user_code TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    legal_entity_id TEXT,
    session_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('pending', 'allowed', 'denied', 'used')),
    state_at BIGINT NOT NULL,
    polled_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);
CREATE UNIQUE INDEX device_grants_by_user_code ON device_grants (tenant_id, user_code);
CREATE INDEX device_grants_by_end ON device_grants (expires_at);

-- What a customer let a client of somebody else have.
CREATE TABLE consents (
    tenant_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, customer_id, client_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE INDEX consents_by_client ON consents (tenant_id, client_id);

-- The one truth about for whom. scope is what was granted at the native door; NULL: whatever the customer may do.
CREATE TABLE token_families (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    customer_id TEXT,
    legal_entity_id TEXT,
    assignment_id TEXT,
    grant_id TEXT,
    scope TEXT,
    audience TEXT,
    key_thumbprint TEXT,
    door TEXT NOT NULL,
    do_not_track BIGINT NOT NULL CHECK (do_not_track IN (0, 1)),
    epoch BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    state_at BIGINT NOT NULL,
    end_reason TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    tokens_until BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES sessions (tenant_id, id)
);
CREATE INDEX token_families_by_session ON token_families (tenant_id, session_id);
CREATE INDEX token_families_by_end ON token_families (expires_at);

CREATE TABLE refresh_tokens (
    tenant_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    family_id TEXT NOT NULL,
    generation BIGINT NOT NULL,
    salt TEXT NOT NULL,
    predecessor_hash TEXT,
    legal_entity_id TEXT,
    epoch BIGINT NOT NULL,
    repeats BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'rotated', 'revoked')),
    state_at BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, family_id) REFERENCES token_families (tenant_id, id)
);
CREATE UNIQUE INDEX refresh_tokens_one_leaf ON refresh_tokens (tenant_id, family_id) WHERE state = 'active';
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (tenant_id, family_id, generation);
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at);

-- What every node and gateway polls.
CREATE TABLE revocations (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    is_lifted BIGINT NOT NULL CHECK (is_lifted IN (0, 1)),
    at BIGINT NOT NULL,
    effective_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX revocations_by_time ON revocations (at, id);
CREATE INDEX revocations_by_end ON revocations (expires_at);

CREATE TABLE signing_keys (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    kid TEXT NOT NULL,
    algorithm TEXT NOT NULL CHECK (algorithm IN ('ES256', 'EdDSA', 'RS256', 'HS256')),
    state TEXT NOT NULL CHECK (state IN ('next', 'active', 'retired', 'compromised')),
    private_sealed TEXT NOT NULL,
    public_json TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    activated_at BIGINT,
    retired_at BIGINT,
    PRIMARY KEY (tenant_id, kid)
);
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (tenant_id, algorithm) WHERE state = 'active';

-- One-time ways: password reset, e-mail change, sign-up confirmation.
CREATE TABLE login_tokens (
    tenant_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('password_reset', 'email_change', 'sign_up')),
    customer_id TEXT NOT NULL,
    payload_json TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'used', 'revoked')),
    state_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE INDEX login_tokens_by_customer ON login_tokens (tenant_id, customer_id, purpose);
CREATE INDEX login_tokens_by_end ON login_tokens (expires_at);

-- Codes of a few digits that somebody was sent. They can be guessed, so wrong tries are counted, and the fifth ends a code. What
-- is kept of a code is keyed, and so is account_hash, which stands for the address it was asked for; customer_id is absent while
-- nobody has that address. kept_sealed says what the code leads to.
CREATE TABLE one_time_codes (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    purpose TEXT NOT NULL CHECK (purpose IN ('log_in', 'password', 'proof', 'passkey')),
    client_id TEXT NOT NULL,
    account_hash TEXT NOT NULL,
    customer_id TEXT,
    code_hash TEXT NOT NULL,
    kept_sealed TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'used', 'burnt', 'revoked')),
    state_at BIGINT NOT NULL,
    wrong_tries BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE UNIQUE INDEX one_time_codes_open ON one_time_codes (tenant_id, client_id, purpose, code_hash) WHERE state = 'open';
CREATE INDEX one_time_codes_by_account ON one_time_codes (tenant_id, account_hash, purpose, client_id);
CREATE INDEX one_time_codes_by_customer ON one_time_codes (tenant_id, customer_id);
CREATE INDEX one_time_codes_by_end ON one_time_codes (expires_at);

-- Identity providers of partners whose customers come in by a code. metadata_json is what an operator said of the provider's
-- endpoints and keys; what is absent there is read from the provider.
CREATE TABLE partner_idps (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_secret_sealed TEXT NOT NULL,
    metadata_json TEXT NOT NULL,
    redirect_uris_json TEXT NOT NULL,
    identified_by TEXT NOT NULL CHECK (identified_by IN ('email', 'subject')),
    provisioning TEXT NOT NULL CHECK (provisioning IN ('just_in_time', 'invited')),
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- The domains a provider may vouch for addresses of; each belongs to one of them.
CREATE TABLE partner_idp_domains (
    tenant_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    partner_idp_id TEXT NOT NULL,
    verified_at BIGINT,
    PRIMARY KEY (tenant_id, domain),
    FOREIGN KEY (tenant_id, partner_idp_id) REFERENCES partner_idps (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX partner_idp_domains_by_idp ON partner_idp_domains (tenant_id, partner_idp_id, domain);

-- Who customers are elsewhere: one subject of a provider is one customer, and the other way round. A token that is exchanged by a
-- dialect's own configuration comes from a provider without a row; partner_idp_id is its issuer then, which no id can be.
CREATE TABLE federated_identities (
    tenant_id TEXT NOT NULL,
    partner_idp_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    email_key TEXT,
    created_at BIGINT NOT NULL,
    last_login_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, partner_idp_id, subject),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES customers (tenant_id, id)
);
CREATE UNIQUE INDEX federated_identities_by_customer ON federated_identities (tenant_id, customer_id, partner_idp_id);

-- Each lane is worked off for itself, so that nobody waits for another lane's peers. target is whom an errand calls: where
-- one call fails, the others to the same wait with it.
CREATE TABLE outbox (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    lane TEXT NOT NULL CHECK (lane IN ('mail', 'call')),
    kind TEXT NOT NULL,
    target TEXT,
    payload_sealed TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'failed')),
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    claimed_until BIGINT,
    last_error TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX outbox_by_due ON outbox (lane, due_at, id) WHERE state = 'waiting';
CREATE INDEX outbox_by_target ON outbox (tenant_id, target, due_at) WHERE state = 'waiting' AND target IS NOT NULL;
CREATE INDEX outbox_by_age ON outbox (created_at);

CREATE TABLE replay_guard (
    tenant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value_hash TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, kind, value_hash)
);
CREATE INDEX replay_guard_by_end ON replay_guard (expires_at);

CREATE TABLE operators (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('active', 'disabled')),
    created_at BIGINT NOT NULL
);

CREATE TABLE operator_roles (
    operator_id TEXT NOT NULL REFERENCES operators (id),
    tenant_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'viewer')),
    PRIMARY KEY (operator_id, tenant_id)
);

-- Append only, but for the number of the seal that closes over an entry.
CREATE TABLE audit_events (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    legal_entity_id TEXT,
    client_id TEXT,
    session_id TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    refusal TEXT,
    request_id TEXT NOT NULL,
    address TEXT,
    user_agent TEXT,
    detail_json TEXT NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX audit_events_by_subject ON audit_events (tenant_id, subject_kind, subject_id, id);

-- What was done for a company, without the refreshing of tokens, which is most of the trail.
CREATE INDEX audit_events_by_entity ON audit_events (tenant_id, legal_entity_id, id)
    WHERE legal_entity_id IS NOT NULL AND verb <> 'customer.refresh';

-- Entries no seal has closed over yet, with their codes.
CREATE TABLE audit_unsealed (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
)/* on SQLite: WITHOUT ROWID */;

CREATE TABLE audit_seals (
    tenant_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    entries_json TEXT NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (tenant_id, number)
);
