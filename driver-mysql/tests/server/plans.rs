//! What statements read, counted by the storage engine: an index from where it is needed on, and no more.

use crate::support::{Database, Flow, SHARD};
use persistence_sql::core::store::*;
use persistence_sql::core::{Context, PageRequest, Timestamp};
use persistence_tests::build::record::immediate;

const READS: &str = "Handler\\_read%";

pub(crate) async fn a_page_reads_its_own_rows() {
    let h = Database::new().await.open("root", "").await;
    let (cx, e) = (Context::new(), h.stores.executions());
    let category = TaskCategory::TRANSFER;
    let tasks: Vec<_> = (0..2000).map(|id| immediate(category, id)).collect();
    let add = AddHistoryTasks { shard_id: SHARD, range_id: 1, tasks };
    e.add_history_tasks(&cx, &add).await.unwrap();
    let key = |task_id| TaskKey { fire_time: Timestamp::EPOCH, task_id };
    let page = |token| PageRequest { size: 10, token };
    let get = |min, token| GetHistoryTasks {
        shard_id: SHARD,
        category,
        min: key(min),
        max: key(2000),
        page: page(token),
    };
    for min in [0, 1900] {
        let (reads, first) = h.grows(READS, e.get_history_tasks(&cx, &get(min, None))).await;
        let first = first.unwrap();
        assert_eq!(first.items.len(), 10);
        assert!(reads < 40, "a page at {min} read {reads} rows");
        let (reads, second) = h.grows(READS, e.get_history_tasks(&cx, &get(min, first.next))).await;
        assert_eq!(second.unwrap().items.len(), 10);
        assert!(reads < 40, "the page after {min} read {reads} rows");
    }
    let range = RangeCompleteHistoryTasks {
        shard_id: SHARD,
        range_id: None,
        category,
        min: key(1990),
        max: key(1995),
    };
    let (reads, done) = h.grows(READS, e.range_complete_history_tasks(&cx, &range)).await;
    done.unwrap();
    assert!(reads < 40, "deleting five tasks read {reads} rows");
}

pub(crate) async fn keys_of_a_batch_are_looked_up() {
    let h = Database::new().await.open("root", "&transitions=transaction").await;
    let (cx, e) = (Context::new(), h.stores.executions());
    let flows: Vec<_> = (0..400).map(|_| Flow::new()).collect();
    for wave in flows.chunks(200) {
        let plans = wave.iter().map(|f| f.create().lower().unwrap()).collect();
        let done = e.apply(&cx, &ApplyPlans { shard_id: SHARD, plans }).await.unwrap();
        assert!(done.iter().all(Result::is_ok));
    }
    let plans = flows[..8].iter().map(|f| f.update(1).lower().unwrap()).collect();
    let wave = ApplyPlans { shard_id: SHARD, plans };
    let (reads, done) = h.grows(READS, e.apply(&cx, &wave)).await;
    assert!(done.unwrap().iter().all(Result::is_ok));
    assert!(reads < 200, "a wave of eight read {reads} rows");
}
