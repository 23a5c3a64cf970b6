//! From a query to a filter and an order of documents, with every type checked.

use super::QueryError;
use super::ast::*;
use crate::derived::visibility::fields::{CLOSE, Field, Kind, START, field, member};
use crate::derived::visibility::setup::Setup;
use crate::derived::visibility::{OPEN, status};
use crate::document::filter::Comparison;
use crate::document::plan::OrderBy;
use crate::document::scalar::MAX_TEXT;
use crate::document::{Direction, DocumentId, Filter, Path, Scalar};
use crate::time::Timestamp;
use std::ops::Bound;
use uuid::Uuid;

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Purpose {
    /// Records in an order.
    List,
    /// How many there are.
    Count,
}

/// A query as documents are asked for it, within a namespace that is not part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// What must hold.
    pub filter: Filter,
    /// The order.
    pub order: Vec<OrderBy>,
    /// The direction of run ids.
    pub id_order: Direction,
    /// Whether the count is by status.
    pub grouped: bool,
    /// The only run that it can find, if it names one.
    pub run: Option<Uuid>,
    /// Whether an index chooses among the records of the namespace, or all of them are asked for.
    pub indexed: bool,
    /// The first field that has no index, for the error that says so.
    pub unindexed: Option<String>,
}

/// Checks a query against the fields there are.
pub fn compile(text: &str, query: &Query, setup: &Setup, purpose: Purpose) -> Result<Compiled, QueryError> {
    let compiler = Compiler { text, setup };
    let filter = match &query.condition {
        Some(condition) => compiler.condition(condition, false)?,
        None => Found { filter: Filter::everything(), indexed: true, run: None },
    };
    let grouped = compiler.group(query, purpose)?;
    let (order, id_order) = compiler.order(query, purpose)?;
    if depth(&filter.filter) > MAX_DEPTH {
        return compiler.error(Place(0), "its conditions are nested too deep");
    }
    let unindexed = query.condition.as_ref().and_then(first_field);
    let Found { filter, indexed, run } = filter;
    Ok(Compiled { filter, order, id_order, grouped, run, indexed, unindexed })
}

/// The deepest nesting of what a filter allows, less what a namespace adds.
const MAX_DEPTH: usize = 14;

fn depth(filter: &Filter) -> usize {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => 1 + parts.iter().map(depth).max().unwrap_or(0),
        _ => 1,
    }
}

/// A part of the query.
struct Found {
    filter: Filter,
    indexed: bool,
    run: Option<Uuid>,
}

impl Found {
    /// Decided on the documents.
    fn residual(filter: Filter) -> Self {
        Found { filter, indexed: false, run: None }
    }

    fn none() -> Self {
        Found { filter: Filter::Any(Vec::new()), indexed: true, run: None }
    }

    /// All of them: one index is enough.
    fn all(parts: Vec<Found>) -> Self {
        let indexed = parts.iter().any(|p| p.indexed);
        let run = parts.iter().find_map(|p| p.run);
        Found { filter: Filter::All(parts.into_iter().map(|p| p.filter).collect()), indexed, run }
    }

    /// Any of them: each needs one.
    fn any(parts: Vec<Found>) -> Self {
        // A run's own partition is no index among others.
        let indexed = parts.iter().all(|p| p.indexed && p.run.is_none());
        Found { filter: Filter::Any(parts.into_iter().map(|p| p.filter).collect()), indexed, run: None }
    }
}

struct Compiler<'a> {
    text: &'a str,
    setup: &'a Setup,
}

