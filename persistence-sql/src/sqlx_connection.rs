//! The part of a connection that is the same on every `sqlx` database. A macro, because `sqlx`'s traits make a generic version
//! longer than three copies; it expands in the driver's crate, so this crate does not depend on `sqlx`.

/// How the connections of a pool send their statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statements {
    /// Prepared once and kept.
    Kept,
    /// Prepared for one use.
    Once,
    /// Prepared for one use, in a transaction: a proxy may have another server answer between preparing and running.
    OnceInTransaction,
}

/// Declares `Connection`, an [`SqlConnection`](crate::driver::SqlConnection) over an `sqlx` connection of a
/// [`Pool`](crate::pool::Pool).
///
/// * `maker` makes its connections;
/// * `bind(query, Value) -> query` and `read(&row, index, Kind) -> Result<Value, sqlx::Error>` carry values;
/// * `classify(operation, location, sqlx::Error) -> Error` says what an error means;
/// * `fatal(&dyn sqlx::error::DatabaseError) -> bool` tells after which answers the server ends the connection;
/// * `begin: [write, read]` are the statements that begin a transaction.
#[macro_export]
macro_rules! sqlx_connection {
    (
        database: $database:ty,
        maker: $maker:ty,
        arguments: $arguments:ty,
        row: $row:ty,
        bind: $bind:path,
        read: $read:path,
        classify: $classify:path,
        fatal: $fatal:path,
        begin: [$begin_write:expr, $begin_read:expr] $(,)?
    ) => {
        /// A connection of the pool. One that is dropped within a transaction, or within a statement, or retired is closed: a
        /// connection with unread replies never goes back.
        pub(crate) struct Connection {
            inner: Option<$crate::pool::Held<$maker>>,
            location: std::sync::Arc<str>,
            statements: $crate::sqlx_connection::Statements,
            clean: bool,
            in_transaction: bool,
            retired: bool,
        }

        /// Whether the connection is of no more use.
        fn broken(e: &sqlx::Error) -> bool {
            use sqlx::Error::*;
            match e {
                Database(e) => $fatal(&**e),
                RowNotFound | TypeNotFound { .. } | ColumnIndexOutOfBounds { .. } | ColumnNotFound(_) => {
                    false
                }
                ColumnDecode { .. } | Encode(_) | Decode(_) => false,
                _ => true,
            }
        }

        impl Connection {
            pub(crate) fn new(
                inner: $crate::pool::Held<$maker>,
                location: std::sync::Arc<str>,
                statements: $crate::sqlx_connection::Statements,
            ) -> Self {
                let (clean, in_transaction, retired) = (true, false, false);
                Connection { inner: Some(inner), location, statements, clean, in_transaction, retired }
            }

            fn prepare(
                &self,
                sql: &str,
                args: Vec<$crate::value::Value>,
            ) -> sqlx::query::Query<'static, $database, $arguments> {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
                let query = query.persistent(self.statements == $crate::sqlx_connection::Statements::Kept);
                args.into_iter().fold(query, $bind)
            }

            fn held(&mut self) -> $crate::core::Result<&mut $crate::pool::Held<$maker>> {
                self.inner.as_mut().ok_or_else(|| $crate::core::Error::closed(&*self.location))
            }

            /// The connection, for one statement: unless that ends it is of no more use.
            fn connection(&mut self) -> Result<&mut <$database as sqlx::Database>::Connection, sqlx::Error> {
                self.clean = false;
                let held = self.inner.as_mut().ok_or(sqlx::Error::PoolClosed)?;
                held.get().map_err(|_| sqlx::Error::PoolClosed)
            }

            /// After a statement.
            fn ended<T>(&mut self, done: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
                self.clean = !done.as_ref().is_err_and(broken);
                if self.clean
                    && let Some(held) = &mut self.inner
                {
                    held.answered();
                }
                done
            }

            /// Whether nothing can have been applied by a first statement that found the connection broken.
            fn may_be_stale(&self) -> bool {
                !self.in_transaction && self.inner.as_ref().is_some_and($crate::pool::Held::is_untried)
            }

            /// Another connection in place of one that broke while it was idle.
            async fn replace(&mut self) -> $crate::core::Result<()> {
                self.held()?.replace().await?;
                self.clean = true;
                Ok(())
            }

            /// A statement without parameters and results, not prepared.
            async fn send(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
                let done = sqlx::Executor::execute(self.connection()?, sql).await;
                self.ended(done.map(drop))
            }

            async fn simple(
                &mut self,
                operation: &'static str,
                sql: &'static str,
            ) -> $crate::core::Result<()> {
                let done = self.send(sql).await;
                done.map_err(|e| $classify(operation, &self.location, e))
            }

            /// Whether the next statement needs a transaction around it, which is begun.
            async fn around(&mut self) -> Result<bool, sqlx::Error> {
                let needed = !self.in_transaction
                    && self.statements == $crate::sqlx_connection::Statements::OnceInTransaction;
                if needed {
                    self.send($begin_write).await?;
                    self.in_transaction = true;
                }
                Ok(needed)
            }

            /// Ends what [`Self::around`] began.
            async fn around_ended<T>(
                &mut self,
                began: bool,
                done: Result<T, sqlx::Error>,
            ) -> Result<T, sqlx::Error> {
                if began && self.clean {
                    let ended = self.send(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
                    self.in_transaction = ended.is_err();
                    return done.and_then(|done| ended.map(|()| done));
                }
                done
            }

            async fn run(&mut self, sql: &str, args: Vec<$crate::value::Value>) -> Result<u64, sqlx::Error> {
                let query = self.prepare(sql, args);
                let began = self.around().await?;
                let done = query.execute(self.connection()?).await;
                let done = self.ended(done.map(|d| d.rows_affected()));
                self.around_ended(began, done).await
            }

            async fn fetch(
                &mut self,
                sql: &str,
                args: Vec<$crate::value::Value>,
            ) -> Result<Vec<$row>, sqlx::Error> {
                let query = self.prepare(sql, args);
                let began = self.around().await?;
                let done = query.fetch_all(self.connection()?).await;
                let done = self.ended(done);
                self.around_ended(began, done).await
            }
        }

        fn rows(
            table: &'static str,
            rows: Vec<$row>,
            columns: &[$crate::value::Kind],
        ) -> $crate::core::Result<Vec<$crate::value::SqlRow>> {
            let values = |row: $row| -> Result<$crate::value::SqlRow, sqlx::Error> {
                let mut values = Vec::with_capacity(columns.len());
                for (i, kind) in columns.iter().enumerate() {
                    values.push($read(&row, i, *kind)?);
                }
                Ok($crate::value::SqlRow::new(table, values))
            };
            let rows: Result<Vec<_>, _> = rows.into_iter().map(values).collect();
            rows.map_err(|e| {
                $crate::core::Error::corrupted(table, "a column has another type").with_source(e)
            })
        }

        #[async_trait::async_trait]
        impl $crate::driver::SqlConnection for Connection {
            fn serve(&mut self, _cx: &$crate::core::Context) {}

            fn retire(&mut self) {
                self.retired = true;
            }

            async fn execute(
                &mut self,
                sql: &str,
                args: Vec<$crate::value::Value>,
            ) -> $crate::core::Result<u64> {
                let done = self.run(sql, args).await;
                done.map_err(|e| $classify("execute", &self.location, e))
            }

            async fn query(
                &mut self,
                table: &'static str,
                sql: &str,
                mut args: Vec<$crate::value::Value>,
                columns: &[$crate::value::Kind],
            ) -> $crate::core::Result<Vec<$crate::value::SqlRow>> {
                loop {
                    // It only reads, so that it may be sent again.
                    let again = self.may_be_stale().then(|| args.clone());
                    match (self.fetch(sql, args).await, again) {
                        (Ok(found), _) => return rows(table, found, columns),
                        (Err(e), Some(again)) if broken(&e) => {
                            self.in_transaction = false;
                            self.replace().await?;
                            args = again;
                        }
                        (Err(e), _) => return Err($classify("query", &self.location, e)),
                    }
                }
            }

            async fn call(
                &mut self,
                table: &'static str,
                sql: &str,
                args: Vec<$crate::value::Value>,
                columns: &[$crate::value::Kind],
            ) -> $crate::core::Result<Vec<$crate::value::SqlRow>> {
                match self.fetch(sql, args).await {
                    Ok(found) => rows(table, found, columns),
                    Err(e) => {
                        let e = $classify("call", &self.location, e);
                        // A procedure that was cut short may leave a transaction behind; one that refused has ended it.
                        self.in_transaction = $crate::class(&e).is_none();
                        Err(e)
                    }
                }
            }

            async fn begin(&mut self, write: bool) -> $crate::core::Result<()> {
                let begin = if write { $begin_write } else { $begin_read };
                loop {
                    let again = self.may_be_stale();
                    self.in_transaction = true;
                    let begun = self.send(begin).await;
                    self.in_transaction = begun.is_ok();
                    match begun {
                        Ok(()) => return Ok(()),
                        Err(e) if again && broken(&e) => self.replace().await?,
                        // Nothing was asked for yet.
                        Err(e) => {
                            let e = $classify("begin", &self.location, e);
                            return Err(e.with_outcome($crate::core::Outcome::NotApplied));
                        }
                    }
                }
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
                // Otherwise it is closed, which rolls back.
                if self.clean
                    && !self.in_transaction
                    && !self.retired
                    && let Some(held) = self.inner.take()
                {
                    held.give_back();
                }
            }
        }
    };
}
