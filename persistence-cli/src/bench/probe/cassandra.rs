//! Cassandra: the nodes of history first, as a plain write, and then one conditional batch in the shard's partition. Rows, keys and
//! sizes are the library's; statements are prepared, and one batch at a time is under way in a partition, because proposals that
//! compete make each other begin again.
//!
//! `whole` is what an application could do that keeps history in the shard's partition: a single conditional batch of the same rows.

use super::run::{RANGE_ID, Run, Transition};
use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlValue, Row};
use std::sync::Arc;
use tokio::sync::Mutex;
use url::Url;

/// The tables, with the options of the library's.
const TABLES: [(&str, &str); 2] = [("bench_raw_shard", "L10"), ("bench_raw_history", "T4")];

const SHARD: u8 = 0;
const CURRENT: u8 = 1;
const RUN: u8 = 2;
const ITEM: u8 = 3;
const ATTEMPT: u8 = 4;
const TASK: u8 = 5;

/// A value of a statement: all columns are blobs.
type Values = Vec<Vec<u8>>;

#[derive(Clone)]
pub(crate) struct Hand {
    server: Arc<Server>,
    whole: bool,
}

struct Server {
    session: Session,
    fence: PreparedStatement,
    put_if: PreparedStatement,
    put: PreparedStatement,
    put_node: PreparedStatement,
    lanes: Vec<Mutex<()>>,
}

impl Hand {
    /// Another one, that writes everything in one batch.
    pub(super) fn whole(&self) -> Self {
        Hand { whole: true, ..self.clone() }
    }

    fn partition(&self, shard_id: i64) -> Vec<u8> {
        [&[u8::from(self.whole)][..], &shard_id.to_be_bytes()].concat()
    }

    async fn send(&self, statements: Vec<(&PreparedStatement, Values)>) -> Result<bool> {
        let mut batch = Batch::new(BatchType::Unlogged);
        let mut all = Vec::with_capacity(statements.len());
        for (statement, values) in statements {
            batch.append_statement(statement.clone());
            all.push(values);
        }
        let answer = self.server.session.batch(&batch, all).await?;
        if !answer.is_rows() {
            return Ok(true);
        }
        let row: Row = answer.into_rows_result()?.first_row()?;
        Ok(matches!(row.columns.first(), Some(Some(CqlValue::Boolean(true)))))
    }

    /// The node of a transition, in two rows as the library has it.
    fn nodes(&self, t: &mut Transition) -> [Values; 2] {
        let partition = match self.whole {
            true => self.partition(t.shard_id),
            false => [&t.shard_id.to_be_bytes()[..], t.branch_id.as_bytes()].concat(),
        };
        let key = |section: u8| {
            let place = [t.version.to_be_bytes(), (!t.transaction_id).to_be_bytes()].concat();
            [&[section][..], t.branch_id.as_bytes(), &place].concat()
        };
        let header = [t.previous_transaction_id.to_be_bytes(), t.now.to_be_bytes()].concat();
        let events = std::mem::take(&mut t.events);
        let row = |key, value| vec![Vec::new(), value, partition.clone(), key];
        [row(key(12), header), row(key(13), events)]
    }

    /// What a transition does in the shard's partition, without the fence.
    fn changes(&self, t: Transition) -> Vec<(&PreparedStatement, Values)> {
        let Server { put_if, put, .. } = &*self.server;
        let partition = self.partition(t.shard_id);
        let workflow = [t.namespace_id.as_bytes(), t.workflow_id.as_bytes()].concat();
        let current = [&[CURRENT][..], &workflow, &[1]].concat();
        let of_run =
            |section: u8, rest: &[u8]| [&[section][..], &workflow, t.run_id.as_bytes(), rest].concat();
        let task = |category: u8, fire_time: i64, id: i64| {
            [&[TASK, category][..], &fire_time.to_be_bytes(), &id.to_be_bytes()].concat()
        };
        let number = |n: i64| n.to_be_bytes().to_vec();
        let row = |key, guard, value| vec![guard, value, partition.clone(), key];
        let on = |row: Values, guard: Vec<u8>| [row, vec![guard]].concat();
        let run = t.run_id.as_bytes().to_vec();
        let (slot, activity) = (t.version.rem_euclid(8).to_be_bytes(), t.activity_id.to_be_bytes());
        let tail = [number(t.version + 1), number(t.transaction_id)].concat();
        let header = row(of_run(RUN, &[0]), number(t.version), number(t.version + 1));
        vec![
            (put_if, on(row(current.clone(), run.clone(), t.current), run)),
            (put, row([&current[..], &[0]].concat(), vec![1, 0], Vec::new())),
            (put_if, on(header, number(t.version - 1))),
            (put, row(of_run(RUN, &[1]), Vec::new(), t.record)),
            (put, row(of_run(ATTEMPT, &slot), Vec::new(), t.attempt)),
            (put, row(of_run(ITEM, &activity), Vec::new(), t.activity)),
            (put, row(task(1, 0, t.transfer_id), Vec::new(), t.transfer)),
            (put, row(task(2, t.fire_time, t.timer_id), Vec::new(), t.timer)),
            (put, row(of_run(RUN, t.branch_id.as_bytes()), Vec::new(), tail)),
        ]
    }

