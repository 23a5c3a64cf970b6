//! The part of a connection that is the same on every `sqlx` database. A macro, because `sqlx`'s traits make a generic version
//! longer than three copies; it expands in the driver's crate, so this crate does not depend on `sqlx`.

/// Declares `Connection`, an [`SqlConnection`](crate::driver::SqlConnection) over a connection of an `sqlx` pool.
///
/// * `bind(query, Value) -> query` and `read(&row, index, Kind) -> Result<Value, sqlx::Error>` carry values;
/// * `classify(operation, location, sqlx::Error) -> Error` says what an error means;
/// * `begin: [write, read]` are the statements that begin a transaction.
#[macro_export]
macro_rules! sqlx_connection {
    (
        database: $database:ty,
        arguments: $arguments:ty,
        row: $row:ty,
        bind: $bind:path,
        read: $read:path,
        classify: $classify:path,
        begin: [$begin_write:expr, $begin_read:expr] $(,)?
    ) => {
        /// A connection of the pool. One that is dropped within a transaction, or within a statement, is closed: a connection
        /// with unread replies never goes back.
        pub(crate) struct Connection {
            inner: Option<sqlx::pool::PoolConnection<$database>>,
            location: String,
            clean: bool,
            in_transaction: bool,
        }

        impl Connection {
            pub(crate) fn new(inner: sqlx::pool::PoolConnection<$database>, location: String) -> Self {
                Connection { inner: Some(inner), location, clean: true, in_transaction: false }
            }

            fn prepare(
                sql: &str,
                args: Vec<$crate::value::Value>,
            ) -> sqlx::query::Query<'static, $database, $arguments> {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
                args.into_iter().fold(query, $bind)
            }

            fn inner(&mut self) -> $crate::core::Result<&mut sqlx::pool::PoolConnection<$database>> {
                self.inner.as_mut().ok_or_else(|| $crate::core::Error::closed(self.location.clone()))
            }

            async fn run(
                &mut self,
                operation: &'static str,
                sql: &str,
                args: Vec<$crate::value::Value>,
            ) -> $crate::core::Result<u64> {
                let query = Self::prepare(sql, args);
                self.clean = false;
                let done = query.execute(&mut **self.inner()?).await;
                self.clean = true;
                done.map(|d| d.rows_affected()).map_err(|e| $classify(operation, &self.location, e))
            }

            async fn rows(
                &mut self,
                operation: &'static str,
                table: &'static str,
                sql: &str,
                args: Vec<$crate::value::Value>,
                columns: &[$crate::value::Kind],
            ) -> $crate::core::Result<Vec<$crate::value::SqlRow>> {
                let query = Self::prepare(sql, args);
                self.clean = false;
                let rows = query.fetch_all(&mut **self.inner()?).await;
                self.clean = true;
                let rows = rows.map_err(|e| $classify(operation, &self.location, e))?;
                let values = |row: &$row| -> Result<Vec<_>, sqlx::Error> {
                    columns.iter().enumerate().map(|(i, kind)| $read(row, i, *kind)).collect()
                };
                let rows: Result<Vec<_>, _> = rows.iter().map(values).collect();
                let rows = rows.map_err(|e| {
                    $crate::core::Error::corrupted(table, "a column has another type").with_source(e)
                })?;
                Ok(rows.into_iter().map(|row| $crate::value::SqlRow::new(table, row)).collect())
            }

            /// A statement without parameters and results, not prepared.
            async fn simple(
                &mut self,
                operation: &'static str,
                sql: &'static str,
            ) -> $crate::core::Result<()> {
                self.clean = false;
                let done = sqlx::Executor::execute(&mut **self.inner()?, sql).await;
                self.clean = true;
                done.map(drop).map_err(|e| $classify(operation, &self.location, e))
            }
        }

        #[async_trait::async_trait]
        impl $crate::driver::SqlConnection for Connection {
            async fn execute(
                &mut self,
                sql: &str,
                args: Vec<$crate::value::Value>,
            ) -> $crate::core::Result<u64> {
                self.run("execute", sql, args).await
            }

            async fn query(
                &mut self,
                table: &'static str,
                sql: &str,
                args: Vec<$crate::value::Value>,
                columns: &[$crate::value::Kind],
            ) -> $crate::core::Result<Vec<$crate::value::SqlRow>> {
                self.rows("query", table, sql, args, columns).await
            }

            async fn call(
                &mut self,
                table: &'static str,
                sql: &str,
                args: Vec<$crate::value::Value>,
                columns: &[$crate::value::Kind],
            ) -> $crate::core::Result<Vec<$crate::value::SqlRow>> {
                // A procedure that was cut short may leave a transaction behind; one that refused has ended it.
                self.in_transaction = true;
                let done = self.rows("call", table, sql, args, columns).await;
                self.in_transaction = done.as_ref().is_err_and(|e| $crate::class(e).is_none());
                done
            }

            async fn begin(&mut self, write: bool) -> $crate::core::Result<()> {
                self.in_transaction = true;
                let begun = self.simple("begin", if write { $begin_write } else { $begin_read }).await;
                self.in_transaction = begun.is_ok();
                // Nothing was asked for yet.
                begun.map_err(|e| e.with_outcome($crate::core::Outcome::NotApplied))
            }

            async fn commit(&mut self) -> $crate::core::Result<()> {
                match self.simple("commit", "COMMIT").await {
                    Ok(()) => {
                        self.in_transaction = false;
                        Ok(())
                    }
                    Err(e) => {
                        // A definite refusal left a transaction behind, or none; what else failed may have been committed.
                        let refused = $crate::class(&e).is_some();
                        let ended = self.rollback().await.is_ok();
                        Err(if refused && ended {
                            e
                        } else {
                            e.with_outcome($crate::core::Outcome::MaybeApplied)
                        })
                    }
                }
            }

            async fn rollback(&mut self) -> $crate::core::Result<()> {
                self.simple("rollback", "ROLLBACK").await?;
                self.in_transaction = false;
                Ok(())
            }
        }

        impl Drop for Connection {
            fn drop(&mut self) {
                if self.in_transaction || !self.clean {
                    // Not back to the pool: closing it rolls back.
                    drop(self.inner.take().map(sqlx::pool::PoolConnection::detach));
                }
            }
        }
    };
}
