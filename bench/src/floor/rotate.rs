//! The floor of a refresh: one SQLite writer with group commit does an update, a check and an insert; then a token is
//! signed. A refresh token nobody knows is taken for the first of its family.

use super::{
    mint::{Minter, answer, failed},
    serve,
};
use anyhow::Result;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rusqlite::Connection;
use std::{
    path::Path,
    sync::{Arc, mpsc},
};
use tokio::sync::oneshot;

pub(super) const TABLES: &str = "
    CREATE TABLE refresh_tokens (tenant_id TEXT NOT NULL, hash TEXT NOT NULL, family_id TEXT NOT NULL,
        entity_id TEXT, state TEXT NOT NULL, state_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY (tenant_id, hash));
    CREATE TABLE assignments (tenant_id TEXT NOT NULL, customer_id TEXT NOT NULL, entity_id TEXT NOT NULL,
        PRIMARY KEY (tenant_id, customer_id, entity_id));
    INSERT INTO assignments VALUES ('bench', 'ann', 'LE_1'), ('bench', 'ann', 'LE_2');";
pub(super) const UPDATE: &str = "UPDATE refresh_tokens SET state = 'rotated', state_at = $3
    WHERE tenant_id = $1 AND hash = $2 AND state = 'active'";
pub(super) const CHECK: &str = "SELECT entity_id FROM assignments
    WHERE tenant_id = $1 AND customer_id = $2 AND entity_id = $3";
pub(super) const INSERT: &str = "INSERT INTO refresh_tokens
    (tenant_id, hash, family_id, entity_id, state, state_at, expires_at) VALUES ($1, $2, $3, $4, 'active', $5, $6)";

/// A rotation to be done, and who waits for it.
type Order = (String, String, oneshot::Sender<()>);

fn write(path: &Path, orders: &mpsc::Receiver<Order>) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    connection.execute_batch(TABLES)?;
    while let Ok(first) = orders.recv() {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut group = vec![first];
        let mut done = 0;
        while let Some((old, new, _)) = group.get(done) {
            connection.prepare_cached(UPDATE)?.execute(("bench", old, 1_800_000_000_000_i64))?;
            let entity: String =
                connection.prepare_cached(CHECK)?.query_row(("bench", "ann", "LE_1"), |row| row.get(0))?;
            let until = 1_900_000_000_000_i64;
            connection.prepare_cached(INSERT)?.execute(("bench", new, "family", entity, until, until))?;
            done += 1;
            if done < 64 {
                group.extend(orders.try_recv());
            }
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        for (_, _, waiting) in group {
            let _ = waiting.send(());
        }
    }
    Ok(())
}

pub(super) async fn run(path: &Path) -> Result<()> {
    let (order, orders) = mpsc::channel::<Order>();
    let path = path.to_owned();
    std::thread::spawn(move || write(&path, &orders));
    let minter = Arc::new(Minter::new("ES256")?);
    serve(move |request| {
        let (minter, order) = (Arc::clone(&minter), order.clone());
        async move {
            let presented = request.uri().query().unwrap_or_default().split(['=', '&']).nth(1).unwrap_or_default();
            let (secret, new) = fresh_secret();
            let (done, waiting) = oneshot::channel();
            let _ = order.send((hash(presented), new, done));
            // The writer is gone when it met an error; the driver takes nothing but a 200.
            if waiting.await.is_err() { failed() } else { answer(&minter.mint("ann"), &secret) }
        }
    })
    .await
}

pub(super) fn fresh_secret() -> (String, String) {
    let mut random = [0; 32];
    let _ = aws_lc_rs::rand::fill(&mut random);
    let secret = URL_SAFE_NO_PAD.encode(random);
    let hash = hash(&secret);
    (secret, hash)
}

pub(super) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}
