//! MySQL: one call of a procedure with a scalar for each value.

use super::run::{RANGE_ID, Run, TABLES, Transition, bind, ddl};
use anyhow::{Context as _, Result};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection};

const PROCEDURE: &str = "\
CREATE PROCEDURE bench_raw_transition(
  p_shard BIGINT, p_range BIGINT, p_ns BINARY(16), p_wf VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin,
  p_run BINARY(16), p_current LONGBLOB, p_version BIGINT, p_record LONGBLOB, p_attempt VARBINARY(32),
  p_activity_id BIGINT, p_activity LONGBLOB, p_transfer_id BIGINT, p_transfer LONGBLOB,
  p_fire_time BIGINT, p_timer_id BIGINT, p_timer LONGBLOB,
  p_branch BINARY(16), p_transaction_id BIGINT, p_previous BIGINT, p_now BIGINT, p_events LONGBLOB)
BEGIN
  DECLARE v_range BIGINT;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;
  START TRANSACTION;
  SELECT range_id INTO v_range FROM bench_raw_shards WHERE shard_id = p_shard FOR SHARE;
  IF v_range <> p_range THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'shard lost'; END IF;
  UPDATE bench_raw_current_executions SET run_id = p_run, state = 0, last_write_version = 1, record = p_current
   WHERE shard_id = p_shard AND namespace_id = p_ns AND workflow_id = p_wf AND archetype = 1 AND run_id = p_run;
  IF ROW_COUNT() <> 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not the current run'; END IF;
  UPDATE bench_raw_executions
     SET record_version = p_version, next_event_id = p_version + 1, record = p_record,
         attempts = LEFT(CONCAT(p_attempt, attempts), 256)
   WHERE shard_id = p_shard AND namespace_id = p_ns AND workflow_id = p_wf AND run_id = p_run
     AND record_version = p_version - 1;
  IF ROW_COUNT() <> 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'record version'; END IF;
  INSERT INTO bench_raw_execution_items VALUES (p_shard, p_ns, p_wf, p_run, 1, p_activity_id, '', p_activity) AS n
    ON DUPLICATE KEY UPDATE value = n.value;
  INSERT INTO bench_raw_history_tasks VALUES
    (p_shard, 1, 0, p_transfer_id, p_transfer), (p_shard, 2, p_fire_time, p_timer_id, p_timer);
  INSERT INTO bench_raw_history_nodes VALUES
    (p_shard, p_branch, p_branch, p_version, -p_transaction_id, 1, p_previous, 1, p_now, p_events);
  COMMIT;
END";

const CALL: &str = "CALL bench_raw_transition(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const BEGIN_CURRENT: &str = "INSERT INTO bench_raw_current_executions VALUES (?, ?, ?, 1, ?, 0, 1, '')";
const BEGIN_RUN: &str = "INSERT INTO bench_raw_executions VALUES (?, ?, ?, ?, 1, 2, '', 0x00, '')";

const TEXT: &str = "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin";

pub(crate) struct Hand {
    options: MySqlConnectOptions,
    connection: MySqlConnection,
}

impl Hand {
    async fn connect(options: MySqlConnectOptions) -> Result<Self> {
        let mut connection = options.connect().await.context("connecting the raw probe")?;
        connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        Ok(Hand { options, connection })
    }

    async fn drop_tables(&mut self) -> Result<()> {
        self.connection.execute("DROP PROCEDURE IF EXISTS bench_raw_transition").await?;
        for (name, _) in TABLES {
            self.connection.execute(AssertSqlSafe(format!("DROP TABLE IF EXISTS {name}"))).await?;
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
            let types = ["LONGBLOB", "BINARY(16)", TEXT, "VARBINARY(256)"];
            let create = ddl(name, columns, types, " ENGINE=InnoDB ROW_FORMAT=DYNAMIC");
            hand.connection.execute(AssertSqlSafe(create)).await?;
        }
        hand.connection.execute(PROCEDURE).await?;
        for shard in 1..=i64::from(shards) {
            let insert = sqlx::query("INSERT INTO bench_raw_shards VALUES (?, ?)");
            bind!(insert, shard, RANGE_ID).execute(&mut hand.connection).await?;
        }
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
        let call = bind!(
            sqlx::query(CALL),
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
        call.execute(&mut self.connection).await?;
        Ok(())
    }

    async fn tear_down(mut self) -> Result<()> {
        self.drop_tables().await
    }
}
