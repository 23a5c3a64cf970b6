//! Retention: deleting what closed before a time, with its history.
//!
//! What has closed is found through visibility. For each run its state goes first, together with its current record if that names
//! the run, then the branches of its history, and its visibility record last: so whatever ends on the way is found again by the next
//! call, which does the rest. Every step succeeds when there is nothing left to do.
//!
//! State and current record go in one step, on condition that the current record is as it was when the state was seen closed. A
//! run that is opened again while it is deleted (a reset, a conflict that makes it current) has another current record then, and
//! stays. What writes state without the current record is not noticed: a closed run that is not current and that
//! [`set_execution`](ExecutionStore::set_execution), or an update that ignores the current record, opens between the look and
//! the deletion, a few milliseconds, is deleted.
//!
//! A run that was never recorded in visibility is not found. [`find_orphans`] finds the opposite, records whose run is gone;
//! branches whose run is gone are for [`scavenge`](crate::store::MaintenanceStore::scavenge).

use crate::context::Context;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::ids::NamespaceId;
use crate::page::{PageRequest, PageToken};
use crate::persistence::Persistence;
use crate::store::*;
use crate::time::Timestamp;
use crate::transition::retire;

/// See [`delete_closed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteClosed {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// What closed before then is deleted.
    pub closed_before: Timestamp,
    /// At most this many runs are looked at; 0 is `InvalidArgument`.
    pub limit: u32,
    /// Whether nothing is deleted, only told.
    pub dry_run: bool,
    /// Where the last call ended; none to begin.
    pub token: Option<PageToken>,
}

/// What a call of [`delete_closed`] did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DeletedClosed {
    /// Runs looked at.
    pub examined: u64,
    /// Runs deleted, or that would be.
    pub deleted: u64,
    /// Those of them whose state was gone already.
    pub without_state: u64,
    /// Branches of histories deleted, or that would be.
    pub branches_deleted: u64,
    /// Runs that visibility takes for closed while their state is not. They stay.
    pub still_open: Vec<RunKey>,
    /// Runs that could not be deleted whole, with the reason. They are found again.
    pub failed: Vec<(RunKey, Error)>,
    /// Where to go on; none when everything was looked at.
    pub next: Option<PageToken>,
}

/// Deletes runs of a namespace that closed before a time, oldest first: some of them, as many as the limit allows. May run beside
/// everything else, also twice at once. Fails when the database does; what was done by then is done, and the error's outcome says
/// whether anything may have been.
pub async fn delete_closed(db: &dyn Persistence, cx: &Context, req: &DeleteClosed) -> Result<DeletedClosed> {
    let list = ListVisibility {
        namespace_id: req.namespace_id,
        query: format!("CloseTime < '{}' ORDER BY CloseTime ASC", rfc3339(req.closed_before)?),
        page: PageRequest { size: req.limit, token: req.token.clone() },
        scan: ScanPolicy::Forbid,
    };
    let page = db.visibility().list_visibility(cx, &list).await?;
    let mut done = DeletedClosed { next: page.next, ..DeletedClosed::default() };
    let mut before = false;
    for record in page.records {
        done.examined += 1;
        let mut begun = false;
        let deleted = delete_run(db, cx, &record, req.dry_run, &mut done, &mut begun).await;
        let Err(e) = deleted else {
            before |= begun;
            continue;
        };
        let e = told(e, begun);
        // The database itself fails: the others would fare no better.
        if e.is_retryable() || e.kind() == ErrorKind::Closed {
            return Err(told(e, before));
        }
        before |= e.outcome() == Outcome::MaybeApplied;
        done.failed.push((record.run, e));
    }
    Ok(done)
}

/// A failure after something was deleted.
fn told(e: Error, deleted: bool) -> Error {
    if deleted { e.with_outcome(Outcome::MaybeApplied) } else { e }
}

/// Deletes a run; `begun` says whether anything of it may be deleted.
async fn delete_run(
    db: &dyn Persistence,
    cx: &Context,
    record: &VisibilityRecord,
    dry_run: bool,
    done: &mut DeletedClosed,
    begun: &mut bool,
) -> Result<()> {
    let (shard_id, run) = (record.shard_id, &record.run);
    let branches = branches(db, cx, record).await?;
    let Some(there) = delete_state(db, cx, record, dry_run, begun).await? else {
        done.still_open.push(run.clone());
        return Ok(());
    };
    if !dry_run {
        for branch in &branches {
            let branch = DeleteHistoryBranch { shard_id, range_id: None, branch: branch.branch.clone() };
            db.history().delete_history_branch(cx, &branch).await?;
            *begun = true;
        }
        let record = DeleteVisibility::all(run.namespace_id, run.run_id);
        db.visibility().delete_visibility(cx, &record).await?;
        *begun = true;
    }
    done.deleted += 1;
    done.without_state += u64::from(!there);
    done.branches_deleted += branches.len() as u64;
    Ok(())
}

