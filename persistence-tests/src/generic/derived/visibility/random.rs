//! Random records, random queries: every driver finds what a look at all of them finds.

use crate::Fixture;
use crate::build::visibility::*;
use persistence_core::store::*;
use persistence_core::{ErrorKind, Timestamp};
use std::collections::BTreeMap;

const WORDS: [&str; 5] = ["a", "ab", "ab ", "B", "é"];

fn some<T: Clone>(rng: &mut fastrand::Rng, of: &[T]) -> T {
    of[rng.usize(..of.len())].clone()
}

fn word(rng: &mut fastrand::Rng) -> String {
    some(rng, &WORDS).to_owned()
}

fn record(t: &Fixture, seen: &Seen, rng: &mut fastrand::Rng) -> VisibilityRecord {
    let mut r = seen.run(t.run(), rng.i64(0..8) * SECOND);
    r.workflow_type = word(rng);
    r.run.workflow_id = word(rng);
    r.task_queue = word(rng);
    r.history_length = rng.i64(0..4);
    r.parent = rng.bool().then(|| ExecutionRef { workflow_id: word(rng), run_id: t.run() });
    let values = [
        SearchAttribute::Keyword(word(rng)),
        SearchAttribute::KeywordList((0..rng.usize(0..3)).map(|_| word(rng)).collect()),
        SearchAttribute::Int(rng.i64(-2..3)),
        SearchAttribute::Double(some(rng, &[-1.5, 0.0, 0.5, 2.0])),
        SearchAttribute::Bool(rng.bool()),
        SearchAttribute::Datetime(seen.at(rng.i64(0..4) * SECOND)),
    ];
    for ((name, _), value) in ATTRIBUTES.iter().zip(values) {
        if rng.u8(0..3) > 0 {
            r.search_attributes.insert((*name).to_owned(), value);
        }
    }
    if rng.bool() {
        let status =
            some(rng, &[ExecutionStatus::Completed, ExecutionStatus::Failed, ExecutionStatus::TimedOut]);
        return closed(&r, status, rng.i64(0..3) * SECOND);
    }
    r
}

/// A look at a record.
type Look<T> = Box<dyn Fn(&VisibilityRecord) -> T + Send>;
/// A field, and what a record has in it.
type Get<T> = (&'static str, fn(&VisibilityRecord) -> Option<T>);

/// What a query asks for, as text and as a look at a record. None where the record lacks the field.
enum Asked {
    Leaf(String, Look<Option<bool>>),
    Not(Box<Asked>),
    All(Vec<Asked>),
    Any(Vec<Asked>),
}

impl Asked {
    fn text(&self) -> String {
        let list = |parts: &[Asked], word: &str| {
            parts.iter().map(|p| format!("({})", p.text())).collect::<Vec<_>>().join(word)
        };
        match self {
            Asked::Leaf(text, _) => text.clone(),
            Asked::Not(one) => format!("NOT ({})", one.text()),
            Asked::All(all) => list(all, " AND "),
            Asked::Any(any) => list(any, " or "),
        }
    }

    fn holds(&self, r: &VisibilityRecord) -> Option<bool> {
        match self {
            Asked::Leaf(_, holds) => holds(r),
            Asked::Not(one) => one.holds(r).map(|b| !b),
            Asked::All(all) => decided(all.iter().map(|a| a.holds(r)), false),
            Asked::Any(any) => decided(any.iter().map(|a| a.holds(r)), true),
        }
    }
}

/// What decides, if something does; unknown if anything is; else the opposite.
fn decided(parts: impl Iterator<Item = Option<bool>>, decides: bool) -> Option<bool> {
    let parts: Vec<_> = parts.collect();
    if parts.contains(&Some(decides)) {
        return Some(decides);
    }
    if parts.contains(&None) { None } else { Some(!decides) }
}

/// A comparison of values in an order, with its sign.
fn compared<T: PartialOrd + Send + 'static>(
    rng: &mut fastrand::Rng,
    field: &str,
    shown: &str,
    value: T,
    get: impl Fn(&VisibilityRecord) -> Option<T> + Send + 'static,
) -> Asked {
    let sign = some(rng, &["=", "!=", "<", "<=", ">", ">="]);
    let holds = move |r: &VisibilityRecord| {
        let found = get(r)?;
        Some(match sign {
            "=" => found == value,
            "!=" => found != value,
            "<" => found < value,
            "<=" => found <= value,
            ">" => found > value,
            _ => found >= value,
        })
    };
    Asked::Leaf(format!("{field} {sign} {shown}"), Box::new(holds))
}

