//! MySQL: virtual columns, plain indexes, tables of entries.

use super::super::ask::{Ask, ENOUGH, PAGE, end_of};
use super::super::corpus::{Corpus, Doc, HOT, OPEN};
use super::marks::*;
use super::{DROP, Row, Rows, columns, now, texts, written};
use crate::bench::probe::bind;
use anyhow::{Context as _, Result};
use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, Row as _};

const TABLE: &str = "\
CREATE TABLE bench_raw_documents (
  project_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL,
  id BINARY(16) NOT NULL,
  data JSON NOT NULL,
  version BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  deleted_at BIGINT,
  expires_at BIGINT,
  name VARBINARY(64) GENERATED ALWAYS AS (JSON_UNQUOTE(JSON_EXTRACT(data, '$.name'))) VIRTUAL,
  score DOUBLE GENERATED ALWAYS AS (JSON_VALUE(data, '$.score' RETURNING DOUBLE)) VIRTUAL,
  status BIGINT GENERATED ALWAYS AS (COALESCE(JSON_VALUE(data, '$.status' RETURNING SIGNED), 0)) VIRTUAL,
  updated BIGINT GENERATED ALWAYS AS (JSON_VALUE(data, '$.updated_at' RETURNING SIGNED)) VIRTUAL,
  PRIMARY KEY (project_id, id),
  INDEX bench_raw_name (name, id, project_id),
  INDEX bench_raw_score (score, id, project_id),
  INDEX bench_raw_page (project_id, updated DESC, id DESC),
  INDEX bench_raw_status (project_id, status, updated DESC, id DESC),
  INDEX bench_raw_expiry (expires_at, id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC";

macro_rules! entries {
    ($name:literal, $bytes:literal) => {
        concat!(
            "CREATE TABLE ",
            $name,
            " (value VARBINARY(",
            $bytes,
            ") NOT NULL, id BINARY(16) NOT NULL, ",
            "project_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin NOT NULL, ",
            "PRIMARY KEY (value, id, project_id)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
        )
    };
}

const INSERT_IGNORE: &str = "INSERT IGNORE INTO";
const BEGIN: &str = "START TRANSACTION";

macro_rules! by_entry {
    ($table:literal) => {
        concat!(
            select!(
                $table,
                " e STRAIGHT_JOIN bench_raw_documents d ON d.project_id = e.project_id AND d.id = e.id ",
                "WHERE e.value = ? AND"
            ),
            shown!(),
            "ORDER BY e.id, e.project_id LIMIT ?"
        )
    };
}
const BY_TAG: &str = by_entry!("bench_raw_tags");
const BY_LABEL: &str = by_entry!("bench_raw_labels");
const OF_STATUSES: &str = concat!(
    select!("("),
    of_status!(),
    " UNION ALL ",
    of_status!(),
    " UNION ALL ",
    of_status!(),
    " UNION ALL ",
    of_status!(),
    ") d ORDER BY d.updated DESC, d.id DESC LIMIT ?"
);
const PUT: &str = "\
INSERT INTO bench_raw_documents (project_id, id, data, version, created_at, updated_at) VALUES (?, ?, ?, 1, ?, ?) AS n
ON DUPLICATE KEY UPDATE data = n.data, version = bench_raw_documents.version + 1, updated_at = n.updated_at";

pub(crate) struct Hand {
    options: MySqlConnectOptions,
    connection: MySqlConnection,
}

hand!(MySqlRow);

impl Hand {
    async fn connect(options: MySqlConnectOptions) -> Result<Self> {
        let mut connection = options.connect().await.context("connecting by hand")?;
        connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        Ok(Hand { options, connection })
    }

    /// Makes the tables.
    async fn made(url: &str) -> Result<Self> {
        // What comes after are options of the library's as well.
        let url = url.split('?').next().unwrap_or_default();
        let options = url.parse().ok().context("what is written by hand does not understand the URL")?;
        let mut hand = Hand::connect(options).await?;
        let tables = [TABLE, entries!("bench_raw_tags", "64"), entries!("bench_raw_labels", "128")];
        for sql in DROP.into_iter().chain(tables) {
            hand.connection.execute(sql).await?;
        }
        Ok(hand)
    }

    async fn settled(&mut self) -> Result<()> {
        self.connection
            .execute("ANALYZE TABLE bench_raw_documents, bench_raw_tags, bench_raw_labels")
            .await?;
        Ok(())
    }
}
