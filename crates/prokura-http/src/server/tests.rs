//! The accept loop from outside: raw requests over real sockets, one per limit and per way to misbehave.

mod crowd;

use super::*;
use axum::{Router, extract::DefaultBodyLimit, routing::any};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    task::JoinHandle,
};

/// A server on a free port with a route per thing that can happen.
struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    let router = Router::new()
        .route("/", any(async |body: Bytes| format!("{} bytes", body.len())))
        .route("/peer", any(async |request: axum::extract::Request| peer(&request)))
        .route("/panic", any(async || -> &'static str { panic!("on purpose") }))
        .route("/slow", any(async || sleep(Duration::from_millis(300)).await))
        .route("/never", any(async || std::future::pending::<()>().await))
        .layer(DefaultBodyLimit::disable());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, router, limits, async {
        let _ = stopped.await;
    }));
    Running { address, stop, serving }
}

fn peer(request: &axum::extract::Request) -> String {
    request.extensions().get::<SocketAddr>().map(|peer| peer.ip().to_string()).unwrap_or_default()
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `raw` on a fresh connection and reads until the server closes it.
    async fn exchange(&self, raw: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may close before it has read everything; what it said is still there.
        let _ = stream.write_all(raw).await;
        read_to_end(&mut stream).await
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A reset behind the answer is how a refused body ends.
    let _ = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

const FINE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn s53_ambiguous_requests_get_400_and_a_closed_connection() {
    let server = start(Limits::default()).await;
    for raw in framing::tests::REFUSED {
        let mut smuggled = raw.as_bytes().to_vec();
        smuggled.extend_from_slice(FINE);
        let answer = server.exchange(&smuggled).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{raw:?} -> {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{raw:?} -> {answer:?}");
        assert!(server.exchange(FINE).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn pipelined_requests_and_split_bytes_are_answered_in_order() {
    let server = start(Limits::default()).await;
    let mut stream = server.connect().await;
    let raw = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n\
                POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n12345";
    for byte in raw {
        stream.write_all(std::slice::from_ref(byte)).await.unwrap();
    }
    let answer = read_to_end(&mut stream).await;
    assert!(answer.contains("3 bytes") && answer.ends_with("5 bytes"), "{answer}");
}

#[tokio::test]
async fn s130_what_is_too_large_is_refused_without_reading_on() {
    let server = start(Limits { body_bytes: 10, ..Limits::default() }).await;
    let status = async |raw: String| server.exchange(raw.as_bytes()).await.chars().skip(9).take(3).collect::<String>();
    let long = |n: usize| "x".repeat(n);
    let close = "Host: a\r\nConnection: close\r\n";
    assert_eq!(status(format!("GET /?{} HTTP/1.1\r\n{close}\r\n", long(8190))).await, "200");
    assert_eq!(status(format!("GET /?{} HTTP/1.1\r\n{close}\r\n", long(8191))).await, "414");
    assert_eq!(status(format!("GET / HTTP/1.1\r\n{close}X: {}\r\n\r\n", long(32_000))).await, "200");
    assert_eq!(status(format!("GET / HTTP/1.1\r\n{close}X: {}\r\n\r\n", long(33_000))).await, "431");
    assert_eq!(status(format!("GET / HTTP/1.1\r\n{close}X: {}\r\n\r\n", long(500_000))).await, "431");
    assert_eq!(status(format!("GET / HTTP/1.1\r\n{close}{}\r\n", "X: y\r\n".repeat(98))).await, "200");
    assert_eq!(status(format!("GET / HTTP/1.1\r\n{close}{}\r\n", "X: y\r\n".repeat(99))).await, "431");
    assert_eq!(status(format!("POST / HTTP/1.1\r\n{close}Content-Length: 10\r\n\r\n0123456789")).await, "200");
    assert_eq!(status(format!("POST / HTTP/1.1\r\n{close}Content-Length: 11\r\n\r\n")).await, "413");
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(status(format!("POST / HTTP/1.1\r\n{close}{chunked}\r\nb\r\n0123456789a\r\n0\r\n\r\n")).await, "413");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_peer_that_is_still_sending() {
    let server = start(Limits { body_bytes: 10, ..Limits::default() }).await;
    for framing in ["Content-Length: 900000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\ndbba0\r\n"] {
        let raw = format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}{}", "x".repeat(900_000));
        let mut stream = server.connect().await;
        // Neither is cut short by a reset, which could overtake the answer.
        for part in raw.as_bytes().chunks(50_000) {
            stream.write_all(part).await.expect("the server reads on for a while");
            sleep(Duration::from_millis(2)).await;
        }
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("no reset");
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
    }
}

#[tokio::test]
async fn s131_silent_half_and_slow_connections_end_in_time() {
    let server = start(Limits {
        head: Duration::from_millis(200),
        idle: Duration::from_millis(400),
        body: Some(Duration::from_millis(300)),
        ..Limits::default()
    })
    .await;
    for (raw, at_least, expected) in [
        ("", 200, ""),
        ("GET / HT", 200, ""),
        ("GET / HTTP/1.1\r\nHost: a\r\nX", 200, ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 300, "HTTP/1.1 408 "),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", 300, "HTTP/1.1 408 "),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP/1.1 200 "),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 200, "\0"),
    ] {
        let began = Instant::now();
        let answer = server.exchange(raw.as_bytes()).await;
        let took = began.elapsed();
        assert!(
            answer.starts_with(expected) && answer.is_empty() == expected.is_empty() || raw.starts_with("PRI"),
            "{raw:?} -> {answer:?}"
        );
        assert!(took >= Duration::from_millis(at_least) && took < Duration::from_secs(3), "{raw:?} took {took:?}");
    }
}

#[tokio::test]
async fn a_head_that_drips_in_does_not_move_its_deadline() {
    let server = start(Limits { head: Duration::from_millis(300), ..Limits::default() }).await;
    let mut stream = server.connect().await;
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(3) {
        if stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n".get(sent..=sent).unwrap_or(b"y")).await.is_err() {
            break;
        }
        sent += 1;
        sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_the_idle_time_is_not_idle() {
    let server = start(Limits { idle: Duration::from_millis(100), ..Limits::default() }).await;
    let answer = server.exchange(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn s131_a_request_has_a_deadline() {
    let server = start(Limits { request: Some(Duration::from_millis(100)), ..Limits::default() }).await;
    let answer = server.exchange(b"GET /never HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.to_lowercase().contains("retry-after: 1"), "{answer}");
}

#[tokio::test]
async fn s132_compressed_bodies_are_refused() {
    let server = start(Limits::default()).await;
    let raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc";
    assert!(server.exchange(raw).await.starts_with("HTTP/1.1 415 "));
}

#[tokio::test]
async fn s133_a_panic_ends_one_request() {
    let server = start(Limits::default()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("support_id"), "{answer}");
    assert!(!answer.contains("on purpose"), "{answer}");
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn s131_connections_beyond_the_cap_are_closed_and_places_come_back() {
    let server = start(Limits { connections: 1, ..Limits::default() }).await;
    let first = server.connect().await;
    // The second is accepted after the first, so it can only be the one too many.
    assert_eq!(server.exchange(FINE).await, "");
    drop(first);
    for _ in 0..200 {
        if server.exchange(FINE).await.starts_with("HTTP/1.1 200 ") {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("the place did not come back");
}

#[tokio::test]
async fn shutdown_lets_requests_in_flight_end_and_closes_idle_connections() {
    let server = start(Limits::default()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut busy = server.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    server.stop.send(()).unwrap();
    assert!(read_to_end(&mut busy).await.starts_with("HTTP/1.1 200 "));
    assert!(read_to_end(&mut idle).await.starts_with("HTTP/1.1 200 "));
    server.serving.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let limits = Limits { drain: Duration::from_millis(200), request: None, ..Limits::default() };
    let server = start(limits).await;
    let mut stuck = server.connect().await;
    stuck.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    server.stop.send(()).unwrap();
    server.serving.await.unwrap();
    assert_eq!(read_to_end(&mut stuck).await, "");
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served() {
    let server = start(Limits::default()).await;
    let io = TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let driving = tokio::spawn(connection);
    let request = |uri: &str, host: Option<&str>| {
        let mut request = Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        request.body(http_body_util::Empty::<Bytes>::new()).unwrap()
    };
    let answer = sender.send_request(request("http://a/peer", None)).await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer = sender.send_request(request("http://a/", Some("b"))).await.unwrap();
    assert_eq!(answer.status(), 400, "S-53: :authority differs from host");
    let long = format!("http://a/?{}", "x".repeat(8200));
    assert_eq!(sender.send_request(request(&long, None)).await.unwrap().status(), 414);
    assert_eq!(sender.send_request(request("http://a/panic", None)).await.unwrap().status(), 500);
    assert_eq!(sender.send_request(request("http://a/", None)).await.unwrap().status(), 200);
    driving.abort();
}

/// One HTTP/2 frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn s134_http2_floods_end_the_connection() {
    const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 1, b'a'];
    const POST: &[u8] = &[0x83, 0x86, 0x84, 0x41, 1, b'a'];
    let resets = |number: u32| {
        let stream = 2 * number + 1;
        [frame(1, 0x5, stream, GET), frame(3, 0, stream, &8u32.to_be_bytes())].concat()
    };
    let continuations = |number: u32| match number {
        0 => frame(1, 0x1, 1, GET),
        _ => frame(9, 0, 1, &[&[0x00, 1, b'x', 0x7f, 0xa1, 0x0f][..], &[b'y'; 2064]].concat()),
    };
    let empty_data = |number: u32| match number {
        0 => frame(1, 0x4, 1, POST),
        _ => frame(0, 0, 1, &[]),
    };
    let server = start(Limits::default()).await;
    let flood = async |name: &str, next: &dyn Fn(u32) -> Vec<u8>| {
        let mut stream = server.connect().await;
        let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
        stream.write_all(&opening).await.unwrap();
        let began = Instant::now();
        for number in 0..200_000 {
            assert!(began.elapsed() < Duration::from_secs(20), "{name} goes on after {number} frames");
            if stream.write_all(&next(number)).await.is_err() {
                break;
            }
        }
        // Other clients are served meanwhile and afterwards.
        assert!(server.exchange(FINE).await.starts_with("HTTP/1.1 200 "), "{name}");
        let began = Instant::now();
        while stream.write_all(&next(1)).await.is_ok() {
            assert!(began.elapsed() < Duration::from_secs(20), "{name} was not ended");
            sleep(Duration::from_millis(10)).await;
        }
    };
    flood("rapid reset", &resets).await;
    flood("continuation", &continuations).await;
    flood("empty data", &empty_data).await;
}

#[test]
fn the_guard_costs_little_per_request() {
    let raw = b"GET /api/products/4711?x=1 HTTP/1.1\r\nHost: shop.example:8401\r\nAuthorization: Bearer aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nAccept: */*\r\nUser-Agent: curl/8\r\nAccept-Encoding: gzip\r\n\r\n";
    let mut framing = Framing::http1();
    let began = Instant::now();
    for _ in 0..10_000 {
        assert_eq!(framing.advance(raw), framing::Step::All);
    }
    let each = began.elapsed() / 10_000;
    // Below 0.3 µs when optimized; the bound is loose because tests are not.
    assert!(each < Duration::from_micros(40), "{each:?}");
}
