use super::*;
use crate::derived::visibility::OPEN;
use crate::derived::visibility::setup::Setup;
use crate::document::filter::Comparison;
use crate::document::plan::OrderBy;
use crate::document::{Direction, Filter, Path};
use crate::error::ErrorKind;
use crate::store::SearchAttributeType;
use crate::time::Timestamp;
use proptest::prelude::*;
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
    says("GROUP BY ExecutionStatus", 10, "GROUP BY is for counts");
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
    let run = "0190a0b0-0000-7000-8000-000000000000";
    let indexed = [
        "",
        "WorkflowType = 'x'",
        "WorkflowId STARTS_WITH 'x' AND TaskQueue = 'q'",
        "CloseTime IS NULL",
        "ExecutionStatus != 'Running'",
        "StartTime > '2026-01-01T00:00:00Z' OR WorkflowType IN ('a', 'b')",
        "Tags = 'a' AND HistoryLength > 7",
        &format!("RunId = '{run}'"),
    ];
    let unindexed = [
        "TaskQueue = 'q'",
        "WorkflowType != 'x'",
        "WorkflowType = 'x' OR TaskQueue = 'q'",
        "HistoryLength > 7 AND ParentWorkflowId IS NULL",
        "CustomerId IS NULL",
        &format!("RunId = '{run}' OR WorkflowType = 'x'"),
        &format!("RunId > '{run}'"),
    ];
    for (texts, wanted) in [(&indexed[..], true), (&unindexed[..], false)] {
        for text in texts {
            assert_eq!(compiled(text).unwrap().indexed, wanted, "{text}");
        }
    }
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
    assert_eq!(of("Amount > 5 ORDER BY Amount"), "search_attributes.Amount+ close_time- start_time- +");
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof!["[A-Za-z_][A-Za-z0-9_]{0,8}", "[a-z. é'\"()=]{1,6}", "(?i)(and|or|not|null|true|in|order)"]
        .prop_map(|text| Name { at: Place(0), text })
}

fn constant() -> impl Strategy<Value = Constant> {
    let value = prop_oneof![
        any::<String>().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Whole),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::Number),
        any::<bool>().prop_map(Value::Bool),
    ];
    value.prop_map(|value| Constant { at: Place(0), value })
}

fn operator() -> impl Strategy<Value = Operator> {
    let comparison = prop::sample::select(vec![
        Comparison::Eq,
        Comparison::Ne,
        Comparison::Lt,
        Comparison::Le,
        Comparison::Gt,
        Comparison::Ge,
    ]);
    let named = prop_oneof![
        (constant(), constant()).prop_map(|(a, b)| Operator::Between(a, b)),
        prop::collection::vec(constant(), 1..4).prop_map(Operator::In),
        constant().prop_map(Operator::StartsWith),
        Just(Operator::IsNull),
    ];
    prop_oneof![
        (comparison, constant()).prop_map(|(c, v)| Operator::Compare(c, v)),
        (named, any::<bool>()).prop_map(|(o, not)| if not { Operator::Not(Box::new(o)) } else { o }),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let test = (name(), operator()).prop_map(|(field, operator)| Condition::Test(Test { field, operator }));
    test.prop_recursive(4, 16, 3, |part| {
        prop_oneof![
            prop::collection::vec(part.clone(), 2..4).prop_map(Condition::All),
            prop::collection::vec(part.clone(), 2..4).prop_map(Condition::Any),
            part.prop_map(|c| Condition::Not(Box::new(c))),
        ]
    })
}

proptest! {
    #[test]
    fn a_query_that_is_shown_reads_back(
        condition in prop::option::of(condition()),
        group in prop::option::of(name()),
        order in prop::option::of((name(), any::<bool>())),
    ) {
        let order = order.map(|(field, up)| Sorted {
            field,
            direction: if up { Direction::Ascending } else { Direction::Descending },
        });
        let query = Query { condition, order, group };
        let text = query.to_string();
        prop_assert_eq!(parse(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?, query);
    }

    #[test]
    fn no_text_is_too_much(text in any::<String>()) {
        if let Err(e) = parse(&text) {
            prop_assert!(e.position >= 1 && e.position <= text.chars().count() + 1);
        }
    }

    #[test]
    fn no_words_are_too_much(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", "WorkflowType", "=", "'x'", "(", ")", "AND", "OR", "NOT", "IN", ",", "IS", "NULL", "BETWEEN", "1",
                "ORDER BY", "GROUP BY", "DESC", "`", "''", "\\", "é",
            ]),
            0..12,
        )
    ) {
        let text = words.join(" ");
        match parse(&text) {
            Ok(query) => prop_assert_eq!(parse(&query.to_string()).unwrap(), query),
            Err(e) => prop_assert!(e.position >= 1 && e.position <= text.chars().count() + 1),
        }
    }
}
