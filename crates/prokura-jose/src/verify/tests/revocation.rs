//! Revocation: every kind against every token, cached or not, in any order, and under load.

use super::*;
use prokura_domain::RevocationKind;
use proptest::prelude::*;
use std::sync::LazyLock;

static KEY: LazyLock<Arc<SigningKey>> = LazyLock::new(|| key(Algorithm::EdDsa, "k1"));

fn entry(number: i64, kind: RevocationKind, value: &str) -> Revocation {
    Revocation {
        id: format!("e{number:05}"),
        tenant: id("acme"),
        kind,
        value: value.to_owned(),
        is_lifted: false,
        at: NOW.plus_seconds(number),
        effective_at: NOW.plus_seconds(number),
        expires_at: NOW.plus_seconds(number + 300),
    }
}

fn lifted(number: i64, kind: RevocationKind, value: &str) -> Revocation {
    Revocation { is_lifted: true, ..entry(number, kind, value) }
}

/// Whether Anna's token stands after `entries`: asked before them too, and from a fresh verifier. All must agree.
fn stands(text: &str, entries: &[Revocation], now: Timestamp) -> bool {
    let (warm, cold) = (verifier(&KEY, "acme"), verifier(&KEY, "acme"));
    assert_eq!(verdict(&warm, text, NOW), Ok(()));
    warm.apply(entries);
    cold.apply(entries);
    let verdicts = [verdict(&warm, text, now), verdict(&cold, text, now), verdict(&warm, text, now)];
    assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?} after {entries:?}");
    match verdicts[0] {
        Ok(()) => true,
        Err(rejection) => {
            assert_eq!(rejection, Rejection::Revoked);
            false
        }
    }
}

/// Kind, value, and whether it ends the token of Anna for E1, of a guest, and of a service.
const MATRIX: &[(RevocationKind, &str, [bool; 3])] = &[
    (RevocationKind::Token, "jti1", [true, true, true]),
    (RevocationKind::Token, "jti2", [false, false, false]),
    (RevocationKind::Family, "family1", [true, true, false]),
    (RevocationKind::Family, "family", [false, false, false]),
    (RevocationKind::Epoch, "family1/2", [false, false, false]),
    (RevocationKind::Epoch, "family1/3", [true, true, false]),
    (RevocationKind::Epoch, "family1/4", [true, true, false]),
    (RevocationKind::Epoch, "family2/4", [false, false, false]),
    (RevocationKind::Epoch, "family1/x", [true, true, false]),
    (RevocationKind::Epoch, "family1", [true, true, false]),
    (RevocationKind::Session, "session1", [true, true, false]),
    (RevocationKind::Session, "session2", [false, false, false]),
    (RevocationKind::Grant, "G1", [true, false, false]),
    (RevocationKind::Grant, "A1", [false, false, false]),
    (RevocationKind::LegalEntity, "E1", [true, false, false]),
    (RevocationKind::LegalEntity, "E2", [false, false, false]),
    (RevocationKind::Client, "web", [true, true, true]),
    (RevocationKind::Client, "spa", [false, false, false]),
    (RevocationKind::Tenant, "acme", [true, true, true]),
    (RevocationKind::Tenant, "other", [false, false, false]),
    (RevocationKind::Rights, "anna", [false, false, false]),
    (RevocationKind::Rights, "*", [false, false, false]),
    (RevocationKind::Keys, "acme", [false, false, false]),
];

#[test]
fn s29_every_kind_ends_what_hangs_on_it_and_nothing_else() {
    let tokens = [anna("acme"), guest(), service()].map(|standing| minted(&KEY, standing));
    for (kind, value, expected) in MATRIX {
        for (token, is_ended) in tokens.iter().zip(expected) {
            let entry = entry(0, *kind, value);
            assert_eq!(stands(token, std::slice::from_ref(&entry), NOW), !is_ended, "{kind} {value}");
            let elsewhere = Revocation { tenant: id("other"), ..entry };
            assert!(stands(token, &[elsewhere], NOW), "{kind} {value} of another tenant");
        }
    }
    for kind in RevocationKind::ALL {
        assert!(MATRIX.iter().any(|(tested, ..)| tested == kind), "{kind} is not in the matrix");
    }
}