impl Compiler<'_> {
    fn error<T>(&self, at: Place, problem: impl Into<String>) -> Result<T, QueryError> {
        Err(QueryError::at(self.text, at, problem))
    }

    fn field(&self, name: &Name) -> Result<Field, QueryError> {
        let unknown = || format!("{} is no field and no registered search attribute", name.text);
        field(self.setup, &name.text).ok_or_else(|| QueryError::at(self.text, name.at, unknown()))
    }

    fn group(&self, query: &Query, purpose: Purpose) -> Result<bool, QueryError> {
        match &query.group {
            Some(name) if purpose == Purpose::List => self.error(name.at, "GROUP BY is for counts"),
            Some(name) if name.text != "ExecutionStatus" => {
                self.error(name.at, format!("counts are grouped by ExecutionStatus, not by {}", name.text))
            }
            group => Ok(group.is_some()),
        }
    }

    /// An order that an index has: after its field the default order, which turns round with the field.
    fn order(&self, query: &Query, purpose: Purpose) -> Result<(Vec<OrderBy>, Direction), QueryError> {
        use Direction::{Ascending, Descending};
        let by = |path: Path, direction| OrderBy { path, direction };
        let newest = |d| vec![by(member(START), d), by(member(CLOSE), d)];
        let Some(Sorted { field: name, direction }) = &query.order else {
            return Ok((vec![by(member(CLOSE), Descending), by(member(START), Descending)], Ascending));
        };
        if purpose == Purpose::Count {
            return self.error(name.at, "ORDER BY is for lists");
        }
        let field = self.field(name)?;
        if !field.indexed || field.kind == Kind::List {
            return self.error(name.at, format!("{} has no order: it is not indexed, or a list", name.text));
        }
        if field.optional && !query.condition.as_ref().is_some_and(|c| requires(c, &name.text)) {
            let rule = format!("records may lack {0}: add {0} IS NOT NULL", name.text);
            return self.error(name.at, rule);
        }
        if field.path == member(START) {
            return Ok((newest(*direction), direction.reversed()));
        }
        if field.path == member(CLOSE) {
            let order = vec![by(field.path, *direction), by(member(START), *direction)];
            return Ok((order, direction.reversed()));
        }
        let (rest, ids) = (direction.reversed(), *direction);
        let order = vec![by(field.path, *direction), by(member(CLOSE), rest), by(member(START), rest)];
        Ok((order, ids))
    }

    fn condition(&self, condition: &Condition, negated: bool) -> Result<Found, QueryError> {
        let each =
            |all: &[Condition]| all.iter().map(|c| self.condition(c, negated)).collect::<Result<_, _>>();
        match condition {
            Condition::All(all) if negated => Ok(Found::any(each(all)?)),
            Condition::All(all) => Ok(Found::all(each(all)?)),
            Condition::Any(any) if negated => Ok(Found::all(each(any)?)),
            Condition::Any(any) => Ok(Found::any(each(any)?)),
            Condition::Not(one) => self.condition(one, !negated),
            Condition::Test(test) => {
                let field = self.field(&test.field)?;
                self.test(test, &field, &test.operator, negated)
            }
        }
    }

    fn test(
        &self,
        test: &Test,
        field: &Field,
        operator: &Operator,
        negated: bool,
    ) -> Result<Found, QueryError> {
        match operator {
            Operator::Not(one) => return self.test(test, field, one, !negated),
            Operator::IsNull => return Ok(is_null(field, negated)),
            Operator::Compare(comparison, constant) => {
                let value = self.value(test, field, constant)?;
                let comparison = if negated { opposite(*comparison) } else { *comparison };
                return self.compare(test, field, comparison, value);
            }
            Operator::Between(low, high) => {
                let (low, high) = (self.value(test, field, low)?, self.value(test, field, high)?);
                let (from, to) = match negated {
                    false => (Comparison::Ge, Comparison::Le),
                    true => (Comparison::Lt, Comparison::Gt),
                };
                let parts = vec![self.compare(test, field, from, low)?, self.compare(test, field, to, high)?];
                return Ok(if negated { Found::any(parts) } else { Found::all(parts) });
            }
            _ => {}
        }
        match operator {
            Operator::In(values) => {
                let values =
                    values.iter().map(|v| self.value(test, field, v)).collect::<Result<Vec<_>, _>>()?;
                self.one_of(test, field, values, negated)
            }
            Operator::StartsWith(prefix) => {
                let (Kind::Text, Scalar::Str(prefix)) = (field.kind, self.value(test, field, prefix)?) else {
                    return self.error(
                        test.field.at,
                        format!("{} is no text that starts with something", test.field.text),
                    );
                };
                Ok(starts_with(field, prefix, negated))
            }
            _ => self.error(test.field.at, "cannot be answered"),
        }
    }

    /// A constant as values of the field are.
    fn value(&self, test: &Test, field: &Field, constant: &Constant) -> Result<Scalar, QueryError> {
        let name = &test.field.text;
        let wrong =
            |what: &str| self.error(constant.at, format!("expected {what} for {name}, found {constant}"));
        if let Value::Text(text) = &constant.value {
            // What no record may hold is not asked for.
            if text.contains('\0') {
                return self.error(constant.at, format!("{name} is compared with text that contains U+0000"));
            }
            if text.len() > usize::from(MAX_TEXT) {
                return self.error(
                    constant.at,
                    format!("{name} is compared with text of more than {MAX_TEXT} bytes"),
                );
            }
        }
        match (field.kind, &constant.value) {
            (Kind::Text | Kind::List, Value::Text(text)) => Ok(Scalar::Str(text.clone())),
            (Kind::Text | Kind::List, _) => wrong("a text in quotes"),
            (Kind::Status, Value::Text(text)) if status::of_name(text).is_some() => {
                Ok(Scalar::Str(text.clone()))
            }
            (Kind::Status, _) => wrong(&format!("one of {}", status::names())),
            (Kind::Run, Value::Text(text)) if text.parse::<Uuid>().is_ok() => {
                Ok(Scalar::Uuid(text.parse().unwrap_or_default()))
            }
            (Kind::Run, _) => wrong("a run id, which is a UUID in quotes"),
            (Kind::Time | Kind::Close | Kind::Millis, Value::Text(text)) => match time(text) {
                Some(Timestamp(millis)) if field.kind == Kind::Millis => Ok(Scalar::I64(millis)),
                Some(time) => Ok(Scalar::Time(time)),
                None => wrong("a time as '2026-01-01T00:00:00Z'"),
            },
            (Kind::Time | Kind::Close | Kind::Millis, _) => wrong("a time as '2026-01-01T00:00:00Z'"),
            (Kind::Whole, Value::Whole(n)) => Ok(Scalar::I64(*n)),
            (Kind::Whole, _) => wrong("a whole number"),
            #[allow(clippy::cast_precision_loss)]
            (Kind::Number, Value::Whole(n)) => Ok(Scalar::F64(*n as f64)),
            (Kind::Number, Value::Number(n)) => Ok(Scalar::F64(*n)),
            (Kind::Number, _) => wrong("a number"),
            (Kind::Bool, Value::Bool(b)) => Ok(Scalar::Bool(*b)),
            (Kind::Bool, _) => wrong("TRUE or FALSE"),
        }
    }

    fn compare(
        &self,
        test: &Test,
        field: &Field,
        comparison: Comparison,
        value: Scalar,
    ) -> Result<Found, QueryError> {
        use Comparison::{Eq, Ne};
        let compared = || Filter::Compare(field.path.clone(), comparison, value.clone());
        match (field.kind, comparison, &value) {
            (Kind::Status, Eq, _) => self.one_of(test, field, vec![value], false),
            (Kind::Status, Ne, _) => self.one_of(test, field, vec![value], true),
            (Kind::Status, ..) => self.error(test.field.at, "ExecutionStatus has no order"),
            (Kind::List, Eq, _) => self.one_of(test, field, vec![value], false),
            (Kind::List, Ne, _) => self.one_of(test, field, vec![value], true),
            (Kind::List, ..) => {
                self.error(test.field.at, format!("{} is a list, which has no order", test.field.text))
            }
            (Kind::Run, _, Scalar::Uuid(run)) => Ok(run_ids(comparison, *run)),
            (Kind::Close, Eq, _) => Ok(Found { filter: compared(), indexed: true, run: None }),
            // Open runs have no close time, so nothing but IS NULL holds of it.
            (Kind::Close, ..) => {
                let closed = Filter::lt(field.path.clone(), OPEN);
                Ok(Found { filter: compared().and(closed), indexed: comparison != Ne, run: None })
            }
            _ => Ok(Found { filter: compared(), indexed: field.indexed && comparison != Ne, run: None }),
        }
    }

    fn one_of(
        &self,
        test: &Test,
        field: &Field,
        values: Vec<Scalar>,
        negated: bool,
    ) -> Result<Found, QueryError> {
        let path = field.path.clone();
        Ok(match field.kind {
            // There are few: the others are named.
            Kind::Status if negated => {
                let others = status::NAMES.iter().map(|(_, name)| Scalar::from(*name));
                let others = others.filter(|name| !values.contains(name)).collect();
                Found { filter: Filter::In(path, others), indexed: true, run: None }
            }
            Kind::List if negated => {
                let rule =
                    format!("{} is a list: what it does not hold cannot be asked for", test.field.text);
                return self.error(test.field.at, rule);
            }
            Kind::List => Found { filter: Filter::ContainsAny(path, values), indexed: true, run: None },
            Kind::Run => {
                let comparison = if negated { Comparison::Ne } else { Comparison::Eq };
                let runs = values
                    .into_iter()
                    .filter_map(|v| if let Scalar::Uuid(run) = v { Some(run) } else { None });
                let mut parts: Vec<Found> = runs.map(|run| run_ids(comparison, run)).collect();
                match parts.len() {
                    1 => parts.remove(0),
                    _ if negated => Found::all(parts),
                    _ => Found::any(parts),
                }
            }
            Kind::Close => {
                let filter = match negated {
                    true => Filter::NotIn(path.clone(), values).and(Filter::lt(path, OPEN)),
                    false => Filter::In(path, values),
                };
                Found { filter, indexed: !negated, run: None }
            }
            _ if negated => Found::residual(Filter::NotIn(path, values)),
            _ => Found { filter: Filter::In(path, values), indexed: field.indexed, run: None },
        })
    }
}

