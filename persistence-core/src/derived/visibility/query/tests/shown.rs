//! Queries and texts at random.

use super::*;
use proptest::prelude::*;

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