#[test]
fn s33_an_entry_holds_from_its_moment_on() {
    let text = minted(&KEY, anna("acme"));
    for kind in [RevocationKind::Epoch, RevocationKind::Family, RevocationKind::Client] {
        let value = MATRIX.iter().find(|row| row.0 == kind && row.2[0]).expect("a row").1;
        let grace = Revocation { effective_at: NOW.plus_seconds(60), ..entry(0, kind, value) };
        let verifier = verifier(&KEY, "acme");
        assert_eq!(verdict(&verifier, &text, NOW), Ok(()));
        verifier.apply(std::slice::from_ref(&grace));
        assert_eq!(verdict(&verifier, &text, Timestamp::from_millis(NOW.millis() + 59_999)), Ok(()));
        assert_eq!(verdict(&verifier, &text, NOW.plus_seconds(60)), Err(Rejection::Revoked));
        // Without grace, the earlier end counts.
        verifier.apply(&[entry(1, kind, value)]);
        assert_eq!(verdict(&verifier, &text, NOW.plus_seconds(30)), Err(Rejection::Revoked), "{kind}");
    }
}

#[test]
fn what_can_be_lifted_follows_the_last_word() {
    let text = minted(&KEY, anna("acme"));
    for (kind, value) in
        [(RevocationKind::LegalEntity, "E1"), (RevocationKind::Client, "web"), (RevocationKind::Tenant, "acme")]
    {
        let (off, on, off_again) = (entry(0, kind, value), lifted(1, kind, value), entry(2, kind, value));
        let now = NOW.plus_seconds(5);
        assert!(stands(&text, &[off.clone(), on.clone()], now));
        assert!(stands(&text, &[on.clone(), off.clone()], now), "in the wrong order");
        assert!(stands(&text, &[off.clone(), on.clone(), off.clone()], now), "repeated");
        assert!(!stands(&text, &[off_again.clone(), on.clone(), off.clone()], now));
        assert!(stands(&text, std::slice::from_ref(&on), now), "lifted before it was heard of");
        // At the same moment the id decides.
        let same_moment = Revocation { at: off.at, ..on.clone() };
        assert!(stands(&text, &[same_moment.clone(), off.clone()], now));
        assert!(stands(&text, &[off.clone(), same_moment], now));

        // A cached token comes back to life.
        let verifier = verifier(&KEY, "acme");
        assert_eq!(verdict(&verifier, &text, now), Ok(()));
        for (entry, expected) in [(&off, Err(Rejection::Revoked)), (&on, Ok(())), (&off_again, Err(Rejection::Revoked))]
        {
            verifier.apply(std::slice::from_ref(entry));
            assert_eq!(verdict(&verifier, &text, now), expected, "{kind}");
        }
    }
}

#[test]
fn what_is_over_for_good_is_not_lifted() {
    let text = minted(&KEY, anna("acme"));
    for (kind, value) in [
        (RevocationKind::Token, "jti1"),
        (RevocationKind::Family, "family1"),
        (RevocationKind::Session, "session1"),
        (RevocationKind::Grant, "G1"),
        (RevocationKind::Epoch, "family1/3"),
    ] {
        assert!(!stands(&text, &[entry(0, kind, value), lifted(1, kind, value)], NOW.plus_seconds(5)), "{kind}");
    }
}

#[test]
fn entries_are_forgotten_when_no_token_can_need_them() {
    let verifier = verifier(&KEY, "acme");
    let text = minted(&KEY, anna("acme"));
    verifier.apply(&MATRIX.iter().map(|(kind, value, _)| entry(0, *kind, value)).collect::<Vec<_>>());
    verifier.forget_expired(NOW.plus_seconds(299));
    assert_eq!(verdict(&verifier, &text, NOW.plus_seconds(299)), Err(Rejection::Revoked));
    assert!(!verifier.state.read().revoked.is_empty());
    verifier.forget_expired(NOW.plus_seconds(300));
    assert!(verifier.state.read().revoked.is_empty());

    // A lift is remembered as long as the entry it takes back could come again.
    let off = Revocation { expires_at: NOW.plus_seconds(9000), ..entry(0, RevocationKind::Client, "web") };
    verifier.apply(&[off.clone(), lifted(1, RevocationKind::Client, "web")]);
    verifier.forget_expired(NOW.plus_seconds(8999));
    verifier.apply(&[off]);
    assert_eq!(verdict(&verifier, &text, NOW), Ok(()));
    verifier.forget_expired(NOW.plus_seconds(9000));

    // The entry that says it holds longest decides.
    let long = Revocation { expires_at: NOW.plus_seconds(9000), ..entry(0, RevocationKind::Token, "jti1") };
    for entries in
        [[long.clone(), entry(0, RevocationKind::Token, "jti1")], [entry(0, RevocationKind::Token, "jti1"), long]]
    {
        verifier.apply(&entries);
        verifier.forget_expired(NOW.plus_seconds(8999));
        assert!(!verifier.state.read().revoked.is_empty());
        verifier.forget_expired(NOW.plus_seconds(9000));
        assert!(verifier.state.read().revoked.is_empty());
    }
}

