//! Refusals as each family tells them.

//! Every refusal of the engine in the words of the dialect, family by family.

use super::*;

#[test]
fn every_401_is_of_the_first_family_whoever_says_it() {
    let refusals = [
        Refusal::InvalidClient,
        Refusal::InvalidCredentials,
        Refusal::CustomerPending,
        Refusal::CustomerOnHold,
        Refusal::CustomerInactive,
        Refusal::InvalidGrant,
        Refusal::ExpiredGrant,
        Refusal::InvalidToken,
    ];
    for refusal in refusals {
        for answer in [E2::from(refusal.clone()).0, E3::from(refusal.clone()).0, E4::from(refusal.clone()).0] {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{refusal}");
            assert!(answer.body.pointer("/fault/detail/errorcode").is_some(), "{refusal}: {}", answer.body);
            assert!(answer.challenge.is_some(), "{refusal}");
        }
    }
}

#[test]
fn a_missing_scope_is_hinted_at_in_both_spellings() {
    let hints = json!(["Required scope(s): a.b", "missing scope: a.b"]);
    for body in [E2::from(Refusal::MissingScope("a.b")).0.body, E3::from(Refusal::MissingScope("a.b")).0.body] {
        assert_eq!(body.get("details"), Some(&hints));
    }
    assert!(E4::from(Refusal::MissingScope("a.b")).0.body.to_string().contains("missing scope: a.b"));
}

#[test]
fn fields_are_spelled_as_on_the_wire() {
    let refusal = Refusal::invalid("registration_id", "something else");
    assert_eq!(
        E2::from(refusal.clone()).0.body,
        json!({
            "status": 400, "type": "validation_failure", "message": "The request is not valid.",
            "details": [{ "field": "registrationId", "type": "invalid_value", "message": "something else" }],
        })
    );
    assert_eq!(
        E3::from(refusal).0.body,
        json!({
            "code": 400, "status": "Bad Request", "message": "The request is not valid.",
            "details": ["registrationId: something else"],
        })
    );
}

#[test]
fn what_the_wire_names_by_another_word_is_named_by_it() {
    for (field, expected) in [
        ("parent", "parentId"),
        ("locations", "entitiesAddresses"),
        ("groups", "customerGroups"),
        ("member_kind", "userType"),
        ("b2b.legal_entity_id", "b2b.legalEntityId"),
        ("legal_info.country_of_registration", "legalInfo.countryOfRegistration"),
    ] {
        let refusal = Refusal::invalid(field, "wrong");
        assert_eq!(E3::from(refusal).0.body["details"], json!([format!("{expected}: wrong")]));
    }
}

#[test]
fn whoever_has_to_wait_is_told_how_long() {
    for (retry_after_seconds, told) in [(3, "3"), (8, "8"), (60, "8")] {
        let response = E2::from(Refusal::Throttled { retry_after_seconds }).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), told, "no more than the SDK takes (E-42)");
    }
    let response = E3::from(Error::Fault(Fault::Worker)).into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "1");
}
