//! The row store: reads, and the way to writes.

use crate::config::Builder;
use crate::error::{Doing, classify};
use crate::schema;
use crate::session;
use crate::statement::Form;
use crate::write::blob;
use async_trait::async_trait;
use bytes::Bytes;
use persistence_nosql::check;
use persistence_nosql::core::schema::{Migrate, SchemaOp as Verb};
use persistence_nosql::core::{Capability, CapabilitySet, Context, Error, Outcome, Result};
use persistence_nosql::lane::Lanes;
use persistence_nosql::row::{
    KeyRange, KeyedRow, Level, Order, Row, RowStore, RowStoreInfo, SchemaOp, SchemaStatus, Table, Write,
    WriteOutcome,
};
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::response::query_result::QueryRowsResult;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlValue;
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
    pub(crate) settings: Builder,
    pub(crate) lanes: Lanes,
    statements: RwLock<HashMap<(Table, Form), PreparedStatement>>,
}

impl Cassandra {
    /// The settings that a URL says, to be changed and opened: see [`Builder::from_url`].
    pub fn builder(url: &str) -> Result<Builder> {
        Builder::new(url)
    }

    pub(crate) async fn open_with(settings: Builder) -> Result<Self> {
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
    /// A statement of a table, prepared at its first use. Nothing of a write was sent when this fails.
    pub(crate) async fn statement(&self, table: Table, form: Form) -> Result<PreparedStatement> {
        let known =
            self.statements.read().unwrap_or_else(PoisonError::into_inner).get(&(table, form)).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let cql = form.cql(&format!("\"{}\".{}", self.settings.keyspace, table.name()));
        let prepared = self.session.prepare(cql).await;
        let prepared = prepared.map_err(|e| classify(Doing::Read("prepare"), e.into()))?;
        let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        statements.insert((table, form), prepared.clone());
        Ok(prepared)
    }

    async fn read(
        &self,
        operation: &'static str,
        (table, form): (Table, Form),
        args: &[CqlValue],
        level: Level,
    ) -> Result<QueryRowsResult> {
        let mut statement = self.statement(table, form).await?;
        if level == Level::Serial {
            statement.set_consistency(self.settings.consistency.levels().2);
        }
        let failed = |e| classify(Doing::Read(operation), e);
        let answer = self.session.execute_unpaged(&statement, args).await.map_err(failed)?;
        answer.into_rows_result().map_err(|e| unreadable(operation, e))
    }

    async fn partitions(&self, at: (Table, Form), args: &[CqlValue]) -> Result<Vec<Bytes>> {
        let found = self.read("partitions", at, args, Level::Quorum).await?;
        Ok(rows::<(Bytes,)>("partitions", &found)?.into_iter().map(|(partition,)| partition).collect())
    }
}

/// The rows of an answer to a read.
pub(crate) fn rows<'a, R: DeserializeRow<'a, 'a>>(
    operation: &'static str,
    found: &'a QueryRowsResult,
) -> Result<Vec<R>> {
    let rows = found.rows::<R>().map_err(|e| unreadable(operation, e))?;
    rows.map(|row| row.map_err(|e| unreadable(operation, e))).collect()
}

/// An answer that is not what was asked for.
pub(crate) fn unreadable(operation: &'static str, why: impl fmt::Display) -> Error {
    let reason = format!("the answer cannot be read: {why}");
    Error::unavailable(operation, reason).with_outcome(Outcome::NotApplied)
}

fn limited(limit: usize) -> CqlValue {
    CqlValue::Int(i32::try_from(limit).unwrap_or(i32::MAX))
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
        let verb = match op {
            SchemaOp::Setup if open.settings.migrate == Migrate::Auto => Verb::Setup,
            _ => Verb::Status,
        };
        let status = schema::run(&open.session, &open.settings, verb).await?;
        if op == SchemaOp::Setup {
            // Where setting up is somebody else's work, it must have been done.
            status.check()?;
        }
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
        let args = [blob(partition), CqlValue::List(keys.iter().map(blob).collect())];
        let found = open.read("get", (table, Form::Get), &args, level).await?;
        let found = rows::<(Bytes, Bytes, Bytes)>("get", &found)?.into_iter();
        let by_key: HashMap<Bytes, Row> =
            found.map(|(key, guard, value)| (key, Row { guard, value })).collect();
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
        let form = Form::Scan { ends: range.end.is_some(), descending: order == Order::Descending };
        let mut args = vec![blob(partition), blob(&range.start)];
        args.extend(range.end.as_ref().map(blob));
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
        if write.unordered && part.checks.is_empty() {
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
        let args = [blob(&after), limited(limit)];
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
