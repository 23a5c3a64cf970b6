//! What a refusal, or a read, found: what core judges a plan by.

use super::render::HeaderValue;
use crate::codec::{decode, guard_number};
use crate::core::error::RunCondition;
use crate::core::store::{CurrentRecord, RunKey};
use crate::core::transition::{Found, FoundCurrent, RunAction, TransitionPlan};
use crate::core::{RangeId, Result};
use crate::keys;
use crate::row::Row;
use crate::shard::stored_range;
use bytes::Bytes;
use std::collections::HashMap;

/// Rows by key; a key that is missing here was not looked at.
pub(super) type Rows = HashMap<Bytes, Option<Row>>;

/// The rows that decide a plan, decoded.
pub(super) struct Seen {
    range_id: Option<RangeId>,
    current_row: Option<Row>,
    current: Option<CurrentRecord>,
    runs: Vec<(RunKey, Option<RunCondition>)>,
}

/// The keys of the rows that decide a plan.
pub(super) fn deciding_keys(plan: &TransitionPlan) -> Vec<Bytes> {
    let mut keys = vec![keys::shard::row()];
    keys.extend(plan.current.as_ref().map(|c| keys::shard::current(&c.key)));
    let checked = plan.runs.iter().filter(|r| !matches!(r.action, RunAction::Delete));
    keys.extend(checked.map(|r| keys::shard::header(&r.key)));
    keys
}

impl Seen {
    /// Decodes what `rows` hold of the rows that decide the plan.
    pub(super) fn new(plan: &TransitionPlan, rows: &Rows) -> Result<Self> {
        let row = |key: &Bytes| rows.get(key).and_then(Option::as_ref);
        let current_row = plan.current.as_ref().and_then(|c| row(&keys::shard::current(&c.key))).cloned();
        let current = current_row.as_ref().map(|r| decode("current record", &r.value)).transpose()?;
        let run = |key: &RunKey| {
            let found = row(&keys::shard::header(key)).map(|r| {
                let HeaderValue { next_event_id } = decode("run header", &r.value)?;
                let record_version = guard_number("run header", &r.guard)?;
                Ok(RunCondition { record_version, next_event_id })
            });
            found.transpose().map(|f| (key.clone(), f))
        };
        Ok(Seen {
            range_id: stored_range(row(&keys::shard::row()))?,
            current_row,
            current,
            runs: plan.runs.iter().map(|r| run(&r.key)).collect::<Result<_>>()?,
        })
    }

    /// The current record's row.
    pub(super) fn current_row(&self) -> Option<&Row> {
        self.current_row.as_ref()
    }
}

impl Found for Seen {
    fn range_id(&self) -> Option<RangeId> {
        self.range_id
    }

    fn current(&self) -> FoundCurrent<'_> {
        self.current.as_ref()
    }

    fn run(&self, key: &RunKey) -> Option<RunCondition> {
        self.runs.iter().find(|(k, _)| k == key).and_then(|(_, c)| *c)
    }
}
