use super::*;
use crate::config::Builder;
use crate::open::open;
use persistence_nosql::core::ErrorKind;
use persistence_nosql::row::{Check, Condition, KeyRange, Part};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An engine that counts its commits, and fails them with an error of this kind if there is one.
fn engine(fails: Option<io::ErrorKind>) -> (Engine, Tables, Arc<AtomicUsize>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(&Builder::new(dir.path())).unwrap();
    let (tables, commits) = (opened.tables.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = commits.clone();
    let engine = Engine {
        tables: tables.clone(),
        persist: PersistMode::SyncData,
        synced: Some(opened.home.state().clone()),
        last: 1,
        broken: false,
        commit: Box::new(move |batch| {
            counted.fetch_add(1, Ordering::Relaxed);
            match fails {
                Some(kind) => Err(fjall::Error::Io(kind.into())),
                None => batch.commit(),
            }
        }),
    };
    opened.committer.close();
    (engine, tables, commits, dir)
}

fn row(text: &str) -> Row {
    Row { guard: Bytes::copy_from_slice(text.as_bytes()), value: Bytes::copy_from_slice(text.as_bytes()) }
}

fn key(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put(k: &str, v: &str) -> Op {
    Op::Put { key: key(k), row: row(v), collectable_after: None }
}

fn write(checks: &[(&str, Condition)], ops: Vec<Op>) -> Write {
    let checks = checks.iter().map(|(k, c)| Check { key: key(k), condition: c.clone() }).collect();
    Part { table: Table::Shard, partition: key("p"), checks, ops }.into()
}

fn stored(tables: &Tables, k: &str) -> Option<Row> {
    tables.get(&tables.snapshot(), Table::Shard, &encode(b"p", k.as_bytes())).unwrap()
}

#[test]
fn the_last_of_several_writes_to_one_key_wins() {
    let (mut engine, tables, commits, _dir) = engine(None);
    let delete = |k: &str| Op::Delete { key: key(k) };
    let answers = engine.apply(vec![
        write(&[], vec![put("a", "1"), put("b", "1"), put("c", "1")]),
        write(&[], vec![put("a", "2"), delete("b")]),
        write(&[], vec![delete("c"), delete("d")]),
        write(&[], vec![put("c", "3"), put("d", "3")]),
    ]);
    assert!(answers.iter().all(|a| *a.as_ref().unwrap() == WriteOutcome::Applied));
    assert_eq!(commits.load(Ordering::Relaxed), 1, "one commit for all");
    let now = ["a", "b", "c", "d"].map(|k| stored(&tables, k));
    assert_eq!(now, [Some(row("2")), None, Some(row("3")), Some(row("3"))]);
}

#[test]
fn checks_see_what_the_batch_has_decided_and_not_their_own_write() {
    let (mut engine, tables, _, _dir) = engine(None);
    let is = |g: &str| Condition::Guard(key(g));
    let answers = engine.apply(vec![
        write(&[("a", Condition::Absent)], vec![put("a", "1")]),
        write(&[("a", Condition::Absent)], vec![put("a", "x")]),
        write(&[("a", is("1"))], vec![put("a", "2")]),
        write(&[("a", is("1"))], vec![put("a", "x")]),
        write(&[("a", is("2"))], vec![Op::Delete { key: key("a") }]),
        write(&[("a", Condition::Present), ("b", Condition::Absent)], vec![put("b", "x")]),
    ]);
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let refused = |r: &[Option<Row>]| WriteOutcome::Refused(r.to_vec());
    assert_eq!(answers[0], WriteOutcome::Applied);
    assert_eq!(answers[1], refused(&[Some(row("1"))]));
    assert_eq!(answers[2], WriteOutcome::Applied);
    assert_eq!(answers[3], refused(&[Some(row("2"))]));
    assert_eq!(answers[4], WriteOutcome::Applied);
    assert_eq!(answers[5], refused(&[None, None]));
    assert_eq!((stored(&tables, "a"), stored(&tables, "b")), (None, None));
}

#[test]
fn a_range_takes_what_is_stored_and_what_is_pending() {
    let (mut engine, tables, _, _dir) = engine(None);
    engine.apply(vec![write(&[], vec![put("a", "1"), put("b", "1"), put("d", "1")])]);
    let range = Op::DeleteRange { range: KeyRange::new("b", "d") };
    engine.apply(vec![
        write(&[], vec![put("c", "2")]),
        write(&[], vec![range]),
        write(&[("b", Condition::Absent)], vec![put("b", "3")]),
    ]);
    let now = ["a", "b", "c", "d"].map(|k| stored(&tables, k));
    assert_eq!(now, [Some(row("1")), Some(row("3")), None, Some(row("1"))]);
    engine.apply(vec![write(&[], vec![Op::DeleteRange { range: KeyRange::all() }])]);
    assert!(["a", "b", "c", "d"].iter().all(|k| stored(&tables, k).is_none()));
}

#[test]
fn a_failed_commit_ends_all_writing_and_is_never_tried_again() {
    for (kind, expected) in [
        (io::ErrorKind::Other, ErrorKind::Unavailable),
        (io::ErrorKind::StorageFull, ErrorKind::ResourceExhausted),
    ] {
        let (mut engine, tables, commits, _dir) = engine(Some(kind));
        let mut answers = engine.apply(vec![
            write(&[], vec![put("a", "1")]),
            write(&[("a", Condition::Absent)], vec![put("a", "x")]),
        ]);
        answers.extend(engine.apply(vec![write(&[], vec![put("b", "1")])]));
        let errors: Vec<_> = answers.into_iter().map(|a| a.unwrap_err()).collect();
        let seen: Vec<_> = errors.iter().map(|e| (e.kind(), e.outcome())).collect();
        let later = (ErrorKind::Unavailable, Outcome::NotApplied);
        assert_eq!(seen, [(expected, Outcome::MaybeApplied), (expected, Outcome::NotApplied), later]);
        assert_eq!(commits.load(Ordering::Relaxed), 1, "tried again");
        assert_eq!(stored(&tables, "a"), None, "visible though not durable");
    }
}

#[test]
fn a_batch_that_changes_nothing_costs_no_commit() {
    let (mut engine, _, commits, _dir) = engine(None);
    engine.apply(vec![
        write(&[("a", Condition::Present)], vec![put("a", "1")]),
        write(&[("a", Condition::Absent)], vec![]),
    ]);
    assert_eq!(commits.load(Ordering::Relaxed), 0);
}
