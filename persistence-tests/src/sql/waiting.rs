//! Transitions that wait for a row which another transaction holds and then changes. The case writes to the rows by hand, as no
//! store would let it.

use super::SqlFixture;
use crate::build::execution::{Flow, Write, shard};
use crate::build::expect::failed;
use crate::build::record::*;
use crate::fixture::fresh_shard;
use crate::race::Beside;
use persistence_core::store::*;
use persistence_core::{Archetype, Detail, Env, ErrorKind, NamespaceId, Result, RunId};
use persistence_sql::value::{Kind, Value};
use std::time::Duration;

/// Long enough for a statement to reach the row it then waits for.
const A_WHILE: Duration = Duration::from_millis(100);

/// A run with an item, at version 1, in a shard of range 2.
struct Held {
    flow: Flow,
    run: Snapshot,
}

impl Held {
    async fn new(t: &SqlFixture) -> Result<Self> {
        let p = persistence_sql::open(t.driver.clone(), Env::default()).await?;
        let flow = Flow {
            p,
            shard_id: fresh_shard(),
            range_id: 2,
            namespace_id: NamespaceId::new(),
            workflow_id: t.name(),
            archetype: Archetype::WORKFLOW,
        };
        flow.p.shards().get_or_create_shard(&flow.cx(), &shard(flow.shard_id, 2)).await?;
        let run = snapshot(RunId::new(), ExecutionState::Running);
        flow.send(&flow.brand_new(&run)).await?;
        Ok(Held { flow, run })
    }

    /// Sends a write while a transaction holds the rows that `change` touches, and gives its answer.
    async fn during(
        &self,
        t: &SqlFixture,
        change: &[(&str, Vec<Value>)],
        write: impl Write + 'static,
    ) -> Result<()> {
        let mut holder = t.connection().await?;
        holder.begin(true).await?;
        for (sql, args) in change {
            assert_eq!(holder.execute(&t.sql(sql), args.clone()).await?, 1, "{sql}");
        }
        let flow = self.flow.clone();
        let waits = Beside::run(async move { write.send(&*flow.p, &flow.cx()).await });
        tokio::time::sleep(A_WHILE).await;
        assert!(!waits.has_ended(), "it did not wait");
        holder.commit().await?;
        waits.end().await
    }

    fn run_id(&self) -> Value {
        self.run.run_id.0.into()
    }

    /// How many items the run has, whatever the run says.
    async fn items(&self, t: &SqlFixture) -> Result<i64> {
        let sql = t.sql("SELECT count(*) FROM execution_items WHERE run_id = ?");
        let rows =
            t.connection().await?.query("execution_items", &sql, vec![self.run_id()], &[Kind::Int]).await?;
        rows.into_iter().next().map_or(Ok(-1), |mut r| r.int())
    }
}

const TOUCH: &str = "UPDATE executions SET next_event_id = next_event_id + 100 WHERE run_id = ?";

const ADVANCE: &str = "UPDATE executions SET record_version = 2 WHERE run_id = ?";

const REMOVE: &str = "DELETE FROM executions WHERE run_id = ?";

const MOVE: &str = "UPDATE shards SET range_id = 3 WHERE shard_id = ?";

const ADD_ITEM: &str = "INSERT INTO execution_items (shard_id, namespace_id, workflow_id, run_id, kind, item_number, item_name, value) \
    SELECT shard_id, namespace_id, workflow_id, run_id, 1, 77, item_name, value FROM execution_items \
     WHERE run_id = ? AND kind = 1";

