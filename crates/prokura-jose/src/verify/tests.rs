//! The verifier as its callers see it.

mod cached;
mod forged;
mod fuzz;
mod revocation;

use super::*;
use crate::{
    Algorithm, SigningKey, TokenMinter,
    testing::{NOW, anna, id, issuer, key, minter, token, verifier},
};
use prokura_domain::{Standing, Subject};

fn guest() -> Standing {
    let mut standing = anna("acme");
    standing.subject = Subject::Guest;
    standing.acting_for = None;
    standing.site = None;
    standing.segments.clear();
    standing.authenticated_at = None;
    standing
}

fn service() -> Standing {
    Standing { subject: Subject::Service, session: None, family: None, ..guest() }
}

/// A signed access token for `standing`.
fn minted(key: &Arc<SigningKey>, standing: Standing) -> String {
    let tenant = standing.tenant.to_string();
    minter(key, &tenant).mint(&token(standing)).expect("minted")
}

fn verdict(verifier: &TokenVerifier, token: &str, now: Timestamp) -> Result<(), Rejection> {
    verifier.verify(token, now).map(|_| ())
}

#[test]
fn what_was_minted_is_what_is_verified() {
    let locked = Standing {
        is_multi_factor: true,
        is_entity_locked: true,
        is_scope_limited: false,
        has_more_segments: true,
        epoch: u32::MAX,
        scopes: prokura_domain::Scopes::default(),
        ..anna("acme")
    };
    let private_person = Standing { acting_for: None, ..anna("acme") };
    for algorithm in Algorithm::ALL {
        let key = key(*algorithm, "k1");
        let (minter, verifier) = (minter(&key, "acme"), verifier(&key, "acme"));
        for standing in [anna("acme"), private_person.clone(), guest(), service(), locked.clone()] {
            let mut expected = token(standing);
            expected.subject = "guest \"1\" \\ ä \u{0}".to_owned();
            let text = minter.mint(&expected).expect("signed");
            for _ in 0..2 {
                assert_eq!(verifier.verify(&text, NOW).expect("valid").token, expected);
            }
        }
    }
}

#[test]
fn s40_a_key_of_another_tenant_is_refused_even_under_the_same_name() {
    let (ours, theirs) = (key(Algorithm::Es256, "k1"), key(Algorithm::Es256, "k1"));
    let both = verifier(&ours, "acme");
    both.set_keys(id("other"), vec![Names::native(issuer("other"), issuer("other"))], vec![theirs.public().clone()]);
    assert_eq!(both.verify(&minted(&theirs, anna("other")), NOW).expect("valid").token.standing.tenant, id("other"));

    // Signed by the other tenant's key, in the name of ours.
    assert_eq!(verdict(&both, &minted(&theirs, anna("acme")), NOW), Err(Rejection::BadSignature));
    // In its own name, for us, or with our tenant in its claims.
    let crossed = TokenMinter::new(theirs.clone(), issuer("other"), issuer("acme"));
    let for_us = crate::AccessToken { audience: issuer("acme").into(), ..token(anna("other")) };
    let crossed = crossed.mint(&for_us).expect("minted");
    assert_eq!(verdict(&both, &crossed, NOW), Err(Rejection::WrongAudience));
    let posing = crate::AccessToken { audience: issuer("other").into(), ..token(anna("acme")) };
    let posing = minter(&theirs, "other").mint(&posing).expect("minted");
    assert_eq!(verdict(&both, &posing, NOW), Err(Rejection::BadClaims));

    let ours_alone = verifier(&ours, "acme");
    assert_eq!(verdict(&ours_alone, &minted(&theirs, anna("other")), NOW), Err(Rejection::WrongIssuer));
}

#[test]
fn s11_a_bound_token_is_no_bearer_token() {
    let key = key(Algorithm::Es256, "k1");
    let verifier = verifier(&key, "acme");
    let bound = crate::AccessToken { bound_to: Some(key.public().thumbprint()), ..token(anna("acme")) };
    let text = minter(&key, "acme").mint(&bound).expect("minted");
    for _ in 0..2 {
        assert_eq!(verdict(&verifier, &text, NOW), Err(Rejection::Bound));
        assert_eq!(verifier.examine(&text, NOW).expect("valid").token, bound);
    }
}

#[test]
fn s32_a_token_for_one_resource_counts_for_nothing_else() {
    let key = key(Algorithm::Es256, "k1");
    let verifier = verifier(&key, "acme");
    let narrow = crate::AccessToken { audience: "https://orders.example".into(), ..token(anna("acme")) };
    let text = minter(&key, "acme").mint(&narrow).expect("minted");
    for _ in 0..2 {
        assert_eq!(verdict(&verifier, &text, NOW), Err(Rejection::WrongAudience));
        assert_eq!(verifier.examine(&text, NOW).expect("valid").token, narrow);
    }
}

