//! The floor of a refresh on PostgreSQL: update, check and insert go out together with `BEGIN` and `COMMIT`, over eight
//! connections that take turns.

use super::{
    mint::{Minter, answer, failed},
    rotate::{CHECK, INSERT, TABLES, UPDATE, fresh_secret, hash},
    serve,
};
use anyhow::Result;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls, Statement, types::ToSql};

type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

struct Prepared {
    client: Client,
    update: Statement,
    check: Statement,
    insert: Statement,
}

async fn rotate(prepared: &Prepared, old: &str, new: &str) -> Result<(), tokio_postgres::Error> {
    let (now, until) = (1_800_000_000_000_i64, 1_900_000_000_000_i64);
    let client = &prepared.client;
    let (update, check): (Parameters<'_>, Parameters<'_>) = (&[&"bench", &old, &now], &[&"bench", &"ann", &"LE_1"]);
    let insert: Parameters<'_> = &[&"bench", &new, &"family", &"LE_1", &now, &until];
    let (begun, updated, checked, inserted, committed) = tokio::join!(
        client.batch_execute("BEGIN"),
        client.execute(&prepared.update, update),
        client.query(&prepared.check, check),
        client.execute(&prepared.insert, insert),
        client.batch_execute("COMMIT"),
    );
    begun?;
    updated?;
    checked?;
    inserted?;
    committed
}

pub(super) async fn run(url: &str) -> Result<()> {
    let mut connections = Vec::new();
    for number in 0..8 {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        if number == 0 {
            client.batch_execute(TABLES).await?;
        }
        let prepared = Prepared {
            update: client.prepare(UPDATE).await?,
            check: client.prepare(CHECK).await?,
            insert: client.prepare(INSERT).await?,
            client,
        };
        connections.push(Mutex::new(prepared));
    }
    let (connections, turn) = (Arc::new(connections), Arc::new(AtomicUsize::new(0)));
    let minter = Arc::new(Minter::new("ES256")?);
    serve(move |request| {
        let (minter, connections, turn) = (Arc::clone(&minter), Arc::clone(&connections), Arc::clone(&turn));
        async move {
            let presented = request.uri().query().unwrap_or_default().split(['=', '&']).nth(1).unwrap_or_default();
            let (secret, new) = fresh_secret();
            let next = turn.fetch_add(1, Ordering::Relaxed) % connections.len();
            let Some(connection) = connections.get(next) else { return failed() };
            match rotate(&*connection.lock().await, &hash(presented), &new).await {
                Ok(()) => answer(&minter.mint("ann"), &secret),
                Err(_) => failed(),
            }
        }
    })
    .await
}
