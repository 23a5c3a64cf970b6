//! Transitions by stored procedure, and without.

use crate::support::{Database, Flow, Handle, SHARD};
use persistence_sql::core::store::*;
use persistence_sql::core::{Context, ErrorKind};
use persistence_sql::dialect::Transitions;
use persistence_sql::driver::SqlDriver;

const CALLS: &str = "Com_call_procedure";
const TABLES: &str = "SELECT, INSERT, UPDATE, DELETE";

fn transitions(h: &Handle) -> Transitions {
    h.driver.dialect().transitions
}

/// Creates and updates a workflow; how many calls that took.
async fn calls_of_two(h: &Handle) -> i64 {
    let (cx, flow) = (Context::new(), Flow::new());
    let two = async {
        h.stores.executions().create_execution(&cx, &flow.create()).await.unwrap();
        h.stores.executions().update_execution(&cx, &flow.update(1)).await.unwrap();
    };
    h.grows(CALLS, two).await.0
}

pub(crate) async fn a_transition_is_one_call() {
    let h = Database::new().await.open("root", "").await;
    assert_eq!(transitions(&h), Transitions::Procedure);
    assert_eq!(calls_of_two(&h).await, 2);
    let (cx, flow) = (Context::new(), Flow::new());
    h.stores.executions().create_execution(&cx, &flow.create()).await.unwrap();
    // A refusal takes another call, which tells why.
    let update = flow.update(7);
    let (calls, refused) = h.grows(CALLS, h.stores.executions().update_execution(&cx, &update)).await;
    assert_eq!((calls, refused.unwrap_err().kind()), (2, ErrorKind::WorkflowConditionFailed));
}

pub(crate) async fn a_wave_is_one_call() {
    let h = Database::new().await.open("root", "").await;
    let cx = Context::new();
    let plans: Vec<_> = (0..16).map(|_| Flow::new().create().lower().unwrap()).collect();
    let apply = ApplyPlans { shard_id: SHARD, plans };
    let (calls, done) = h.grows(CALLS, h.stores.executions().apply(&cx, &apply)).await;
    assert_eq!((calls, done.unwrap().iter().filter(|r| r.is_ok()).count()), (1, 16));
    // Once more, with others: each plan has an answer of its own, still in one call.
    let mut plans = apply.plans;
    plans.extend((0..16).map(|_| Flow::new().create().lower().unwrap()));
    let again = ApplyPlans { shard_id: SHARD, plans };
    let (calls, done) = h.grows(CALLS, h.stores.executions().apply(&cx, &again)).await;
    let done: Vec<bool> = done.unwrap().iter().map(Result::is_ok).collect();
    assert_eq!((calls, done), (1, [[false; 16], [true; 16]].concat()));
}

pub(crate) async fn a_transaction_can_be_asked_for() {
    let h = Database::new().await.open("root", "&transitions=transaction").await;
    assert_eq!(transitions(&h), Transitions::Transaction);
    assert_eq!(calls_of_two(&h).await, 0);
}

pub(crate) async fn who_may_not_call_them_is_served_all_the_same() {
    let database = Database::new().await;
    // Nobody has created them, and this user may not.
    database.open("root", "&transitions=transaction").await;
    let user = database.user(TABLES).await;
    for migrate in ["auto", "never"] {
        let h = database.open(&user, &format!("&migrate={migrate}")).await;
        assert_eq!(transitions(&h), Transitions::Transaction);
        assert_eq!(calls_of_two(&h).await, 0);
    }
    // They are there by now, and the user may look at them but not call them.
    database.open("root", "").await;
    let user = database.user(&format!("{TABLES}, ALTER ROUTINE")).await;
    let h = database.open(&user, "").await;
    assert_eq!(transitions(&h), Transitions::Transaction);
}

pub(crate) async fn who_may_call_them_need_not_create_them() {
    let database = Database::new().await;
    database.open("root", "").await;
    let user = database.user(&format!("{TABLES}, EXECUTE")).await;
    let h = database.open(&user, "&migrate=never").await;
    assert_eq!(transitions(&h), Transitions::Procedure);
    assert_eq!(calls_of_two(&h).await, 2);
}

pub(crate) async fn names_of_tables_are_in_their_text() {
    let database = Database::new().await;
    let (a, b) =
        (database.open("root", "&table_prefix=a_").await, database.open("root", "&table_prefix=b_").await);
    let (cx, flow) = (Context::new(), Flow::new());
    for h in [&a, &b] {
        assert_eq!(transitions(h), Transitions::Procedure);
        h.stores.executions().create_execution(&cx, &flow.create()).await.unwrap();
    }
}
