//! Throttling without lock-out (S-100, S-101), and answers that tell nothing (S-102).

use crate::arrange::{PASSWORD, World, client_id, log_in, on_both_databases, origin, secret};
use prokura_domain::{ClientKind, Email, RefreshPolicy};
use prokura_engine::{Bearer, ClientCredentials, Error, LogIn, Origin, Profile, Refusal, SignUpRequest};
use prokura_testkit::Database;
use std::net::{IpAddr, Ipv4Addr};

fn from(last: u8) -> Origin {
    Origin { address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))), ..origin() }
}

/// How long somebody is told to wait, in seconds; `None` for who is not.
fn told_to_wait<T>(result: &Result<T, Error>) -> Option<u32> {
    match result {
        Err(Error::Refused(Refusal::Throttled { retry_after_seconds })) => Some(*retry_after_seconds),
        Ok(_) | Err(_) => None,
    }
}

fn is_throttled<T>(result: &Result<T, Error>) -> bool {
    told_to_wait(result).is_some_and(|seconds| seconds > 0)
}

on_both_databases!(
    s100_strangers_wait_and_a_known_device_does_not,
    s100_parallel_guesses_cannot_outrun_the_budget,
    s100_who_waits_as_long_as_told_is_let_in,
    s101_client_secrets_have_a_budget_of_their_own,
    s102_unknown_and_wrong_look_alike,
    e07_a_repeated_guess_counts_once,
);

async fn s100_strangers_wait_and_a_known_device_does_not(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let (engine, tenant) = (world.engine(), &world.tenant);
    let guest = world.guest().await.token.standing;
    let bearer = Bearer { standing: &guest };
    let attempt = |password: &str| LogIn { email: Email::parse("ann@a.example").unwrap(), password: secret(password) };
    // Ann has been here before, from her own place.
    engine.log_in(tenant, bearer, &attempt(PASSWORD), &from(1)).await.unwrap();
    for n in 0..tenant.settings.login_attempts {
        let wrong = engine.log_in(tenant, bearer, &attempt(&format!("guess number {n}")), &from(2)).await;
        assert!(matches!(wrong, Err(Error::Refused(Refusal::InvalidCredentials))), "{wrong:?}");
    }
    assert!(is_throttled(&engine.log_in(tenant, bearer, &attempt("one more"), &from(2)).await));
    assert!(
        is_throttled(&engine.log_in(tenant, bearer, &attempt(PASSWORD), &from(3)).await),
        "a stranger with the right one, too"
    );
    engine.log_in(tenant, bearer, &attempt(PASSWORD), &from(1)).await.expect("her own device is let in");
    world.server.advance(i64::from(tenant.settings.login_refill_seconds) + 1);
    let later = engine.log_in(tenant, bearer, &attempt("another guess"), &from(2)).await;
    assert!(matches!(later, Err(Error::Refused(Refusal::InvalidCredentials))), "waiting helps: {later:?}");
}

