//! What would answer a query that no index answers. The planner itself is asked, with more declared than there is, so that what an
//! error says is true of it.

use super::alternatives::{Parts, conjuncts, ways};
use super::conditions::Conditions;
use super::definition::{Arity, Attribute, CollectionDef, Direction, IndexDef, IndexKey, MAX_INDEX_KEYS};
use super::guess::with_guesses;
use super::plan::{OrderBy, Plan, Question};
use super::undecided::undecided;
use crate::error::{Detail, Error};
use std::collections::BTreeSet;

/// What to declare so that a query is answered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Needed {
    /// Attributes, of the types that the query compares with: whether all documents have these only their owner knows.
    pub attributes: Vec<Attribute>,
    /// Indexes, one for each alternative of the query that lacks one.
    pub indexes: Vec<IndexDef>,
}

impl Needed {
    /// A definition with all of it.
    #[must_use]
    pub fn added_to(&self, mut def: CollectionDef) -> CollectionDef {
        def.attributes.extend(self.attributes.iter().cloned());
        def.indexes.extend(self.indexes.iter().cloned());
        def
    }

    fn in_words(&self, def: &CollectionDef) -> String {
        let key = |key: &IndexKey| {
            let named = |a: &&Attribute| a.name == key.attribute;
            let new = self.attributes.iter().find(named);
            let path = new.or(def.attribute_named(&key.attribute)).map(|a| a.path.to_string());
            let direction = if key.direction == Direction::Descending { " desc" } else { "" };
            let undeclared = if new.is_some() { " (to be declared as an attribute)" } else { "" };
            format!("{}{direction}{undeclared}", path.unwrap_or_default())
        };
        let index = |index: &IndexDef| match &index.keys[..] {
            [] => format!("an index of {} by id", def.name),
            keys => {
                format!("an index of {} by {}", def.name, keys.iter().map(key).collect::<Vec<_>>().join(", "))
            }
        };
        self.indexes.iter().map(index).collect::<Vec<_>>().join(" and ")
    }
}