#[test]
fn what_was_heard_before_costs_no_second_look() {
    let verifier = verifier(&KEY, "acme");
    let version = || verifier.version.load(Ordering::Relaxed);
    let entries: Vec<_> = MATRIX.iter().map(|(kind, value, _)| entry(0, *kind, value)).collect();
    let before = version();
    verifier.apply(&entries);
    let after = version();
    assert!(after > before);
    verifier.apply(&entries);
    verifier.apply(&[entry(7, RevocationKind::Rights, "anna"), entry(7, RevocationKind::Keys, "acme")]);
    verifier.apply(&[]);
    assert_eq!(version(), after);
}

#[test]
fn changed_rights_are_counted_as_they_arrive() {
    let verifier = TokenVerifier::new(0);
    let changed = |tenant: &str, customer: &str, mark| verifier.rights_changed_since(&id(tenant), &id(customer), mark);
    let start = verifier.rights_mark();
    assert!(!changed("acme", "anna", start));

    let annas = entry(5, RevocationKind::Rights, "anna");
    verifier.apply(std::slice::from_ref(&annas));
    let first = verifier.rights_mark();
    assert!(first > start && changed("acme", "anna", start) && !changed("acme", "anna", first));
    assert!(!changed("acme", "bob", start) && !changed("other", "anna", start));

    verifier.apply(std::slice::from_ref(&annas));
    assert_eq!(verifier.rights_mark(), first, "the same entry again is no change");

    // An older entry that arrives late is a change all the same.
    verifier.apply(&[entry(1, RevocationKind::Rights, "anna")]);
    let second = verifier.rights_mark();
    assert!(changed("acme", "anna", first) && !changed("acme", "anna", second));

    verifier.apply(&[entry(6, RevocationKind::Rights, "*")]);
    assert!(changed("acme", "anna", second) && changed("acme", "bob", second) && !changed("other", "bob", start));
    assert!(!changed("acme", "anna", verifier.rights_mark()));
    verifier.forget_expired(NOW.plus_seconds(1000));
    assert!(!changed("acme", "anna", start));
}

#[test]
fn s29_after_a_revocation_is_applied_no_thread_accepts_the_token() {
    let verifier = verifier(&KEY, "acme");
    let text = minted(&KEY, anna("acme"));
    let said = |number: i64, is_lifted| Revocation {
        id: format!("e{number:05}"),
        is_lifted,
        at: NOW.plus_seconds(number),
        ..entry(0, RevocationKind::LegalEntity, "E1")
    };
    let accepted = AtomicU64::new(0);
    for round in 0..200 {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                verifier.apply(&[said(round * 2, true)]);
                // The others must have seen it alive, or there would be nothing to race with.
                let before = accepted.load(Ordering::Relaxed);
                while accepted.load(Ordering::Relaxed) == before {
                    std::thread::yield_now();
                }
                verifier.apply(&[said(round * 2 + 1, false)]);
                is_over.store(true, Ordering::Release);
            });
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let was_over = is_over.load(Ordering::Acquire);
                        match verdict(&verifier, &text, NOW) {
                            Ok(()) if was_over => panic!("accepted after the last word"),
                            Ok(()) => accepted.fetch_add(1, Ordering::Relaxed),
                            Err(rejection) => {
                                assert_eq!(rejection, Rejection::Revoked);
                                0
                            }
                        };
                        if was_over {
                            break;
                        }
                    }
                });
            }
        });
    }
}

proptest! {
    #[test]
    fn s29_the_order_and_the_number_of_times_entries_come_do_not_matter(
        chosen in prop::collection::vec((0..MATRIX.len(), 0..6_i64, any::<bool>()), 1..12),
        shuffled in prop::collection::vec(any::<prop::sample::Index>(), 24),
    ) {
        let entries: Vec<_> = chosen
            .iter()
            .enumerate()
            .map(|(number, (row, at, is_lifted))| {
                let (kind, value, _) = MATRIX[*row];
                Revocation { is_lifted: *is_lifted, id: format!("e{number:05}"), ..entry(*at, kind, value) }
            })
            .collect();
        let (ordered, disordered) = (verifier(&KEY, "acme"), verifier(&KEY, "acme"));
        let tokens = [anna("acme"), guest(), service()].map(|standing| minted(&KEY, standing));
        ordered.apply(&entries);
        for index in &shuffled {
            disordered.apply(&[entries[index.index(entries.len())].clone()]);
            let _ = disordered.verify(&tokens[0], NOW);
        }
        disordered.apply(&entries.iter().rev().cloned().collect::<Vec<_>>());
        for seconds in [0, 3, 10] {
            for token in &tokens {
                let now = NOW.plus_seconds(seconds);
                prop_assert_eq!(verdict(&ordered, token, now), verdict(&disordered, token, now));
            }
        }
    }
}
