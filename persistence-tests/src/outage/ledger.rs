//! The ledger of a shard: a document that every write replaces, and an entry that the same write adds, found by three indexes. No
//! version may be written twice, none may be missing, and the indexes must have what the documents say.

use super::check::unlike;
use super::log::{Claim, Log};
use super::place::{LANES, Mark, Place, one_of_each_shard, torn};
use super::writer::Writer;
use persistence_core::document::plan::OrderBy;
use persistence_core::document::write::{Action, DocumentWrite, Pre};
use persistence_core::document::*;
use persistence_core::store::*;
use persistence_core::{AttemptId, Context, Error, PageRequest, Persistence, Result};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

const COLLECTION: &str = "outage_ledger";
const LATEST: &str = "latest";

/// Documents of a page, and of a read by id.
const PAGE: u32 = 200;

/// A ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledger {
    shard: i32,
    namespace: Uuid,
}

/// Makes the collection.
pub(super) async fn ensure(p: &dyn Persistence) -> Result<()> {
    let text = |name: &str| Ok::<_, Error>(Attribute::new(name, name.parse()?, KeyType::Str { max: 60 }));
    let number = |name: &str| Ok::<_, Error>(Attribute::new(name, name.parse()?, KeyType::I64));
    let collection = CollectionDef::new(COLLECTION, IdKind::Text)
        .partition_by("shard".parse()?)
        .attribute(text("owner")?)
        .attribute(number("attempt")?)
        .attribute(number("version")?)
        .index(IndexDef::new("by_version").in_partition().asc("version").unique())
        .index(IndexDef::new("by_owner").asc("owner").desc("attempt"));
    let req = EnsureCollections { definitions: vec![collection], mode: EnsureMode::Apply };
    p.documents().ensure_collections(&Context::new(), &req).await.map(drop)
}

impl Ledger {
    pub(super) fn of(place: &Place) -> Self {
        Ledger { shard: place.shard(), namespace: place.namespace }
    }

    /// The ledgers of the shards of these runs.
    pub(super) fn all(places: &[Place]) -> impl Iterator<Item = (Ledger, &Place)> {
        one_of_each_shard(places).map(|place| (Ledger::of(place), place))
    }

    /// Its number in the log, beside those of its shard's runs and queue.
    pub(super) fn number(&self) -> i32 {
        (self.shard + 1) * LANES - 3
    }

    /// Whether a number in a log is of a ledger.
    pub(super) fn is(number: i32) -> bool {
        number % LANES == LANES - 3
    }

    fn partition(&self) -> String {
        format!("{} {}", self.namespace, self.shard)
    }

    fn key(&self, id: &str) -> DocumentKey {
        DocumentKey::within(self.partition(), id)
    }

    fn put(&self, id: &str, pre: Pre, body: serde_json::Value) -> DocumentWrite {
        let action = Action::Put { body, expires: None };
        DocumentWrite { collection: COLLECTION.to_owned(), key: self.key(id), pre, action }
    }

    /// What replaces the latest document, which the indexes do not have.
    fn replace(&self, mark: Mark, pre: Pre) -> DocumentWrite {
        self.put(LATEST, pre, serde_json::json!({"shard": self.partition(), "mark": mark}))
    }

    fn entry(&self, mark: Mark) -> DocumentWrite {
        let partition = self.partition();
        let (attempt, version) = (mark.attempt, mark.version);
        let body = serde_json::json!({
            "shard": &partition, "owner": &partition, "mark": mark, "attempt": attempt, "version": version,
        });
        self.put(&format!("entry {attempt}"), Pre::Absent, body)
    }

    fn mark(&self, attempt: i64, version: i64) -> Mark {
        Mark { run: self.number(), attempt, version }
    }

    /// Makes it, at version 1 and without entries.
    pub(super) async fn create(&self, p: &dyn Persistence) -> Result<()> {
        let writes = vec![self.replace(self.mark(0, 1), Pre::Absent)];
        let req = WriteDocuments { writes, attempt: AttemptId::new() };
        p.documents().write_documents(&Context::new(), &req).await.map(drop)
    }

    /// The write of an attempt.
    pub(super) fn write(&self, attempt: i64, expected: i64) -> WriteDocuments {
        let mark = self.mark(attempt, expected + 1);
        let writes = vec![self.replace(mark, Pre::Version(expected)), self.entry(mark)];
        WriteDocuments { writes, attempt: AttemptId::new() }
    }

    /// The latest document.
    pub(super) async fn load(&self, p: &dyn Persistence, cx: &Context) -> Result<Mark> {
        let found = self.get(p, cx, vec![self.key(LATEST)]).await?;
        let [Some(latest)] = &found[..] else { return Err(Error::not_found("document", LATEST)) };
        let mark = mark_of(latest)?;
        if mark.version == latest.version { Ok(mark) } else { Err(torn("ledger")) }
    }