crate::cases! {
    fixture: SqlFixture;
    group: "waiting";

    /// A transition that waited judges the row as it is now: another version is a refusal that tells it, and nothing is written.
    #[covers("sql.transaction", "P20")]
    async fn the_version_moved(t) {
        let h = Held::new(t).await?;
        let run = h.run.run_id;
        let mut write = h.flow.touch(run, 1);
        write.mutation.upsert_items = vec![item(ItemKey::Activity(9))];
        write.mutation.tasks = vec![immediate(TaskCategory::TRANSFER, 5)];
        let e = failed(h.during(t, &[(ADVANCE, vec![h.run_id()])], write).await, ErrorKind::WorkflowConditionFailed);
        let Detail::WorkflowConditionFailed { actual: Some(actual), .. } = e.detail() else { panic!("{e}") };
        assert_eq!(actual.record_version, 2);
        assert_eq!(h.items(t).await?, 7);
        assert_eq!(h.flow.tasks(TaskCategory::TRANSFER).await?, []);
    }

    /// The version that it names may come while it waits: then it is applied.
    #[covers("sql.transaction", "P20")]
    async fn the_version_came(t) {
        let h = Held::new(t).await?;
        let run = h.run.run_id;
        h.during(t, &[(ADVANCE, vec![h.run_id()])], h.flow.touch(run, 2)).await?;
        assert_eq!(h.flow.load(run).await?.record_version, 3);
    }

    /// A row whose version is the same after the wait is as good as one that was not held.
    #[covers("sql.transaction")]
    async fn only_its_data_changed(t) {
        let h = Held::new(t).await?;
        let run = h.run.run_id;
        let mut write = h.flow.touch(run, 1);
        write.mutation.delete_items = vec![ItemKey::Activity(1)];
        h.during(t, &[(TOUCH, vec![h.run_id()])], write).await?;
        assert_eq!((h.flow.load(run).await?.record_version, h.items(t).await?), (2, 6));
    }

    /// A run that was deleted during the wait is missing.
    #[covers("sql.transaction", "P6")]
    async fn the_run_went(t) {
        let h = Held::new(t).await?;
        let run = h.run.run_id;
        let e = failed(h.during(t, &[(REMOVE, vec![h.run_id()])], h.flow.touch(run, 1)).await, ErrorKind::WorkflowConditionFailed);
        assert!(matches!(e.detail(), Detail::WorkflowConditionFailed { actual: None, .. }), "{e}");
    }

    /// A shard that changes its owner while a transition waits for it fences the transition out.
    #[covers("sql.transaction", "P1")]
    async fn the_shard_moved(t) {
        let h = Held::new(t).await?;
        let run = h.run.run_id;
        let shard = vec![h.flow.shard_id.0.into()];
        let e = failed(h.during(t, &[(MOVE, shard)], h.flow.touch(run, 1)).await, ErrorKind::ShardOwnershipLost);
        assert!(matches!(e.detail(), Detail::ShardOwnershipLost { stored: Some(3), .. }), "{e}");
        assert_eq!(h.flow.load(run).await?.record_version, 1);
    }

    /// What a transition deletes are the items that are there when it is applied, not those from before it waited.
    #[covers("sql.transaction", "P23")]
    async fn items_came(t) {
        let h = Held::new(t).await?;
        let mut set = h.run.clone();
        (set.record_version, set.items) = (2, vec![item(ItemKey::Timer("only".to_owned()))]);
        let change = [(ADD_ITEM, vec![h.run_id()]), (ADVANCE, vec![h.run_id()])];
        h.during(t, &change, h.flow.set(&set)).await?;
        assert_eq!(h.flow.load(set.run_id).await?.items, set.items);
        let h = Held::new(t).await?;
        let change = [(ADD_ITEM, vec![h.run_id()]), (ADVANCE, vec![h.run_id()])];
        h.during(t, &change, h.flow.delete(h.run.run_id)).await?;
        assert_eq!(h.items(t).await?, 0);
        let h = Held::new(t).await?;
        let mut write = h.flow.touch(h.run.run_id, 2);
        write.mutation.delete_items = vec![ItemKey::Activity(77), ItemKey::Activity(1)];
        let change = [(ADD_ITEM, vec![h.run_id()]), (ADVANCE, vec![h.run_id()])];
        h.during(t, &change, write).await?;
        assert_eq!(h.items(t).await?, 6);
    }
}