impl Question<'_> {
    /// Why it is not answered, and what to do about it.
    pub(super) fn unindexed(&self) -> Error {
        let (advice, declare) = self.advice();
        Error::new(Detail::Unindexed { advice, declare: declare.map(Box::new) })
    }

    fn advice(&self) -> (String, Option<Needed>) {
        let answer = |question: Question<'_>| question.planned().ok().flatten();
        let free = Question { hint: None, ..*self };
        if let Some(hint) = self.hint
            && answer(free).is_some()
        {
            return (
                format!("index {hint} does not answer it, or is not built yet: ask without a hint"),
                None,
            );
        }
        if let Some(plan) = answer(Question { ready: &|_| true, ..free }) {
            return (self.unbuilt(&plan), None);
        }
        match free.needed() {
            Some(needed) => {
                let hint = if self.hint.is_some() { ", and ask without a hint" } else { "" };
                (format!("declare {}{hint}", needed.in_words(self.def)), Some(needed))
            }
            None => (undecided(self.def, self.filter), None),
        }
    }

    fn unbuilt(&self, plan: &Plan) -> String {
        let read = plan.branches.iter().filter_map(|b| b.access.index);
        let unbuilt: BTreeSet<&str> =
            read.filter(|i| !(self.ready)(*i)).map(|i| &*self.def.indexes[i].name).collect();
        let unbuilt = unbuilt.into_iter().collect::<Vec<_>>().join(", ");
        format!(
            "{unbuilt} of {} is declared, but not built yet: ensure it, or wait for who does",
            self.def.name
        )
    }

    /// What is declared already is preferred: an attribute binds what documents may hold.
    fn needed(&self) -> Option<Needed> {
        self.needed_in(self.def).or_else(|| self.needed_in(&with_guesses(self.def, self.filter)))
    }

    /// The least that is needed with the attributes of a definition.
    fn needed_in(&self, wide: &CollectionDef) -> Option<Needed> {
        let filter = self.filter.checked(wide).ok()?;
        let question = Question { def: wide, filter: &filter, ..*self };
        let of = |indexes: Vec<IndexDef>| {
            let has = |a: &&Attribute| indexes.iter().any(|i| i.keys.iter().any(|k| k.attribute == a.name));
            let added = wide.attributes.iter().skip(self.def.attributes.len());
            Needed { attributes: added.filter(has).cloned().collect(), indexes }
        };
        let found = ways(&filter).filter_map(|way| question.lacking(&way)).map(of);
        let least = found.min_by_key(|needed| (needed.attributes.len(), needed.indexes.len()))?;
        self.is_answered_with(&least).then_some(least)
    }

    fn is_answered_with(&self, needed: &Needed) -> bool {
        let def = needed.added_to(self.def.clone());
        let ready = |i: usize| i >= self.def.indexes.len() || (self.ready)(i);
        self.filter.checked(&def).is_ok_and(|filter| {
            let question = Question { def: &def, filter: &filter, ready: &ready, ..*self };
            matches!(question.planned(), Ok(Some(_)))
        })
    }

    /// The indexes that the alternatives of a way lack; none where one of them cannot have any.
    fn lacking(&self, way: &[Parts<'_>]) -> Option<Vec<IndexDef>> {
        let (order, id_order) = self.order_left(&Conditions::of(self.def, &conjuncts(self.filter)));
        let there = self.def.indexes.len();
        let ready = |i: usize| i >= there || (self.ready)(i);
        let mut def = self.def.clone();
        for parts in way {
            let chooses = |def: &CollectionDef| {
                Question { def, ready: &ready, ..*self }.chooses(parts, &order, id_order)
            };
            if chooses(&def) {
                continue;
            }
            let with = |index: IndexDef| {
                let name = unused(&index, &def);
                let index = IndexDef { name, ..index };
                let wider = self.def.validate_index(&index).is_ok().then(|| def.clone().index(index))?;
                chooses(&wider).then_some(wider)
            };
            let wider = self.candidates(parts, &order, id_order).into_iter().find_map(with)?;
            def = wider;
        }
        Some(def.indexes.split_off(there))
    }

    /// Indexes that may help a conjunction, the best ones first: with most of what is given by equality, then with the order.
    fn candidates(&self, parts: &Parts<'_>, order: &[OrderBy], id_order: Direction) -> Vec<IndexDef> {
        let c = Conditions::of(self.def, parts);
        let is_one = |name: &&str| self.def.attribute_named(name).is_some_and(|a| a.arity == Arity::One);
        let (mut one, several): (Vec<&str>, Vec<&str>) = c.equal.keys().copied().partition(is_one);
        one.sort_by_key(|name| c.equal[name].len());
        let ordered = order.iter().filter_map(|o| Some((self.attribute(&o.path)?, o.direction)));
        let ordered = Some(ordered.collect::<Vec<_>>()).filter(|keys| !keys.is_empty());
        let ranges = c.range.keys().chain(&c.there).map(|name| vec![(*name, Direction::Ascending)]);
        let ends: Vec<_> = ordered.into_iter().chain(ranges).chain([Vec::new()]).collect();
        let mut all = Vec::new();
        for equal in (0..=one.len().min(MAX_INDEX_KEYS)).rev() {
            for several in several.first().map(Some).into_iter().chain([None]) {
                let equal = one[..equal].iter().chain(several).map(|name| (*name, Direction::Ascending));
                for end in &ends {
                    let keys = equal.clone().chain(end.iter().copied());
                    let keys = keys.map(|(a, direction)| IndexKey { attribute: a.to_owned(), direction });
                    all.push(IndexDef { keys: keys.collect(), id_order, ..IndexDef::new("") });
                }
            }
        }
        all
    }
}

/// A name for an index that none of a collection has.
fn unused(index: &IndexDef, def: &CollectionDef) -> String {
    let keys: Vec<&str> = index.keys.iter().map(|k| &*k.attribute).collect();
    let mut name = format!("by_{}", if keys.is_empty() { "id".to_owned() } else { keys.join("_") });
    name.truncate(44);
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| def.index_named(name).is_none()).unwrap_or_default()
}
