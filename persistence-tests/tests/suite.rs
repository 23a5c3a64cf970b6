//! The suite itself: does it see what is wrong, and does it say so?

#![allow(clippy::unwrap_used)]

use async_trait::async_trait;
use bytes::Bytes;
use driver_memory::Memory;
use persistence_nosql::row::*;
use persistence_tests::core::{Context, Error, Result};
use persistence_tests::report::{CaseReport, DriverReport, Status};
use persistence_tests::{Failure, NoSqlHarness, Report, Runner};
use std::sync::Arc;

/// What is wrong with a [`Wrong`] driver.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    /// Nothing is written yet: what a new driver begins with.
    Empty,
    /// Guards are taken for presence.
    NoGuards,
    /// It dies.
    Panics,
}

struct Wrong {
    inner: Memory,
    flaw: Flaw,
}

impl Wrong {
    fn missing<T>(&self, primitive: &'static str, then: Result<T>) -> Result<T> {
        match self.flaw {
            Flaw::Empty => Err(Error::unsupported_primitive(primitive, "wrong")),
            Flaw::Panics => panic!("{primitive} of a bad driver"),
            Flaw::NoGuards => then,
        }
    }
}

#[async_trait]
impl RowStore for Wrong {
    fn info(&self) -> RowStoreInfo {
        self.inner.info()
    }

    async fn schema(&self, op: SchemaOp) -> Result<SchemaStatus> {
        if self.flaw == Flaw::Panics {
            self.inner.schema(op).await
        } else {
            self.missing("schema", self.inner.schema(op).await)
        }
    }

    async fn get(
        &self,
        cx: &Context,
        t: Table,
        p: &[u8],
        keys: &[Bytes],
        level: Level,
    ) -> Result<Vec<Option<Row>>> {
        self.missing("get", self.inner.get(cx, t, p, keys, level).await)
    }

    async fn scan(
        &self,
        cx: &Context,
        table: Table,
        partition: &[u8],
        range: &KeyRange,
        order: Order,
        limit: usize,
        level: Level,
    ) -> Result<Vec<KeyedRow>> {
        self.missing("scan", self.inner.scan(cx, table, partition, range, order, limit, level).await)
    }

    async fn write(&self, cx: &Context, mut write: Write) -> Result<WriteOutcome> {
        for check in write.parts.iter_mut().flat_map(|p| &mut p.checks) {
            if let Condition::Guard(_) = check.condition {
                check.condition = Condition::Present;
            }
        }
        self.missing("write", self.inner.write(cx, write).await)
    }

    async fn partitions(&self, table: Table, after: Option<&[u8]>, limit: usize) -> Result<Vec<Bytes>> {
        self.missing("partitions", self.inner.partitions(table, after, limit).await)
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

fn wrong(flaw: Flaw) -> NoSqlHarness {
    NoSqlHarness::new("wrong", move |_space| async move {
        Ok(Arc::new(Wrong { inner: Memory::new(), flaw }) as Arc<dyn RowStore>)
    })
}

fn right() -> NoSqlHarness {
    NoSqlHarness::new("right", |_space| async { Ok(Arc::new(Memory::new()) as _) })
}

fn case<'a>(report: &'a DriverReport, id: &str) -> &'a CaseReport {
    report.cases.iter().find(|c| c.id == id).unwrap()
}

