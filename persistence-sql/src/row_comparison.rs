//! Row comparisons, for databases that cannot use an index for them.
//!
//! MySQL takes `(a, b) > (?, ?)` as a filter: it reads the index from where the columns before `a` begin, and so a page costs
//! as much as all pages before it. `a > ? OR (a = ? AND b > ?)` is two ranges of the index, read in order.

use crate::value::Value;

/// The statement with its row comparisons written out, and its arguments with those repeated that are compared twice.
pub(crate) fn expand(sql: &str, args: Vec<Value>) -> (String, Vec<Value>) {
    let mut out = String::with_capacity(sql.len() * 2);
    let mut bound = Vec::with_capacity(args.len() * 2);
    let mut args = args.into_iter();
    let mut rest = sql;
    while let Some(at) = rest.find(['?', '(']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(c) = Comparison::parse(rest) {
            out.push_str(&c.condition());
            let values: Vec<Value> = args.by_ref().take(c.columns.len()).collect();
            if let Some((last, before)) = values.split_last() {
                bound.extend(before.iter().flat_map(|v| [v.clone(), v.clone()]));
                bound.push(last.clone());
            }
            rest = &rest[c.length..];
        } else {
            if rest.starts_with('?') {
                bound.extend(args.next());
            }
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    bound.extend(args);
    (out, bound)
}

/// `(a, b) > (?, ?)` at the beginning of a text.
struct Comparison<'a> {
    columns: Vec<&'a str>,
    operator: &'a str,
    length: usize,
}

impl<'a> Comparison<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (columns, rest) = text.strip_prefix('(')?.split_once(") ")?;
        let is_name = |c: &str| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let columns: Vec<&str> = columns.split(", ").collect();
        let (operator, rest) = rest.split_once(" (")?;
        let (marks, after) = rest.split_once(')')?;
        let marks = marks.split(", ").filter(|m| *m == "?").count();
        let is_one = matches!(operator, "<" | "<=" | ">" | ">=")
            && columns.iter().all(|c| is_name(c))
            && columns.len() > 1
            && columns.len() == marks;
        is_one.then(|| Comparison { columns, operator, length: text.len() - after.len() })
    }

    fn condition(&self) -> String {
        let strict = &self.operator[..1];
        let mut columns = self.columns.iter().rev();
        let last = columns.next().map(|c| format!("{c} {} ?", self.operator)).unwrap_or_default();
        columns.fold(last, |inner, c| format!("({c} {strict} ? OR ({c} = ? AND {inner}))"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(values: impl IntoIterator<Item = i64>) -> Vec<Value> {
        values.into_iter().map(Value::Int).collect()
    }

    #[test]
    fn comparisons_are_written_out_and_their_arguments_repeated() {
        let sql = "SELECT a FROM t WHERE s = ? AND (a, b) >= (?, ?) AND (a, b) < (?, ?) LIMIT ?";
        let (sql, args) = expand(sql, ints(1..=6));
        assert_eq!(
            sql,
            "SELECT a FROM t WHERE s = ? AND (a > ? OR (a = ? AND b >= ?)) AND (a < ? OR (a = ? AND b < ?)) LIMIT ?"
        );
        assert_eq!(args, ints([1, 2, 2, 3, 4, 4, 5, 6]));
    }

    #[test]
    fn three_columns_are_three_ranges() {
        let (sql, args) = expand("SELECT a FROM t WHERE (a, b, c) > (?, ?, ?)", ints(1..=3));
        assert_eq!(sql, "SELECT a FROM t WHERE (a > ? OR (a = ? AND (b > ? OR (b = ? AND c > ?))))");
        assert_eq!(args, ints([1, 1, 2, 2, 3]));
    }

    #[test]
    fn other_statements_stay_as_they_are() {
        for sql in [
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) AS new ON DUPLICATE KEY UPDATE b = new.b",
            "DELETE FROM t WHERE (a, b) IN ((?, ?), (?, ?))",
            "SELECT count(*) FROM t WHERE a = ? AND (b IS NULL OR b > ?) AND c = ? AND d = ?",
        ] {
            assert_eq!(expand(sql, ints(1..=4)), (sql.to_owned(), ints(1..=4)));
        }
    }
}
