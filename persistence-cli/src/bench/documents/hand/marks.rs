//! What MySQL and SQLite have in common: `?` for a value, and tables of entries for tags and labels.

/// What is shown. The first value is the time.
macro_rules! select {
    ($($rest:literal),+) => {
        concat!(
            "SELECT d.id, d.data, d.version, d.created_at, d.updated_at FROM ", $($rest),+
        )
    };
}
pub(super) use select;

/// What is not shown to anybody.
macro_rules! shown {
    () => {
        " d.deleted_at IS NULL AND (d.expires_at IS NULL OR d.expires_at > ?) "
    };
}
pub(super) use shown;

pub(super) const BY_ID: &str =
    concat!(select!("bench_raw_documents d WHERE"), shown!(), "AND d.project_id = ? AND d.id = ?");
pub(super) const BY_NAME: &str =
    concat!(select!("bench_raw_documents d WHERE"), shown!(), "AND d.name = ? ORDER BY d.id LIMIT ?");
pub(super) const BY_RANGE: &str = concat!(
    select!("bench_raw_documents d WHERE"),
    shown!(),
    "AND d.score >= ? AND d.score < ? ORDER BY d.id LIMIT ?"
);
pub(super) const BY_PREFIX: &str = concat!(
    select!("bench_raw_documents d WHERE"),
    shown!(),
    "AND d.name >= ? AND d.name < ? ORDER BY d.id LIMIT ?"
);
pub(super) const BY_NAMES: &str = concat!(
    select!("bench_raw_documents d WHERE"),
    shown!(),
    "AND d.name IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ORDER BY d.id LIMIT ?"
);
pub(super) const FIRST: &str = concat!(
    select!("bench_raw_documents d WHERE"),
    shown!(),
    "AND d.project_id = ? ORDER BY d.updated DESC, d.id DESC LIMIT ?"
);
pub(super) const NEXT: &str = concat!(
    select!("bench_raw_documents d WHERE"),
    shown!(),
    "AND d.project_id = ? AND d.updated <= ? AND (d.updated < ? OR (d.updated = ? AND d.id < ?)) ",
    "ORDER BY d.updated DESC, d.id DESC LIMIT ?"
);
macro_rules! of_status {
    () => {
        concat!(
            "(SELECT * FROM bench_raw_documents d WHERE",
            shown!(),
            "AND d.project_id = ? AND d.status = ? ORDER BY d.updated DESC, d.id DESC LIMIT ?)"
        )
    };
}
pub(super) use of_status;
pub(super) const COUNT: &str =
    concat!("SELECT count(*) FROM bench_raw_documents d WHERE", shown!(), "AND d.project_id = ?");

pub(super) const CREATE: &str = "INSERT INTO bench_raw_documents (project_id, id, data, version, created_at, updated_at) VALUES (?, ?, ?, 1, ?, ?)";
pub(super) const REPLACE: &str = "\
UPDATE bench_raw_documents SET data = ?, version = version + 1, updated_at = ?
 WHERE project_id = ? AND id = ? AND version = ?";

/// Rows of an insert.
pub(super) fn tuples(tuple: &str, rows: usize) -> String {
    vec![tuple; rows].join(", ")
}

