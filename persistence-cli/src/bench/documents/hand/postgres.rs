//! PostgreSQL: stored columns, plain indexes, GIN.

use super::super::ask::{Ask, ENOUGH, PAGE, end_of};
use super::super::corpus::{Corpus, Doc, HOT, OPEN};
use super::{DROP, Row, Rows, columns, now, written};
use crate::bench::probe::bind;
use anyhow::{Context as _, Result};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{ConnectOptions as _, Executor as _, PgConnection, Row as _};

const TABLE: &str = "\
CREATE TABLE bench_raw_documents (
  project_id text COLLATE \"C\" NOT NULL,
  id uuid NOT NULL,
  data jsonb NOT NULL,
  version bigint NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  deleted_at bigint,
  expires_at bigint,
  name text COLLATE \"C\" GENERATED ALWAYS AS (JSON_VALUE(data, '$.name' RETURNING text)) STORED,
  score double precision GENERATED ALWAYS AS (JSON_VALUE(data, '$.score' RETURNING double precision)) STORED,
  status bigint GENERATED ALWAYS AS (coalesce(JSON_VALUE(data, '$.status' RETURNING bigint), 0)) STORED,
  updated bigint GENERATED ALWAYS AS (JSON_VALUE(data, '$.updated_at' RETURNING bigint)) STORED,
  tags jsonb GENERATED ALWAYS AS (data -> 'tags') STORED,
  labels jsonb GENERATED ALWAYS AS (data -> 'labels') STORED,
  PRIMARY KEY (project_id, id)
) WITH (fillfactor = 85)";

const INDEXES: [&str; 7] = [
    "CREATE INDEX bench_raw_name ON bench_raw_documents (name, id, project_id)",
    "CREATE INDEX bench_raw_score ON bench_raw_documents (score, id, project_id)",
    "CREATE INDEX bench_raw_page ON bench_raw_documents (project_id, updated DESC, id DESC)",
    "CREATE INDEX bench_raw_status ON bench_raw_documents (project_id, status, updated DESC, id DESC)",
    "CREATE INDEX bench_raw_tags ON bench_raw_documents USING gin (tags jsonb_path_ops)",
    "CREATE INDEX bench_raw_labels ON bench_raw_documents USING gin (labels jsonb_path_ops)",
    "CREATE INDEX bench_raw_expiry ON bench_raw_documents (expires_at, id) WHERE expires_at IS NOT NULL",
];

/// What is shown, of the table that `$1` is the time for.
macro_rules! select {
    ($($rest:literal),+) => {
        concat!(
            "SELECT id, data::text, version, created_at, updated_at FROM bench_raw_documents ",
            "WHERE deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $1) AND ", $($rest),+
        )
    };
}

const BY_ID: &str = select!("project_id = $2 AND id = $3");
const BY_NAME: &str = select!("name = $2 ORDER BY id LIMIT $3");
const BY_SCORE: &str = select!("score >= $2 AND score < $3 ORDER BY id LIMIT $4");
const BY_NAMES: &str = select!("name = ANY($2) ORDER BY id LIMIT $3");
const BY_PREFIX: &str = select!("name >= $2 AND name < $3 ORDER BY id LIMIT $4");
const BY_TAG: &str = select!("tags @> CAST($2 AS jsonb) ORDER BY id LIMIT $3");
const BY_LABEL: &str = select!("labels @> CAST($2 AS jsonb) ORDER BY id LIMIT $3");
const FIRST: &str = select!("project_id = $2 ORDER BY updated DESC, id DESC LIMIT $3");
const NEXT: &str =
    select!("project_id = $2 AND (updated, id) < ($4, $5) ORDER BY updated DESC, id DESC LIMIT $3");
/// The newest of each status, merged.
const OF_STATUSES: &str = "\
SELECT d.id, d.data::text, d.version, d.created_at, d.updated_at
  FROM unnest($3::bigint[]) AS s (status)
 CROSS JOIN LATERAL (
   SELECT * FROM bench_raw_documents
    WHERE deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $1) AND project_id = $2 AND status = s.status
    ORDER BY updated DESC, id DESC LIMIT $4) AS d
 ORDER BY d.updated DESC, d.id DESC LIMIT $4";
const COUNT: &str = "\
SELECT count(*) FROM bench_raw_documents
 WHERE deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $1) AND project_id = $2";

const INSERT: &str = "\
INSERT INTO bench_raw_documents (project_id, id, data, version, created_at, updated_at)
SELECT project_id, id, CAST(data AS jsonb), 1, $4, $4
  FROM unnest($1::text[], $2::uuid[], $3::text[]) AS t (project_id, id, data)";
const CREATE: &str = "\
INSERT INTO bench_raw_documents (project_id, id, data, version, created_at, updated_at)
VALUES ($1, $2, CAST($3 AS jsonb), 1, $4, $4)";
const REPLACE: &str = "\
UPDATE bench_raw_documents SET data = CAST($3 AS jsonb), version = version + 1, updated_at = $4
 WHERE project_id = $1 AND id = $2 AND version = $5";
