//! Two thousand peers that say nothing, half of something, or the rest never; and everybody else meanwhile (S-131).

use super::*;
use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;

const CROWD: usize = 2_000;
/// How long a phase of a request may take here.
const PATIENCE: Duration = Duration::from_secs(4);
/// How much later than that a connection may end on a machine that is busy elsewhere.
const LATE: Duration = Duration::from_secs(6);
/// What a request of somebody else may take at the worst. A server that waits for the crowd takes [`PATIENCE`].
const SWIFT: Duration = Duration::from_millis(1500);

/// Both ends of each connection are in this process.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

/// One request after the other on fresh connections, until told to stop; the times they took, sorted.
async fn others(address: SocketAddr, mut is_over: oneshot::Receiver<()>) -> Vec<Duration> {
    let mut times = Vec::new();
    while is_over.try_recv().is_err() {
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(FINE).await.unwrap();
        assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 "));
        times.push(began.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    times.sort_unstable();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s131_two_thousand_slow_peers_of_each_kind_end_in_time_and_hold_nobody_up() {
    allow_many_files();
    let limits = Limits { head: PATIENCE, body: Some(PATIENCE), connections: CROWD + 20, ..Limits::default() };
    let server = start(limits).await;
    for (kind, raw, expected) in [
        ("silent", "", ""),
        ("half a head", "GET / HTTP/1.1\r\nHost: a\r\nX", ""),
        ("a slow body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", "HTTP/1.1 408 "),
    ] {
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            let mut stream = server.connect().await;
            stream.write_all(raw.as_bytes()).await.unwrap();
            crowd.push((stream, Instant::now()));
        }
        let (stop, is_over) = oneshot::channel();
        let others = tokio::spawn(others(server.address, is_over));
        let ends = join_all(crowd.into_iter().map(async |(mut stream, since)| {
            let answer = read_to_end(&mut stream).await;
            assert!(answer.starts_with(expected) && answer.is_empty() == expected.is_empty(), "{kind} -> {answer:?}");
            since.elapsed()
        }))
        .await;
        stop.send(()).unwrap();
        let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
        assert!(*first + Duration::from_millis(200) >= PATIENCE, "{kind} ended after {first:?}");
        assert!(*last < PATIENCE + LATE, "{kind} ended after {last:?}");
        let times = others.await.unwrap();
        assert!(times.len() > 50, "{kind} left room for {} requests", times.len());
        let (median, worst) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        assert!(median < SWIFT / 10 && worst < SWIFT, "{kind} made others wait {median:?}, {worst:?} at the worst");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s131_a_crowd_takes_no_more_than_its_places() {
    allow_many_files();
    let limits = Limits {
        connections: 1_000,
        connections_per_address: 100,
        counts_loopback: true,
        head: Duration::from_mins(1),
        ..Limits::default()
    };
    let server = start(limits).await;
    let connect = async |last: u8| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 1, last], 0))).unwrap();
        socket.connect(server.address).await.unwrap()
    };
    let is_open = async |mut stream: TcpStream| {
        let _ = stream.write_all(FINE).await;
        read_to_end(&mut stream).await.starts_with("HTTP/1.1 200 ")
    };
    // Twice as many as one address may have: those that are too many are closed at once.
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(connect(1).await);
    }
    assert!(!is_open(connect(1).await).await);
    assert!(is_open(connect(2).await).await, "another address has places of its own");
    // Nine more addresses fill the port.
    for last in 2..=10 {
        for _ in 0..100 {
            crowd.push(connect(last).await);
        }
    }
    assert!(!is_open(connect(11).await).await, "all places are taken");
    drop(crowd);
    let begun = Instant::now();
    while !(is_open(connect(1).await).await && is_open(connect(11).await).await) {
        assert!(begun.elapsed() < Duration::from_secs(10), "the places did not come back");
        sleep(Duration::from_millis(20)).await;
    }
}