    fn fence(&self, shard_id: i64) -> (&PreparedStatement, Values) {
        let range = RANGE_ID.to_be_bytes().to_vec();
        (&self.server.fence, vec![range.clone(), self.partition(shard_id), vec![SHARD], range])
    }
}

/// The nodes that a URL of the library names, and the keyspace.
async fn connect(url: &str) -> Result<(Session, String)> {
    let url = Url::parse(url).ok().context("the raw probe does not understand the URL")?;
    let port = url.port().unwrap_or(9042);
    let hosts = url.host_str().unwrap_or("localhost").split(',').map(|host| format!("{host}:{port}"));
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .serial_consistency(Some(SerialConsistency::LocalSerial))
        .build();
    let mut session =
        SessionBuilder::new().known_nodes(hosts).default_execution_profile_handle(profile.into_handle());
    if !url.username().is_empty() {
        session = session.user(url.username(), url.password().unwrap_or_default());
    }
    let session = session.build().await.context("connecting the raw probe")?;
    Ok((session, url.path().trim_start_matches('/').to_owned()))
}

impl super::Hand for Hand {
    const GROUPS: bool = true;

    async fn set_up(url: &str, shards: u16) -> Result<Self> {
        let (session, keyspace) = connect(url).await?;
        session.use_keyspace(&keyspace, true).await.context("the keyspace of the raw probe")?;
        for (table, scaling) in TABLES {
            session.query_unpaged(format!("DROP TABLE IF EXISTS {table}"), ()).await?;
            let create = format!(
                "CREATE TABLE {table} (partition blob, key blob, guard blob, value blob, PRIMARY KEY (partition, key)) \
                 WITH compaction = {{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': '{scaling}'}}"
            );
            session.query_unpaged(create, ()).await?;
        }
        let on = "WHERE partition = ? AND key = ?";
        let put = |table: &str| format!("UPDATE {table} SET guard = ?, value = ? {on}");
        let [(shard, _), (history, _)] = TABLES;
        let server = Server {
            fence: session.prepare(format!("UPDATE {shard} SET guard = ? {on} IF guard = ?")).await?,
            put_if: session.prepare(format!("{} IF guard = ?", put(shard))).await?,
            put: session.prepare(put(shard)).await?,
            put_node: session.prepare(put(history)).await?,
            lanes: (0..=shards).map(|_| Mutex::new(())).collect(),
            session,
        };
        let hand = Hand { server: Arc::new(server), whole: false };
        for hand in [hand.clone(), hand.whole()] {
            for shard in 1..=i64::from(shards) {
                let row =
                    vec![RANGE_ID.to_be_bytes().to_vec(), Vec::new(), hand.partition(shard), vec![SHARD]];
                hand.send(vec![(&hand.server.put, row)]).await?;
            }
        }
        Ok(hand)
    }

    async fn another(&self) -> Result<Self> {
        Ok(self.clone())
    }

    async fn begin(&mut self, r: &Run) -> Result<()> {
        let mut t = r.clone().next();
        t.version -= 1;
        let changes = self.changes(t);
        // As the rows are before the first transition, whatever was there.
        let plain = changes.into_iter().map(|(_, mut values)| {
            values.truncate(4);
            (&self.server.put, values)
        });
        self.send(plain.collect()).await?;
        Ok(())
    }

    async fn apply(&mut self, transition: Transition) -> Result<()> {
        self.apply_all(vec![transition]).await
    }

    async fn apply_all(&mut self, mut transitions: Vec<Transition>) -> Result<()> {
        let Some(shard_id) = transitions.first().map(|t| t.shard_id) else { return Ok(()) };
        let nodes: Vec<_> = transitions.iter_mut().map(|t| self.nodes(t)).collect();
        let mut batch = vec![self.fence(shard_id)];
        if self.whole {
            batch.extend(nodes.into_iter().flatten().map(|row| (&self.server.put, row)));
        } else {
            let put = |node: [Values; 2]| self.send(node.map(|row| (&self.server.put_node, row)).into());
            try_join_all(nodes.into_iter().map(put)).await?;
        }
        batch.extend(transitions.into_iter().flat_map(|t| self.changes(t)));
        let _turn = self.server.lanes[usize::try_from(shard_id)?].lock().await;
        ensure!(self.send(batch).await?, "the transition was refused");
        Ok(())
    }

    async fn tear_down(self) -> Result<()> {
        for (table, _) in TABLES {
            self.server.session.query_unpaged(format!("DROP TABLE IF EXISTS {table}"), ()).await?;
        }
        Ok(())
    }
}
