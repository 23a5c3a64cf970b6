//! The driver contract: connect, execute, query, transactions, classified errors. No store logic.

use crate::dialect::Dialect;
use crate::pool::PoolStatus;
use crate::settings::SchemaSettings;
use crate::value::{Kind, SqlRow, Value};
use async_trait::async_trait;
use persistence_core::{CapabilitySet, Context, Result};

/// What a driver says of itself.
#[derive(Clone, Debug)]
pub struct SqlInfo {
    /// The driver's name, as in its URL scheme.
    pub driver: &'static str,
    /// Where the data is, without secrets: for messages.
    pub location: String,
    /// What it can do beyond the contract.
    pub capabilities: CapabilitySet,
    /// What its tables are called, and who sets them up.
    pub schema: SchemaSettings,
}

pub use persistence_core::schema::{SchemaOp, SchemaStatus};

/// A pool of connections to one database.
#[async_trait]
pub trait SqlDriver: Send + Sync + 'static {
    /// Name, location and capabilities. Constant for the life of the handle.
    fn info(&self) -> SqlInfo;

    /// How this database wants its SQL. Constant for the life of the handle.
    fn dialect(&self) -> &'static Dialect;

    /// A connection for the caller alone, by its deadline; `ResourceExhausted` when the pool has none until then. Dropping it
    /// in the middle of anything closes it; otherwise it goes back to the pool.
    async fn acquire(&self, cx: &Context) -> Result<Box<dyn SqlConnection>>;

    /// How its pool is used.
    fn pool(&self) -> PoolStatus;

    /// Sets up, upgrades or inspects the stored schema.
    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus>;

    /// Releases everything. Called once, after the last call has ended.
    async fn close(&self) -> Result<()>;
}

/// One connection. Errors are classified: `Unavailable` is `NotApplied` only if nothing was sent; a conflict that the
/// database resolved against us (deadlock, serialization) is `Unavailable` and `NotApplied`.
#[async_trait]
pub trait SqlConnection: Send {
    /// Runs a statement; the number of rows that it touched.
    async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64>;

    /// Runs a query whose columns have these types.
    async fn query(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>>;

    /// Runs one statement that is a transaction of its own, and gives its rows: where a database can do a transition at once.
    /// `table` is one that it writes to. A transport failure is `MaybeApplied`. Never called within a transaction.
    async fn call(
        &mut self,
        table: &'static str,
        sql: &str,
        args: Vec<Value>,
        columns: &[Kind],
    ) -> Result<Vec<SqlRow>>;

    /// Begins a transaction: one that will write if `write`, else one that sees a single snapshot.
    async fn begin(&mut self, write: bool) -> Result<()>;

    /// Commits. A transport failure is `MaybeApplied`.
    async fn commit(&mut self) -> Result<()>;

    /// Tells whose call the next statements are part of, where one transaction serves many: for wrappers that
    /// look on. A driver need do nothing about it.
    fn serve(&mut self, cx: &Context);

    /// From now on it is for this use alone: it is closed when it is dropped, because its session has locks or settings that
    /// nobody else may find.
    fn retire(&mut self);

    /// Rolls back.
    async fn rollback(&mut self) -> Result<()>;
}
