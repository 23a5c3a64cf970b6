//! PostgreSQL: one data-modifying statement with a scalar for each value.

use super::run::{RANGE_ID, Run, TABLES, Transition, bind, ddl};
use anyhow::{Context as _, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

const TRANSITION: &str = "\
WITH fence AS (
  SELECT 1 FROM bench_raw_shards WHERE shard_id = $1 AND range_id = $2 FOR SHARE
), cur AS (
  UPDATE bench_raw_current_executions SET run_id = $5, state = 0, last_write_version = 1, record = $6
   WHERE shard_id = $1 AND namespace_id = $3 AND workflow_id = $4 AND archetype = 1 AND run_id = $5
     AND EXISTS (SELECT FROM fence)
  RETURNING 1
), ex AS (
  UPDATE bench_raw_executions
     SET record_version = $7, next_event_id = $7 + 1, record = $8, attempts = substring($9 || attempts FOR 256)
   WHERE shard_id = $1 AND namespace_id = $3 AND workflow_id = $4 AND run_id = $5 AND record_version = $7 - 1
     AND EXISTS (SELECT FROM cur)
  RETURNING 1
), items AS (
  INSERT INTO bench_raw_execution_items
  SELECT $1, $3, $4, $5, 1, $10, '', $11 FROM ex
  ON CONFLICT (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name) DO UPDATE SET value = excluded.value
), transfer AS (
  INSERT INTO bench_raw_history_tasks SELECT $1, 1, 0, $12, $13 FROM ex
), timer AS (
  INSERT INTO bench_raw_history_tasks SELECT $1, 2, $14, $15, $16 FROM ex
), nodes AS (
  INSERT INTO bench_raw_history_nodes SELECT $1, $17, $17, $7, -$18::bigint, 1, $19, 1, $20, $21 FROM ex
)
SELECT 1 / count(*) FROM ex";

const BEGIN_CURRENT: &str = "INSERT INTO bench_raw_current_executions VALUES ($1, $2, $3, 1, $4, 0, 1, '')";
const BEGIN_RUN: &str = "INSERT INTO bench_raw_executions VALUES ($1, $2, $3, $4, 1, 2, '', $4, '')";

pub(crate) struct Hand {
    options: PgConnectOptions,
    connection: PgConnection,
}

impl Hand {
    async fn connect(options: PgConnectOptions) -> Result<Self> {
        let connection = options.connect().await.context("connecting the raw probe")?;
        Ok(Hand { options, connection })
    }

    async fn drop_tables(&mut self) -> Result<()> {
        for (name, _) in TABLES {
            sqlx::query(AssertSqlSafe(format!("DROP TABLE IF EXISTS {name}")))
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }
}

impl super::Hand for Hand {
    async fn set_up(url: &str, shards: u16) -> Result<Self> {
        // What comes after are options of the library's as well.
        let url = url.split('?').next().unwrap_or_default();
        let options = url.parse().ok().context("the raw probe does not understand the URL")?;
        let mut hand = Hand::connect(options).await?;
        hand.drop_tables().await?;
        for (name, columns) in TABLES {
            let create = ddl(name, columns, ["bytea", "uuid", "text COLLATE \"C\"", "bytea"], "");
            sqlx::query(AssertSqlSafe(create)).execute(&mut hand.connection).await?;
        }
        let insert = "INSERT INTO bench_raw_shards SELECT n, $1 FROM generate_series(1, $2) n";
        bind!(sqlx::query(insert), RANGE_ID, i64::from(shards)).execute(&mut hand.connection).await?;
        Ok(hand)
    }

    async fn another(&self) -> Result<Self> {
        Hand::connect(self.options.clone()).await
    }

    async fn begin(&mut self, r: &Run) -> Result<()> {
        for sql in [BEGIN_CURRENT, BEGIN_RUN] {
            let insert = bind!(sqlx::query(sql), r.shard_id, r.namespace_id, &*r.workflow_id, r.run_id);
            insert.execute(&mut self.connection).await?;
        }
        Ok(())
    }

    async fn apply(&mut self, t: Transition) -> Result<()> {
        let query = bind!(
            sqlx::query_scalar(TRANSITION),
            t.shard_id,
            RANGE_ID,
            t.namespace_id,
            t.workflow_id,
            t.run_id,
            t.current,
            t.version,
            t.record,
            t.attempt,
            t.activity_id,
            t.activity,
            t.transfer_id,
            t.transfer,
            t.fire_time,
            t.timer_id,
            t.timer,
            t.branch_id,
            t.transaction_id,
            t.previous_transaction_id,
            t.now,
            t.events,
        );
        // A refusal is a division by zero, which undoes what was written.
        let _applied: i64 = query.fetch_one(&mut self.connection).await?;
        Ok(())
    }

    async fn tear_down(mut self) -> Result<()> {
        self.drop_tables().await
    }
}
