//! Orders: what a statement ends with, and what comes after a position.

use crate::value::Value;

/// A column of an order, and which way.
pub(super) struct Ordered {
    pub(super) column: String,
    pub(super) descending: bool,
}

/// ` ORDER BY …`, by what a column of the order is called here.
pub(super) fn ordered(order: &[Ordered], name: impl Fn(&Ordered, usize) -> String) -> String {
    let column =
        |(i, o): (usize, &Ordered)| format!("{}{}", name(o, i), if o.descending { " DESC" } else { "" });
    format!(" ORDER BY {}", order.iter().enumerate().map(column).collect::<Vec<_>>().join(", "))
}

/// After these values in this order: bounded by the first column, so that the index is entered there.
pub(super) fn beyond(order: &[Ordered], values: &[Value], args: &mut Vec<Value>) -> String {
    let (first, rest) = (&order[0], &order[1..]);
    let (column, operator) = (&first.column, if first.descending { "<" } else { ">" });
    if rest.is_empty() {
        args.push(values[0].clone());
        return format!("{column} {operator} ?");
    }
    args.extend([values[0].clone(), values[0].clone(), values[0].clone()]);
    let rest = beyond(rest, &values[1..], args);
    format!("{column} {operator}= ? AND ({column} {operator} ? OR ({column} = ? AND {rest}))")
}
