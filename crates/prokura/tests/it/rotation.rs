//! Refresh tokens: rotation, grace, reuse, races and restarts, on both databases (S-24 to S-29, S-33).

use crate::arrange::{PASSWORD, World, on_both_databases, origin, refresh, secret};
use prokura_domain::RefreshPolicy;
use prokura_engine::{Error, Granted, LogOut, Refusal};
use prokura_jose::Secret;
use prokura_testkit::Database;
use std::collections::HashSet;

const ROTATE: RefreshPolicy = RefreshPolicy::Rotate { leeway_seconds: 10 };

fn token(granted: &Granted) -> Secret {
    granted.refresh.as_ref().expect("a refresh token").token.clone()
}

fn is_refused(result: &Result<Granted, Error>, expected: &Refusal) -> bool {
    matches!(result, Err(Error::Refused(refusal)) if refusal == expected)
}

/// How many repeated answers the trail knows of a family.
async fn repeats_in_trail(world: &World, granted: &Granted) -> usize {
    let family = granted.standing().family.as_ref().unwrap().as_str();
    let about = Some(("family", family));
    let events = world.engine().audit_events(&world.tenant, "", about, Some("customer.refresh"), 200).await.unwrap();
    events.iter().filter(|event| event.detail_json.contains("\"is_repeated\":true")).count()
}

on_both_databases!(
    s25_racing_refreshes_get_the_same_successor,
    s26_a_lost_answer_is_given_again,
    s26_a_family_whose_answers_get_lost_all_the_time_is_not_believed,
    s26_a_longer_grace_knows_no_token_but_the_direct_predecessor,
    s26_a_repeated_request_may_not_ask_for_something_else,
    s27_reuse_outside_the_grace_ends_the_family,
    s28_what_was_rotated_stays_rotated_on_another_node,
    s29_revocation_wins_every_race,
    s33_a_refused_switch_leaves_the_old_tokens_as_they_were,
    e16_the_login_time_token_works_after_two_switches_or_ends_the_family,
    s24_idle_and_absolute_end_are_both_kept,
);

async fn s25_racing_refreshes_get_the_same_successor(database: Database) {
    let world = World::new(database, ROTATE).await;
    let first = token(&world.log_in(PASSWORD).await.unwrap().granted);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (engine, tenant, first) = (world.engine().clone(), world.tenant.clone(), first.clone());
        tasks.spawn(async move {
            refresh(&engine, &tenant, &first, None).await.map(|granted| token(&granted).expose().to_owned())
        });
    }
    let mut successors = HashSet::new();
    while let Some(result) = tasks.join_next().await {
        successors.insert(result.unwrap().expect("every racing tab gets an answer"));
    }
    assert_eq!(successors.len(), 1, "one live leaf");
    let next = secret(successors.iter().next().unwrap());
    assert!(world.refresh(&next, None).await.is_ok());
}

async fn s26_a_lost_answer_is_given_again(database: Database) {
    let world = World::new(database, ROTATE).await;
    let first = token(&world.log_in(PASSWORD).await.unwrap().granted);
    let lost = world.refresh(&first, Some("le-1")).await.unwrap();
    world.server.advance(3);
    assert_eq!(repeats_in_trail(&world, &lost).await, 0);
    let again = world.refresh(&first, Some("le-1")).await.unwrap();
    assert_eq!(token(&again).expose(), token(&lost).expose());
    assert_eq!(repeats_in_trail(&world, &lost).await, 1, "each use of the grace is in the trail");
    assert_eq!(again.standing().legal_entity().unwrap().as_str(), "le-1");
    // Five answers in a row may get lost; whoever loses more is not believed.
    for _ in 0..4 {
        assert!(world.refresh(&first, Some("le-1")).await.is_ok());
    }
    let sixth = world.refresh(&first, Some("le-1")).await;
    assert!(is_refused(&sixth, &Refusal::InvalidGrant), "{sixth:?}");
    assert!(world.refresh(&token(&lost), None).await.is_err(), "and counts as reuse");
}