fn is_null(field: &Field, negated: bool) -> Found {
    let path = field.path.clone();
    match (field.kind, negated) {
        (Kind::Close, false) => Found { filter: Filter::eq(path, OPEN), indexed: true, run: None },
        (Kind::Close, true) => Found { filter: Filter::lt(path, OPEN), indexed: true, run: None },
        (_, false) if !field.optional => Found::none(),
        (_, true) if !field.optional => Found::residual(Filter::everything()),
        (_, false) => Found::residual(Filter::IsNull(path)),
        (_, true) => Found::residual(Filter::Exists(path)),
    }
}

fn starts_with(field: &Field, prefix: String, negated: bool) -> Found {
    let path = || field.path.clone();
    if !negated {
        return Found { filter: Filter::Prefix(path(), prefix), indexed: field.indexed, run: None };
    }
    // What is before all that begin so, or behind.
    let (_, end) = crate::document::prefix_range(&prefix);
    let mut others = vec![Filter::lt(path(), prefix)];
    if let Bound::Excluded(end) = end {
        others.push(Filter::ge(path(), end));
    }
    Found { filter: Filter::Any(others), indexed: field.indexed, run: None }
}

fn run_ids(comparison: Comparison, run: Uuid) -> Found {
    use Bound::{Excluded, Included, Unbounded};
    let id = || DocumentId::Uuid(run);
    Found::residual(match comparison {
        Comparison::Eq => return Found { filter: Filter::id(run), indexed: true, run: Some(run) },
        Comparison::Ne => {
            Filter::Any(vec![Filter::Id(Unbounded, Excluded(id())), Filter::Id(Excluded(id()), Unbounded)])
        }
        Comparison::Lt => Filter::Id(Unbounded, Excluded(id())),
        Comparison::Le => Filter::Id(Unbounded, Included(id())),
        Comparison::Gt => Filter::Id(Excluded(id()), Unbounded),
        Comparison::Ge => Filter::Id(Included(id()), Unbounded),
    })
}

fn opposite(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Eq => Comparison::Ne,
        Comparison::Ne => Comparison::Eq,
        Comparison::Lt => Comparison::Ge,
        Comparison::Le => Comparison::Gt,
        Comparison::Gt => Comparison::Le,
        Comparison::Ge => Comparison::Lt,
    }
}

/// Whether a condition holds only of records that have this field.
fn requires(condition: &Condition, name: &str) -> bool {
    match condition {
        Condition::All(all) => all.iter().any(|c| requires(c, name)),
        Condition::Test(test) => test.field.text == name && test.operator != Operator::IsNull,
        _ => false,
    }
}

fn first_field(condition: &Condition) -> Option<String> {
    match condition {
        Condition::All(all) | Condition::Any(all) => all.first().and_then(first_field),
        Condition::Not(one) => first_field(one),
        Condition::Test(test) => Some(test.field.text.clone()),
    }
}

/// RFC 3339, cut to milliseconds as records are.
fn time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_nanos(time.as_nanosecond()))
}
