//! Orders: what a statement ends with, and what comes after a position.

use super::shape::Column;
use crate::dialect::Json;
use crate::value::Value;

/// A column of an order, and which way.
pub(super) struct Ordered {
    pub(super) column: String,
    pub(super) descending: bool,
}

/// ` ORDER BY …`, by what a column of the order is called here; nothing for any order.
pub(super) fn ordered(order: &[Ordered], name: impl Fn(&Ordered, usize) -> String) -> String {
    if order.is_empty() {
        return String::new();
    }
    let column =
        |(i, o): (usize, &Ordered)| format!("{}{}", name(o, i), if o.descending { " DESC" } else { "" });
    format!(" ORDER BY {}", order.iter().enumerate().map(column).collect::<Vec<_>>().join(", "))
}

/// Whether a comparison of rows tells what comes after a position: of PostgreSQL, where all columns go one way.
pub(super) fn is_tuple(json: Json, order: &[(Column, bool)]) -> bool {
    json == Json::Postgres && order.len() > 1 && order.iter().all(|o| o.1 == order[0].1)
}

/// What comes after a position in an order, or at it: bounded by the first column, so that the index is entered there.
pub(super) fn beyond(order: &[Ordered], at: bool) -> String {
    let (first, rest) = (&order[0], &order[1..]);
    let (column, operator) = (&first.column, if first.descending { "<" } else { ">" });
    if rest.is_empty() {
        return format!("{column} {operator}{} ?", if at { "=" } else { "" });
    }
    let rest = beyond(rest, at);
    format!("{column} {operator}= ? AND ({column} {operator} ? OR ({column} = ? AND {rest}))")
}

/// The values of [`beyond`], of a position.
pub(super) fn beyond_values(position: &[Value]) -> Vec<Value> {
    let Some((last, before)) = position.split_last() else { return Vec::new() };
    let thrice = before.iter().flat_map(|v| [v.clone(), v.clone(), v.clone()]);
    thrice.chain([last.clone()]).collect()
}