async fn s26_a_family_whose_answers_get_lost_all_the_time_is_not_believed(database: Database) {
    let world = World::new(database, ROTATE).await;
    let mut newest = token(&world.log_in(PASSWORD).await.unwrap().granted);
    for hour in 0..2 {
        for _ in 0..5 {
            let older = newest;
            newest = token(&world.refresh(&older, None).await.unwrap());
            world.server.advance(3);
            assert!(world.refresh(&older, None).await.is_ok(), "five an hour, of whichever token, in hour {hour}");
        }
        if hour == 0 {
            world.server.advance(3_600);
        }
    }
    // Two tabs at the same moment are no lost answer, however often.
    let older = newest;
    let newest = token(&world.refresh(&older, None).await.unwrap());
    for _ in 0..20 {
        assert!(world.refresh(&older, None).await.is_ok());
    }
    world.server.advance(3);
    let sixth = world.refresh(&older, None).await;
    assert!(is_refused(&sixth, &Refusal::InvalidGrant), "{sixth:?}");
    let after = world.refresh(&newest, None).await;
    assert!(is_refused(&after, &Refusal::InvalidGrant), "the family is dead: {after:?}");
}

async fn s26_a_longer_grace_knows_no_token_but_the_direct_predecessor(database: Database) {
    let world = World::new(database, RefreshPolicy::Rotate { leeway_seconds: 60 }).await;
    let first = token(&world.log_in(PASSWORD).await.unwrap().granted);
    let second = world.refresh(&first, None).await.unwrap();
    world.server.advance(59);
    let again = world.refresh(&first, None).await.unwrap();
    assert_eq!(token(&again).expose(), token(&second).expose());
    let third = world.refresh(&token(&second), None).await.unwrap();
    let reused = world.refresh(&first, None).await;
    assert!(is_refused(&reused, &Refusal::InvalidGrant), "its successor was redeemed, so its answer was not lost");
    assert!(!world.is_good(&third.access_token().unwrap()));
    let after = world.refresh(&token(&third), None).await;
    assert!(is_refused(&after, &Refusal::InvalidGrant), "{after:?}");
}

async fn s26_a_repeated_request_may_not_ask_for_something_else(database: Database) {
    let world = World::new(database, ROTATE).await;
    let first = token(&world.log_in(PASSWORD).await.unwrap().granted);
    let second = world.refresh(&first, Some("le-1")).await.unwrap();
    world.server.advance(3);
    let other = world.refresh(&first, Some("le-2")).await;
    assert!(is_refused(&other, &Refusal::InvalidGrant), "{other:?}");
    assert!(world.refresh(&token(&second), Some("le-1")).await.is_ok(), "the family is alive");
}

async fn s27_reuse_outside_the_grace_ends_the_family(database: Database) {
    let world = World::new(database, ROTATE).await;
    let first = token(&world.log_in(PASSWORD).await.unwrap().granted);
    let second = world.refresh(&first, None).await.unwrap();
    assert!(world.is_good(&second.access_token().unwrap()));
    let unknown = world.refresh(&secret("pkr_rt_never-issued"), None).await;
    assert!(is_refused(&unknown, &Refusal::InvalidGrant));
    assert!(world.is_good(&second.access_token().unwrap()), "a token never issued has no side effect");
    world.server.advance(61);
    let reused = world.refresh(&first, None).await;
    assert!(is_refused(&reused, &Refusal::InvalidGrant), "{reused:?}");
    assert!(!world.is_good(&second.access_token().unwrap()), "access tokens of the family are dead");
    let after = world.refresh(&token(&second), None).await;
    assert!(is_refused(&after, &Refusal::InvalidGrant), "{after:?}");
}

async fn s28_what_was_rotated_stays_rotated_on_another_node(database: Database) {
    let world = World::new(database, ROTATE).await;
    if database == Database::Sqlite {
        // One process owns the file; the restart of a real one is shown by the storm of `kill -9`.
        return;
    }
    let other = world.server.start_second_node().await;
    let tenant = other.engine.tenant(&world.tenant.id).await.unwrap();
    let first = token(&world.log_in(PASSWORD).await.unwrap().granted);
    let second = world.refresh(&first, None).await.unwrap();
    world.server.advance(61);
    assert!(is_refused(&refresh(&other.engine, &tenant, &first, None).await, &Refusal::InvalidGrant));
    assert!(is_refused(&refresh(&other.engine, &tenant, &token(&second), None).await, &Refusal::InvalidGrant));
}

