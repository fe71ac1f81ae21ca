//! What is called and what is not, with a canary on loopback that must stay silent.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const INSIDE: OutboundFault = OutboundFault::Refused("its address is not of the open internet");

/// A server that counts who comes, and answers each with `answer`.
async fn canary(answer: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                // An empty answer keeps the connection open without a word.
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (port, visits)
}

/// A client whose names lead, one lookup after another, where `answers` say.
fn scripted(allowed: &[&str], answers: &'static [&'static [&'static str]], port: u16) -> Outbound {
    let turn = Arc::new(AtomicUsize::new(0));
    let lookup: Lookup = Arc::new(move |_| {
        let answer = answers[turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
        let found = answer.iter().map(|address| SocketAddr::new(address.parse().unwrap(), port)).collect();
        Box::pin(async move { Ok(found) })
    });
    Outbound::with(Guard { allowed: allowed.iter().map(|prefix| prefix.parse().unwrap()).collect(), lookup }).unwrap()
}

#[tokio::test]
async fn s120_no_spelling_of_an_inner_address_is_called() {
    let (port, visits) = canary("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let outbound = Outbound::new(Vec::new()).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "localhost",
        "localhost.",
    ] {
        for scheme in ["https", "http"] {
            let answer = outbound.post_form(&format!("{scheme}://{host}:{port}/"), &[("a", "b")]).await;
            assert!(answer.is_err(), "{scheme}://{host}: {answer:?}");
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0, "the canary heard something");
}

#[tokio::test]
async fn s120_a_name_is_judged_by_each_lookup_and_by_all_of_its_addresses() {
    let (port, visits) = canary("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let rebinding = scripted(&[], &[&["8.8.8.8"], &["127.0.0.1"]], port);
    let looked_up = rebinding.guard.addresses("rp.example".to_owned()).await;
    assert!(looked_up.is_ok(), "the first time the name is of the open internet");
    assert_eq!(rebinding.post_form("https://rp.example/", &[]).await, Err(INSIDE), "and then it is not");
    let mixed = scripted(&[], &[&["8.8.8.8", "127.0.0.1"]], port);
    assert_eq!(mixed.post_form("https://rp.example/", &[]).await, Err(INSIDE));
    assert_eq!(visits.load(Ordering::SeqCst), 0, "the canary heard something");
}

#[tokio::test]
async fn s120_a_redirect_is_an_answer_and_not_followed() {
    let (inner, visits) = canary("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let to_inner = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{inner}/\r\ncontent-length: 0\r\n\r\n");
    let (port, _) = canary(Box::leak(to_inner.into_boxed_str())).await;
    let outbound = Outbound::new(vec!["127.0.0.0/8".parse().unwrap()]).unwrap();
    assert_eq!(outbound.post_form(&format!("http://127.0.0.1:{port}/"), &[]).await, Ok(302));
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_network_the_operator_names_is_called() {
    let (port, visits) = canary("HTTP/1.1 204 No Content\r\n\r\n").await;
    let outbound = Outbound::new(vec!["127.0.0.0/8".parse().unwrap()]).unwrap();
    assert_eq!(outbound.post_form(&format!("http://127.0.0.1:{port}/"), &[("a", "b")]).await, Ok(204));
    assert_eq!(visits.load(Ordering::SeqCst), 1);
    let plain = scripted(&["10.0.0.0/8"], &[&["10.0.0.1"]], port).post_form("http://rp.example/", &[]).await;
    assert_eq!(plain, Err(OutboundFault::Refused("only https is called")));
}

#[tokio::test]
async fn s121_a_silent_server_is_left_in_time() {
    let (port, _) = canary("").await;
    let outbound = Outbound::new(vec!["127.0.0.1".parse().unwrap()]).unwrap();
    let begun = std::time::Instant::now();
    let answer = outbound.post_form(&format!("http://127.0.0.1:{port}/"), &[]).await;
    assert_eq!(answer, Err(OutboundFault::Unreachable("it did not answer in time")));
    assert!(begun.elapsed() < TOTAL + Duration::from_secs(2));
}
