mod shown;

use super::*;
use crate::derived::visibility::OPEN;
use crate::derived::visibility::setup::Setup;
use crate::document::filter::Comparison;
use crate::document::plan::{OrderBy, Plan, Question};
use crate::document::{Direction, Filter, Path};
use crate::error::ErrorKind;
use crate::store::SearchAttributeType;
use crate::time::Timestamp;
use std::collections::BTreeMap;

fn setup() -> Setup {
    let all = [
        ("CustomerId", SearchAttributeType::Keyword),
        ("Tags", SearchAttributeType::KeywordList),
        ("Amount", SearchAttributeType::Int),
        ("Score", SearchAttributeType::Double),
        ("Urgent", SearchAttributeType::Bool),
        ("Due", SearchAttributeType::Datetime),
    ];
    Setup::default().with(&BTreeMap::from(all.map(|(n, of)| (n.to_owned(), of)))).unwrap()
}

fn compiled(text: &str) -> Result<Compiled, QueryError> {
    compile(text, &parse(text)?, &setup(), Purpose::List)
}

fn filter(text: &str) -> Filter {
    let compiled = compiled(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    compiled.filter.checked(&setup().records()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn path(p: &str) -> Path {
    p.parse().unwrap()
}

/// The place and the problem, which must be said of every one of these.
fn refused(text: &str) -> (usize, String) {
    let e = compiled(text).expect_err(text);
    assert_eq!(e.clone().refused().kind(), ErrorKind::InvalidArgument);
    (e.position, e.problem)
}

#[test]
fn conditions_bind_as_in_sql() {
    let test = |name: &str| {
        let (field, value) = (name.to_owned(), Value::Whole(1));
        let operator = Operator::Compare(Comparison::Eq, Constant { at: Place(0), value });
        Condition::Test(Test { field: Name { at: Place(0), text: field }, operator })
    };
    let not = |c| Condition::Not(Box::new(c));
    let of = |text: &str| parse(text).unwrap().condition;
    let wanted = Condition::Any(vec![test("a"), Condition::All(vec![test("b"), not(test("c"))]), test("d")]);
    assert_eq!(of("a=1 OR b=1 and NOT c = 1 Or d=1"), Some(wanted));
    let wanted = Condition::All(vec![Condition::Any(vec![test("a"), test("b")]), test("android")]);
    assert_eq!(of(" (a = 1 or b=1)AND android=1 "), Some(wanted));
    assert_eq!(of("  "), None);
    let q = parse("GROUP BY `a b` ORDER BY x desc").unwrap();
    assert_eq!(
        (q.group.unwrap().text, q.order.unwrap().direction),
        ("a b".to_owned(), Direction::Descending)
    );
}

#[test]
fn constants_are_read_exactly() {
    let of = |text: &str| match parse(&format!("a = {text}")).map(|q| q.condition) {
        Ok(Some(Condition::Test(Test { operator: Operator::Compare(_, c), .. }))) => Some(c.value),
        _ => None,
    };
    let text = |s: &str| Some(Value::Text(s.to_owned()));
    assert_eq!(of("'it''s'"), text("it's"));
    assert_eq!(of(r#""say ""hi""""#), text("say \"hi\""));
    assert_eq!(of(r"'a\'b\\c'"), text(r"a'b\c"));
    assert_eq!(of("'Ünï\ncödé --'"), text("Ünï\ncödé --"));
    assert_eq!(of("-9223372036854775808"), Some(Value::Whole(i64::MIN)));
    assert_eq!(of("+7"), Some(Value::Whole(7)));
    assert_eq!(of("1e3"), Some(Value::Number(1000.0)));
    assert_eq!(of("-0.5"), Some(Value::Number(-0.5)));
    assert_eq!(of("TRUE"), Some(Value::Bool(true)));
    for bad in
        ["9223372036854775808", "1e999", "1.", ".5", "1x", "nan", "inf", "'a", r"'\n'", "truex", "--1", ""]
    {
        assert_eq!(of(bad), None, "{bad}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let says = |text: &str, position: usize, problem: &str| {
        let (at, told) = refused(text);
        assert!(told.contains(problem), "{text}: {told}");
        assert_eq!(at, position, "{text}: {told}");
    };
    says(
        "WorkflowType",
        13,
        "expected =, !=, <, <=, >, >=, BETWEEN, IN, STARTS_WITH, IS or NOT, found the end",
    );
    says("WorkflowType = ", 16, "expected a text in quotes, a number, TRUE or FALSE, found the end");
    says("WorkflowType = order", 16, "found \"order\"");
    says("WorkflowType = 'order", 22, "expected the quote that ends the text, found the end");
    says("WorkflowType = 'é' x", 20, "expected AND, OR, GROUP BY, ORDER BY or the end, found \"x\"");
    says("WorkflowType = 'a' AND", 23, "expected a field, NOT or (, found the end");
    says("= 'a'", 1, "expected a field, NOT or (, found \"=\"");
    says("(WorkflowType = 'a'", 20, "expected AND, OR or ), found the end");
    says("WorkflowType IN 'a'", 17, "expected (, found");
    says("WorkflowType IN ('a' 'b')", 22, "expected a comma or )");
    says("WorkflowType IN ()", 18, "expected a text in quotes");
    says("StartTime BETWEEN 'a' OR 'b'", 23, "expected AND, found \"OR\"");
    says("CloseTime IS 1", 14, "expected NULL or NOT NULL");
    says("CloseTime IS NOT 1", 18, "expected NULL, found");
    says("WorkflowType NOT 1", 18, "expected IN, BETWEEN or STARTS_WITH");
    says("WorkflowType = 'a' ORDER StartTime", 26, "expected BY");
    says("ORDER BY 1", 10, "expected a field");
    says("WorkflowType = 'a' ORDER BY StartTime UP", 39, "expected AND, OR, GROUP BY, ORDER BY or the end");
    says("WorkflowType = 'a\\x'", 19, "expected a quote or \\ after \\");

    says("Nope = 1", 1, "Nope is no field and no registered search attribute");
    says("WorkflowId = 'a' AND workflowtype = 'b'", 22, "workflowtype is no field");
    says("WorkflowType = 'a' ORDER BY Nope", 29, "Nope is no field");
    says(
        "StartTime > 'yesterday'",
        13,
        "expected a time as '2026-01-01T00:00:00Z' for StartTime, found 'yesterday'",
    );
    says("StartTime > 12", 13, "expected a time");
    says("StartTime BETWEEN '2026-01-01T00:00:00Z' AND 7", 46, "expected a time");
    says("ExecutionStatus = 'running'", 19, "expected one of Running, Paused, Completed");
    says("ExecutionStatus > 'Running'", 1, "has no order");
    says("HistoryLength = '5'", 17, "expected a whole number");
    says("HistoryLength = 5.5", 17, "expected a whole number");
    says("RunId = 'a'", 9, "expected a run id");
    says("WorkflowId = 5", 14, "expected a text in quotes");
    says("Urgent = 1", 10, "expected TRUE or FALSE");
    says("Score = 'x'", 9, "expected a number");
    says("Amount STARTS_WITH 'x'", 20, "expected a whole number");
    says("Amount STARTS_WITH 7", 1, "no text that starts");
    says("Tags > 'x'", 1, "is a list, which has no order");
    says("Tags != 'x'", 1, "what it does not hold cannot be asked for");
    says("NOT Tags IN ('x')", 5, "what it does not hold cannot be asked for");
    says("ORDER BY TaskQueue", 10, "has no order");
    says("CustomerId != 'x' ORDER BY Amount", 28, "records may lack Amount: add Amount IS NOT NULL");
    says("Amount = 1 OR WorkflowType = 'x' ORDER BY Amount", 43, "records may lack Amount");
    says("NOT (Amount IS NOT NULL) ORDER BY Amount", 35, "records may lack Amount");
    says("GROUP BY ExecutionStatus", 10, "GROUP BY is for counts");
    let many = vec!["(HistoryLength=1 OR HistoryLength=2)"; 500].join(" AND ");
    says(&many, 1, "more than 904 conditions");
    let count = |text: &str| compile(text, &parse(text).unwrap(), &setup(), Purpose::Count);
    assert!(count("GROUP BY ExecutionStatus").unwrap().grouped);
    assert_eq!(count("GROUP BY WorkflowType").unwrap_err().position, 10);
    assert_eq!(count("ORDER BY StartTime").unwrap_err().position, 10);
    let deep =
        "HistoryLength = 1 OR HistoryLength = 2 AND (".repeat(8) + "HistoryLength = 1" + &")".repeat(8);
    says(&deep, 1, "nested too deep");
    let deep = format!("{}WorkflowId = 'a'{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(parse(&deep).is_err());
    let deep = format!("{}WorkflowId = 'a'", "NOT ".repeat(10_000));
    assert!(parse(&deep).unwrap_err().problem.contains("within each other"));
    assert!(parse(&"NOT ".repeat(20_000)).unwrap_err().problem.contains("bytes"));
}

#[test]
fn conditions_become_filters() {
    let time = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let t = time("2026-01-01T00:00:00Z");
    assert_eq!(filter("WorkflowType = 'x'"), Filter::eq(path("workflow_type"), "x"));
    assert_eq!(filter("NOT WorkflowType = 'x'"), Filter::ne(path("workflow_type"), "x"));
    assert_eq!(filter("StartTime > '2026-01-01T00:00:00.0009Z'"), Filter::gt(path("start_time"), t));
    assert_eq!(filter("StartTime > '2026-01-01T01:00:00+01:00'"), Filter::gt(path("start_time"), t));
    assert_eq!(filter("ExecutionTime <= '2026-01-01T00:00:00Z'"), Filter::le(path("execution_time"), t.0));
    let between = |low, high| {
        Filter::All(vec![Filter::ge(path("history_length"), low), Filter::le(path("history_length"), high)])
    };
    assert_eq!(filter("HistoryLength BETWEEN 3 AND 5"), between(3, 5));
    let outside =
        Filter::Any(vec![Filter::lt(path("history_length"), 3), Filter::gt(path("history_length"), 5)]);
    assert_eq!(filter("HistoryLength NOT BETWEEN 3 AND 5"), outside);
    assert_eq!(filter("NOT (HistoryLength >= 3 AND HistoryLength <= 5)"), outside);
    let others = ["Running", "Paused", "Canceled", "Terminated", "ContinuedAsNew", "TimedOut"];
    let others = Filter::In(path("status"), others.map(Into::into).to_vec());
    assert_eq!(filter("ExecutionStatus NOT IN ('Completed', 'Failed')"), others);
    assert_eq!(filter("Tags = 'a'"), Filter::ContainsAny(path("search_attributes.Tags"), vec!["a".into()]));
    assert_eq!(filter("Score > 1"), Filter::gt(path("search_attributes.Score"), 1.0));
    assert_eq!(filter("Due < '2026-01-01T00:00:00Z'"), Filter::lt(path("search_attributes.Due"), t));
    assert_eq!(filter("CustomerId IS NOT NULL"), Filter::Exists(path("search_attributes.CustomerId")));
    assert_eq!(filter("ParentWorkflowId IS NULL"), Filter::IsNull(path("parent_workflow_id")));
    let not_abc =
        Filter::Any(vec![Filter::lt(path("workflow_id"), "abc"), Filter::ge(path("workflow_id"), "abd")]);
    assert_eq!(filter("WorkflowId NOT STARTS_WITH 'abc'"), not_abc);
    // Open runs have no close time.
    assert_eq!(filter("CloseTime IS NULL"), Filter::eq(path("close_time"), OPEN));
    assert_eq!(
        filter("CloseTime > '2026-01-01T00:00:00Z'"),
        Filter::gt(path("close_time"), t).and(Filter::lt(path("close_time"), OPEN))
    );
}

#[test]
fn a_query_needs_a_condition_that_an_index_decides() {
    let (run, other) = ("0190a0b0-0000-7000-8000-000000000000", "0190a0b0-0000-7000-8000-000000000001");
    let some_runs = |n: u128| {
        let ids = (0..n).map(|i| format!("'{}'", uuid::Uuid::from_u128(i)));
        format!("RunId IN ({})", ids.collect::<Vec<_>>().join(", "))
    };
    let any = |n, one: &str| vec![one; n].join(" OR ");
    let indexed = [
        "",
        "WorkflowType = 'x'",
        "WorkflowId STARTS_WITH 'x' AND TaskQueue = 'q'",
        "CloseTime IS NULL",
        "ExecutionStatus != 'Running'",
        "StartTime > '2026-01-01T00:00:00Z' OR WorkflowType IN ('a', 'b')",
        "Tags = 'a' AND HistoryLength > 7",
        &format!("RunId = '{run}'"),
        &format!("RunId IN ('{run}', '{other}') AND TaskQueue = 'q'"),
        &format!("RunId = '{run}' OR (RunId = '{other}' AND TaskQueue = 'q')"),
        "WorkflowType = 'x' OR (WorkflowId = 'y' OR (Amount > 5 OR Tags = 'a'))",
        "TaskQueue = 'q' AND (WorkflowType = 'x' OR WorkflowType = 'y')",
        "WorkflowType NOT STARTS_WITH 'x'",
        &any(32, "WorkflowType = 'x'"),
        &format!("TaskQueue = 'q' AND ({})", any(32, "Amount = 1")),
        &some_runs(32),
    ];
    let unindexed = [
        "TaskQueue = 'q'",
        "WorkflowType != 'x'",
        "WorkflowType = 'x' OR TaskQueue = 'q'",
        "HistoryLength > 7 AND ParentWorkflowId IS NULL",
        "CustomerId IS NULL",
        &format!("RunId = '{run}' OR WorkflowType = 'x'"),
        &format!("RunId > '{run}'"),
        &format!("RunId NOT IN ('{run}', '{other}')"),
        &format!("RunId IN ('{run}', '{other}') OR TaskQueue = 'q'"),
        "WorkflowId = 'y' OR (TaskQueue = 'q' AND (WorkflowType = 'x' OR WorkflowType = 'y'))",
        "WorkflowType = 'x' OR (WorkflowId = 'y' OR TaskQueue = 'q')",
        &any(33, "WorkflowType = 'x'"),
        &format!("WorkflowType = 'x' OR ({})", any(32, "Amount = 1")),
        &some_runs(33),
    ];
    for (texts, wanted) in [(&indexed[..], true), (&unindexed[..], false)] {
        for text in texts {
            let compiled = compiled(text).unwrap();
            assert_eq!(compiled.indexed, wanted, "{text}");
            // Documents are asked no question that they refuse.
            planned(&compiled);
        }
    }
}

/// How documents answer.
fn planned(compiled: &Compiled) -> Plan {
    let def = setup().records();
    let partitions = ["n/0", "n/1"].map(Into::into).to_vec();
    let filter = Filter::In(path("partition"), partitions).and(Filter::eq(path("live"), true));
    let filter = filter.and(compiled.filter.clone()).checked(&def).unwrap();
    let question = Question {
        def: &def,
        ready: &|_| true,
        filter: &filter,
        order: &compiled.order,
        id_order: Some(compiled.id_order),
        unordered: false,
        scan: false,
        hint: None,
    };
    question.plan().unwrap()
}

#[test]
fn few_runs_are_named_by_their_ids() {
    let ids = [3, 1, 2, 1].map(uuid::Uuid::from_u128);
    let list = ids.map(|id| format!("'{id}'")).join(", ");
    let runs = |text: &str| compiled(text).unwrap().runs;
    let all = Some([1, 2, 3].map(uuid::Uuid::from_u128).to_vec());
    assert_eq!(runs(&format!("RunId IN ({list}) AND WorkflowType = 'x'")), all);
    assert_eq!(runs(&format!("RunId = '{}' OR RunId IN ({list})", ids[2])), all);
    assert_eq!(runs(&format!("RunId NOT IN ({list})")), None);
    assert_eq!(runs(&format!("RunId IN ({list}) OR WorkflowType = 'x'")), None);
    let plan = planned(&compiled(&format!("RunId IN ({list})")).unwrap());
    assert_eq!((plan.branches.len(), plan.sort), (3, true), "each is looked up");
    // What is before, between and behind them.
    let Filter::Any(others) = filter(&format!("RunId NOT IN ({list})")) else { panic!("one range") };
    assert_eq!(others.len(), 4);
    let many = (0..800).map(|i| format!("'{}'", uuid::Uuid::from_u128(i))).collect::<Vec<_>>().join(", ");
    assert_eq!(
        compiled(&format!("WorkflowType = 'x' AND RunId NOT IN ({many})")).unwrap().filter.leaves(),
        802
    );
}

#[test]
fn alternatives_are_looked_up_in_their_indexes() {
    let nested =
        "WorkflowType = 'x' OR (WorkflowId = 'y' OR (CustomerId = 'z' OR ExecutionStatus = 'Failed'))";
    let plan = planned(&compiled(nested).unwrap());
    assert_eq!((plan.branches.len(), plan.sort), (4, false));
}

#[test]
fn orders_are_those_of_the_indexes() {
    let of = |text: &str| {
        let c = compiled(text).unwrap();
        let d = |d| if d == Direction::Ascending { '+' } else { '-' };
        let keys = c.order.iter().map(|OrderBy { path, direction }| format!("{path}{}", d(*direction)));
        format!("{} {}", keys.collect::<Vec<_>>().join(" "), d(c.id_order))
    };
    assert_eq!(of(""), "close_time- start_time- +");
    assert_eq!(of("ORDER BY CloseTime DESC"), "close_time- start_time- +");
    assert_eq!(of("ORDER BY CloseTime"), "close_time+ start_time+ -");
    assert_eq!(of("ORDER BY StartTime DESC"), "start_time- close_time- +");
    assert_eq!(of("ORDER BY WorkflowType ASC"), "workflow_type+ close_time- start_time- +");
    assert_eq!(of("ORDER BY WorkflowType DESC"), "workflow_type- close_time+ start_time+ -");
    let amount = "search_attributes.Amount+ close_time- start_time- +";
    for condition in [
        "Amount > 5",
        "Amount NOT BETWEEN 3 AND 5",
        "Amount != 5",
        "Amount IS NOT NULL",
        "NOT (Amount IS NULL OR WorkflowType = 'x')",
        "NOT (Amount > 5 AND Amount < 7)",
        "Amount = 1 OR (Amount = 2 AND WorkflowType = 'x')",
        "TaskQueue = 'q' AND (Amount IN (1, 2) OR Amount > 7)",
    ] {
        let text = format!("{condition} ORDER BY Amount");
        assert_eq!(of(&text), amount, "{text}");
        planned(&compiled(&text).unwrap());
    }
    let text = "CustomerId NOT STARTS_WITH 'x' ORDER BY CustomerId DESC";
    assert_eq!(of(text), "search_attributes.CustomerId- close_time+ start_time+ -");
    planned(&compiled(text).unwrap());
}
