//! The ID token a code was redeemed for (OpenID Connect Core 1.0 section 3.1.3.7). Each thing that can be wrong with it has a
//! word of its own in the audit trail (S-85).

use super::{Partner, check_subject, rejection_word};
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prokura_domain::Timestamp;
use prokura_jose::{Claims, JwsAlgorithm, Rejection, verify_jws};
use subtle::ConstantTimeEq as _;

/// How far the provider's clock may be off ours, in seconds.
const SKEW_SECONDS: i64 = 60;
/// How old an ID token may be that came for a code just now, in seconds. Some providers date theirs back by minutes.
const MAX_AGE_SECONDS: i64 = 600;

/// What an ID token has to fit.
pub(crate) struct Expected<'a> {
    /// What the caller put into the authorization request, when it did.
    pub(crate) nonce: Option<&'a str>,
    /// The code it came for.
    pub(crate) code: &'a str,
    /// The access token it came with.
    pub(crate) access_token: &'a str,
    /// What it may be signed with.
    pub(crate) algorithms: &'a [JwsAlgorithm],
}

/// What is wrong with an ID token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// What is wrong with it as a token.
    Rejected(Rejection),
    /// It was issued to another client (`azp`).
    Party,
    /// It is not of this request.
    Nonce,
    /// It belongs to another access token or another code.
    Hash,
    /// It is for something else (`token_use`).
    Use,
    /// It was issued too long ago.
    TooOld,
}

impl Flaw {
    /// The word the audit trail keeps.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rejected(rejection) => rejection_word(rejection),
            Self::Party => "wrong_party",
            Self::Nonce => "wrong_nonce",
            Self::Hash => "wrong_hash",
            Self::Use => "wrong_use",
            Self::TooOld => "too_old",
        }
    }
}

impl From<Rejection> for Flaw {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl Partner {
    /// Checks everything about an ID token but who it is about. The one audience of this partner is our client id.
    pub(crate) fn verify_id_token(&self, token: &str, expected: &Expected<'_>, now: Timestamp) -> Result<Claims, Flaw> {
        let verified = verify_jws(token, &self.keys, expected.algorithms, None)?;
        if verified.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(Rejection::WrongType.into());
        }
        let claims = Claims::parse(&verified.payload)?;
        if claims.issuer != self.issuer {
            return Err(Rejection::WrongIssuer.into());
        }
        // One more audience, and somebody else could show the token as theirs.
        if claims.audience != self.audiences {
            return Err(Rejection::WrongAudience.into());
        }
        let is_text = |name: &str, wanted: &str| {
            claims.others.get(name).is_none_or(|value| value.as_str().is_some_and(|text| is_same(text, wanted)))
        };
        if !self.audiences.iter().all(|ours| is_text("azp", ours)) {
            return Err(Flaw::Party);
        }
        check_subject(&claims)?;
        check_times(&claims, now)?;
        if expected.nonce.is_some_and(|nonce| !claims.others.contains_key("nonce") || !is_text("nonce", nonce)) {
            return Err(Flaw::Nonce);
        }
        for (name, value) in [("at_hash", expected.access_token), ("c_hash", expected.code)] {
            if !is_text(name, &half_hash(verified.alg, value)) {
                return Err(Flaw::Hash);
            }
        }
        if !is_text("token_use", "id") {
            return Err(Flaw::Use);
        }
        Ok(claims)
    }
}

fn is_same(text: &str, wanted: &str) -> bool {
    text.as_bytes().ct_eq(wanted.as_bytes()).into()
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), Flaw> {
    if claims.expires_at.plus_seconds(SKEW_SECONDS) <= now || claims.expires_at <= claims.issued_at {
        return Err(Rejection::Expired.into());
    }
    let latest = now.plus_seconds(SKEW_SECONDS);
    if claims.issued_at > latest || claims.not_before.is_some_and(|start| start > latest) {
        return Err(Rejection::NotYetValid.into());
    }
    if claims.issued_at < now.plus_seconds(-MAX_AGE_SECONDS - SKEW_SECONDS) {
        return Err(Flaw::TooOld);
    }
    Ok(())
}

/// The left half of the hash that goes with an algorithm (OpenID Connect Core 1.0 section 3.1.3.6; for Ed25519 SHA-512).
fn half_hash(algorithm: JwsAlgorithm, value: &str) -> String {
    let function = match algorithm {
        JwsAlgorithm::Es256 | JwsAlgorithm::Rs256 | JwsAlgorithm::Ps256 => &digest::SHA256,
        JwsAlgorithm::Es384 | JwsAlgorithm::Rs384 | JwsAlgorithm::Ps384 => &digest::SHA384,
        JwsAlgorithm::Es512 | JwsAlgorithm::Rs512 | JwsAlgorithm::Ps512 | JwsAlgorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(function, value.as_bytes());
    let bytes = hash.as_ref();
    URL_SAFE_NO_PAD.encode(bytes.split_at(bytes.len() / 2).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_hash_is_that_of_the_standard() {
        // OpenID Connect Core 1.0, appendices A.3 and A.4.
        let (token, code) = (
            "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
            "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk",
        );
        assert_eq!(half_hash(JwsAlgorithm::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(half_hash(JwsAlgorithm::Rs256, code), "LDktKdoQak3Pk0cnXxCltA");
        assert_eq!(half_hash(JwsAlgorithm::EdDsa, token).len(), 43);
    }
}