/// Deletes the state of a run that has closed, and its current record. Whether there was any state; none where the run is open.
async fn delete_state(
    db: &dyn Persistence,
    cx: &Context,
    record: &VisibilityRecord,
    dry_run: bool,
    begun: &mut bool,
) -> Result<Option<bool>> {
    let (shard_id, run) = (record.shard_id, &record.run);
    let (namespace_id, workflow_id) = (run.namespace_id, run.workflow_id.clone());
    let key = CurrentKey { namespace_id, workflow_id, archetype: record.archetype };
    let mut ever_there = false;
    for last in [false, false, true] {
        let get = GetCurrentExecution { shard_id, key: key.clone() };
        let current = found(db.executions().get_current_execution(cx, &get).await)?;
        // After the current record: what it is on condition of was so when the state was seen.
        let get = GetExecution { shard_id, run: run.clone() };
        let state = found(db.executions().get_execution(cx, &get).await)?;
        if state.as_ref().is_some_and(|s| s.record.state != ExecutionState::Completed) {
            return Ok(None);
        }
        ever_there |= state.is_some();
        if dry_run {
            break;
        }
        if state.is_none() {
            let current = DeleteCurrentExecution { shard_id, range_id: None, key, run_id: run.run_id };
            db.executions().delete_current_execution(cx, &current).await?;
            *begun = true;
            break;
        }
        let plan = retire(shard_id, key.clone(), run, current.as_ref())?;
        let apply = ApplyPlans { shard_id, plans: vec![plan] };
        match db.executions().apply(cx, &apply).await?.pop() {
            // Somebody was there in between: it is looked at again.
            Some(Err(e)) if e.kind() == ErrorKind::CurrentWorkflowConditionFailed && !last => {
                *begun |= e.outcome() == Outcome::MaybeApplied;
            }
            Some(Err(e)) => return Err(e),
            _ => {
                *begun = true;
                break;
            }
        }
    }
    Ok(Some(ever_there))
}

fn found<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The branches of the run's tree that belong to it: the one that its record names, and what resets left.
async fn branches(
    db: &dyn Persistence,
    cx: &Context,
    record: &VisibilityRecord,
) -> Result<Vec<HistoryBranch>> {
    let Some(branch) = &record.branch else { return Ok(Vec::new()) };
    let list = ListTreeBranches { shard_id: record.shard_id, tree_id: branch.tree_id()? };
    let mut all = db.history().list_tree_branches(cx, &list).await?;
    all.retain(|b| b.owner == record.run);
    Ok(all)
}

/// See [`find_orphans`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindOrphans {
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// At most this many records are looked at; 0 is `InvalidArgument`.
    pub limit: u32,
    /// Where the last call ended; none to begin.
    pub token: Option<PageToken>,
}

/// What a call of [`find_orphans`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Orphans {
    /// Records looked at.
    pub examined: u64,
    /// Runs that have a record and no state.
    pub without_run: Vec<RunKey>,
    /// Where to go on; none when everything was looked at.
    pub next: Option<PageToken>,
}

/// Visibility records whose run is gone, newest first. Nothing is deleted: [`delete_closed`] deletes those of closed runs in time.
pub async fn find_orphans(db: &dyn Persistence, cx: &Context, req: &FindOrphans) -> Result<Orphans> {
    let list = ListVisibility {
        page: PageRequest { size: req.limit, token: req.token.clone() },
        ..ListVisibility::new(req.namespace_id, "", req.limit)
    };
    let page = db.visibility().list_visibility(cx, &list).await?;
    let mut found = Orphans { next: page.next, ..Orphans::default() };
    for VisibilityRecord { shard_id, run, .. } in page.records {
        found.examined += 1;
        let get = GetExecution { shard_id, run: run.clone() };
        if self::found(db.executions().get_execution(cx, &get).await)?.is_none() {
            found.without_run.push(run);
        }
    }
    Ok(found)
}

/// A time in a query.
fn rfc3339(t: Timestamp) -> Result<String> {
    let time = jiff::Timestamp::from_millisecond(t.0);
    let time = time.map_err(|e| Error::invalid("closed_before", format!("cannot be a close time: {e}")))?;
    Ok(format!("{time:.3}"))
}
