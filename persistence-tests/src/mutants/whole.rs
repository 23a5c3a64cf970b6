//! Wrong buckets: the wrong time, and wrong words about failures.

use super::parts::{Closing, Parts};
use persistence_core::layer::{Call, Layer, Layered, Op};
use persistence_core::{Clock, Context, Detail, Env, Error, Outcome, Persistence, Result, Timestamp};
use std::sync::Arc;

struct Off {
    clock: Arc<dyn Clock>,
    by: fn(Timestamp) -> Timestamp,
}

impl Clock for Off {
    fn now(&self) -> Timestamp {
        (self.by)(self.clock.now())
    }
}

fn off(env: Env, by: fn(Timestamp) -> Timestamp) -> Env {
    Env { clock: Arc::new(Off { clock: env.clock.clone(), by }), ..env }
}

/// Nothing ever expires.
pub(super) fn no_time(env: Env) -> Env {
    off(env, |_| Timestamp(i64::MIN))
}

/// Everything ends a millisecond late.
pub(super) fn late(env: Env) -> Env {
    off(env, |t| Timestamp(t.0 - 1))
}

/// Everything ends a millisecond early.
pub(super) fn early(env: Env) -> Env {
    off(env, |t| Timestamp(t.0 + 1))
}

/// Says something else about failures.
struct Words(fn(Error) -> Error);

impl Layer for Words {
    async fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        _op: &'a Op,
        call: C,
    ) -> Result<T> {
        call(cx.clone()).await.map_err(self.0)
    }
}

fn words(p: Arc<dyn Persistence>, change: fn(Error) -> Error) -> Arc<dyn Persistence> {
    Layered::wrap(p, Words(change))
}

/// Refusals do not tell what was found.
pub(super) fn no_details(p: Arc<dyn Persistence>, _: Env) -> Arc<dyn Persistence> {
    words(p, |e| {
        Error::new(match e.detail().clone() {
            Detail::ShardOwnershipLost { shard_id, expected, .. } => {
                Detail::ShardOwnershipLost { shard_id, expected, stored: None }
            }
            Detail::WorkflowConditionFailed { run_id, expected, .. } => {
                Detail::WorkflowConditionFailed { run_id, expected, actual: None }
            }
            Detail::CurrentWorkflowConditionFailed { .. } => {
                Detail::CurrentWorkflowConditionFailed { current: None }
            }
            Detail::ConditionFailed { entity, expected, .. } => {
                Detail::ConditionFailed { entity, expected, actual: None }
            }
            _ => return e,
        })
    })
}

/// No failed write can have been applied, it says.
pub(super) fn never_maybe(p: Arc<dyn Persistence>, _: Env) -> Arc<dyn Persistence> {
    words(p, |e| e.with_outcome(Outcome::NotApplied))
}

/// A conflict is an outage, it says.
pub(super) fn conflicts_are_outages(p: Arc<dyn Persistence>, _: Env) -> Arc<dyn Persistence> {
    words(p, |e| if e.is_conflict() { Error::unavailable("write", "conflict") } else { e })
}

/// Closing does nothing.
pub(super) fn never_closed(inner: Arc<dyn Persistence>, _: Env) -> Arc<dyn Persistence> {
    Arc::new(Parts::of(inner).closing(Closing::Never))
}

/// Closing does not wait for what is under way.
pub(super) fn closed_without_waiting(inner: Arc<dyn Persistence>, _: Env) -> Arc<dyn Persistence> {
    Arc::new(Parts::of(inner).closing(Closing::AtOnce))
}
