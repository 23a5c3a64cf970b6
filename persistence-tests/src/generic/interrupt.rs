//! A write that is interrupted: done, or not, while others go on.

use crate::race::Beside;
use crate::{Fault, FaultRule, Fixture};
use persistence_core::{Context, Outcome, Result};
use std::time::Duration;

/// The caller whose answers are lost while those of others are not.
const OURS: &str = "ours";

/// Loses the answer to a write that was done, and keeps its next tries from arriving until something else was done.
pub(super) async fn meanwhile<T, F>(
    t: &Fixture,
    table: &'static str,
    write: impl FnOnce(Context) -> F,
    other: impl Future<Output = Result<()>>,
) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let before = t.faults.injected().total();
    for (fault, times) in [(Fault::After, 1), (Fault::Before(Outcome::MaybeApplied), u64::MAX)] {
        t.faults.script(FaultRule::write(fault).table(table).caller(OURS).times(times));
    }
    let write = Beside::run(write(t.cx().with_caller(OURS)));
    while t.faults.injected().total() < before + 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    other.await?;
    t.faults.clear();
    Ok(write.end().await)
}