const PUT: &str = "\
INSERT INTO bench_raw_documents AS d (project_id, id, data, version, created_at, updated_at)
VALUES ($1, $2, CAST($3 AS jsonb), 1, $4, $4)
ON CONFLICT (project_id, id) DO UPDATE
  SET data = excluded.data, version = d.version + 1, updated_at = excluded.updated_at";

pub(crate) struct Hand {
    options: PgConnectOptions,
    connection: PgConnection,
}

impl Hand {
    async fn connect(options: PgConnectOptions) -> Result<Self> {
        let connection = options.connect().await.context("connecting by hand")?;
        Ok(Hand { options, connection })
    }
}

fn row(row: &PgRow) -> Result<Row> {
    Ok(Row {
        id: row.try_get(0)?,
        body: serde_json::from_str(row.try_get(1)?)?,
        version: row.try_get(2)?,
        created: row.try_get(3)?,
        updated: row.try_get(4)?,
    })
}

impl super::Hand for Hand {
    async fn set_up(url: &str) -> Result<Self> {
        // What comes after are options of the library's as well.
        let url = url.split('?').next().unwrap_or_default();
        let options = url.parse().ok().context("what is written by hand does not understand the URL")?;
        let mut hand = Hand::connect(options).await?;
        for sql in DROP.into_iter().chain([TABLE]).chain(INDEXES) {
            hand.connection.execute(sql).await?;
        }
        Ok(hand)
    }

    async fn another(&self) -> Result<Self> {
        Hand::connect(self.options.clone()).await
    }

    async fn load(&mut self, documents: &[Doc]) -> Result<()> {
        let (mut projects, mut ids, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
        for (project, id, body) in documents.iter().map(columns) {
            projects.push(project.to_owned());
            ids.push(id);
            bodies.push(body);
        }
        let insert = bind!(sqlx::query(INSERT), projects, ids, bodies, now());
        insert.execute(&mut self.connection).await?;
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        self.connection.execute("VACUUM ANALYZE").await?;
        self.connection.execute("CHECKPOINT").await?;
        Ok(())
    }

    async fn ask(&mut self, ask: &Ask) -> Result<Rows> {
        let (now, page, enough) = (now(), i64::from(PAGE), i64::from(ENOUGH));
        let query = match ask {
            Ask::Id(n) => bind!(sqlx::query(BY_ID), now, Corpus::project(*n), Corpus::id(*n)),
            Ask::Name(name) => bind!(sqlx::query(BY_NAME), now, name, page),
            Ask::Score(low, high) => bind!(sqlx::query(BY_SCORE), now, *low, *high, enough),
            Ask::Names(names) => bind!(sqlx::query(BY_NAMES), now, names, page),
            Ask::Prefix(p) => bind!(sqlx::query(BY_PREFIX), now, p, end_of(p)?, enough),
            Ask::Tag(tag) => bind!(sqlx::query(BY_TAG), now, json!([tag]).to_string(), page),
            Ask::Team(team) => bind!(sqlx::query(BY_LABEL), now, json!({ "team": team }).to_string(), page),
            Ask::Open => bind!(sqlx::query(OF_STATUSES), now, HOT, &OPEN[..], page),
            Ask::Page(None) => bind!(sqlx::query(FIRST), now, HOT, page),
            Ask::Page(Some(a)) => bind!(sqlx::query(NEXT), now, HOT, page, a.updated, a.id),
            Ask::Count(project) => {
                let count = bind!(sqlx::query_scalar(COUNT), now, project);
                let count: i64 = count.fetch_one(&mut self.connection).await?;
                return Ok(Rows { count: u64::try_from(count)?, ..Rows::default() });
            }
        };
        let rows = query.fetch_all(&mut self.connection).await?;
        Ok(Rows { documents: rows.iter().map(row).collect::<Result<_>>()?, count: rows.len() as u64 })
    }

    async fn create(&mut self, doc: &Doc) -> Result<()> {
        let (project, id, body) = columns(doc);
        bind!(sqlx::query(CREATE), project, id, body, now()).execute(&mut self.connection).await?;
        Ok(())
    }

    async fn replace(&mut self, doc: &Doc, version: i64) -> Result<()> {
        let (project, id, body) = columns(doc);
        let replace = bind!(sqlx::query(REPLACE), project, id, body, now(), version);
        written(replace.execute(&mut self.connection).await?.rows_affected())
    }

    async fn put(&mut self, doc: &Doc) -> Result<()> {
        let (project, id, body) = columns(doc);
        bind!(sqlx::query(PUT), project, id, body, now()).execute(&mut self.connection).await?;
        Ok(())
    }

    async fn tear_down(mut self) -> Result<()> {
        for sql in DROP {
            self.connection.execute(sql).await?;
        }
        Ok(())
    }
}
