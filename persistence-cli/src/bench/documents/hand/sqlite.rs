//! SQLite: virtual columns, plain indexes, tables of entries.

use super::super::ask::{Ask, ENOUGH, PAGE, end_of};
use super::super::corpus::{Corpus, Doc, HOT, OPEN};
use super::marks::*;
use super::{DROP, Row, Rows, columns, now, texts, written};
use crate::bench::probe::{bind, sqlite_options};
use anyhow::{Context as _, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, Row as _, SqliteConnection};

const TABLES: [&str; 8] = [
    "CREATE TABLE bench_raw_documents (
  project_id TEXT NOT NULL,
  id BLOB NOT NULL,
  data TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER,
  expires_at INTEGER,
  name TEXT GENERATED ALWAYS AS (json_extract(data, '$.name')) VIRTUAL,
  score REAL GENERATED ALWAYS AS (json_extract(data, '$.score')) VIRTUAL,
  status INTEGER GENERATED ALWAYS AS (coalesce(json_extract(data, '$.status'), 0)) VIRTUAL,
  updated INTEGER GENERATED ALWAYS AS (json_extract(data, '$.updated_at')) VIRTUAL,
  PRIMARY KEY (project_id, id)
) STRICT",
    "CREATE INDEX bench_raw_name ON bench_raw_documents (name, id, project_id)",
    "CREATE INDEX bench_raw_score ON bench_raw_documents (score, id, project_id)",
    "CREATE INDEX bench_raw_page ON bench_raw_documents (project_id, updated DESC, id DESC)",
    "CREATE INDEX bench_raw_status ON bench_raw_documents (project_id, status, updated DESC, id DESC)",
    "CREATE INDEX bench_raw_expiry ON bench_raw_documents (expires_at, id) WHERE expires_at IS NOT NULL",
    "CREATE TABLE bench_raw_tags (value TEXT NOT NULL, id BLOB NOT NULL, project_id TEXT NOT NULL,
  PRIMARY KEY (value, id, project_id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE bench_raw_labels (value TEXT NOT NULL, id BLOB NOT NULL, project_id TEXT NOT NULL,
  PRIMARY KEY (value, id, project_id)) STRICT, WITHOUT ROWID",
];

const INSERT_IGNORE: &str = "INSERT OR IGNORE INTO";
const BEGIN: &str = "BEGIN IMMEDIATE";

macro_rules! by_entry {
    ($table:literal) => {
        concat!(
            select!(
                $table,
                " e CROSS JOIN bench_raw_documents d ON d.project_id = e.project_id AND d.id = e.id ",
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
    select!("(SELECT * FROM "),
    of_status!(),
    " UNION ALL SELECT * FROM ",
    of_status!(),
    " UNION ALL SELECT * FROM ",
    of_status!(),
    " UNION ALL SELECT * FROM ",
    of_status!(),
    ") d ORDER BY d.updated DESC, d.id DESC LIMIT ?"
);
const PUT: &str = "\
INSERT INTO bench_raw_documents (project_id, id, data, version, created_at, updated_at) VALUES (?, ?, ?, 1, ?, ?)
ON CONFLICT (project_id, id) DO UPDATE SET data = excluded.data, version = version + 1, updated_at = excluded.updated_at";

pub(crate) struct Hand {
    options: SqliteConnectOptions,
    connection: SqliteConnection,
}

hand!(SqliteRow);

impl Hand {
    async fn connect(options: SqliteConnectOptions) -> Result<Self> {
        let connection = options.connect().await.context("connecting by hand")?;
        Ok(Hand { options, connection })
    }

    /// Makes the tables.
    async fn made(url: &str) -> Result<Self> {
        let mut hand = Hand::connect(sqlite_options(url)).await?;
        for sql in DROP.into_iter().chain(TABLES) {
            hand.connection.execute(sql).await?;
        }
        Ok(hand)
    }

    async fn settled(&mut self) -> Result<()> {
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        Ok(())
    }
}
