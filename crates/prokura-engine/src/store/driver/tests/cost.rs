//! What a rotation costs: run it in release, alone, on a real disk.

use super::*;
use std::time::Instant;

const TABLE: &str = "CREATE TABLE tokens (
    tenant_id TEXT NOT NULL, hash TEXT NOT NULL, family_id TEXT NOT NULL, generation BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'rotated', 'revoked')), state_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash), UNIQUE (tenant_id, family_id, generation)
)";
const SELECT: &str = "SELECT family_id, generation, state, expires_at FROM tokens WHERE tenant_id = $1 AND hash = $2";
const UPDATE: &str =
    "UPDATE tokens SET state = 'rotated', state_at = $3 WHERE tenant_id = $1 AND hash = $2 AND state = 'active'";
const INSERT: &str = "INSERT INTO tokens (tenant_id, hash, family_id, generation, state, state_at, expires_at)
    VALUES ($1, $2, $3, $4, 'active', $5, $6)";

/// CPU time of this process, in microseconds.
fn cpu_micros() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    ticks * 10_000
}

async fn rotate(driver: &Driver, family: &str, generation: i64) {
    let token = |generation: i64| format!("{family}-{generation:0>43}");
    let mut tx = driver.write().await.unwrap();
    let row = tx.query_one(SELECT, params!["demo", token(generation)]).await.unwrap().unwrap();
    assert_eq!(row.text(2).unwrap(), "active");
    assert_eq!(tx.execute(UPDATE, params!["demo", token(generation), generation]).await.unwrap(), 1);
    tx.execute(
        INSERT,
        params!["demo", token(generation + 1), row.text(0).unwrap(), generation + 1, generation, generation + 1000],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// The same statements on a bare connection, 29 rotations a flush: the least it can cost.
fn floor() {
    const TASKS: i64 = 29;
    let folder = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("floor.db")).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").unwrap();
    connection.execute_batch(TABLE).unwrap();
    // SQLite numbers `$3` by where it stands, `?3` by its digit.
    let [select, update, insert] = [SELECT, UPDATE, INSERT].map(|sql| sql.replace('$', "?"));
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        assert_eq!(connection.prepare_cached(sql).unwrap().execute(params).unwrap(), 1);
    };
    let token = |task: i64, generation: i64| format!("family-{task}-{generation:0>43}");
    for task in 0..TASKS {
        run(&insert, &[&"demo", &token(task, 0), &format!("family-{task}"), &0, &0, &1000]);
    }
    let (started, cpu) = (Instant::now(), cpu_micros());
    for generation in 0..2000 {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for task in 0..TASKS {
            let (family, _, _, _) = connection
                .prepare_cached(&select)
                .unwrap()
                .query_row(["demo", &token(task, generation)], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, i64>(3)?,
                    ))
                })
                .unwrap();
            run(&update, &[&"demo", &token(task, generation), &generation]);
            let next = generation + 1;
            run(&insert, &[&"demo", &token(task, next), &family, &next, &generation, &(generation + 1000)]);
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    let rotations = u64::try_from(TASKS * 2000).unwrap();
    println!(
        "bare SQLite: {} µs of CPU and {} µs each",
        (cpu_micros() - cpu) / rotations,
        started.elapsed().as_micros() / u128::from(rotations)
    );
}

async fn measure(setup: &Setup, run: &str, tasks: i64, each: i64) {
    let family = |task: i64| format!("{run}-{task}");
    for task in 0..tasks {
        let mut tx = setup.driver.write().await.unwrap();
        tx.execute(
            INSERT,
            params!["demo", format!("{}-{:0>43}", family(task), 0), family(task), 0_i64, 0_i64, 1000_i64],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
    let (started, cpu, commits) = (Instant::now(), cpu_micros(), setup.driver.commits().await);
    let workers: Vec<_> = (0..tasks)
        .map(|task| {
            let (driver, family) = (setup.driver.clone(), family(task));
            tokio::spawn(async move {
                for generation in 0..each {
                    rotate(&driver, &family, generation).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let rotations = u64::try_from(tasks * each).unwrap();
    println!(
        "{:?}, {tasks} at a time: {} µs of CPU and {} µs each, {} a flush",
        setup.driver.engine(),
        (cpu_micros() - cpu) / rotations,
        started.elapsed().as_micros() / u128::from(rotations),
        rotations / (setup.driver.commits().await - commits).max(1),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: cargo test --release -p prokura-engine -- --ignored --nocapture cost"]
async fn the_cost_of_a_rotation() {
    floor();
    for setup in [Setup::sqlite().await, Setup::postgres().await] {
        setup.batch(TABLE).await;
        measure(&setup, "first", 32, 2000).await;
        measure(&setup, "alone", 1, 5000).await;
        measure(&setup, "second", 32, 2000).await;
    }
}
