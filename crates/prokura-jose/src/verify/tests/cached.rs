//! The cache: what it may remember, and that it never changes an answer.

use super::*;
use crate::AccessToken;

fn many(key: &Arc<SigningKey>, count: usize, seconds: i64) -> Vec<String> {
    let minter = minter(key, "acme");
    (0..count)
        .map(|index| {
            let base = token(anna("acme"));
            let expires_at = NOW.plus_seconds(seconds);
            minter.mint(&AccessToken { id: id(&format!("jti{index}")), expires_at, ..base }).expect("minted")
        })
        .collect()
}

#[test]
fn a_token_is_verified_once() {
    let key = key(Algorithm::EdDsa, "k1");
    let verifier = verifier(&key, "acme");
    let text = minted(&key, anna("acme"));
    let first = verifier.verify(&text, NOW).expect("valid");
    assert!(Arc::ptr_eq(&first, &verifier.verify(&text, NOW).expect("valid")));
    // Keys that come again as they were change nothing.
    verifier.set_keys(id("acme"), vec![Names::native(issuer("acme"), issuer("acme"))], vec![key.public().clone()]);
    assert!(Arc::ptr_eq(&first, &verifier.verify(&text, NOW).expect("valid")));
}

#[test]
fn the_cache_is_bounded_and_forgetting_changes_no_answer() {
    let key = key(Algorithm::EdDsa, "k1");
    for (capacity, most) in [(0, 0), (1, 8), (16, 16), (100, 104), (1000, 1024)] {
        let verifier = TokenVerifier::new(capacity);
        verifier.set_keys(id("acme"), vec![Names::native(issuer("acme"), issuer("acme"))], vec![key.public().clone()]);
        let tokens = many(&key, 300, 300);
        for round in 0..2 {
            for token in &tokens {
                assert_eq!(verdict(&verifier, token, NOW), Ok(()), "round {round}");
            }
            assert!(verifier.cache.len() <= most, "capacity {capacity}");
        }
        if capacity == 1000 {
            assert!(verifier.cache.len() > 290, "{}", verifier.cache.len());
        }
    }
}

#[test]
fn what_is_asked_for_stays_while_strangers_pass() {
    let key = key(Algorithm::EdDsa, "k1");
    let verifier = TokenVerifier::new(8);
    verifier.set_keys(id("acme"), vec![Names::native(issuer("acme"), issuer("acme"))], vec![key.public().clone()]);
    let tokens = many(&key, 200, 300);
    let (regular, strangers) = tokens.split_first().expect("tokens");
    let first = verifier.verify(regular, NOW).expect("valid");
    for stranger in strangers {
        assert!(Arc::ptr_eq(&first, &verifier.verify(regular, NOW).expect("valid")));
        assert_eq!(verdict(&verifier, stranger, NOW), Ok(()));
    }
}

#[test]
fn expired_tokens_make_room() {
    let key = key(Algorithm::EdDsa, "k1");
    let verifier = verifier(&key, "acme");
    for token in many(&key, 20, 10) {
        assert_eq!(verdict(&verifier, &token, NOW), Ok(()));
    }
    let survivor = minted(&key, anna("acme"));
    assert_eq!(verdict(&verifier, &survivor, NOW), Ok(()));
    verifier.forget_expired(NOW.plus_seconds(9));
    assert!(verifier.cache.len() > 15);
    verifier.forget_expired(NOW.plus_seconds(10));
    assert_eq!(verifier.cache.len(), 1);
}

#[test]
fn a_refused_token_is_not_remembered() {
    let (key, other) = (key(Algorithm::EdDsa, "k1"), key(Algorithm::EdDsa, "k1"));
    let verifier = verifier(&key, "acme");
    let forged = minted(&other, anna("acme"));
    for _ in 0..2 {
        assert_eq!(verdict(&verifier, &forged, NOW), Err(Rejection::BadSignature));
    }
    assert_eq!(verifier.cache.len(), 0);
}

#[test]
fn an_extension_is_made_once_for_each_type() {
    let key = key(Algorithm::EdDsa, "k1");
    let verified = verifier(&key, "acme").verify(&minted(&key, anna("acme")), NOW).expect("valid");
    let made = AtomicU64::new(0);
    let text = || verified.extension(|| format!("value {}", made.fetch_add(1, Ordering::Relaxed)));
    assert_eq!(text(), "value 0");
    assert_eq!(verified.extension(|| 7_u64), &7);
    assert_eq!(text(), "value 0");
    assert_eq!(verified.extension(|| 8_u64), &7);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(verified.extension(|| vec![1_u8]), &[1]));
        }
    });
}