#[test]
fn s32_a_token_for_several_resources_counts_for_each_and_for_nothing_else() {
    let key = key(Algorithm::Es256, "k1");
    let verifier = verifier(&key, "acme");
    let of =
        |names: &[&str]| crate::AccessToken { audience: crate::Audience::of(names).unwrap(), ..token(anna("acme")) };
    // Not even with the issuer among them: whoever looks for the whole tenant wants nobody beside it.
    for names in [["https://orders.example", "urn:stock"], [&issuer("acme"), "urn:stock"]] {
        let several = of(&names);
        let text = minter(&key, "acme").mint(&several).expect("minted");
        for _ in 0..2 {
            assert_eq!(verdict(&verifier, &text, NOW), Err(Rejection::WrongAudience));
            let found = verifier.examine(&text, NOW).expect("valid");
            assert!(found.token == several && !found.is_for_everything());
        }
    }
}

#[test]
fn actors_are_read_back_in_their_order_and_bounded() {
    let key = key(Algorithm::Es256, "k1");
    let verifier = verifier(&key, "acme");
    let actor = |index: usize| crate::ActorClaim { subject: format!("actor\"{index}"), client: id("bk") };
    for (count, is_read) in [(1, true), (crate::MAX_ACTORS, true), (crate::MAX_ACTORS + 1, false)] {
        let token = crate::AccessToken { actors: (0..count).map(actor).collect(), ..token(anna("acme")) };
        let text = minter(&key, "acme").mint(&token).expect("minted");
        match verifier.verify(&text, NOW) {
            Ok(found) => assert!(is_read && found.token == token),
            Err(rejection) => assert_eq!((is_read, rejection), (false, Rejection::BadClaims)),
        }
    }
}

#[test]
fn s41_a_key_that_is_gone_ends_its_tokens_and_another_one_does_not() {
    let (old, new) = (key(Algorithm::Es256, "k1"), key(Algorithm::EdDsa, "k2"));
    let verifier = verifier(&old, "acme");
    let set = |keys: &[&Arc<SigningKey>]| {
        let keys = keys.iter().map(|key| key.public().clone()).collect();
        verifier.set_keys(id("acme"), vec![Names::native(issuer("acme"), issuer("acme"))], keys);
    };
    let (by_old, by_new) = (minted(&old, anna("acme")), minted(&new, anna("acme")));
    assert_eq!(verdict(&verifier, &by_old, NOW), Ok(()));
    assert_eq!(verdict(&verifier, &by_new, NOW), Err(Rejection::UnknownKey));
    set(&[&new, &old]);
    assert_eq!(verdict(&verifier, &by_old, NOW), Ok(()));
    assert_eq!(verdict(&verifier, &by_new, NOW), Ok(()));
    set(&[&new]);
    assert_eq!(verdict(&verifier, &by_old, NOW), Err(Rejection::UnknownKey));
    assert_eq!(verdict(&verifier, &by_new, NOW), Ok(()));

    // Another key under the old name does not bring the old tokens back.
    let impostor = key(Algorithm::Es256, "k1");
    set(&[&new, &impostor]);
    assert_eq!(verdict(&verifier, &by_old, NOW), Err(Rejection::BadSignature));
    let by_impostor = minted(&impostor, anna("acme"));
    assert_eq!(verdict(&verifier, &by_impostor, NOW), Ok(()));

    // Nor does it keep those alive that were verified a moment ago.
    set(&[&new, &old]);
    assert_eq!(verdict(&verifier, &by_impostor, NOW), Err(Rejection::BadSignature));
    assert_eq!(verdict(&verifier, &by_old, NOW), Ok(()));

    verifier.remove_tenant(&id("nobody"));
    assert_eq!(verdict(&verifier, &by_new, NOW), Ok(()));
    verifier.remove_tenant(&id("acme"));
    assert_eq!(verdict(&verifier, &by_new, NOW), Err(Rejection::WrongIssuer));
}

#[test]
fn a_tenant_that_moves_to_another_issuer_leaves_its_old_tokens_behind() {
    let key = key(Algorithm::Es256, "k1");
    let verifier = verifier(&key, "acme");
    let text = minted(&key, anna("acme"));
    assert_eq!(verdict(&verifier, &text, NOW), Ok(()));
    verifier.set_keys(id("acme"), vec![Names::native(issuer("acme"), issuer("else"))], vec![key.public().clone()]);
    assert_eq!(verdict(&verifier, &text, NOW), Err(Rejection::WrongAudience), "though it was verified before");
    verifier.set_keys(id("acme"), vec![Names::native(issuer("moved"), issuer("moved"))], vec![key.public().clone()]);
    assert_eq!(verdict(&verifier, &text, NOW), Err(Rejection::WrongIssuer));
    verifier.set_keys(id("acme"), vec![Names::native(issuer("acme"), issuer("acme"))], vec![key.public().clone()]);
    assert_eq!(verdict(&verifier, &text, NOW), Ok(()));
}

#[test]
fn s136_the_last_contact_is_the_last_whatever_the_clock_did() {
    let verifier = TokenVerifier::new(0);
    assert_eq!(verifier.last_contact(), None);
    verifier.contacted(NOW);
    verifier.contacted(NOW.plus_seconds(-5));
    assert_eq!(verifier.last_contact(), Some(NOW.plus_seconds(-5)));
    verifier.contacted(NOW.plus_seconds(5));
    assert_eq!(verifier.last_contact(), Some(NOW.plus_seconds(5)));
}