    async fn get(
        &self,
        p: &dyn Persistence,
        cx: &Context,
        keys: Vec<DocumentKey>,
    ) -> Result<Vec<Option<Document>>> {
        let req = GetDocuments { collection: COLLECTION.to_owned(), keys, deleted: Deleted::Hide };
        p.documents().get_documents(cx, &req).await
    }

    async fn find(&self, p: &dyn Persistence, filter: Filter, order: OrderBy) -> Result<Vec<Document>> {
        let (cx, mut all) = (Context::new(), Vec::new());
        let mut query = FindDocuments { order: vec![order], ..FindDocuments::new(COLLECTION, filter, PAGE) };
        loop {
            let page = p.documents().find_documents(&cx, &query).await?;
            all.extend(page.documents);
            match page.next {
                Some(token) => query.page = PageRequest::after(PAGE, token),
                None => return Ok(all),
            }
        }
    }
}

fn mark_of(d: &Document) -> Result<Mark> {
    let mark = d.body.get("mark").cloned().unwrap_or_default();
    serde_json::from_value(mark).map_err(|e| Error::corrupted("mark", e.to_string()))
}

/// A writer with its shard's ledger.
pub(super) struct Clerk {
    ledger: Ledger,
    /// It was not told whether a write came in.
    doubts: bool,
}

impl Clerk {
    pub(super) fn new(ledger: Ledger) -> Self {
        Clerk { ledger, doubts: false }
    }

    /// Reads the latest document, and writes the next one with its entry.
    pub(super) async fn step(&mut self, w: &Writer, patience: Duration) {
        let ledger = self.ledger;
        let Some(found) = w.insist(|cx| async move { ledger.load(&*w.p, &cx).await }).await else { return };
        let (attempt, expected) = (w.next_attempt(), found.version);
        let write = ledger.write(attempt, expected);
        let result = w.p.documents().write_documents(&w.context(patience), &write).await.map(drop);
        let losable = w.has_rivals() || self.doubts;
        match w.told("write documents", ledger.number(), (attempt, expected), &result, losable).await {
            Claim::Applied => self.doubts = false,
            Claim::Maybe => self.doubts = true,
            Claim::NotApplied => {}
        }
    }
}

/// Everything that is wrong. `crashes`: writers died, so that some attempts have no answer.
pub(super) async fn check(
    p: &dyn Persistence,
    (ledger, place): (Ledger, &Place),
    log: &Log,
    crashes: usize,
) -> Result<Vec<String>> {
    let cx = Context::new();
    let (shard, owner, partition): (Path, Path, _) = ("shard".parse()?, "owner".parse()?, ledger.partition());
    // A late request may still arrive: then again.
    let (latest, versions, attempts) = loop {
        let latest = ledger.load(p, &cx).await?;
        let by_version = Filter::eq(shard.clone(), &*partition).and(Filter::Exists("version".parse()?));
        let versions = ledger.find(p, by_version, OrderBy::asc("version".parse()?)).await?;
        let by_owner = Filter::eq(owner.clone(), &*partition).and(Filter::Exists("attempt".parse()?));
        let attempts = ledger.find(p, by_owner, OrderBy::desc("attempt".parse()?)).await?;
        if ledger.load(p, &cx).await? == latest {
            break (latest, versions, attempts);
        }
    };
    let mut wrong = Vec::new();
    let entries: Vec<Mark> = versions.iter().map(mark_of).collect::<Result<_>>()?;
    if !entries.iter().map(|m| m.version).eq(2..=latest.version) {
        let found: Vec<_> = entries.iter().map(|m| m.version).collect();
        wrong.push(format!(
            "the entries are of versions {found:?}, the latest document of {}",
            latest.version
        ));
    }
    if entries.last().is_some_and(|last| *last != latest) {
        wrong.push(format!("{latest:?} is stored, and {:?} is its last entry", entries.last()));
    }
    let mut newest_first = versions.clone();
    newest_first.sort_by_key(|d| d.body.get("attempt").and_then(|a| a.as_i64()).map(std::cmp::Reverse));
    if newest_first != attempts {
        wrong.push(format!(
            "one index has {} entries, another one {}, or others",
            versions.len(),
            attempts.len()
        ));
    }
    for chunk in versions.chunks(PAGE as usize) {
        let by_id = ledger.get(p, &cx, chunk.iter().map(|d| d.key.clone()).collect()).await?;
        if !by_id.iter().flatten().eq(chunk) {
            wrong.push("an index has entries that are not there, or are otherwise".to_owned());
        }
    }
    let made: BTreeMap<i64, i64> = entries.iter().map(|m| (m.attempt, m.version)).collect();
    if made.len() != entries.len() {
        wrong.push("an attempt made two versions".to_owned());
    }
    wrong.extend(unlike(&log.claims(ledger.number()), &made, crashes * place.writers()));
    Ok(wrong.into_iter().map(|what| format!("ledger {}: {what}", ledger.number())).collect())
}
