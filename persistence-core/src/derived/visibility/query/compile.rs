//! From a query to a filter and an order of documents, with every type checked.

use super::QueryError;
use super::ast::*;
use crate::derived::visibility::fields::{CLOSE, Field, Kind, START, field, member};
use crate::derived::visibility::setup::Setup;
use crate::derived::visibility::{OPEN, status};
use crate::document::alternatives::{MAX_BRANCHES, implies, is_decidable, only_ids};
use crate::document::filter::{Comparison, MAX_LEAVES};
use crate::document::plan::OrderBy;
use crate::document::scalar::MAX_TEXT;
use crate::document::{CollectionDef, Direction, DocumentId, Filter, Path, Scalar};
use crate::time::Timestamp;
use std::collections::BTreeSet;
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
    /// The only runs that it can find, few, if each of its alternatives names one.
    pub runs: Option<Vec<Uuid>>,
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
        None => Filter::everything(),
    };
    if depth(&filter) > MAX_DEPTH {
        return compiler.error(Place(0), "its conditions are nested too deep");
    }
    if filter.leaves() > MAX_CONDITIONS {
        return compiler.error(Place(0), format!("it has more than {MAX_CONDITIONS} conditions"));
    }
    let records = setup.records();
    let grouped = compiler.group(query, purpose)?;
    let (order, id_order) = compiler.order(query, purpose, &records, &filter)?;
    let runs = only_ids(&filter).map(|ids| ids.into_iter().filter_map(run).collect());
    // As documents are planned, so that what is answered here is not refused or read in whole there.
    let indexed = query.condition.is_none() || runs.is_some() || is_decidable(&records, &filter);
    let unindexed = query.condition.as_ref().and_then(|condition| compiler.unindexed(condition));
    Ok(Compiled { filter, order, id_order, grouped, runs, indexed, unindexed })
}

/// The deepest nesting of what a filter allows, less what a namespace adds.
const MAX_DEPTH: usize = 14;
/// The most conditions of a filter, less what a namespace adds: its partitions, or a partition and an id for each of a few runs.
const MAX_CONDITIONS: usize = MAX_LEAVES - 3 * MAX_BRANCHES;

fn depth(filter: &Filter) -> usize {
    match filter {
        Filter::All(parts) | Filter::Any(parts) => 1 + parts.iter().map(depth).max().unwrap_or(0),
        _ => 1,
    }
}

