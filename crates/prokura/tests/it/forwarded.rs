//! Whose address counts (S-55): what a stranger says about themselves changes nothing, what a proxy we know says does, up to
//! the first address that is none of ours. Asked at the public port, and read from the audit trail.

use crate::arrange::World;
use prokura_domain::RefreshPolicy;
use prokura_http::{Edge, router_service, server};
use prokura_testkit::Database;
use std::collections::HashSet;

/// A server that believes `trusted`, on a port of its own; returns where.
async fn believing(world: &World, trusted: &[&str]) -> String {
    let mut edge = Edge::new(world.engine().clone());
    edge.trusted_proxies = trusted.iter().map(|prefix| prefix.parse().unwrap()).collect();
    edge.hosts = std::sync::Arc::new(HashSet::from(["127.0.0.1".to_owned()]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = prokura::app::public_router(edge, prokura_web::WebConfig { gateway_secret: None });
    tokio::spawn(server::serve(listener, router_service(router), server::Limits::default(), std::future::pending()));
    url
}

/// A visitor comes with these fields; returns the address in the trail.
async fn audited(world: &World, url: &str, fields: &[(&str, &str)]) -> String {
    let mut request =
        world.server.http.get(format!("{url}/customerlogin/auth/anonymous/login?tenant=acme&client_id=sf"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let answer = world.server.send(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let guest = world.engine().verify(answer.json()["access_token"].as_str().unwrap()).unwrap();
    let events = world.engine().audit_events(&world.tenant, "", None, None, 200).await.unwrap();
    let session = guest.token.standing.session.as_ref().map(ToString::to_string);
    let event = events.iter().find(|event| event.verb == "guest.begin" && event.session == session);
    event.expect("every visit is in the trail").address.clone().expect("the address of a visit")
}

const FORGED: [(&str, &str); 6] = [
    ("X-Forwarded-For", "203.0.113.7"),
    ("Forwarded", "for=203.0.113.7;host=evil.example"),
    ("X-Real-IP", "203.0.113.7"),
    ("X-Client-IP", "203.0.113.7"),
    ("True-Client-IP", "203.0.113.7"),
    ("X-Forwarded-Host", "evil.example"),
];

#[tokio::test(flavor = "multi_thread")]
async fn s55_a_strangers_word_about_their_address_does_not_count() {
    let world = World::new(Database::Sqlite, RefreshPolicy::Family).await;
    for trusted in [[].as_slice(), &["10.0.0.0/8", "::1"]] {
        let url = believing(&world, trusted).await;
        assert_eq!(audited(&world, &url, &FORGED).await, "127.0.0.1", "{trusted:?}");
        assert_eq!(audited(&world, &url, &[("X-Forwarded-For", "10.0.0.1")]).await, "127.0.0.1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s55_a_known_proxy_is_believed_up_to_the_first_address_that_is_not_known() {
    let world = World::new(Database::Sqlite, RefreshPolicy::Family).await;
    let url = believing(&world, &["127.0.0.1", "10.0.0.0/8", "fd00::/8"]).await;
    for (lines, expected) in [
        ([].as_slice(), "127.0.0.1"),
        (&["203.0.113.7"], "203.0.113.7"),
        (&["2001:db8::7"], "2001:db8::7"),
        // What stands further left was sent by the client itself.
        (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (&["198.51.100.1,203.0.113.7 , 10.1.2.3"], "203.0.113.7"),
        (&["198.51.100.1", "203.0.113.7, fd00::1", "10.1.2.3"], "203.0.113.7"),
        (&["127.0.0.1, 203.0.113.7"], "203.0.113.7"),
        // Some proxies add the port.
        (&["198.51.100.1, 203.0.113.7:4711"], "203.0.113.7"),
        (&["198.51.100.1, [2001:db8::7]:4711"], "2001:db8::7"),
        // No address, no further: the nearest one that is known counts.
        (&["198.51.100.1, unknown"], "127.0.0.1"),
        (&["198.51.100.1, , 10.1.2.3"], "10.1.2.3"),
        (&["198.51.100.1, unknown, 10.1.2.3"], "10.1.2.3"),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        assert_eq!(audited(&world, &url, &fields).await, expected, "{lines:?}");
    }
    // Only the one field counts, and only as an address: never as the server's own name.
    assert_eq!(audited(&world, &url, &FORGED[1..]).await, "127.0.0.1");
    let metadata = world.server.http.get(format!("{url}/t/acme/.well-known/openid-configuration"));
    let metadata = world.server.send(metadata.header("X-Forwarded-Host", "evil.example")).await;
    assert_eq!(metadata.json()["issuer"], "https://id.prokura.example/t/acme", "{}", metadata.text);
}