async fn s29_revocation_wins_every_race(database: Database) {
    let world = World::new(database, ROTATE).await;
    for _ in 0..60 {
        let logged_in = world.log_in(PASSWORD).await.unwrap().granted;
        let first = token(&logged_in);
        let request = LogOut { bearer: logged_in.standing(), target: logged_in.standing() };
        let from = origin();
        let (refreshed, logged_out) =
            tokio::join!(world.refresh(&first, Some("le-1")), world.engine().log_out(&world.tenant, &request, &from));
        logged_out.unwrap();
        if let Ok(refreshed) = refreshed {
            assert!(!world.is_good(&refreshed.access_token().unwrap()), "handed out and revoked at once is revoked");
            assert!(world.refresh(&token(&refreshed), None).await.is_err());
        }
        assert!(!world.is_good(&logged_in.access_token().unwrap()));
    }
}

async fn s33_a_refused_switch_leaves_the_old_tokens_as_they_were(database: Database) {
    let world = World::new(database, ROTATE).await;
    let acting = world.acting("le-1").await;
    let foreign = world.refresh(&token(&acting), Some("le-3")).await;
    assert!(is_refused(&foreign, &Refusal::NotAssigned), "{foreign:?}");
    assert!(world.is_good(&acting.access_token().unwrap()));
    let next = world.refresh(&token(&acting), Some("le-2")).await.unwrap();
    assert_eq!(next.standing().legal_entity().unwrap().as_str(), "le-2");
    assert_eq!(next.standing().epoch, acting.standing().epoch + 1);
    world.server.advance(i64::from(world.tenant.settings.switch_grace_seconds) + 1);
    assert!(!world.is_good(&acting.access_token().unwrap()), "the token of the company before is over");
}

async fn e16_the_login_time_token_works_after_two_switches_or_ends_the_family(database: Database) {
    let family = World::new(database, RefreshPolicy::Family).await;
    let login = token(&family.log_in(PASSWORD).await.unwrap().granted);
    family.refresh(&login, Some("le-1")).await.unwrap();
    let second = family.refresh(&login, Some("le-2")).await.unwrap();
    assert!(family.refresh(&login, None).await.is_ok());
    assert!(family.refresh(&token(&second), Some("le-1")).await.is_ok());

    let strict = World::new(database, RefreshPolicy::Rotate { leeway_seconds: 0 }).await;
    let login = token(&strict.log_in(PASSWORD).await.unwrap().granted);
    let first = strict.refresh(&login, Some("le-1")).await.unwrap();
    let second = strict.refresh(&token(&first), Some("le-2")).await.unwrap();
    assert!(is_refused(&strict.refresh(&login, None).await, &Refusal::InvalidGrant));
    assert!(is_refused(&strict.refresh(&token(&second), None).await, &Refusal::InvalidGrant), "the family is dead");
}

async fn s24_idle_and_absolute_end_are_both_kept(database: Database) {
    let world = World::new(database, ROTATE).await;
    let lifetimes = &world.tenant.settings.lifetimes;
    let idle = token(&world.log_in(PASSWORD).await.unwrap().granted);
    let mut used = token(&world.log_in(PASSWORD).await.unwrap().granted);
    let step = i64::from(lifetimes.refresh) - 60;
    let mut passed = 0;
    loop {
        world.server.advance(step);
        passed += step;
        match world.refresh(&used, None).await {
            Ok(granted) => used = token(&granted),
            Err(error) => {
                assert!(matches!(error, Error::Refused(Refusal::ExpiredGrant | Refusal::InvalidGrant)), "{error:?}");
                break;
            }
        }
        assert!(passed < i64::from(lifetimes.session), "used daily, it ends all the same");
    }
    assert!(passed >= i64::from(lifetimes.session) - step);
    assert!(is_refused(&world.refresh(&idle, None).await, &Refusal::ExpiredGrant));
}
