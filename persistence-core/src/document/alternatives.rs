//! The ways to see a filter as alternatives of which any holds, and what can be said of it without an index.

use super::DocumentId;
use super::conditions::Conditions;
use super::definition::CollectionDef;
use super::filter::Filter;
use super::path::Path;
use std::collections::BTreeSet;
use std::ops::Bound;

/// The most alternatives that are read one by one.
pub(crate) const MAX_BRANCHES: usize = 32;
/// The most conditions of alternatives that are tried, each by itself: what a caller writes must not decide how long planning takes.
const MAX_SPLITS: usize = 16;

/// What must hold together.
pub(super) type Parts<'a> = Vec<&'a Filter>;

/// The parts that all must hold.
pub(super) fn conjuncts(filter: &Filter) -> Parts<'_> {
    match filter {
        Filter::All(all) => all.iter().flat_map(conjuncts).collect(),
        Filter::Any(any) if any.len() == 1 => conjuncts(&any[0]),
        one => vec![one],
    }
}

/// The parts of which any must hold, those of alternatives within alternatives among them.
pub(super) fn alternatives(filter: &Filter) -> Parts<'_> {
    match filter {
        Filter::Any(any) => any.iter().flat_map(alternatives).collect(),
        Filter::All(all) if all.len() == 1 => alternatives(&all[0]),
        one => vec![one],
    }
}

/// The ways to see a filter as several of which any holds: as one, and by each of its conditions of alternatives.
pub(super) fn ways<'f>(filter: &'f Filter) -> impl Iterator<Item = Vec<Parts<'f>>> {
    let parts = conjuncts(filter);
    let several = parts.iter().enumerate().filter(|(_, part)| matches!(part, Filter::Any(_)));
    let several =
        several.map(|(i, part)| (i, alternatives(part))).filter(|(_, any)| any.len() <= MAX_BRANCHES);
    let several: Vec<_> = several.take(MAX_SPLITS).collect();
    let whole = vec![parts.clone()];
    let split = move |(i, any): (usize, Parts<'f>)| {
        let (before, after) = (&parts[..i], &parts[i + 1..]);
        let one = |alternative: &'f Filter| [before, &conjuncts(alternative), after].concat();
        any.into_iter().map(one).collect()
    };
    std::iter::once(whole).chain(several.into_iter().map(split))
}

/// All of them, as one filter.
pub(super) fn joined(parts: &[&Filter]) -> Filter {
    match parts {
        [one] => (*one).clone(),
        all => Filter::All(all.iter().map(|part| (*part).clone()).collect()),
    }
}

/// The attributes of one value that a document has wherever a filter holds.
pub(super) fn implied<'a>(def: &'a CollectionDef, filter: &Filter) -> BTreeSet<&'a str> {
    let one = |p: &Path| def.attribute_at(p).map(|a| &*a.name).into_iter().collect();
    match filter {
        Filter::All(all) => all.iter().flat_map(|part| implied(def, part)).collect(),
        Filter::Any(any) => {
            let each = any.iter().map(|part| implied(def, part));
            each.reduce(|a, b| &a & &b).unwrap_or_default()
        }
        Filter::Compare(p, ..)
        | Filter::In(p, _)
        | Filter::NotIn(p, _)
        | Filter::Prefix(p, _)
        | Filter::Exists(p) => one(p),
        _ => BTreeSet::new(),
    }
}

/// Whether every document that a filter holds of has a value there, as an order needs it.
pub(crate) fn implies(def: &CollectionDef, filter: &Filter, path: &Path) -> bool {
    def.attribute_at(path).is_some_and(|a| implied(def, filter).contains(&*a.name))
}

/// Whether there is a way to see a filter in which every alternative gives an attribute by equality, by a list or by a range: what
/// an index could decide.
pub(crate) fn is_decidable(def: &CollectionDef, filter: &Filter) -> bool {
    let decidable = |parts: Parts<'_>| {
        let conditions = Conditions::of(def, &parts);
        conditions.is_empty_set() || !conditions.equal.is_empty() || !conditions.range.is_empty()
    };
    ways(filter).any(|way| way.into_iter().all(decidable))
}

/// The only ids that a filter can find, where each of its alternatives names one.
pub(crate) fn only_ids<'f>(filter: &'f Filter) -> Option<BTreeSet<&'f DocumentId>> {
    let named = |parts: Parts<'f>| parts.into_iter().find_map(only_id);
    ways(filter).find_map(|way| way.into_iter().map(named).collect())
}

fn only_id(filter: &Filter) -> Option<&DocumentId> {
    match filter {
        Filter::Id(Bound::Included(from), Bound::Included(to)) if from == to => Some(from),
        _ => None,
    }
}
