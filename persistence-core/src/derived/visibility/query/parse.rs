//! From text to a query.

use super::QueryError;
use super::ast::*;
use crate::document::Direction;
use crate::document::filter::{Comparison, MAX_LIST};
use winnow::ascii::{Caseless, digit1, multispace0};
use winnow::combinator::{alt, cut_err, delimited, eof, fail, not, opt, peek, preceded, repeat, terminated};
use winnow::error::{ContextError, StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location as _, Stateful};
use winnow::token::{one_of, take_while};

/// The longest query, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The deepest nesting of conditions: what a filter allows, with room for what a store adds.
const MAX_DEPTH: usize = 12;

/// The text that is left, and how deep it is nested.
type Input<'t> = Stateful<LocatingSlice<&'t str>, usize>;

/// Reads a query. The empty text asks for everything.
pub fn parse(text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_BYTES {
        return Err(QueryError::at(text, Place(0), format!("the query has more than {MAX_BYTES} bytes")));
    }
    let input = Stateful { input: LocatingSlice::new(text), state: 0 };
    query.parse(input).map_err(|e| {
        let place = Place(e.offset());
        let expected = e.inner().context().find_map(|context| match context {
            StrContext::Expected(expected) => Some(expected.to_string()),
            _ => None,
        });
        let expected = expected.unwrap_or_else(|| "something else".to_owned());
        QueryError::at(text, place, format!("expected {expected}, found {}", found(text, place)))
    })
}

/// What is there, in a few characters.
fn found(text: &str, place: Place) -> String {
    let rest = text.get(place.0..).unwrap_or_default();
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let length = match rest.chars().next() {
        None => return "the end".to_owned(),
        Some(c) if word(c) => rest.chars().take_while(|c| word(*c)).count(),
        Some(_) => 1,
    };
    format!("{:?}", rest.chars().take(length.min(40)).collect::<String>())
}

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn query(input: &mut Input<'_>) -> ModalResult<Query> {
    multispace0.parse_next(input)?;
    let nothing = alt((eof.void(), keyword("group"), keyword("order")));
    let condition = match opt(peek(nothing)).parse_next(input)? {
        Some(()) => None,
        None => Some(cut_err(any).parse_next(input)?),
    };
    let (group, order) = (opt(group), opt(order)).parse_next(input)?;
    let end = eof.context(expected("AND, OR, GROUP BY, ORDER BY or the end"));
    cut_err(end).parse_next(input)?;
    Ok(Query { condition, order, group })
}

fn group(input: &mut Input<'_>) -> ModalResult<Name> {
    keyword("group").parse_next(input)?;
    cut_err(keyword("by").context(expected("BY"))).parse_next(input)?;
    cut_err(name.context(expected("a field"))).parse_next(input)
}

fn order(input: &mut Input<'_>) -> ModalResult<Sorted> {
    keyword("order").parse_next(input)?;
    cut_err(keyword("by").context(expected("BY"))).parse_next(input)?;
    let field = cut_err(name.context(expected("a field"))).parse_next(input)?;
    let asc = keyword("asc").value(Direction::Ascending);
    let direction = opt(alt((asc, keyword("desc").value(Direction::Descending)))).parse_next(input)?;
    Ok(Sorted { field, direction: direction.unwrap_or(Direction::Ascending) })
}

fn any(input: &mut Input<'_>) -> ModalResult<Condition> {
    several(input, "or", all, Condition::Any)
}

fn all(input: &mut Input<'_>) -> ModalResult<Condition> {
    several(input, "and", one, Condition::All)
}

/// Conditions with a word between them.
fn several<'t>(
    input: &mut Input<'t>,
    word: &'static str,
    mut part: fn(&mut Input<'t>) -> ModalResult<Condition>,
    join: fn(Vec<Condition>) -> Condition,
) -> ModalResult<Condition> {
    let first = part.parse_next(input)?;
    let more: Vec<Condition> = repeat(0.., preceded(keyword(word), cut_err(part))).parse_next(input)?;
    if more.is_empty() {
        return Ok(first);
    }
    Ok(join(std::iter::once(first).chain(more).collect()))
}

fn one(input: &mut Input<'_>) -> ModalResult<Condition> {
    let condition = alt((
        preceded(keyword("not"), nested(one)).map(|c| Condition::Not(Box::new(c))),
        delimited(sign("("), nested(any), cut_err(sign(")").context(expected("AND, OR or )")))),
        test.map(Condition::Test),
    ));
    condition.context(expected("a field, NOT or (")).parse_next(input)
}

/// A condition within another one.
fn nested<'t>(
    mut part: impl FnMut(&mut Input<'t>) -> ModalResult<Condition>,
) -> impl FnMut(&mut Input<'t>) -> ModalResult<Condition> {
    move |input| {
        if input.state == MAX_DEPTH {
            return cut_err(fail.context(expected("at most 12 conditions within each other")))
                .parse_next(input);
        }
        input.state += 1;
        let condition = cut_err(&mut part).parse_next(input);
        input.state -= 1;
        condition
    }
}

fn test(input: &mut Input<'_>) -> ModalResult<Test> {
    let field = name.parse_next(input)?;
    let what = "=, !=, <, <=, >, >=, BETWEEN, IN, STARTS_WITH, IS or NOT";
    let operator = cut_err(operator.context(expected(what))).parse_next(input)?;
    Ok(Test { field, operator })
}