async fn s100_parallel_guesses_cannot_outrun_the_budget(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let guest = world.guest().await.token.standing;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..60 {
        let (engine, tenant, guest) = (world.engine().clone(), world.tenant.clone(), guest.clone());
        tasks.spawn(async move {
            log_in(&engine, &tenant, &guest, "ann@a.example", &format!("guess number {n}")).await.map(|_| ())
        });
    }
    let (mut checked, mut throttled) = (0, 0);
    while let Some(result) = tasks.join_next().await {
        match result.unwrap() {
            Err(Error::Refused(Refusal::InvalidCredentials)) => checked += 1,
            Err(Error::Refused(Refusal::Throttled { .. })) => throttled += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(checked <= world.tenant.settings.login_attempts, "{checked} guesses reached the hasher");
    assert_eq!(checked + throttled, 60);
}

async fn s100_who_waits_as_long_as_told_is_let_in(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let (engine, tenant, server) = (world.engine(), &world.tenant, &world.server);
    let refill = tenant.settings.login_refill_seconds;
    let guest = world.guest().await.token.standing;
    let mut number = 0;
    let mut attempt = async || {
        number += 1;
        let request =
            LogIn { email: Email::parse("ann@a.example").unwrap(), password: secret(&format!("guess {number}")) };
        engine.log_in(tenant, Bearer { standing: &guest }, &request, &from(2)).await
    };
    for _ in 0..tenant.settings.login_attempts {
        assert_eq!(told_to_wait(&attempt().await), None);
    }
    assert_eq!(told_to_wait(&attempt().await), Some(refill), "the whole time for one more");
    server.advance(i64::from(refill) - 3);
    assert_eq!(told_to_wait(&attempt().await), Some(3), "what has passed counts, and asking costs nothing");
    server.advance(2);
    assert_eq!(told_to_wait(&attempt().await), Some(1));
    server.advance(1);
    assert_eq!(told_to_wait(&attempt().await), None);
    assert_eq!(told_to_wait(&attempt().await), Some(refill), "one slot came back, and it is taken");

    // Asking for what has no secret: the same.
    let ask = async || {
        let request = SignUpRequest {
            email: Email::parse("eva@a.example").unwrap(),
            password: secret(PASSWORD),
            profile: Profile::default(),
            address: None,
            must_confirm: false,
        };
        engine.sign_up(tenant, &request, &from(2)).await
    };
    let wait = loop {
        if let Some(seconds) = told_to_wait(&ask().await) {
            break seconds;
        }
    };
    assert_eq!(wait, 300);
    server.advance(i64::from(wait) - 1);
    assert_eq!(told_to_wait(&ask().await), Some(1));
    server.advance(1);
    assert_eq!(told_to_wait(&ask().await), None);
}

async fn s101_client_secrets_have_a_budget_of_their_own(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let (engine, tenant) = (world.engine(), &world.tenant);
    let right = world
        .server
        .client(tenant, "bk", ClientKind::Confidential, "client_credentials", "a", RefreshPolicy::Reuse)
        .await;
    let request = |text: &str| ClientCredentials { client: client_id("bk"), secret: secret(text), scopes: None };
    let mut refusals = Vec::new();
    for n in 0..=tenant.settings.login_attempts {
        refusals.push(engine.client_credentials(tenant, &request(&format!("guess {n}")), &from(2)).await);
    }
    assert!(is_throttled(refusals.last().unwrap()));
    assert!(matches!(refusals.first(), Some(Err(Error::Refused(Refusal::InvalidClient)))));
    engine
        .client_credentials(tenant, &request(right.unwrap().expose()), &from(2))
        .await
        .expect("a right secret never waits");
    engine
        .log_in(
            tenant,
            Bearer { standing: world.guest().await.standing() },
            &LogIn { email: Email::parse("ann@a.example").unwrap(), password: secret(PASSWORD) },
            &from(2),
        )
        .await
        .expect("other doors are untouched");
}

async fn s102_unknown_and_wrong_look_alike(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let guest = world.guest().await.token.standing;
    let wrong = log_in(world.engine(), &world.tenant, &guest, "ann@a.example", "wrong horse").await.unwrap_err();
    let unknown = log_in(world.engine(), &world.tenant, &guest, "nobody@a.example", "wrong horse").await.unwrap_err();
    assert_eq!(format!("{wrong:?}"), format!("{unknown:?}"));
}

async fn e07_a_repeated_guess_counts_once(database: Database) {
    let world = World::new(database, RefreshPolicy::Family).await;
    let guest = world.guest().await.token.standing;
    for n in 0..5 {
        for _ in 0..2 {
            let _ = log_in(world.engine(), &world.tenant, &guest, "ann@a.example", &format!("wrong {n}")).await;
        }
    }
    let email = Email::parse("ann@a.example").unwrap();
    assert_eq!(world.engine().spent_log_in_attempts(&world.tenant, &email).await.unwrap(), 5);
}
