//! The verifier as its callers see it. The matrix of revocations is in `revocation`, forged tokens are in `forged`.

use crate::{
    Algorithm,
    testing::{NOW, anna, key, minter, token, verifier},
};
use prokura_domain::Subject;

#[test]
fn what_was_minted_is_what_is_verified() {
    let mut private_person = anna("acme");
    private_person.acting_for = None;
    private_person.site = None;
    private_person.segments.clear();
    private_person.authenticated_at = None;
    let mut guest = private_person.clone();
    guest.subject = Subject::Guest;
    let mut service = guest.clone();
    service.subject = Subject::Service;
    service.session = None;
    service.family = None;
    let mut locked = anna("acme");
    locked.is_entity_locked = true;
    locked.has_more_segments = true;
    locked.epoch = u32::MAX;

    for algorithm in Algorithm::ALL {
        let key = key(*algorithm, "k1");
        let (minter, verifier) = (minter(&key, "acme"), verifier(&key, "acme"));
        for standing in [anna("acme"), private_person.clone(), guest.clone(), service.clone(), locked.clone()] {
            let mut expected = token(standing);
            expected.subject = "guest \"1\" \\ ä \u{0}".to_owned();
            let text = minter.mint(&expected).expect("signed");
            for _ in 0..2 {
                assert_eq!(verifier.verify(&text, NOW).expect("valid").token, expected);
            }
        }
    }
}
