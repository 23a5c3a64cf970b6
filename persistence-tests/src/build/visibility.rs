//! Visibility records, and the requests for them.

use super::record::blob;
use crate::Fixture;
use crate::fixture::call;
use persistence_core::store::*;
use persistence_core::{
    Archetype, BranchToken, Clock, Context, NamespaceId, PageRequest, Persistence, Result, RunId, ShardId,
    Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A second, in milliseconds.
pub const SECOND: i64 = 1000;
/// An hour, in milliseconds.
pub const HOUR: i64 = 3600 * SECOND;

/// The search attributes that cases share, one of each type.
pub const ATTRIBUTES: [(&str, SearchAttributeType); 6] = [
    ("SuiteKeyword", SearchAttributeType::Keyword),
    ("SuiteList", SearchAttributeType::KeywordList),
    ("SuiteInt", SearchAttributeType::Int),
    ("SuiteDouble", SearchAttributeType::Double),
    ("SuiteBool", SearchAttributeType::Bool),
    ("SuiteTime", SearchAttributeType::Datetime),
];

/// A namespace under a case.
#[derive(Clone)]
pub struct Seen {
    /// The handle.
    pub p: Arc<dyn Persistence>,
    /// The namespace.
    pub namespace_id: NamespaceId,
    /// When the case began.
    pub began: Timestamp,
}

impl Seen {
    /// A fresh namespace.
    pub fn new(t: &Fixture) -> Self {
        Seen { p: t.p.clone(), namespace_id: t.namespace(), began: t.clock.now() }
    }

    /// A fresh namespace, with the search attributes that cases share.
    pub async fn with_attributes(t: &Fixture) -> Result<Self> {
        let seen = Seen::new(t);
        seen.set_up(&ATTRIBUTES).await?;
        Ok(seen)
    }

    /// The same namespace on another handle.
    #[must_use]
    pub fn on(&self, p: &Arc<dyn Persistence>) -> Self {
        Seen { p: p.clone(), ..self.clone() }
    }

    /// A context with a generous deadline.
    pub fn cx(&self) -> Context {
        call()
    }

    /// So many milliseconds after the case began.
    pub fn at(&self, millis: i64) -> Timestamp {
        Timestamp(self.began.0 + millis)
    }

    /// The same time in a query.
    pub fn text(&self, millis: i64) -> String {
        rfc3339(self.at(millis))
    }

    /// A run that started so many milliseconds after the case began.
    pub fn run(&self, run_id: RunId, start: i64) -> VisibilityRecord {
        VisibilityRecord {
            run: RunKey {
                namespace_id: self.namespace_id,
                workflow_id: format!("workflow of {run_id}"),
                run_id,
            },
            version: 1,
            shard_id: ShardId(1),
            archetype: Archetype::WORKFLOW,
            workflow_type: "type".to_owned(),
            task_queue: "queue".to_owned(),
            status: ExecutionStatus::Running,
            start_time: self.at(start),
            execution_time: self.at(start),
            close_time: None,
            history_length: 0,
            history_size_bytes: 0,
            state_transition_count: 0,
            parent: None,
            root: None,
            branch: None,
            memo: None,
            search_attributes: BTreeMap::new(),
        }
    }

    /// A run with every field set.
    pub fn full(&self, t: &Fixture) -> VisibilityRecord {
        let other = |name: &str| Some(ExecutionRef { workflow_id: t.name(name), run_id: t.run() });
        let values = [
            SearchAttribute::Keyword("a 'b' \u{1F600}".to_owned()),
            SearchAttribute::KeywordList(vec!["x".to_owned(), "y z".to_owned()]),
            SearchAttribute::Int(i64::MIN),
            SearchAttribute::Double(-0.125),
            SearchAttribute::Bool(true),
            SearchAttribute::Datetime(Timestamp(1)),
        ];
        let names = ATTRIBUTES.iter().map(|(name, _)| (*name).to_owned());
        VisibilityRecord {
            workflow_type: "täst typ".to_owned(),
            execution_time: self.at(5 * SECOND),
            history_length: 7,
            history_size_bytes: 1 << 40,
            state_transition_count: 3,
            parent: other("parent"),
            root: other("root"),
            branch: Some(BranchToken::new_root(t.tree(), t.branch())),
            memo: Some(blob("memo")),
            search_attributes: names.zip(values).collect(),
            ..self.run(t.run(), 0)
        }
    }

    /// Records what became of a run, by the operation that is for it.
    pub async fn record(&self, record: &VisibilityRecord) -> Result<()> {
        let (v, req) = (self.p.visibility(), RecordVisibility { record: record.clone() });
        match (record.version, record.close_time) {
            (1, None) => v.record_started(&self.cx(), &req).await,
            (_, Some(_)) => v.record_closed(&self.cx(), &req).await,
            _ => v.upsert_visibility(&self.cx(), &req).await,
        }
    }

    /// Deletes a record of this version and older ones.
    pub async fn delete(&self, run_id: RunId, version: i64, remember: Duration) -> Result<()> {
        let req = DeleteVisibility { namespace_id: self.namespace_id, run_id, version, remember };
        self.p.visibility().delete_visibility(&self.cx(), &req).await
    }

    /// A run's record.
    pub async fn get(&self, run_id: RunId) -> Result<VisibilityRecord> {
        let req = GetVisibility { namespace_id: self.namespace_id, run_id };
        self.p.visibility().get_visibility(&self.cx(), &req).await
    }

    /// One page.
    pub async fn page(&self, req: &ListVisibility) -> Result<VisibilityPage> {
        self.p.visibility().list_visibility(&self.cx(), req).await
    }

    /// The first page of a query.
    pub fn query(&self, query: impl Into<String>, size: u32) -> ListVisibility {
        ListVisibility::new(self.namespace_id, query, size)
    }

    /// Every record of a query, in pages of its size.
    ///
    /// # Panics
    ///
    /// When pages are not as pages must be.
    pub async fn all(&self, req: &ListVisibility) -> Result<Vec<VisibilityRecord>> {
        let (mut req, mut found) = (req.clone(), Vec::new());
        loop {
            let page = self.page(&req).await?;
            let (size, len) = (req.page.size as usize, page.records.len());
            assert!(len <= size, "a page is too long");
            let full = len == size || page.budget_exhausted || page.next.is_none();
            assert!(full, "a short page that is not the last says why");
            found.extend(page.records);
            assert!(found.len() < 100_000, "a crawl without an end");
            let Some(token) = page.next else { return Ok(found) };
            req.page = PageRequest::after(req.page.size, token);
        }
    }

    /// The runs of a query, in order.
    pub async fn runs(&self, query: impl Into<String>) -> Result<Vec<RunId>> {
        let found = self.all(&self.query(query, 3)).await?;
        Ok(found.into_iter().map(|r| r.run.run_id).collect())
    }

    /// Counts the records of a query that an index answers.
    pub async fn count(&self, query: impl Into<String>) -> Result<VisibilityCount> {
        self.p.visibility().count_visibility(&self.cx(), &self.counting(query, ScanPolicy::Forbid)).await
    }

    /// Counts the records of a query.
    pub fn counting(&self, query: impl Into<String>, scan: ScanPolicy) -> CountVisibility {
        CountVisibility { namespace_id: self.namespace_id, query: query.into(), scan }
    }

    /// Registers search attributes.
    pub async fn set_up(&self, attributes: &[(&str, SearchAttributeType)]) -> Result<VisibilitySetup> {
        self.p.visibility().set_up_visibility(&self.cx(), &registering(attributes)).await
    }
}

/// Registers search attributes.
pub fn registering(attributes: &[(&str, SearchAttributeType)]) -> SetUpVisibility {
    let search_attributes = attributes.iter().map(|(name, of)| ((*name).to_owned(), *of)).collect();
    SetUpVisibility { partitions: None, search_attributes }
}

/// The record of a run that closed so many milliseconds after it started.
pub fn closed(record: &VisibilityRecord, status: ExecutionStatus, after: i64) -> VisibilityRecord {
    let close_time = Some(Timestamp(record.start_time.0 + after));
    VisibilityRecord {
        version: record.version + 10,
        status,
        close_time,
        history_length: 11,
        ..record.clone()
    }
}

/// A time in a query.
///
/// # Panics
///
/// When it is not within the years 0 to 9999.
pub fn rfc3339(t: Timestamp) -> String {
    let days = t.0.div_euclid(86_400_000);
    let millis = t.0.rem_euclid(86_400_000);
    // The civil date of a day, counted in eras of 400 years that begin in March.
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    assert!((0..10_000).contains(&year));
    let (h, m, s, ms) = (millis / HOUR, millis / 60_000 % 60, millis / SECOND % 60, millis % SECOND);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_others_write_them() {
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(Timestamp(951_782_400_007)), "2000-02-29T00:00:00.007Z");
        assert_eq!(rfc3339(Timestamp(-1)), "1969-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(Timestamp(1_798_761_599_999)), "2026-12-31T23:59:59.999Z");
    }
}