fn operator(input: &mut Input<'_>) -> ModalResult<Operator> {
    let what = "IN, BETWEEN or STARTS_WITH";
    let negated = |operator| Operator::Not(Box::new(operator));
    alt((
        comparison,
        named,
        preceded(keyword("not"), cut_err(named.context(expected(what)))).map(negated),
        preceded(keyword("is"), cut_err(null)),
    ))
    .parse_next(input)
}

fn comparison(input: &mut Input<'_>) -> ModalResult<Operator> {
    let comparison = alt((
        sign("!=").value(Comparison::Ne),
        sign("<>").value(Comparison::Ne),
        sign("<=").value(Comparison::Le),
        sign(">=").value(Comparison::Ge),
        sign("=").value(Comparison::Eq),
        sign("<").value(Comparison::Lt),
        sign(">").value(Comparison::Gt),
    ));
    (comparison, cut_err(constant)).map(|(c, v)| Operator::Compare(c, v)).parse_next(input)
}

/// The operators that are words, and may follow NOT.
fn named(input: &mut Input<'_>) -> ModalResult<Operator> {
    let and = || cut_err(keyword("and").context(expected("AND")));
    let between = preceded(keyword("between"), (terminated(cut_err(constant), and()), cut_err(constant)));
    alt((
        preceded(keyword("in"), cut_err(list)).map(Operator::In),
        between.map(|(low, high)| Operator::Between(low, high)),
        preceded(keyword("starts_with"), cut_err(constant)).map(Operator::StartsWith),
    ))
    .parse_next(input)
}

fn list(input: &mut Input<'_>) -> ModalResult<Vec<Constant>> {
    sign("(").context(expected("(")).parse_next(input)?;
    let first = cut_err(constant).parse_next(input)?;
    // Not all of a list that is far too long is read.
    let more: Vec<Constant> =
        repeat(0..MAX_LIST, preceded(sign(","), cut_err(constant))).parse_next(input)?;
    cut_err(sign(")").context(expected("a comma or ), in a list of at most 1000 constants")))
        .parse_next(input)?;
    Ok(std::iter::once(first).chain(more).collect())
}

fn null(input: &mut Input<'_>) -> ModalResult<Operator> {
    let negated = opt(keyword("not")).parse_next(input)?.is_some();
    let what = if negated { "NULL" } else { "NULL or NOT NULL" };
    cut_err(keyword("null").context(expected(what))).parse_next(input)?;
    Ok(if negated { Operator::Not(Box::new(Operator::IsNull)) } else { Operator::IsNull })
}

fn name(input: &mut Input<'_>) -> ModalResult<Name> {
    let at = Place(input.current_token_start());
    let plain = take_while(1.., |c: char| c.is_ascii_alphanumeric() || c == '_').verify(is_plain);
    let quoted = delimited('`', take_while(1.., |c| c != '`'), '`');
    let text: &str = terminated(alt((quoted, plain)), multispace0).parse_next(input)?;
    Ok(Name { at, text: text.to_owned() })
}

fn constant(input: &mut Input<'_>) -> ModalResult<Constant> {
    let at = Place(input.current_token_start());
    let value = alt((
        text('\''),
        text('"'),
        number,
        keyword("true").value(Value::Bool(true)),
        keyword("false").value(Value::Bool(false)),
    ));
    let what = "a text in quotes, a number, TRUE or FALSE";
    let value = terminated(value, multispace0).context(expected(what)).parse_next(input)?;
    Ok(Constant { at, value })
}

fn text<'t>(quote: char) -> impl Parser<Input<'t>, Value, winnow::error::ErrMode<ContextError>> {
    let piece = move |input: &mut Input<'t>| {
        alt((
            take_while(1.., move |c| c != quote && c != '\\').map(str::to_owned),
            (quote, quote).map(move |_| quote.to_string()),
            preceded('\\', cut_err(one_of(['\'', '"', '\\']).context(expected("a quote or \\ after \\"))))
                .map(String::from),
        ))
        .parse_next(input)
    };
    let pieces = repeat(0.., piece).fold(String::new, |text, piece: String| text + &piece);
    let end = cut_err(quote.context(expected("the quote that ends the text")));
    delimited(quote, pieces, end).map(Value::Text)
}

fn number(input: &mut Input<'_>) -> ModalResult<Value> {
    let exponent = (one_of(['e', 'E']), opt(one_of(['+', '-'])), digit1);
    let digits = (opt(one_of(['+', '-'])), digit1, opt(('.', digit1)), opt(exponent)).take();
    let word = not(one_of(|c: char| c.is_alphanumeric() || c == '_' || c == '.'));
    let value = |digits: &str| match digits.parse::<i64>() {
        Ok(whole) => Some(Value::Whole(whole)),
        Err(_) if digits.contains(['.', 'e', 'E']) => {
            digits.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::Number)
        }
        Err(_) => None,
    };
    terminated(digits, word).verify_map(value).parse_next(input)
}

/// A word of the language, in any case, and the space after it.
fn keyword<'t>(word: &'static str) -> impl Parser<Input<'t>, (), winnow::error::ErrMode<ContextError>> {
    let end = not(one_of(|c: char| c.is_ascii_alphanumeric() || c == '_'));
    (Caseless(word), end, multispace0).void()
}

/// A sign, and the space after it.
fn sign<'t>(sign: &'static str) -> impl Parser<Input<'t>, (), winnow::error::ErrMode<ContextError>> {
    (sign, multispace0).void()
}
