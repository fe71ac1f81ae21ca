//! PostgreSQL behind a certificate: whom each `sslmode` believes.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;

/// Somebody who signs certificates.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What keeps the operator from connecting, down to its cause.
fn reasons(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_believed_as_far_as_the_mode_says() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ours, other) = (authority(), authority());
    let (root, wrong_root) = (write("root.pem", &ours.pem()), write("other.pem", &other.pem()));
    let (empty, absent) = (write("empty.pem", ""), folder.path().join("absent.pem").display().to_string());
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &ours).unwrap().pem();
    let key = key.serialize_pem();
    let server =
        tokio::task::spawn_blocking(move || Arc::new(Postgres::start_encrypted(&certificate, &key))).await.unwrap();
    let database = server.database();
    let url = database.url();
    let by_name = url.replace("127.0.0.1", "localhost");
    let connect = async |url: &str, parameters: &str| {
        let config = DatabaseConfig::Postgres {
            url: format!("{url}?{parameters}"),
            pool_size: 1,
            statement_deadline: Duration::from_secs(10),
        };
        let driver = Driver::open(config).await?;
        let mut reader = driver.read().await?;
        let sql =
            "SELECT CAST(CASE WHEN ssl THEN 1 ELSE 0 END AS BIGINT) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let row = reader.query_one(sql, params![]).await?.unwrap();
        let mut heard = driver.listen("prokura_test");
        assert_eq!(heard.recv().await, Some(Notification::Gap), "listeners take the same way");
        Ok::<bool, StoreError>(row.get::<i64>(0)? == 1)
    };

    for parameters in [
        "sslmode=prefer",
        "",
        "sslmode=require",
        &format!("sslmode=require&sslrootcert={root}"),
        &format!("sslmode=verify-ca&sslrootcert={root}"),
        &format!("sslmode=verify-full&sslrootcert={root}"),
        &format!("sslrootcert={root}&target_session_attrs=read-write&sslmode=verify-full"),
    ] {
        assert!(connect(&url, parameters).await.unwrap(), "{parameters} is encrypted");
    }
    // The certificate names the address, not this name.
    assert!(connect(&by_name, &format!("sslmode=verify-ca&sslrootcert={root}")).await.unwrap());

    for (url, parameters, is_open, expected) in [
        (&url, "sslmode=disable".to_owned(), true, "no encryption"),
        (&url, format!("sslmode=verify-full&sslrootcert={wrong_root}"), true, "invalid peer certificate"),
        (&url, format!("sslmode=require&sslrootcert={wrong_root}"), true, "invalid peer certificate"),
        (&url, format!("sslmode=verify-ca&sslrootcert={wrong_root}"), true, "invalid peer certificate"),
        (&by_name, format!("sslmode=verify-full&sslrootcert={root}"), true, "not valid for"),
        (&url, format!("sslmode=verify-full&sslrootcert={empty}"), false, "holds no certificate"),
        (&url, format!("sslmode=verify-full&sslrootcert={absent}"), false, "absent.pem"),
        (&url, "sslmode=perhaps".to_owned(), false, "verify-full"),
    ] {
        let error = connect(url, &parameters).await.unwrap_err();
        // What may be over when the server is set right is no mistake of the configuration.
        assert_eq!(matches!(error, StoreError::Unavailable(_)), is_open, "{parameters}: {error:?}");
        let reasons = reasons(&error);
        assert!(reasons.contains(expected), "{parameters}: {reasons}");
    }
}

#[tokio::test]
async fn a_server_without_a_certificate_is_used_in_the_clear_only_when_that_is_allowed() {
    let setup = Setup::postgres().await;
    let DatabaseConfig::Postgres { url, .. } = &setup.config else { panic!() };
    for (mode, is_fine) in [("disable", true), ("prefer", true), ("require", false), ("verify-full", false)] {
        let config = DatabaseConfig::Postgres {
            url: format!("{url}?sslmode={mode}"),
            pool_size: 1,
            statement_deadline: Duration::from_secs(5),
        };
        let outcome = match Driver::open(config).await {
            Ok(driver) => driver.ping().await,
            Err(error) => Err(error),
        };
        assert_eq!(outcome.is_ok(), is_fine, "{mode}: {outcome:?}");
        if mode == "require" {
            assert!(reasons(&outcome.unwrap_err()).contains("server does not support TLS"));
        }
    }
}