fn message(report: &CaseReport) -> &str {
    let Status::Failed { message } = &report.status else { panic!("{report:?}") };
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flaw_fails_its_case_and_no_other() {
    let report = Runner::new(wrong(Flaw::NoGuards)).run_all(Some("nosql/check::")).await;
    let failed = message(case(&report, "check::guard"));
    assert!(failed.contains("a condition had to refuse it"), "{failed}");
    assert!(failed.contains("nosql/check.rs:"), "the place: {failed}");
    assert!(failed.contains("rule: A guard is compared exactly"), "the rule: {failed}");
    assert!(failed.contains("PERSISTENCE_TESTS_SEED="), "the seed: {failed}");
    assert!(failed.contains("names: partition p-"), "where to look: {failed}");
    assert_eq!(case(&report, "check::absent").status, Status::Passed);
    assert!(!report.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_has_nothing_yet_fails_case_by_case() {
    let report = Runner::new(wrong(Flaw::Empty)).run_all(Some("nosql/")).await;
    assert!(report.cases.len() > 50);
    let is_ignored = |c: &&CaseReport| matches!(c.status, Status::Ignored { .. });
    let (ignored, failed): (Vec<_>, Vec<_>) = report.cases.iter().partition(is_ignored);
    assert!(failed.iter().all(|c| message(c).contains("does not support primitive schema")));
    // What it does not declare is not asked of it, and it is told so.
    assert!(!ignored.is_empty() && ignored.iter().all(|c| !c.needs.is_empty()));
}

/// An error that a case meets, as it would be told.
fn failing() -> Result<(), Failure> {
    Err(Error::closed("database"))?;
    Ok(())
}

#[test]
fn an_error_tells_where_the_case_met_it() {
    let told = failing().unwrap_err().to_string();
    assert!(told.starts_with("database is closed\n  at ") && told.contains("suite.rs:"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_a_driver_is_a_failure_of_the_case() {
    let report = Runner::new(wrong(Flaw::Panics)).run_all(Some("nosql/value::")).await;
    assert!(message(case(&report, "value::put_replaces")).contains("write of a bad driver"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiver_is_told_and_must_name_a_case() {
    let harness = wrong(Flaw::NoGuards)
        .waive("check::guard", "guards come later")
        .waive("nosql/check::any_mix", "so does the rest")
        .waive("check::nonsense", "no such case");
    let report = Runner::new(harness).run_all(Some("nosql/check::")).await;
    assert!(
        matches!(&case(&report, "check::guard").status, Status::Waived { reason, .. } if reason == "guards come later")
    );
    assert!(matches!(case(&report, "check::any_mix").status, Status::Waived { .. }));
    assert_eq!(report.problems, ["the waiver check::nonsense names no case"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_cases_is_not_ok() {
    let report = Runner::new(right()).run_all(Some("no such case")).await;
    assert!(report.cases.is_empty() && !report.is_ok());
    assert!(!Report::default().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_driver_is_told_and_is_no_pass() {
    let skipped = DriverReport::skipped("absent", "no Docker, no URL");
    assert!(!skipped.is_ok() && !Report { drivers: vec![skipped.clone()] }.is_ok());
    let ran = Runner::new(right()).run_all(Some("generic/shard::")).await;
    let mut report = Report { drivers: vec![skipped, ran] };
    assert!(report.is_ok(), "what ran was good");
    let matrix = report.matrix(false);
    assert!(matrix.contains("SKIPPED  absent: no Docker, no URL"), "{matrix}");
    assert!(matrix.lines().any(|l| l.contains("absent") && l.contains("SKIPPED")), "{matrix}");
    assert!(report.html().contains("SKIPPED: no Docker, no URL"));
    assert!(report.junit().contains("<skipped"));
    report.drivers[0].problems.push("it is required".to_owned());
    assert!(!report.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_capability_is_ignored_with_its_reason() {
    let report = Runner::new(right()).run_all(Some("durability::reopen")).await;
    let ignored = Status::Ignored { reason: "needs durable".to_owned() };
    assert_eq!(case(&report, "durability::reopen_much").status, ignored);
    assert_eq!(case(&report, "durability::reopen").status, Status::Passed);
    let all = Report { drivers: vec![report] };
    assert_eq!(all.ignored_everywhere(), [("nosql".to_owned(), "durability::reopen_much".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_several_drivers_merge() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports");
    let _ = std::fs::remove_dir_all(&dir);
    let waived =
        wrong(Flaw::NoGuards).waive("check::guard", "guards are <b>planned</b> for the next release");
    for runner in [Runner::new(waived), Runner::new(right())] {
        let report = runner.run_all(None).await;
        Report { drivers: vec![report] }.write_to(&dir).unwrap();
    }
    let report = Report::merge(&dir).unwrap();
    let names: Vec<_> = report.drivers.iter().map(|d| d.driver.as_str()).collect();
    assert_eq!(names, ["right", "wrong"]);

    let matrix = report.matrix(false);
    assert!(matrix.contains("failed   wrong/nosql/race::one_winner"), "{matrix}");
    assert!(matrix.contains("waived   wrong/check::guard: guards are"), "{matrix}");

    let html = report.html();
    assert!(html.contains("guards are &lt;b&gt;planned"), "text is escaped");
    assert!(!html.contains("http://") && !html.contains("https://"), "the page needs nothing else");
    assert!(html.contains("race::one_winner"));
    std::fs::write(dir.join("index.html"), html).unwrap();

    let junit = report.junit();
    assert!(junit.contains(r#"<testcase name="check::guard" classname="wrong.nosql.check""#), "{junit}");
    assert!(junit.contains("<failure") && junit.contains("<skipped"));
}
