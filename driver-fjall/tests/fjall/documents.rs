//! A process that writes documents, and adds and drops an index meanwhile, is killed: what it said was written is there, whole,
//! by every index.

use crate::support::*;
use crate::{Case, child, crash};
use libtest_mimic::Failed;
use persistence_nosql::core::document::plan::OrderBy;
use persistence_nosql::core::document::*;
use persistence_nosql::core::store::{EnsureMode, ScanPolicy};
use persistence_nosql::core::{Env, Result};
use persistence_tests::build::document::{Docs, at, path};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path as Directory;
use std::sync::Arc;

pub(crate) const CASES: &[(&str, Case)] =
    &[("documents_and_their_indexes_survive_when_the_process_is_killed", killed_while_indexing)];

const WRITERS: u32 = 4;
/// How many documents a writer has, which it writes in turn.
const SLOTS: u32 = 12;
/// How often the writer of one store is killed.
const LIVES: usize = 5;

/// Names are unique; tags and ranks are found over all partitions. Ranks only sometimes.
fn things(ranked: bool) -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    let def = CollectionDef::new("things", IdKind::Text)
        .partition_by(path("team"))
        .attribute(Attribute::new("name", path("name"), text))
        .attribute(Attribute::new("rank", path("rank"), KeyType::I64).required())
        .attribute(Attribute::new("tag", path("tags"), text).elements())
        .index(IndexDef::new("one_name").asc("name").unique())
        .index(IndexDef::new("by_team").in_partition().desc("rank"))
        .index(IndexDef::new("by_tag").asc("tag"));
    if ranked { def.index(IndexDef::new("by_rank").asc("rank")) } else { def }
}

fn key(w: u32, slot: u32) -> DocumentKey {
    at(&format!("team-{}", slot % 3), &format!("{w}-{slot}"))
}

/// What writer `w` writes as its `n`th.
fn body(w: u32, n: u32) -> Value {
    let (slot, tags) = (n % SLOTS, [format!("w{w}"), format!("round-{}", n / SLOTS % 4)]);
    json!({"team": format!("team-{}", slot % 3), "name": format!("{w}-{slot}-{n}"), "rank": n, "tags": tags})
}

async fn docs(home: &Directory, ranked: bool) -> Result<Docs> {
    let p = persistence_nosql::open(Arc::new(open(home).await?), Env::default()).await?;
    Ok(Docs { p, def: things(ranked) })
}

/// What a writer wrote last; 0 if nothing.
async fn last(docs: &Docs, w: u32) -> Result<u32> {
    let mut last = 0;
    for slot in 0..SLOTS {
        let found = docs.get(&key(w, slot)).await?;
        let rank = found.and_then(|d| d.body["rank"].as_u64()).unwrap_or(0);
        last = last.max(u32::try_from(rank).unwrap_or(u32::MAX));
    }
    Ok(last)
}

/// Writes until it is killed, and says what is written. Meanwhile an index comes and goes.
pub(crate) async fn write_for_ever(home: &Directory) {
    let first = docs(home, false).await.expect("opened");
    first.ensure(EnsureMode::Apply).await.expect("a collection");
    child::say("ready".to_owned());
    let writers: Vec<_> = (0..WRITERS)
        .map(|w| {
            let docs = first.clone();
            tokio::spawn(async move {
                for n in last(&docs, w).await.expect("documents") + 1.. {
                    docs.put(&key(w, n % SLOTS), body(w, n)).await.expect("written");
                    child::say(format!("ack {w} {n}"));
                }
            })
        })
        .collect();
    for ranked in [true, false].into_iter().cycle() {
        let docs = Docs { def: things(ranked), ..first.clone() };
        docs.ensure(EnsureMode::Apply).await.expect("ensured");
        if writers.iter().any(|w| w.is_finished()) {
            panic!("a writer ended");
        }
    }
}

fn killed_while_indexing() -> Result<(), Failed> {
    let mut random = Random(crash::seed());
    for killed in (0..crash::kills()).step_by(LIVES) {
        let dir = dir();
        let mut there: BTreeMap<u32, u32> = (0..WRITERS).map(|w| (w, 0)).collect();
        for _ in killed..crash::kills().min(killed + LIVES) {
            let said = crash::said_before_its_end("documents", dir.path(), &mut random)?;
            let mut acks = there;
            acks.extend(crash::acknowledged(&said));
            there = run(verify(dir.path(), &acks))?;
        }
        println!("{} writes", there.values().sum::<u32>());
        assert!(there.values().any(|n| *n > 0), "nothing was written");
    }
    Ok(())
}

/// Completes what was interrupted, and looks at everything in every way.
async fn verify(home: &Directory, acks: &BTreeMap<u32, u32>) -> Result<BTreeMap<u32, u32>> {
    let docs = docs(home, true).await?;
    docs.ensure(EnsureMode::Apply).await?;
    assert_eq!(docs.ensure(EnsureMode::Verify).await?.changes, [], "the indexes are not whole");
    let mut there = BTreeMap::new();
    let mut documents = 0;
    for (&w, &acked) in acks {
        let n = last(&docs, w).await?;
        assert!((acked..=acked + 1).contains(&n), "writer {w}: {acked} was acknowledged, {n} is there");
        for written in n.saturating_sub(SLOTS - 1).max(1)..=n {
            documents += 1;
            let stored = docs.get(&key(w, written % SLOTS)).await?.map(|d| d.body);
            assert_eq!(stored, Some(body(w, written)), "writer {w}");
            let by_name = Filter::eq(path("name"), format!("{w}-{}-{written}", written % SLOTS));
            assert_eq!(found(&docs, by_name, &[]).await?, [body(w, written)], "by its unique name");
        }
        there.insert(w, n);
    }
    let by_rank = found(&docs, Filter::everything(), &[OrderBy::asc(path("rank"))]).await?;
    assert_eq!(by_rank.len(), documents, "by the index that came and went");
    assert!(by_rank.is_sorted_by_key(|b| b["rank"].as_u64()));
    let mut tagged = 0;
    for w in 0..WRITERS {
        tagged += found(&docs, Filter::Contains(path("tags"), format!("w{w}").into()), &[]).await?.len();
    }
    assert_eq!(tagged, documents, "by tag");
    docs.p.close().await?;
    Ok(there)
}

/// All documents of a query, which only an index may answer.
async fn found(docs: &Docs, filter: Filter, order: &[OrderBy]) -> Result<Vec<Value>> {
    let query = docs.query(filter, order, 50);
    assert_eq!(query.scan, ScanPolicy::Forbid);
    Ok(docs.all(&query).await?.into_iter().map(|d| d.body).collect())
}
