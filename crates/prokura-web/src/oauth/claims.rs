//! What a client asks for by name: the parameters `claims` (OpenID Connect Core section 5.5) and `acr_values`. A claim that
//! belongs to a scope counts as a wish for that scope, so nothing is told that was not registered and consented to.

use prokura_domain::{ACR_MULTI, ACR_SINGLE, Scopes};
use prokura_engine::Weight;
use serde_json::{Map, Value};

/// The longest parameter that is read.
const MAX_CLAIMS: usize = 8_192;

/// Each scope with the claims it stands for.
const SCOPES: [(&str, &[&str]); 4] = [
    ("profile", &["name", "given_name", "family_name", "middle_name", "picture", "locale", "updated_at"]),
    ("email", &["email", "email_verified"]),
    ("phone", &["phone_number"]),
    ("legal_entity", &["legal_entity_id", "legal_entity_name", "assignment_type", "groups"]),
];

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) multi_factor: Option<Weight>,
    pub(super) subject: Option<String>,
    /// Claims about the person for the ID token.
    pub(super) id_token: Vec<String>,
    /// The scopes that stand for what was asked for.
    pub(super) scopes: Scopes,
}

/// Reads both parameters; `None` when `claims` is no request of claims. Claims and contexts nobody knows are left out.
pub(super) fn read(claims: Option<&str>, acr_values: Option<&str>) -> Option<Asked> {
    let mut asked = Asked::default();
    // The first one we know is what is tried; with one factor every login will do.
    let first =
        acr_values.unwrap_or_default().split_ascii_whitespace().find(|acr| [ACR_SINGLE, ACR_MULTI].contains(acr));
    asked.multi_factor = (first == Some(ACR_MULTI)).then_some(Weight::Voluntary);
    let Some(claims) = claims else { return Some(asked) };
    if claims.len() > MAX_CLAIMS {
        return None;
    }
    let claims: Map<String, Value> = serde_json::from_str(claims).ok()?;
    let mut names = Vec::new();
    for place in ["id_token", "userinfo"] {
        let wishes = match claims.get(place) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(wishes)) => wishes,
            Some(_) => return None,
        };
        for (name, wish) in wishes {
            if !matches!(wish, Value::Null | Value::Object(_)) {
                return None;
            }
            match (place, name.as_str()) {
                ("id_token", "acr") => asked.multi_factor = acr(wish).or(asked.multi_factor),
                (_, "sub") => {
                    asked.subject = wish.get("value").and_then(Value::as_str).map(str::to_owned).or(asked.subject);
                }
                ("id_token", name) if SCOPES.iter().any(|(_, of)| of.contains(&name)) => {
                    asked.id_token.push(name.to_owned());
                    names.push(name.to_owned());
                }
                (_, name) => names.push(name.to_owned()),
            }
        }
    }
    let of_names = SCOPES.iter().filter(|(_, of)| names.iter().any(|name| of.contains(&name.as_str())));
    let scopes = of_names.map(|(scope, _)| *scope).collect::<Vec<_>>().join(" ");
    asked.scopes = Scopes::parse(&scopes).unwrap_or_default();
    Some(asked)
}

/// What a wish for `acr` comes to: two factors when one factor is not among the values.
fn acr(wish: &Value) -> Option<Weight> {
    let one = wish.get("value").and_then(Value::as_str);
    let many = wish.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let values: Vec<&str> = one.into_iter().chain(many).collect();
    if !values.contains(&ACR_MULTI) || values.contains(&ACR_SINGLE) {
        return None;
    }
    let is_essential = wish.get("essential").and_then(Value::as_bool).unwrap_or_default();
    Some(if is_essential { Weight::Essential } else { Weight::Voluntary })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_context_counts() {
        for (values, expected) in [
            ("urn:prokura:acr:2fa", Some(Weight::Voluntary)),
            ("urn:other urn:prokura:acr:2fa urn:prokura:acr:1fa", Some(Weight::Voluntary)),
            ("urn:prokura:acr:1fa urn:prokura:acr:2fa", None),
            ("urn:other", None),
            ("", None),
        ] {
            assert_eq!(read(None, Some(values)).unwrap().multi_factor, expected, "{values}");
        }
    }

    #[test]
    fn claims_are_wishes_for_their_scopes() {
        let claims = r#"{"userinfo":{"name":{"essential":true},"unknown":null},
            "id_token":{"auth_time":{"essential":true},"email":null,"sub":{"value":"ann"},
                        "acr":{"essential":true,"values":["urn:prokura:acr:2fa"]}},"other":7}"#;
        let asked = read(Some(claims), None).unwrap();
        assert_eq!(asked.scopes, Scopes::parse("profile email").unwrap());
        assert_eq!(asked.id_token, ["email"]);
        assert_eq!(asked.subject.as_deref(), Some("ann"));
        assert_eq!(asked.multi_factor, Some(Weight::Essential));
    }

    #[test]
    fn what_is_no_request_of_claims_is_refused() {
        let long = format!("{{\"x\":\"{}\"}}", "x".repeat(MAX_CLAIMS));
        for wrong in ["", "[]", "7", "{", r#"{"id_token":7}"#, r#"{"userinfo":{"name":true}}"#, &long] {
            assert_eq!(read(Some(wrong), None), None, "{wrong}");
        }
        assert_eq!(read(Some("{}"), None), Some(Asked::default()));
    }
}
