//! SQLite: one connection that writes, and everybody who waits for it shares its next commit.

use super::run::{RANGE_ID, Run, TABLES, Transition, bind, ddl};
use anyhow::{Context as _, Result, anyhow, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, Row as _, SqliteConnection};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

const LOOK: &str = "\
SELECT e.attempts
  FROM bench_raw_shards s, bench_raw_current_executions c, bench_raw_executions e
 WHERE s.shard_id = ?1 AND s.range_id = ?2
   AND c.shard_id = ?1 AND c.namespace_id = ?3 AND c.workflow_id = ?4 AND c.archetype = 1 AND c.run_id = ?5
   AND e.shard_id = ?1 AND e.namespace_id = ?3 AND e.workflow_id = ?4 AND e.run_id = ?5 AND e.record_version = ?6";

const WRITE: &str = "\
UPDATE bench_raw_current_executions SET run_id = ?, state = 0, last_write_version = 1, record = ?
 WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND archetype = 1;
UPDATE bench_raw_executions SET record_version = ?, next_event_id = ?, record = ?, attempts = ?
 WHERE shard_id = ? AND namespace_id = ? AND workflow_id = ? AND run_id = ?;
INSERT INTO bench_raw_execution_items VALUES (?, ?, ?, ?, 1, ?, '', ?)
  ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name) DO UPDATE SET value = excluded.value;
INSERT INTO bench_raw_history_tasks VALUES (?, 1, 0, ?, ?), (?, 2, ?, ?, ?);
INSERT INTO bench_raw_history_nodes VALUES (?, ?, ?, ?, ?, 1, ?, 1, ?, ?)";

const BEGIN_CURRENT: &str = "INSERT INTO bench_raw_current_executions VALUES (?, ?, ?, 1, ?, 0, 1, x'')";
const BEGIN_RUN: &str = "INSERT INTO bench_raw_executions VALUES (?, ?, ?, ?, 1, 2, x'', x'', x'')";

/// The most transitions of a commit.
const GROUP: usize = 512;

type Waiting = (Transition, oneshot::Sender<Result<()>>);

#[derive(Clone)]
pub(crate) struct Hand {
    options: SqliteConnectOptions,
    writer: mpsc::Sender<Waiting>,
}

/// Writes groups until nobody is left who could ask.
async fn write(mut connection: SqliteConnection, mut waiting: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        let (transitions, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
        let done = commit(&mut connection, transitions).await;
        if done.is_err() {
            connection.execute("ROLLBACK").await.ok();
        }
        for reply in replies {
            let answer = match &done {
                Ok(()) => Ok(()),
                Err(e) => Err(anyhow!("the raw probe: {e:#}")),
            };
            reply.send(answer).ok();
        }
    }
    connection.close().await.ok();
}

async fn commit(connection: &mut SqliteConnection, transitions: Vec<Transition>) -> Result<()> {
    connection.execute("BEGIN IMMEDIATE").await?;
    for transition in transitions {
        transact(connection, transition).await?;
    }
    connection.execute("COMMIT").await?;
    Ok(())
}

async fn transact(connection: &mut SqliteConnection, t: Transition) -> Result<()> {
    let look = bind!(
        sqlx::query(LOOK),
        t.shard_id,
        RANGE_ID,
        t.namespace_id,
        &*t.workflow_id,
        t.run_id,
        t.version - 1
    );
    let found: Option<SqliteRow> = look.fetch_optional(&mut *connection).await?;
    let found = found.context("the transition was refused")?;
    let mut attempts = t.attempt;
    attempts.extend(found.try_get::<Vec<u8>, _>(0)?);
    attempts.truncate(256);
    let (shard, namespace, workflow, run, branch) =
        (t.shard_id, t.namespace_id, &*t.workflow_id, t.run_id, t.branch_id);
    let write = sqlx::query(WRITE);
    let write = bind!(write, run, t.current, shard, namespace, workflow);
    let write = bind!(write, t.version, t.version + 1, t.record, attempts, shard, namespace, workflow, run);
    let write = bind!(write, shard, namespace, workflow, run, t.activity_id, t.activity);
    let write = bind!(write, shard, t.transfer_id, t.transfer, shard, t.fire_time, t.timer_id, t.timer);
    let write = bind!(write, shard, branch, branch, t.version, -t.transaction_id);
    let write = bind!(write, t.previous_transaction_id, t.now, t.events);
    ensure!(write.execute(connection).await?.rows_affected() == 6, "the transition wrote other rows");
    Ok(())
}

async fn drop_tables(connection: &mut SqliteConnection) -> Result<()> {
    for (name, _) in TABLES {
        connection.execute(AssertSqlSafe(format!("DROP TABLE IF EXISTS {name}"))).await?;
    }
    Ok(())
}

/// The same settings as the library's.
pub(crate) fn options(url: &str) -> SqliteConnectOptions {
    let path = url.trim_start_matches("sqlite:").split('?').next().unwrap_or_default();
    let options = SqliteConnectOptions::new()
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(5))
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-16384")
        .pragma("wal_autocheckpoint", "8000")
        .pragma("temp_store", "MEMORY");
    match path {
        ":memory:" => options.filename("/bench-raw").vfs("memdb").journal_mode(SqliteJournalMode::Memory),
        path => options.filename(path).journal_mode(SqliteJournalMode::Wal),
    }
}

impl super::Hand for Hand {
    async fn set_up(url: &str, shards: u16) -> Result<Self> {
        let options = options(url);
        let mut connection = options.connect().await.context("connecting the raw probe")?;
        drop_tables(&mut connection).await?;
        for (name, columns) in TABLES {
            // Where rows are large, their keys are better apart.
            let apart =
                name.ends_with("_executions") && !name.contains("current") || name.ends_with("_nodes");
            let options = if apart { " STRICT" } else { " STRICT, WITHOUT ROWID" };
            let columns = columns.replace("BIGINT", "INTEGER");
            let create = ddl(name, &columns, ["BLOB", "BLOB", "TEXT", "BLOB"], options);
            connection.execute(AssertSqlSafe(create)).await?;
        }
        for shard in 1..=i64::from(shards) {
            let insert = sqlx::query("INSERT INTO bench_raw_shards VALUES (?, ?)");
            bind!(insert, shard, RANGE_ID).execute(&mut connection).await?;
        }
        let (writer, waiting) = mpsc::channel(GROUP);
        tokio::spawn(write(connection, waiting));
        Ok(Hand { options, writer })
    }

    async fn another(&self) -> Result<Self> {
        Ok(self.clone())
    }

    async fn begin(&mut self, r: &Run) -> Result<()> {
        let mut connection = self.options.connect().await?;
        for sql in [BEGIN_CURRENT, BEGIN_RUN] {
            let insert = bind!(sqlx::query(sql), r.shard_id, r.namespace_id, &*r.workflow_id, r.run_id);
            insert.execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }

    async fn apply(&mut self, transition: Transition) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.writer.send((transition, reply)).await.ok().context("the raw probe's writer ended")?;
        answer.await.context("the raw probe's writer ended")?
    }

    async fn tear_down(self) -> Result<()> {
        let mut connection = self.options.connect().await?;
        drop_tables(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }
}
