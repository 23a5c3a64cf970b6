//! The row store: reads, and the way to writes.

use crate::config::{Builder, Settings};
use crate::error::{Doing, classify};
use crate::lane::Lanes;
use crate::schema;
use crate::session;
use crate::statement::{Arg, Form, Statements};
use async_trait::async_trait;
use bytes::Bytes;
use persistence_nosql::check;
use persistence_nosql::core::schema::SchemaOp as Verb;
use persistence_nosql::core::{Capability, CapabilitySet, Context, Error, Outcome, Result};
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, Op, Order, Row, RowStore, RowStoreInfo, SchemaOp, SchemaStatus, Table, Write,
    WriteOutcome,
};
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::prepared::PreparedStatement;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// How many ops and checks a write should carry.
const MAX_WRITE_OPS: usize = 1000;

/// A keyspace. See the [crate] for what it needs.
pub struct Cassandra {
    location: String,
    open: RwLock<Option<Arc<Open>>>,
}

/// What an open keyspace is.
pub(crate) struct Open {
    pub(crate) session: Session,
    pub(crate) settings: Settings,
    pub(crate) lanes: Lanes,
    statements: Statements,
}

impl Cassandra {
    /// The settings that a URL says, to be changed and opened: see [`Builder::from_url`].
    pub fn builder(url: &str) -> Result<Builder> {
        Builder::new(url)
    }

    pub(crate) async fn open_with(settings: Settings) -> Result<Self> {
        let session = session::connect(&settings).await?;
        let location = settings.location();
        let (lanes, statements) = Default::default();
        let open = Open { session, settings, lanes, statements };
        Ok(Cassandra { location, open: RwLock::new(Some(Arc::new(open))) })
    }

    pub(crate) fn opened(&self) -> Result<Arc<Open>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| Error::closed(&self.location))
    }
}

impl fmt::Debug for Cassandra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cassandra").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Open {
    /// A statement of a table.
    pub(crate) async fn statement(&self, table: Table, form: Form) -> Result<PreparedStatement> {
        self.statements.get(&self.session, &self.settings.keyspace, table, form).await
    }

    async fn read(
        &self,
        operation: &'static str,
        (table, form): (Table, Form),
        args: &[Arg],
        level: Level,
    ) -> Result<QueryRowsResult> {
        let mut statement = self.statement(table, form).await?;
        if level == Level::Serial {
            statement.set_consistency(self.settings.consistency.of_serial_reads());
        }
        let failed = |e| classify(Doing::Read(operation), e);
        let answer = self.session.execute_unpaged(&statement, args).await.map_err(failed)?;
        answer.into_rows_result().map_err(|e| unreadable(operation, e).with_outcome(Outcome::NotApplied))
    }

    async fn partitions(&self, at: (Table, Form), args: &[Arg]) -> Result<Vec<Bytes>> {
        let found = self.read("partitions", at, args, Level::Quorum).await?;
        Ok(rows::<(Bytes,)>("partitions", &found)?.into_iter().map(|(partition,)| partition).collect())
    }
}

/// The rows of an answer to a read.
pub(crate) fn rows<'a, R: DeserializeRow<'a, 'a>>(
    operation: &'static str,
    found: &'a QueryRowsResult,
) -> Result<Vec<R>> {
    let known = |e: Error| e.with_outcome(Outcome::NotApplied);
    let rows = found.rows::<R>().map_err(|e| known(unreadable(operation, e)))?;
    rows.map(|row| row.map_err(|e| known(unreadable(operation, e)))).collect()
}

/// An answer that is not what was asked for.
pub(crate) fn unreadable(operation: &'static str, why: impl fmt::Display) -> Error {
    Error::unavailable(operation, format!("the answer cannot be read: {why}"))
        .with_outcome(Outcome::MaybeApplied)
}

fn limited(limit: usize) -> Arg {
    Arg::Int(i32::try_from(limit).unwrap_or(i32::MAX))
}

#[async_trait]
impl RowStore for Cassandra {
    fn info(&self) -> RowStoreInfo {
        RowStoreInfo {
            driver: crate::SCHEME,
            location: self.location.clone(),
            capabilities: CapabilitySet::of(&[Capability::Durable, Capability::MultiProcess]),
            max_write_ops: MAX_WRITE_OPS,
        }
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        let open = self.opened()?;
        let status = match op {
            SchemaOp::Setup => schema::open(&open.session, &open.settings).await?,
            SchemaOp::Status => schema::run(&open.session, &open.settings, Verb::Status).await?,
        };
        Ok(SchemaStatus { found: status.found, current: status.current })
    }

    async fn get(
        &self,
        _: &Context,
        table: Table,
        partition: &[u8],
        keys: &[Bytes],
        level: Level,
    ) -> Result<Vec<Option<Row>>> {
        check::key("partition", partition)?;
        keys.iter().try_for_each(|k| check::key("key", k))?;
        let open = self.opened()?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let args = [Arg::Blob(Bytes::copy_from_slice(partition)), Arg::Blobs(keys.to_vec())];
        let found = open.read("get", (table, Form::Get), &args, level).await?;
        let mut by_key: HashMap<Bytes, Row> = HashMap::new();
        for (key, guard, value) in rows::<(Bytes, Bytes, Bytes)>("get", &found)? {
            by_key.insert(key, Row { guard, value });
        }
        Ok(keys.iter().map(|k| by_key.get(k).cloned()).collect())
    }

    async fn scan(
        &self,
        _: &Context,
        table: Table,
        partition: &[u8],
        range: &KeyRange,
        order: Order,
        limit: usize,
        level: Level,
    ) -> Result<Vec<KeyedRow>> {
        check::key("partition", partition)?;
        check::range(range)?;
        let open = self.opened()?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let form = Form::Scan { ends: range.end.is_some(), descending: order == Order::Descending };
        let mut args = vec![Arg::Blob(Bytes::copy_from_slice(partition)), Arg::Blob(range.start.clone())];
        args.extend(range.end.clone().map(Arg::Blob));
        args.push(limited(limit));
        let found = open.read("scan", (table, form), &args, level).await?;
        let rows = rows::<(Bytes, Bytes, Bytes)>("scan", &found)?;
        Ok(rows.into_iter().map(|(key, guard, value)| KeyedRow { key, row: Row { guard, value } }).collect())
    }

    async fn write(&self, cx: &Context, write: Write) -> Result<WriteOutcome> {
        check::write(&write, usize::MAX)?;
        let [part] = &*write.parts else {
            return Err(Error::unsupported(Capability::CrossPartition, crate::SCHEME));
        };
        let open = self.opened()?;
        let plain = |op: &Op| !matches!(op, Op::DeleteRange { .. });
        if write.unordered && part.checks.is_empty() && part.ops.iter().all(plain) {
            open.write_unordered(part).await
        } else {
            open.write_in_order(cx, part).await
        }
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        let open = self.opened()?;
        let Some(after) = after.filter(|a| !a.is_empty()).map(Bytes::copy_from_slice) else {
            return open.partitions((table, Form::FirstPartitions), &[limited(limit)]).await;
        };
        check::key("after", &after)?;
        // Partitions are ordered by their place on the ring, and by their bytes where several share one.
        let args = [Arg::Blob(after.clone()), limited(limit)];
        let mut found = open.partitions((table, Form::PartitionsAt), &args[..1]).await?;
        found.retain(|p| *p > after);
        found.extend(open.partitions((table, Form::PartitionsAfter), &args).await?);
        found.truncate(limit);
        Ok(found)
    }

    async fn close(&self) -> Result<()> {
        // Its connections end with the last call that uses them.
        self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}