fn leaf(seen: &Seen, rng: &mut fastrand::Rng) -> Asked {
    let custom = |name: &str| {
        let name = name.to_owned();
        move |r: &VisibilityRecord| r.search_attributes.get(&name).cloned()
    };
    let texts: [Get<String>; 5] = [
        ("WorkflowType", |r| Some(r.workflow_type.clone())),
        ("WorkflowId", |r| Some(r.run.workflow_id.clone())),
        ("TaskQueue", |r| Some(r.task_queue.clone())),
        ("ParentWorkflowId", |r| r.parent.as_ref().map(|p| p.workflow_id.clone())),
        ("SuiteKeyword", |r| match r.search_attributes.get("SuiteKeyword") {
            Some(SearchAttribute::Keyword(k)) => Some(k.clone()),
            _ => None,
        }),
    ];
    let times: [Get<Timestamp>; 3] = [
        ("StartTime", |r| Some(r.start_time)),
        ("CloseTime", |r| r.close_time),
        ("SuiteTime", |r| match r.search_attributes.get("SuiteTime") {
            Some(SearchAttribute::Datetime(d)) => Some(*d),
            _ => None,
        }),
    ];
    let (w, second) = (word(rng), rng.i64(0..8) * SECOND);
    match rng.u8(0..14) {
        0..3 => {
            let (field, get) = some(rng, &texts);
            compared(rng, field, &format!("'{w}'"), w.clone(), get)
        }
        3 => {
            let (field, get) = some(rng, &texts);
            let (list, not) = (vec![w, word(rng)], rng.bool());
            let text = format!("{field} {}IN ('{}', '{}')", if not { "NOT " } else { "" }, list[0], list[1]);
            Asked::Leaf(text, Box::new(move |r| get(r).map(|v| list.contains(&v) != not)))
        }
        4 => {
            let (field, get) = some(rng, &texts);
            let not = rng.bool();
            let text = format!("{field} {}STARTS_WITH '{w}'", if not { "NOT " } else { "" });
            Asked::Leaf(text, Box::new(move |r| get(r).map(|v| v.starts_with(&*w) != not)))
        }
        5..7 => {
            let (field, get) = some(rng, &times);
            compared(rng, field, &format!("'{}'", seen.text(second)), seen.at(second), get)
        }
        7 => {
            let (field, get) = some(rng, &times);
            let (from, to) = (seen.at(second), seen.at(second + 2 * SECOND));
            let text = format!("{field} BETWEEN '{}' AND '{}'", rfc3339(from), rfc3339(to));
            Asked::Leaf(text, Box::new(move |r| get(r).map(|v| from <= v && v <= to)))
        }
        8 => {
            let status = some(rng, &["Running", "Completed", "Failed"]);
            let not = rng.bool();
            let text = format!("ExecutionStatus {} '{status}'", if not { "!=" } else { "=" });
            Asked::Leaf(text, Box::new(move |r| Some((format!("{:?}", r.status) == status) != not)))
        }
        9 => compared(rng, "HistoryLength", "2", 2, |r| Some(r.history_length)),
        10 => {
            let n = rng.i64(-2..3);
            compared(rng, "SuiteInt", &n.to_string(), n, move |r| match custom("SuiteInt")(r)? {
                SearchAttribute::Int(n) => Some(n),
                _ => None,
            })
        }
        11 => {
            let n = some(rng, &[-1.5, 0.0, 1.0]);
            compared(rng, "SuiteDouble", &format!("{n:?}"), n, move |r| match custom("SuiteDouble")(r)? {
                SearchAttribute::Double(n) => Some(n),
                _ => None,
            })
        }
        12 => {
            let (field, get): (_, Look<bool>) = match rng.bool() {
                true => ("CloseTime", Box::new(|r| r.close_time.is_none())),
                false => ("SuiteBool", Box::new(move |r| custom("SuiteBool")(r).is_none())),
            };
            let not = rng.bool();
            let text = format!("{field} IS {}NULL", if not { "NOT " } else { "" });
            Asked::Leaf(text, Box::new(move |r| Some(get(r) != not)))
        }
        _ => {
            let b = rng.bool();
            Asked::Leaf(
                format!("SuiteBool = {b}"),
                Box::new(move |r| custom("SuiteBool")(r).map(|v| v == SearchAttribute::Bool(b))),
            )
        }
    }
}

