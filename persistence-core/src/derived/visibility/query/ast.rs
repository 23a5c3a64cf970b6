//! A query as it is written. Shown, it is a text that means the same.

use crate::document::Direction;
use crate::document::filter::Comparison;
use std::fmt;

/// Where something is in the text, in bytes. All places are equal, so that queries are when they say the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place(pub usize);

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

/// A whole query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// What must hold; none for everything.
    pub condition: Option<Condition>,
    /// `ORDER BY`.
    pub order: Option<Sorted>,
    /// `GROUP BY`.
    pub group: Option<Name>,
}

/// `ORDER BY` a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Sorted {
    /// The field.
    pub field: Name,
    /// The direction.
    pub direction: Direction,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums)]
pub enum Condition {
    /// All of at least two.
    All(Vec<Condition>),
    /// Any of at least two.
    Any(Vec<Condition>),
    /// The opposite, of records that have the fields.
    Not(Box<Condition>),
    /// A test of one field.
    Test(Test),
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The field.
    pub field: Name,
    /// What its value must be.
    pub operator: Operator,
}

/// The name of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// Where it is.
    pub at: Place,
    /// The name.
    pub text: String,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums)]
pub enum Operator {
    /// It compares so with the constant.
    Compare(Comparison, Constant),
    /// It is from the first to the second, both included.
    Between(Constant, Constant),
    /// It is one of these.
    In(Vec<Constant>),
    /// It begins so.
    StartsWith(Constant),
    /// There is none.
    IsNull,
    /// The opposite, where there is a value; of `IsNull`, that there is one.
    Not(Box<Operator>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Where it is.
    pub at: Place,
    /// What it is.
    pub value: Value,
}

/// What a constant is.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_enums)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Any other number; finite.
    Number(f64),
    /// A boolean.
    Bool(bool),
}

/// Words that are no names unless in backquotes.
const WORDS: [&str; 15] = [
    "and",
    "or",
    "not",
    "in",
    "is",
    "null",
    "between",
    "starts_with",
    "order",
    "group",
    "by",
    "asc",
    "desc",
    "true",
    "false",
];

/// Whether a name is a word of the language.
pub(in super::super) fn is_word(name: &str) -> bool {
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(name))
}

/// Whether a name needs no backquotes.
pub(super) fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && !is_word(name)
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        if let Some(condition) = &self.condition {
            write!(f, "{condition}")?;
            gap = " ";
        }
        if let Some(group) = &self.group {
            write!(f, "{gap}GROUP BY {group}")?;
            gap = " ";
        }
        if let Some(Sorted { field, direction }) = &self.order {
            let direction = if *direction == Direction::Ascending { "ASC" } else { "DESC" };
            write!(f, "{gap}ORDER BY {field} {direction}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, all: &[Condition], word: &str| {
            for (i, one) in all.iter().enumerate() {
                let word = if i > 0 { word } else { "" };
                match one {
                    Condition::Test(_) => write!(f, "{word}{one}")?,
                    _ => write!(f, "{word}({one})")?,
                }
            }
            Ok(())
        };
        match self {
            Condition::All(all) => list(f, all, " AND "),
            Condition::Any(any) => list(f, any, " OR "),
            Condition::Not(one) => write!(f, "NOT ({one})"),
            Condition::Test(Test { field, operator }) => write!(f, "{field} {operator}"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_plain(&self.text) { f.write_str(&self.text) } else { write!(f, "`{}`", self.text) }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operator::Compare(comparison, constant) => {
                let sign = match comparison {
                    Comparison::Eq => "=",
                    Comparison::Ne => "!=",
                    Comparison::Lt => "<",
                    Comparison::Le => "<=",
                    Comparison::Gt => ">",
                    Comparison::Ge => ">=",
                };
                write!(f, "{sign} {constant}")
            }
            Operator::Between(low, high) => write!(f, "BETWEEN {low} AND {high}"),
            Operator::In(values) => {
                let values: Vec<String> = values.iter().map(Constant::to_string).collect();
                write!(f, "IN ({})", values.join(", "))
            }
            Operator::StartsWith(prefix) => write!(f, "STARTS_WITH {prefix}"),
            Operator::IsNull => f.write_str("IS NULL"),
            Operator::Not(one) if **one == Operator::IsNull => f.write_str("IS NOT NULL"),
            Operator::Not(one) => write!(f, "NOT {one}"),
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Text(text) => {
                write!(f, "'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
            }
            Value::Whole(n) => write!(f, "{n}"),
            // With a point or an exponent, so that it is read as a number again.
            Value::Number(n) => write!(f, "{n:?}"),
            Value::Bool(b) => f.write_str(if *b { "TRUE" } else { "FALSE" }),
        }
    }
}