fn run(id: &DocumentId) -> Option<Uuid> {
    match id {
        DocumentId::Uuid(run) => Some(*run),
        DocumentId::Text(_) => None,
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
    fn order(
        &self,
        query: &Query,
        purpose: Purpose,
        records: &CollectionDef,
        filter: &Filter,
    ) -> Result<(Vec<OrderBy>, Direction), QueryError> {
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
        if field.optional && !implies(records, filter, &field.path) {
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

    fn condition(&self, condition: &Condition, negated: bool) -> Result<Filter, QueryError> {
        let each =
            |all: &[Condition]| all.iter().map(|c| self.condition(c, negated)).collect::<Result<_, _>>();
        match condition {
            Condition::All(all) if negated => Ok(Filter::Any(each(all)?)),
            Condition::All(all) => Ok(Filter::All(each(all)?)),
            Condition::Any(any) if negated => Ok(Filter::All(each(any)?)),
            Condition::Any(any) => Ok(Filter::Any(each(any)?)),
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
    ) -> Result<Filter, QueryError> {
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
                return Ok(if negated { Filter::Any(parts) } else { Filter::All(parts) });
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
    ) -> Result<Filter, QueryError> {
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
            // Open runs have no close time, so nothing but IS NULL holds of it.
            (Kind::Close, ..) if comparison != Eq => Ok(compared().and(Filter::lt(field.path.clone(), OPEN))),
            _ => Ok(compared()),
        }
    }

    fn one_of(
        &self,
        test: &Test,
        field: &Field,
        values: Vec<Scalar>,
        negated: bool,
    ) -> Result<Filter, QueryError> {
        let path = field.path.clone();
        Ok(match field.kind {
            // There are few: the others are named.
            Kind::Status if negated => {
                let others = status::NAMES.iter().map(|(_, name)| Scalar::from(*name));
                let others = others.filter(|name| !values.contains(name)).collect();
                Filter::In(path, others)
            }
            Kind::List if negated => {
                let rule =
                    format!("{} is a list: what it does not hold cannot be asked for", test.field.text);
                return self.error(test.field.at, rule);
            }
            Kind::List => Filter::ContainsAny(path, values),
            Kind::Run => {
                let runs =
                    values.iter().filter_map(|v| if let Scalar::Uuid(run) = v { Some(*run) } else { None });
                let runs: BTreeSet<Uuid> = runs.collect();
                if negated {
                    other_runs(runs)
                } else {
                    Filter::Any(runs.into_iter().map(Filter::id).collect())
                }
            }
            Kind::Close if negated => Filter::NotIn(path.clone(), values).and(Filter::lt(path, OPEN)),
            _ if negated => Filter::NotIn(path, values),
            _ => Filter::In(path, values),
        })
    }

    /// The first field that no index begins with.
    fn unindexed(&self, condition: &Condition) -> Option<String> {
        match condition {
            Condition::All(all) | Condition::Any(all) => all.iter().find_map(|c| self.unindexed(c)),
            Condition::Not(one) => self.unindexed(one),
            Condition::Test(test) => {
                let field = field(self.setup, &test.field.text).filter(|f| !f.indexed)?;
                (field.kind != Kind::Run).then(|| test.field.text.clone())
            }
        }
    }
}

fn is_null(field: &Field, negated: bool) -> Filter {
    let path = field.path.clone();
    match (field.kind, negated) {
        (Kind::Close, false) => Filter::eq(path, OPEN),
        (Kind::Close, true) => Filter::lt(path, OPEN),
        (_, false) if !field.optional => Filter::Any(Vec::new()),
        (_, true) if !field.optional => Filter::everything(),
        (_, false) => Filter::IsNull(path),
        (_, true) => Filter::Exists(path),
    }
}

fn starts_with(field: &Field, prefix: String, negated: bool) -> Filter {
    let path = || field.path.clone();
    if !negated {
        return Filter::Prefix(path(), prefix);
    }
    // What is before all that begin so, or behind.
    let (_, end) = crate::document::prefix_range(&prefix);
    let mut others = vec![Filter::lt(path(), prefix)];
    if let Bound::Excluded(end) = end {
        others.push(Filter::ge(path(), end));
    }
    Filter::Any(others)
}

fn run_ids(comparison: Comparison, run: Uuid) -> Filter {
    use Bound::{Excluded, Included, Unbounded};
    let id = || DocumentId::Uuid(run);
    match comparison {
        Comparison::Eq => Filter::id(run),
        Comparison::Ne => other_runs(BTreeSet::from([run])),
        Comparison::Lt => Filter::Id(Unbounded, Excluded(id())),
        Comparison::Le => Filter::Id(Unbounded, Included(id())),
        Comparison::Gt => Filter::Id(Excluded(id()), Unbounded),
        Comparison::Ge => Filter::Id(Included(id()), Unbounded),
    }
}

/// What is before, between and behind them.
fn other_runs(runs: BTreeSet<Uuid>) -> Filter {
    use Bound::{Excluded, Unbounded};
    let mut from = Unbounded;
    let mut between: Vec<Filter> = Vec::with_capacity(runs.len() + 1);
    for run in runs.into_iter().map(DocumentId::Uuid) {
        between.push(Filter::Id(std::mem::replace(&mut from, Excluded(run.clone())), Excluded(run)));
    }
    between.push(Filter::Id(from, Unbounded));
    Filter::Any(between)
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

/// RFC 3339, cut to milliseconds as records are.
fn time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_nanos(time.as_nanosecond()))
}