fn asked(seen: &Seen, rng: &mut fastrand::Rng, depth: u8) -> Asked {
    let parts = |rng: &mut fastrand::Rng| (0..rng.usize(2..4)).map(|_| asked(seen, rng, depth - 1)).collect();
    match rng.u8(0..10) {
        0..5 if depth > 0 => Asked::All(parts(rng)),
        5..7 if depth > 0 => Asked::Any(parts(rng)),
        7 if depth > 0 => Asked::Not(Box::new(asked(seen, rng, depth - 1))),
        8 => {
            // A list that holds a word: of it nothing else can be asked.
            let w = word(rng);
            let text = format!("SuiteList = '{w}'");
            let holds = move |r: &VisibilityRecord| match r.search_attributes.get("SuiteList") {
                Some(SearchAttribute::KeywordList(list)) => Some(list.contains(&w)),
                _ => None,
            };
            let list = Asked::Leaf(text, Box::new(holds));
            if depth == 2 { Asked::All(vec![list, leaf(seen, rng)]) } else { leaf(seen, rng) }
        }
        _ => leaf(seen, rng),
    }
}

crate::cases! {
    group: "visibility";

    /// Random queries on random records find what they must in its order, on pages of any size, and count as many; those that an
    /// index decides are answered without a scan.
    #[covers("visibility.list_visibility", "visibility.count_visibility", "visibility.list_visibility!unindexed", "P9")]
    #[kind(Calm)]
    async fn random_queries_of_runs_find_what_they_must(t) {
        let seen = Seen::with_attributes(t).await?;
        let mut rng = t.rng();
        let mut stored = BTreeMap::new();
        for i in 0..48 {
            let r = record(t, &seen, &mut rng);
            seen.record(&r).await?;
            stored.insert(r.run.run_id, r.clone());
            if i % 6 == 0 {
                seen.delete(r.run.run_id, i64::MAX, DeleteVisibility::REMEMBER).await?;
                stored.remove(&r.run.run_id);
            }
        }
        let mut stored: Vec<_> = stored.into_values().collect();
        let close = |r: &VisibilityRecord| (r.close_time.is_none(), r.close_time);
        stored.sort_by(|a, b| {
            let times = close(b).cmp(&close(a)).then(b.start_time.cmp(&a.start_time));
            times.then(a.run.run_id.cmp(&b.run.run_id))
        });
        assert_eq!(seen.all(&seen.query("", 7)).await?, stored);
        let scan = ScanPolicy::Allow { max_documents: 10_000 };
        let (mut indexed, mut scanned) = (0, 0);
        for _ in 0..120 {
            let asked = asked(&seen, &mut rng, 2);
            let text = asked.text();
            let req = seen.query(&*text, some(&mut rng, &[1, 3, 50]));
            let found = match seen.all(&req).await {
                Ok(found) => {
                    indexed += 1;
                    found
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Unindexed, "{text}: {e}");
                    scanned += 1;
                    seen.all(&ListVisibility { scan, ..req }).await?
                }
            };
            let wanted: Vec<_> = stored.iter().filter(|r| asked.holds(r) == Some(true)).cloned().collect();
            let ids = |all: &[VisibilityRecord]| all.iter().map(|r| r.run.run_id).collect::<Vec<_>>();
            assert_eq!(ids(&found), ids(&wanted), "{text}");
            assert_eq!(found, wanted, "the records themselves");
            let count = t.p.visibility().count_visibility(&t.cx(), &seen.counting(&*text, scan)).await?;
            assert_eq!(count.count, wanted.len() as u64, "{text}");
        }
        assert!(indexed > 20 && scanned > 5, "{indexed} with an index, {scanned} without");
    }
}