/// Everything that is the same code for both.
macro_rules! hand {
    ($row:ty) => {
        fn row(row: &$row) -> Result<Row> {
            let data: &[u8] = row.try_get_unchecked(1)?;
            Ok(Row {
                id: row.try_get_unchecked(0)?,
                body: serde_json::from_slice(data)?,
                version: row.try_get_unchecked(2)?,
                created: row.try_get_unchecked(3)?,
                updated: row.try_get_unchecked(4)?,
            })
        }

        impl Hand {
            async fn asked(&mut self, ask: &Ask) -> Result<Rows> {
                let (now, page, enough) = (now(), i64::from(PAGE), i64::from(ENOUGH));
                let query = match ask {
                    Ask::Id(n) => bind!(sqlx::query(BY_ID), now, Corpus::project(*n), Corpus::id(*n)),
                    Ask::Name(name) => bind!(sqlx::query(BY_NAME), now, name, page),
                    Ask::Score(low, high) => bind!(sqlx::query(BY_RANGE), now, *low, *high, enough),
                    Ask::Names(names) => {
                        let query = bind!(sqlx::query(BY_NAMES), now);
                        names.iter().fold(query, |query, name| query.bind(name)).bind(page)
                    }
                    Ask::Prefix(p) => bind!(sqlx::query(BY_PREFIX), now, p, end_of(p)?, enough),
                    Ask::Tag(tag) => bind!(sqlx::query(BY_TAG), tag, now, page),
                    Ask::Team(team) => bind!(sqlx::query(BY_LABEL), format!("team={team}"), now, page),
                    Ask::Open => {
                        let mut query = sqlx::query(OF_STATUSES);
                        for status in OPEN {
                            query = bind!(query, now, HOT, status, page);
                        }
                        query.bind(page)
                    }
                    Ask::Page(None) => bind!(sqlx::query(FIRST), now, HOT, page),
                    Ask::Page(Some(a)) => {
                        bind!(sqlx::query(NEXT), now, HOT, a.updated, a.updated, a.updated, a.id, page)
                    }
                    Ask::Count(project) => {
                        let count = bind!(sqlx::query_scalar(COUNT), now, project);
                        let count: i64 = count.fetch_one(&mut self.connection).await?;
                        return Ok(Rows { count: u64::try_from(count)?, ..Rows::default() });
                    }
                };
                let rows = query.fetch_all(&mut self.connection).await?;
                Ok(Rows { documents: rows.iter().map(row).collect::<Result<_>>()?, count: rows.len() as u64 })
            }

            /// Rows of tables of entries, which only ever grow here: no writer changes tags or labels.
            async fn enter(&mut self, documents: &[Doc]) -> Result<()> {
                for (table, member) in [("bench_raw_tags", "tags"), ("bench_raw_labels", "labels")] {
                    let rows = documents.iter().map(|doc| (doc, texts(doc, member)));
                    let rows: Vec<_> =
                        rows.flat_map(|(doc, all)| all.into_iter().map(move |text| (text, doc))).collect();
                    if rows.is_empty() {
                        continue;
                    }
                    let sql = format!(
                        "{INSERT_IGNORE} {table} (value, id, project_id) VALUES {}",
                        tuples("(?, ?, ?)", rows.len())
                    );
                    let mut insert = sqlx::query(AssertSqlSafe(sql));
                    for (text, doc) in rows {
                        insert = bind!(insert, text, doc.id, &*doc.project);
                    }
                    insert.execute(&mut self.connection).await?;
                }
                Ok(())
            }

            async fn insert(&mut self, documents: &[Doc]) -> Result<()> {
                let sql = format!(
                    "INSERT INTO bench_raw_documents (project_id, id, data, version, created_at, updated_at) VALUES {}",
                    tuples("(?, ?, ?, 1, ?, ?)", documents.len())
                );
                let mut insert = sqlx::query(AssertSqlSafe(sql));
                for doc in documents {
                    let (project, id, body) = columns(doc);
                    insert = bind!(insert, project, id, body, now(), now());
                }
                insert.execute(&mut self.connection).await?;
                self.enter(documents).await
            }

            /// One document, with its rows in the tables of entries.
            async fn store(&mut self, sql: &'static str, doc: &Doc) -> Result<()> {
                let (project, id, body) = columns(doc);
                bind!(sqlx::query(sql), project, id, body, now(), now()).execute(&mut self.connection).await?;
                self.enter(std::slice::from_ref(doc)).await
            }

            async fn transact(
                &mut self,
                work: impl AsyncFnOnce(&mut Self) -> Result<()>,
            ) -> Result<()> {
                self.connection.execute(BEGIN).await?;
                let done = work(self).await;
                self.connection.execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
                done
            }
        }

        impl super::Hand for Hand {
            async fn set_up(url: &str) -> Result<Self> {
                Hand::made(url).await
            }

            async fn another(&self) -> Result<Self> {
                Hand::connect(self.options.clone()).await
            }

            async fn load(&mut self, documents: &[Doc]) -> Result<()> {
                self.transact(async |hand| hand.insert(documents).await).await
            }

            async fn settle(&mut self) -> Result<()> {
                self.settled().await
            }

            async fn ask(&mut self, ask: &Ask) -> Result<Rows> {
                self.asked(ask).await
            }

            async fn create(&mut self, doc: &Doc) -> Result<()> {
                self.transact(async |hand| hand.store(CREATE, doc).await).await
            }

            async fn replace(&mut self, doc: &Doc, version: i64) -> Result<()> {
                let (project, id, body) = columns(doc);
                let replace = bind!(sqlx::query(REPLACE), body, now(), project, id, version);
                written(replace.execute(&mut self.connection).await?.rows_affected())
            }

            async fn put(&mut self, doc: &Doc) -> Result<()> {
                self.transact(async |hand| hand.store(PUT, doc).await).await
            }

            async fn tear_down(mut self) -> Result<()> {
                for sql in DROP {
                    self.connection.execute(sql).await?;
                }
                Ok(())
            }
        }
    };
}
pub(super) use hand;
