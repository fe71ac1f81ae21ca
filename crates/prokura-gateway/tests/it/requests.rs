//! Which requests are understood at all, and where they go: S-53, S-54, S-59, S-142.

use crate::support::{ANNA, Answer, ROUTES, config, exchange, http2, start, start_with};

/// Each has two readings, so none may pass.
const AMBIGUOUS: [&str; 24] = [
    "GET /public/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET /public/x HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    "GET /public/x HTTP/1.1\r\n\r\n",
    "GET /public/x HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "GET http://b/public/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET http://a@b/public/x HTTP/1.1\r\nHost: b\r\n\r\n",
    "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "POST /public/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET /public/x HTTP/1.1\nHost: a\r\n\r\n",
    "GET /public/x HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    "GET /public/x HTTP/1.1\r\nHost: a\r\nX: y\r\n folded: z\r\n\r\n",
    "GET /public/x HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n",
    "GET /public/x HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
    "GET /public/x#y HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /public/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\nabcde\r\n0\r\n\r\n",
];

#[tokio::test]
async fn s53_ambiguous_framing_is_refused_and_nothing_behind_it_is_read() {
    let gateway = start().await;
    for raw in AMBIGUOUS {
        let smuggled = format!("{raw}GET /public/smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = exchange(gateway.address, smuggled.as_bytes()).await;
        assert_eq!(answer.status, 400, "{raw:?}");
        assert!(!answer.body.contains("HTTP/1.1 "), "one answer only: {raw:?}");
        let fine = gateway.get("/public/fine", "").await;
        assert_eq!(fine.status, 200, "the next connection is not affected");
    }
    assert!(
        gateway
            .received()
            .iter()
            .all(|request| request.starts_with("GET /public/fine ") || request.starts_with("POST /public/x "))
    );
    assert!(!gateway.received().iter().any(|request| request.contains("smuggled")));
}

#[tokio::test]
async fn s53_an_authority_that_differs_from_the_host_is_refused_over_http2() {
    let gateway = start().await;
    assert_eq!(http2(gateway.address, "/public/x", &[("host", "other")], "", &[]).await.status, 400);
    assert_eq!(gateway.received(), Vec::<String>::new());
}

#[tokio::test]
async fn s54_what_is_decided_on_is_what_is_forwarded() {
    let gateway = start().await;
    for (path, status) in [
        ("/public/..%2forders", 400),
        ("/public/..;/orders", 400),
        ("/public/..;x=1/orders", 400),
        ("/public\\..\\orders", 400),
        ("/public/..\\orders", 400),
        ("/public/%2e%2e/orders", 400),
        ("/public/%2E./orders", 400),
        ("/public/../orders", 400),
        ("/public/./x", 400),
        ("/public//x", 400),
        ("//orders", 400),
        ("/public/%5c..%5corders", 400),
        ("/public/x%00", 400),
        ("/public/%c0%ae%c0%ae/orders", 400),
        ("/public/%zz", 400),
        ("/orders?/public/", 401),
        ("/orders/%2e", 400),
        ("/%6frders", 401),
        ("/orders;x=y", 404),
        ("/ORDERS", 404),
        ("/nowhere", 404),
        ("/publicx", 404),
    ] {
        let answer = gateway.get(path, "").await;
        assert_eq!(answer.status, status, "{path}");
        let answer = http2(gateway.address, path, &[], "", &[]).await;
        assert_eq!(answer.status, status, "{path} over HTTP/2");
    }
    assert_eq!(gateway.received(), Vec::<String>::new());
    let answer = gateway.get("/public/%61%2Db%c3%a4?q=%2f..", "").await;
    assert!(answer.body.starts_with("GET /public/a-b%C3%A4?q=%2f.. HTTP/1.1\r\n"), "{}", answer.body);
    let absolute = b"GET http://SHOP.example/public/x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
    let answer = exchange(gateway.address, absolute).await;
    assert!(answer.body.starts_with("GET /public/x HTTP/1.1\r\n"), "{}", answer.body);
}

#[tokio::test]
async fn s54_hosts_are_compared_in_one_form() {
    let routes = r#"{"host": "open.example", "path": "/", "upstream": "UPSTREAM", "require": "none"},
                    {"host": "shop.example", "path": "/", "upstream": "UPSTREAM", "require": "customer"}"#;
    let gateway = start_with(routes, "").await;
    let ask = async |host: &str| {
        let raw = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        exchange(gateway.address, raw.as_bytes()).await.status
    };
    for host in ["shop.example", "SHOP.example", "shop.example.", "shop.example:80"] {
        assert_eq!(ask(host).await, 401, "{host}");
    }
    assert_eq!(ask("Open.Example.").await, 200);
    assert_eq!(ask("other.example").await, 421);
}

#[tokio::test]
async fn query_parameters_an_upstream_must_not_see_are_removed_in_every_spelling() {
    let gateway = start().await;
    let path = "/orders?a=1&shop-token=E9&SHOP-TOKEN=E9&%73hop%2Dtoken=E9&b=2;Shop-Token=E9&c[]=3&shop-token[]=E9";
    let answer = gateway.get(path, &gateway.bearer(&ANNA)).await;
    assert!(answer.body.starts_with("GET /orders?a=1&b=2&c[]=3 HTTP/1.1\r\n"), "{}", answer.body);
}

#[tokio::test]
async fn s59_only_websockets_upgrade_and_only_where_allowed() {
    let gateway = start().await;
    let upgrade = |protocol: &str| format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n");
    let bearer = gateway.bearer(&ANNA);
    for (path, protocol) in [("/ws", "h2c"), ("/orders", "websocket"), ("/public/x", "h2c"), ("/ws", "websocket, h2c")]
    {
        let raw = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{}{bearer}\r\n", upgrade(protocol));
        assert_eq!(first_answer(&gateway.address, &raw).await.status, 400, "{path} {protocol}");
    }
    let raw = format!("GET /ws HTTP/1.1\r\nHost: a\r\n{}\r\n", upgrade("websocket"));
    assert_eq!(first_answer(&gateway.address, &raw).await.status, 401);
    assert_eq!(gateway.received(), Vec::<String>::new());
}

async fn first_answer(address: &std::net::SocketAddr, raw: &str) -> Answer {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(raw.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = crate::support::soon(stream.read(&mut answer)).await.unwrap();
    Answer::of(&answer[..length])
}

#[tokio::test]
async fn upstreams_that_fail_are_502_and_504() {
    let gateway = start().await;
    assert_eq!(gateway.get("/nobody", "").await.status, 502);
    assert_eq!(gateway.get("/public/break", "").await.status, 502);
    assert_eq!(gateway.get("/quick/hang", "").await.status, 504);
    let counts = gateway.gateway.counts();
    assert_eq!((counts.upstream_failed, counts.forwarded), (3, 0));
}

#[tokio::test]
async fn s142_errors_say_little_and_carry_a_support_id() {
    let gateway = start().await;
    let mut seen = Vec::new();
    for (path, status) in [("/nobody", 502), ("/orders", 401), ("/public/../x", 400), ("/nowhere", 404)] {
        let answer = gateway.get(path, "").await;
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let mut keys: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["status", "support_id", "title", "type"]);
        assert_eq!(body["status"], status);
        assert_eq!(answer.values("content-type"), ["application/problem+json"]);
        assert_eq!(answer.values("cache-control"), ["no-store"]);
        seen.push(body["support_id"].as_str().unwrap().to_owned());
    }
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn s58_a_reload_replaces_all_routes_at_once_or_none() {
    let gateway = start().await;
    let bearer = gateway.bearer(&ANNA);
    assert_eq!(gateway.get("/orders", &bearer).await.status, 200);
    let stricter = ROUTES.replace(
        r#""require": "customer", "strip_query""#,
        r#""require": "customer", "scopes_all": ["x"], "strip_query""#,
    );
    gateway.gateway.reload(&config(&stricter, "", gateway.upstream)).unwrap();
    assert_eq!(gateway.get("/orders", &bearer).await.status, 403, "nothing of the old decision is left");
    let broken = config(r#"{"path": "x", "upstream": "UPSTREAM", "require": "none"}"#, "", gateway.upstream);
    assert_eq!(gateway.gateway.reload(&broken).unwrap_err().key, "routes[0].path");
    assert_eq!(gateway.get("/orders", &bearer).await.status, 403, "the last good routes stay");
}
