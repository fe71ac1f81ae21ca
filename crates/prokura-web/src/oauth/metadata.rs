//! What a tenant's issuer says about itself (OpenID Connect Discovery 1.0, RFC 8414).

use prokura_domain::{ACR_MULTI, ACR_SINGLE};
use prokura_engine::Tenant;
use prokura_jose::dpop::DPOP_ALGORITHMS;
use serde_json::{Value, json};

/// The metadata document.
pub(crate) fn metadata(tenant: &Tenant) -> Value {
    let issuer = &*tenant.issuer;
    let at = |path: &str| format!("{issuer}/{path}");
    let methods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
    let machines = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let algorithms = ["ES256", "PS256", "EdDSA"];
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at(".well-known/jwks.json"),
        "pushed_authorization_request_endpoint": at("par"),
        "device_authorization_endpoint": at("device_authorization"),
        "introspection_endpoint": at("introspect"),
        "revocation_endpoint": at("revoke"),
        "end_session_endpoint": at("logout"),
        "scopes_supported": ["openid", "profile", "email", "phone", "legal_entity", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [&tenant.settings.algorithm],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": machines,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_signing_alg_values_supported": [&tenant.settings.algorithm],
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "dpop_signing_alg_values_supported": DPOP_ALGORITHMS,
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "name", "given_name", "family_name",
            "middle_name", "picture", "locale", "updated_at", "email", "email_verified", "phone_number", "legal_entity_id",
            "legal_entity_name", "assignment_type", "groups",
        ],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en", "de", "fr"],
        "acr_values_supported": [ACR_SINGLE, ACR_MULTI],
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    });
    if tenant.settings.client_registration.is_open
        && let Some(members) = metadata.as_object_mut()
    {
        members.insert("registration_endpoint".to_owned(), json!(at("register")));
    }
    metadata
}
