//! Sealed values open at their place, with their key, and not otherwise.

use super::*;
use crate::testing::{BrokenEntropy, CountingEntropy};

fn master(byte: u8) -> MasterKey {
    MasterKey::from_bytes([byte; 32])
}

#[test]
fn s140_what_was_sealed_is_opened_at_its_place_only() {
    let key = master(1);
    for plaintext in [&b""[..], b"a", &[0xff; 5000]] {
        let sealed = key.seal(&["keys", "acme", "k1"], plaintext).expect("sealed");
        assert!(sealed.starts_with(&format!("v1.{}.", key.id())), "{sealed}");
        assert_eq!(**key.open(&["keys", "acme", "k1"], &sealed).expect("opened"), *plaintext);
        for elsewhere in
            [&["keys", "acme", "k2"][..], &["keys", "acmek1"], &["keysacme", "k1"], &["keys", "acme", "k1", ""], &[]]
        {
            assert_eq!(key.open(elsewhere, &sealed), Err(SealError::Forged), "{elsewhere:?}");
        }
    }
}

#[test]
fn no_two_seals_are_the_same() {
    let key = master(1);
    assert_ne!(key.seal(&[], b"a"), key.seal(&[], b"a"));
}

#[test]
fn a_changed_value_is_refused() {
    let key = master(1);
    let sealed = key.seal(&["p"], b"secret").expect("sealed");
    for index in 0..sealed.len() {
        let mut bytes = sealed.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        assert!(key.open(&["p"], &changed).is_err(), "{changed}");
    }
    let body = sealed.rsplit_once('.').expect("three parts").1;
    for bad in [
        String::new(),
        "v1".to_owned(),
        format!("v1.{}", key.id()),
        format!("v1.{}.", key.id()),
        format!("v1.{}.AAAA", key.id()),
        format!("v2.{}.{body}", key.id()),
        format!("{sealed}.x"),
        format!("{sealed}="),
        format!("{sealed}\n"),
    ] {
        assert_eq!(key.open(&["p"], &bad), Err(SealError::Malformed), "{bad}");
    }
    let cut = sealed.get(..sealed.len() - 4).expect("shorter");
    assert!(key.open(&["p"], cut).is_err());
}

#[test]
fn s140_a_new_master_key_opens_what_the_previous_ones_sealed() {
    let (old, older, new) = (master(1), master(2), master(3));
    let (by_old, by_older) = (old.seal(&["p"], b"1").expect("sealed"), older.seal(&["p"], b"2").expect("sealed"));
    assert_eq!(new.open(&["p"], &by_old), Err(SealError::UnknownKey(old.id().to_owned())));

    let new = new.with_previous(vec![old, older]);
    assert_eq!(**new.open(&["p"], &by_old).expect("opened"), *b"1");
    assert_eq!(**new.open(&["p"], &by_older).expect("opened"), *b"2");
    assert_eq!(new.open(&["q"], &by_older), Err(SealError::Forged));
    assert!(new.seal(&["p"], b"3").expect("sealed").contains(new.id()));
    assert_eq!(new.id(), master(3).id());
}

#[test]
fn derived_keys_are_stable_and_unrelated() {
    let key = master(1);
    assert_eq!(key.derive("a"), master(1).derive("a"));
    let all = [key.derive("a"), key.derive("b"), key.derive(""), master(2).derive("a"), [1; 32]];
    for (index, one) in all.iter().enumerate() {
        assert!(!all[index + 1..].contains(one));
    }
    assert_eq!(key.clone().with_previous(vec![master(2)]).derive("a"), key.derive("a"));
    // Stored values hang on these bytes: they may never change.
    assert_eq!(base64url::encode(key.derive("a")), "dO0yZfsTBWaZ0TDFfh54UL2nMM2cWSSfTvQtZ2cZPwo");
    assert_eq!(key.id(), "CyOzVYpz");
}

#[test]
fn a_key_hides_from_debug() {
    let key = MasterKey::generate(&CountingEntropy::default()).expect("a key");
    assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
    assert!(MasterKey::generate(&BrokenEntropy).is_err());
}

#[test]
fn a_key_is_read_in_either_alphabet() {
    let bytes = [0xfb; 32];
    let expected = MasterKey::from_bytes(bytes);
    let standard = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";
    let url_safe = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s";
    for text in
        [standard, url_safe, standard.trim_end_matches('='), " \n-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=\n"]
    {
        assert_eq!(MasterKey::from_base64(text).expect(text).id(), expected.id());
    }
    for bad in ["", "AAAA", "not a key", &url_safe[1..], &format!("{url_safe}AA")] {
        assert!(matches!(MasterKey::from_base64(bad), Err(MasterKeyError::Malformed)), "{bad}");
    }
}

#[cfg(unix)]
mod file {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
    }

    #[test]
    fn the_file_is_created_once_and_for_its_owner_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("master.key");
        let entropy = CountingEntropy::default();
        let created = MasterKey::load_or_create(&path, &entropy).expect("created");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(MasterKey::load_or_create(&path, &entropy).expect("loaded").id(), created.id());
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn processes_that_start_together_agree_on_one_key() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("master.key");
        let entropy = CountingEntropy::default();
        let ids: Vec<_> = std::thread::scope(|scope| {
            let start = || scope.spawn(|| MasterKey::load_or_create(&path, &entropy).expect("a key").id().to_owned());
            let threads: Vec<_> = (0..16).map(|_| start()).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn s140_a_file_others_may_read_is_refused_and_says_what_to_do() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("master.key");
        let entropy = CountingEntropy::default();
        MasterKey::load_or_create(&path, &entropy).expect("created");
        for mode in [0o640, 0o604, 0o620, 0o601, 0o777] {
            set_mode(&path, mode);
            let refused = MasterKey::load_or_create(&path, &entropy).expect_err("refused").to_string();
            assert!(refused.contains(&format!("chmod 600 {}", path.display())), "{refused}");
            assert!(refused.contains(&format!("{mode:03o}")), "{refused}");
        }
        set_mode(&path, 0o400);
        assert!(MasterKey::load_or_create(&path, &entropy).is_ok());
    }

    #[test]
    fn a_file_that_is_no_key_is_never_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("master.key");
        for content in ["", "hello\n", &"A".repeat(500)] {
            fs::write(&path, content).expect("written");
            set_mode(&path, 0o600);
            let refused = MasterKey::load_or_create(&path, &CountingEntropy::default());
            assert!(matches!(refused, Err(MasterKeyError::MalformedFile(_))), "{content}");
            assert_eq!(fs::read_to_string(&path).expect("still there"), content);
        }
        let nowhere = directory.path().join("missing").join("master.key");
        let refused = MasterKey::load_or_create(&nowhere, &CountingEntropy::default());
        assert!(matches!(refused, Err(MasterKeyError::File { .. })));
        let without_entropy = MasterKey::load_or_create(&directory.path().join("other"), &BrokenEntropy);
        assert!(matches!(without_entropy, Err(MasterKeyError::Entropy(_))));
    }
}
