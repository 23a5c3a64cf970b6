//! The keyspace and its tables.

use crate::config::Builder;
use crate::error::{Doing, classify, is_of_schema};
use crate::store::{rows, unreadable};
use persistence_nosql::core::schema::{SchemaFit, SchemaOp, SchemaStatus};
use persistence_nosql::core::{Error, ErrorKind, Result};
use persistence_nosql::row::Table;
use scylla::client::session::Session;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::Statement;
use std::time::Duration;
use uuid::Uuid;

/// The version that this binary sets up. There is none to upgrade from.
const CURRENT: u32 = 1;

/// How long a change of the schema may take: all nodes take part.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// How often setting up is tried: each step of it can be repeated.
const TRIES: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

const DAY: u32 = 24 * 3600;

/// How a table is used, as its options. See ADR 11.
fn options(table: Table) -> (&'static str, u32) {
    match table {
        // Rows that are replaced all the time in partitions that live for ever: few sorted runs to read.
        Table::Shard | Table::Documents => ("L10", 10 * DAY),
        // Written once, read some, deleted whole: little to do again and again.
        Table::History => ("T4", 10 * DAY),
        // Written once, read once, deleted from the front. What came back after a repair would be in front of where reads begin.
        _ => ("L4", DAY),
    }
}

/// Sets up, upgrades or inspects. This binary works on its own version and on the next; `SchemaMismatch` outside of that.
pub(crate) async fn run(session: &Session, settings: &Builder, op: SchemaOp) -> Result<SchemaStatus> {
    let keyspace = &settings.keyspace;
    let mut status = SchemaStatus::new(version(session, keyspace).await?, CURRENT);
    match (op, status.fit()) {
        (SchemaOp::Setup, SchemaFit::Missing) => {
            let (mut tries, mut pause) = (1, FIRST_PAUSE);
            while let Err(e) = set_up(session, settings).await {
                // Whoever sets up at once gets into the way, and a node may show a change before it works with it.
                if tries == TRIES || !(e.kind() == ErrorKind::Timeout || is_of_schema(&e)) {
                    return Err(e);
                }
                tokio::time::sleep(pause).await;
                (tries, pause) = (tries + 1, pause * 2);
            }
            status.found = version(session, keyspace).await?;
        }
        (SchemaOp::Setup | SchemaOp::Upgrade, _) => status.check()?,
        _ => {}
    }
    Ok(status)
}

async fn version(session: &Session, keyspace: &str) -> Result<Option<u32>> {
    const TABLE: &str = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'schema_version'";
    if query(session, TABLE, (keyspace,)).await?.rows_num() == 0 {
        return Ok(None);
    }
    let select = format!("SELECT version FROM \"{keyspace}\".schema_version WHERE name = 'persistence'");
    let found = query(session, &*select, ()).await?;
    let version = rows::<(i32,)>("schema", &found)?.pop();
    Ok(version.and_then(|(v,)| u32::try_from(v).ok()))
}

/// Creates what is missing. The tables have ids that follow from their names: two nodes that create a table at once, each on
/// behalf of somebody, create the same table, where they would otherwise make two of one name.
async fn set_up(session: &Session, settings: &Builder) -> Result<()> {
    const KEYSPACE: &str = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let keyspace = &settings.keyspace;
    if query(session, KEYSPACE, (keyspace,)).await?.rows_num() == 0 {
        let Some(replication) = &settings.replication else {
            let rule = "there is no such keyspace; to have it made, say replication=DATACENTER:3, or SimpleStrategy:1 for trying";
            return Err(Error::invalid("keyspace", rule));
        };
        change(session, format!("CREATE KEYSPACE IF NOT EXISTS \"{keyspace}\" {}", replication.cql()))
            .await?;
    }
    agree(session).await?;
    for table in Table::ALL {
        let (name, (scaling, gc_grace)) = (table.name(), options(*table));
        let id = id(keyspace, name);
        let ddl = format!(
            "CREATE TABLE IF NOT EXISTS \"{keyspace}\".{name} (partition blob, key blob, guard blob, value blob, \
             checked blob, PRIMARY KEY (partition, key)) WITH ID = {id} AND gc_grace_seconds = {gc_grace} \
             AND compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': '{scaling}'}}"
        );
        change(session, ddl).await?;
    }
    let name = "schema_version";
    let id = id(keyspace, name);
    let columns = "(name text PRIMARY KEY, version int)";
    let ddl = format!("CREATE TABLE IF NOT EXISTS \"{keyspace}\".{name} {columns} WITH ID = {id}");
    change(session, ddl).await?;
    let insert = "(name, version) VALUES ('persistence', ?) IF NOT EXISTS";
    let insert = format!("INSERT INTO \"{keyspace}\".schema_version {insert}");
    query(session, &*insert, (i32::try_from(CURRENT).unwrap_or(i32::MAX),)).await.map(drop)
}

fn id(keyspace: &str, table: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("cassandra:{keyspace}.{table}").as_bytes())
}

async fn query(
    session: &Session,
    cql: impl Into<Statement>,
    args: impl SerializeRow,
) -> Result<QueryRowsResult> {
    let found = session.query_unpaged(cql, args).await;
    let found = found.map_err(|e| classify(Doing::Write("schema"), e))?;
    found.into_rows_result().map_err(|e| unreadable("schema", e))
}

async fn change(session: &Session, ddl: String) -> Result<()> {
    let mut statement = Statement::new(ddl);
    statement.set_request_timeout(Some(CHANGE_TIMEOUT));
    let done = session.query_unpaged(statement, ()).await;
    done.map_err(|e| classify(Doing::Write("schema"), e))?;
    agree(session).await
}

/// Waits until all nodes have the same schema: also where somebody else has just changed it, of which other nodes than the one
/// that was asked may not know yet.
async fn agree(session: &Session) -> Result<()> {
    let agreed = session.await_schema_agreement().await;
    agreed.map(drop).map_err(|e| classify(Doing::Write("schema"), e.into()))
}
