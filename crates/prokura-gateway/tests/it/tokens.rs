//! Who passes, and until when: S-40, S-56, S-58, S-70, S-71.

use crate::support::{ANNA, ANNA_ALONE, GUEST, ROUTES, Who, standing, start, start_with};
use prokura_domain::{RevocationKind, Scopes};
use prokura_gateway::ResolveError;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_route_asks_for_the_level_it_names() {
    let gateway = start().await;
    for (path, anonymous, guest, customer, buyer) in [
        ("/public/x", 200, 200, 200, 200),
        ("/guest", 401, 200, 200, 200),
        ("/orders", 401, 403, 200, 200),
        ("/company", 401, 403, 403, 200),
        ("/read", 401, 403, 200, 200),
        ("/write", 401, 403, 403, 403),
    ] {
        assert_eq!(gateway.get(path, "").await.status, anonymous, "{path}");
        assert_eq!(gateway.get(path, &gateway.bearer(&GUEST)).await.status, guest, "{path}");
        assert_eq!(gateway.get(path, &gateway.bearer(&ANNA_ALONE)).await.status, customer, "{path}");
        assert_eq!(gateway.get(path, &gateway.bearer(&ANNA)).await.status, buyer, "{path}");
    }
    assert_eq!(gateway.get("/orders", "").await.values("www-authenticate"), ["Bearer"]);
    let scope = gateway.get("/write", &gateway.bearer(&ANNA)).await;
    assert_eq!(scope.values("www-authenticate"), [r#"Bearer error="insufficient_scope""#]);
}

#[tokio::test]
async fn s40_a_token_counts_for_its_own_tenant_only() {
    let gateway = start().await;
    let beta = Who { tenant: "beta", ..ANNA };
    assert_eq!(gateway.get("/beta", &gateway.bearer(&beta)).await.status, 200);
    assert_eq!(gateway.get("/beta", &gateway.bearer(&ANNA)).await.status, 401);
    let pinned = start_with(ROUTES, r#", "tenant": "alpha""#).await;
    assert_eq!(pinned.get("/orders", &pinned.bearer(&beta)).await.status, 401);
    assert_eq!(pinned.get("/orders", &pinned.bearer(&ANNA)).await.status, 200);
}

#[tokio::test]
async fn s56_what_is_not_a_good_credential_is_refused() {
    let gateway = start().await;
    let token = gateway.token(&ANNA);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let tampered = format!("{signed}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    let oversized = "%FF".repeat(2700);
    for fields in [
        "Authorization: Bearer x\r\n".to_owned(),
        "Authorization: Basic YTpi\r\n".to_owned(),
        format!("Authorization: Bearer {tampered}\r\n"),
        format!("Authorization: Bearer {signed}.\r\n"),
        format!("Authorization: Bearer {token}x\r\n"),
        "Cookie: x\r\n".to_owned(),
        format!("Cookie: __Host-prokura_sid={oversized}\r\n"),
        "Cookie: __Host-prokura_sid=abcdef; __Host-prokura_sid=abcdefgarbage\r\n".to_owned(),
    ] {
        assert_eq!(gateway.get("/orders", &fields).await.status, 401, "{fields}");
    }
    let twice = format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n");
    assert_eq!(gateway.get("/orders", &twice).await.status, 400);
    assert_eq!(gateway.get("/public/x", "Authorization: Bearer x\r\n").await.status, 401, "on open routes, too");
    assert_eq!(gateway.received(), Vec::<String>::new(), "nothing of it reached an upstream");
    gateway.advance_in_touch(301);
    assert_eq!(gateway.get("/orders", &format!("Authorization: Bearer {token}\r\n")).await.status, 401, "expired");
}

#[tokio::test]
async fn s58_a_token_seen_on_one_route_is_nothing_on_another() {
    let gateway = start().await;
    let bearer = gateway.bearer(&ANNA);
    assert_eq!(gateway.get("/read", &bearer).await.status, 200);
    assert_eq!(gateway.get("/write", &bearer).await.status, 403);
    assert_eq!(gateway.get("/read", &bearer).await.status, 200);
    let counts = gateway.gateway.counts();
    assert_eq!((counts.tokens_unseen, counts.tokens_seen, counts.forbidden), (1, 2, 1));
}

#[tokio::test]
async fn s70_a_revocation_holds_from_the_next_request_on() {
    let gateway = start().await;
    for (kind, value) in [
        (RevocationKind::Grant, "g1"),
        (RevocationKind::Family, "f1"),
        (RevocationKind::Session, "s1"),
        (RevocationKind::LegalEntity, "E1"),
        (RevocationKind::Client, "web"),
        (RevocationKind::Tenant, "alpha"),
    ] {
        let gateway = start().await;
        let bearer = gateway.bearer(&ANNA);
        assert_eq!(gateway.get("/company", &bearer).await.status, 200, "{kind}");
        gateway.revoke(kind, value);
        assert_eq!(gateway.get("/company", &bearer).await.status, 401, "{kind}");
        assert_eq!(gateway.get("/public/x", &bearer).await.status, 401, "{kind}");
        assert_eq!(gateway.received().len(), 1);
    }
    // Another grant is not touched.
    gateway.revoke(RevocationKind::Grant, "g2");
    assert_eq!(gateway.get("/company", &gateway.bearer(&ANNA)).await.status, 200);
}

#[tokio::test]
async fn s71_decisions_rest_on_old_news_for_thirty_seconds_only() {
    let gateway = start().await;
    let bearer = gateway.bearer(&ANNA);
    gateway.clock.advance(30);
    assert_eq!(gateway.get("/orders", &bearer).await.status, 200);
    gateway.clock.advance(1);
    let answer = gateway.get("/orders", &bearer).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.values("retry-after"), ["5"]);
    assert_eq!(gateway.received().len(), 1);
    assert_eq!(gateway.get("/public/x", "").await.status, 200, "who claims nothing needs no decision");
    gateway.verifier.contacted(prokura_domain::Clock::now(&*gateway.clock));
    assert_eq!(gateway.get("/orders", &bearer).await.status, 200, "back at once");
}

#[tokio::test]
async fn s136_a_clock_that_is_set_back_makes_no_news_of_old_ones() {
    let gateway = start().await;
    let bearer = gateway.bearer(&ANNA);
    let contacted = || gateway.verifier.contacted(prokura_domain::Clock::now(&*gateway.clock));
    gateway.clock.advance(7_200);
    contacted();
    gateway.clock.advance(-7_200);
    assert_eq!(gateway.get("/orders", &bearer).await.status, 503, "nobody knows how old the news are");
    contacted();
    assert_eq!(gateway.get("/orders", &bearer).await.status, 200);
    gateway.clock.advance(31);
    assert_eq!(gateway.get("/orders", &bearer).await.status, 503, "thirty seconds, not two hours");
}

#[tokio::test]
async fn s71_the_bound_is_a_setting_and_may_be_zero() {
    let gateway = start_with(ROUTES, r#", "stale_seconds": 0"#).await;
    let bearer = gateway.bearer(&ANNA);
    assert_eq!(gateway.get("/orders", &bearer).await.status, 200);
    gateway.clock.advance(3);
    assert_eq!(gateway.get("/orders", &bearer).await.status, 503);
}

#[tokio::test]
async fn rights_older_than_five_minutes_are_asked_for_anew() {
    let gateway = start().await;
    let bearer = format!("Authorization: Bearer {}\r\n", gateway.token_for(&ANNA, 86_400));
    assert_eq!(gateway.get("/read", &bearer).await.status, 200);
    gateway.advance_in_touch(300);
    assert_eq!(gateway.get("/read", &bearer).await.status, 200);
    assert_eq!(gateway.resolver.asked.load(Ordering::SeqCst), 0);
    gateway.advance_in_touch(1);
    assert_eq!(gateway.get("/read", &bearer).await.status, 503, "S-56: who cannot be asked allows nothing");
    let tenant = "alpha".parse().unwrap();
    let fresh = standing(&tenant, &Who { scopes: "orders.write", ..ANNA });
    *gateway.resolver.answer.lock() = Ok(fresh.clone());
    assert_eq!(gateway.get("/read", &bearer).await.status, 503, "the failure is not repeated for a second");
    gateway.advance_in_touch(1);
    assert_eq!(gateway.get("/read", &bearer).await.status, 403);
    let answer = gateway.get("/write", &bearer).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.echoed("X-Prokura-Scopes"), ["orders.write"]);
    assert_eq!(gateway.resolver.asked.load(Ordering::SeqCst), 2, "one answer serves five minutes");

    // The feed says that rights changed.
    *gateway.resolver.answer.lock() =
        Ok(prokura_domain::Standing { scopes: Scopes::parse("orders.read").unwrap(), ..fresh });
    gateway.revoke(RevocationKind::Rights, "bob");
    assert_eq!(gateway.get("/write", &bearer).await.status, 200, "somebody else's");
    gateway.revoke(RevocationKind::Rights, "anna");
    assert_eq!(gateway.get("/write", &bearer).await.status, 403);
    assert_eq!(gateway.get("/read", &bearer).await.status, 200);
    assert_eq!(gateway.resolver.asked.load(Ordering::SeqCst), 3);

    *gateway.resolver.answer.lock() = Ok(standing(&tenant, &Who { legal_entity: Some("E2"), ..ANNA }));
    gateway.revoke(RevocationKind::Rights, "*");
    assert_eq!(gateway.get("/read", &bearer).await.status, 401, "an answer about something else is no answer");
    *gateway.resolver.answer.lock() = Err(ResolveError::Refused);
    assert_eq!(gateway.get("/read", &bearer).await.status, 401);
}

#[tokio::test]
async fn a_route_that_wants_a_surer_login_says_so() {
    let sure = r#"{"path": "/sure", "upstream": "UPSTREAM", "require": "customer", "require_multi_factor": true,
                   "max_login_age_seconds": 300},"#;
    let routes = format!("{sure}{ROUTES}");
    let gateway = start_with(&routes, "").await;
    assert_eq!(gateway.get("/sure", "").await.values("www-authenticate"), ["Bearer"]);
    let answer = gateway.get("/sure", &gateway.bearer(&ANNA)).await;
    let challenge =
        r#"Bearer error="insufficient_user_authentication", acr_values="urn:prokura:acr:2fa", max_age="300""#;
    assert_eq!((answer.status, answer.values("www-authenticate")), (401, vec![challenge.to_owned()]));
    assert_eq!(gateway.get("/orders", &gateway.bearer(&ANNA)).await.status, 200, "no other route asks");
    assert_eq!(gateway.received().len(), 1);
}
