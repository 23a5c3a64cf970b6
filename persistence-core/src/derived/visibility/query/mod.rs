//! The language of queries on visibility records.
//!
//! `WorkflowType = 'order' AND StartTime > '2026-01-01T00:00:00Z' ORDER BY CloseTime DESC`
//!
//! | | |
//! |---|---|
//! | conditions | `=`, `!=`, `<`, `<=`, `>`, `>=`, `BETWEEN … AND …`, `IN (…)`, `STARTS_WITH`, `IS NULL`; with `NOT`: `NOT IN`, `IS NOT NULL`, … |
//! | together | `AND`, `OR`, `NOT`, parentheses |
//! | constants | `'text'` or `"text"` (a quote within is doubled, or follows `\`), `12`, `-1.5`, `TRUE`, `FALSE`; times as RFC 3339 text |
//! | after them | `ORDER BY field ASC` or `DESC`; `GROUP BY ExecutionStatus` for counts |
//!
//! Words of the language have no case, names do. A name with other characters, or that is such a word, is in backquotes.
//!
//! A condition on a record that lacks the field does not hold, whatever it is, but for `IS NULL`.

mod ast;
mod compile;
mod parse;

pub(super) use ast::is_word;
pub use ast::{Condition, Constant, Name, Operator, Place, Query, Sorted, Test, Value};
pub use compile::{Compiled, Purpose, compile};
pub use parse::parse;

use crate::error::Error;

/// Why a query cannot be understood. The source of the `InvalidArgument` that a store answers with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct QueryError {
    /// Where, in characters from 1; one past the end when something is missing there.
    pub position: usize,
    /// What was expected, and what was found; or what is wrong with it.
    pub problem: String,
}

impl QueryError {
    /// At a byte of the text.
    fn at(text: &str, place: Place, problem: impl Into<String>) -> Self {
        let position = text.get(..place.0).map_or(0, |before| before.chars().count()) + 1;
        QueryError { position, problem: problem.into() }
    }

    /// As stores answer.
    pub fn refused(self) -> Error {
        Error::invalid("query", self.to_string()).with_source(self)
    }
}

#[cfg(test)]
mod tests;
