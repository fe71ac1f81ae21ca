//! Bodies and tunnels pass through while they happen: nothing is collected, and a tunnel ends with its token.

use crate::support::{ANNA, Running, soon, start};
use prokura_domain::RevocationKind;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn open(gateway: &Running, raw: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(raw.as_bytes()).await.unwrap();
    stream
}

/// Reads until `what` has arrived.
async fn read_until(stream: &mut TcpStream, what: &str) -> String {
    let mut read = Vec::new();
    loop {
        let length = soon(stream.read_buf(&mut read)).await.unwrap();
        let text = String::from_utf8_lossy(&read).into_owned();
        if text.contains(what) {
            return text;
        }
        assert!(length > 0, "closed before {what:?}: {text}");
    }
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    let gateway = start().await;
    let head =
        "POST /public/first-chunk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let mut stream = open(&gateway, &format!("{head}5\r\nfirst\r\n")).await;
    // The upstream saw the first chunk before the request ended, and its answer arrives before it is whole.
    let answer = read_until(&mut stream, "early").await;
    assert!(!answer.contains("late"), "{answer}");
    stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await.unwrap();
    let rest = read_until(&mut stream, "\r\n0\r\n").await;
    assert!(rest.contains("late") && !rest.contains("X-Trailer"), "{rest}");
}

fn upgrade(gateway: &Running, path: &str) -> String {
    let bearer = gateway.bearer(&ANNA);
    format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\
         Sec-WebSocket-Version: 13\r\nlegalEntityId: E9\r\n{bearer}\r\n"
    )
}

#[tokio::test]
async fn a_websocket_becomes_a_tunnel_with_the_injected_headers() {
    let gateway = start().await;
    let mut stream = open(&gateway, &upgrade(&gateway, "/ws")).await;
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(
        answer.to_lowercase().contains("sec-websocket-accept: x")
            && answer.to_lowercase().contains("upgrade: websocket")
    );
    for _ in 0..3 {
        stream.write_all(b"GET / ping\0\n").await.unwrap();
        assert_eq!(read_until(&mut stream, "ping\0\n").await, "GET / ping\0\n");
    }
    let received = gateway.received();
    assert!(received[0].contains("\r\nlegalEntityId: E1\r\n") && !received[0].contains("E9"), "{}", received[0]);
    assert!(received[0].to_lowercase().contains("sec-websocket-key: k"));
    assert_eq!(gateway.gateway.counts().upgraded, 1);
}

#[tokio::test]
async fn s59_what_follows_an_upgrade_is_held_until_it_is_accepted() {
    let gateway = start().await;
    let forged = "GET /orders HTTP/1.1\r\nHost: a\r\nlegalEntityId: E9\r\nConnection: close\r\n\r\n";
    let mut stream = open(&gateway, &(upgrade(&gateway, "/ws/refuse") + forged)).await;
    let answer = read_until(&mut stream, "HTTP/1.1 401").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "the second request is a request of its own: {answer}");
    let received = gateway.received();
    assert_eq!(received.len(), 1, "{received:?}");
    assert!(!received[0].contains("/orders"), "nothing of it went along with the first: {}", received[0]);
}

#[tokio::test]
async fn s59_bytes_sent_along_reach_the_tunnel_after_it_is_open() {
    let gateway = start().await;
    let mut stream = open(&gateway, &(upgrade(&gateway, "/ws") + "eager")).await;
    let answer = read_until(&mut stream, "eager").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(!gateway.received()[0].contains("eager"));
}

#[tokio::test]
async fn s70_a_tunnel_ends_when_its_token_is_revoked() {
    let gateway = start().await;
    let mut stream = open(&gateway, &upgrade(&gateway, "/ws")).await;
    read_until(&mut stream, "\r\n\r\n").await;
    stream.write_all(b"ping").await.unwrap();
    read_until(&mut stream, "ping").await;
    let began = std::time::Instant::now();
    gateway.revoke(RevocationKind::Grant, "g1");
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_upload_does_not_count_against_the_upstream() {
    let gateway = start().await;
    let head = "POST /quick/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
    let mut stream = open(&gateway, head).await;
    // In all longer than the second the upstream has to answer.
    for byte in b"abcde" {
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        stream.write_all(&[*byte]).await.unwrap();
    }
    let answer = read_until(&mut stream, "abcde").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
