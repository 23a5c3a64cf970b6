//! What a conjunction of filters says of each attribute.

use super::DocumentId;
use super::alternatives::implied;
use super::definition::{Attribute, CollectionDef, Partitioning};
use super::filter::{Comparison, Filter};
use super::path::Path;
use super::scalar::Scalar;
use super::value::entry;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The conditions that an access decides.
#[derive(Default)]
pub(super) struct Used<'a> {
    pub(super) partition: bool,
    pub(super) equal: BTreeSet<&'a str>,
    pub(super) range: Option<&'a str>,
    pub(super) ids: bool,
    /// Attributes that all entries have.
    pub(super) there: BTreeSet<&'a str>,
}

impl Used<'_> {
    pub(super) fn weight(&self) -> usize {
        let some = self.range.is_some() || self.ids || !self.there.is_empty();
        2 * (usize::from(self.partition) + self.equal.len()) + usize::from(some)
    }
}

/// What a conjunction says of each attribute.
#[derive(Default)]
pub(super) struct Conditions<'a> {
    pub(super) partition: Option<Vec<String>>,
    pub(super) equal: BTreeMap<&'a str, Vec<Scalar>>,
    pub(super) range: BTreeMap<&'a str, (Bound<Scalar>, Bound<Scalar>)>,
    pub(super) ids: Option<(Bound<DocumentId>, Bound<DocumentId>)>,
    /// Attributes that must have a value, whatever it is: an index has just the documents that have its keys.
    pub(super) there: BTreeSet<&'a str>,
    /// Attributes that have a value wherever the conjunction holds.
    implied: BTreeSet<&'a str>,
    /// Some part is decided on documents only.
    residual: bool,
    never: bool,
}

impl<'a> Conditions<'a> {
    pub(super) fn of(def: &'a CollectionDef, parts: &[&'a Filter]) -> Self {
        let mut c = Conditions::default();
        for part in parts {
            c.add(def, part);
        }
        c
    }

    fn add(&mut self, def: &'a CollectionDef, part: &'a Filter) {
        let one = |p: &Path| def.attribute_at(p).map(|a| &*a.name);
        match part {
            Filter::Any(any) => {
                self.never |= any.is_empty();
                self.residual = true;
                self.implied.extend(implied(def, part));
            }
            Filter::Compare(p, Comparison::Eq, v) => self.equals(def, p, one(p), vec![v.clone()]),
            Filter::In(p, vs) => self.equals(def, p, one(p), vs.clone()),
            Filter::Compare(p, comparison, v) => match (one(p), bounds(*comparison, v)) {
                (Some(a), Some(range)) => self.within(a, range),
                (a, _) => {
                    self.residual = true;
                    self.implied.extend(a);
                }
            },
            Filter::Prefix(p, s) => match one(p) {
                Some(a) => self.within(a, prefix(s)),
                None => self.residual = true,
            },
            Filter::Contains(p, v) => self.contains(def.elements_at(p), vec![v.clone()]),
            Filter::ContainsAny(p, vs) => self.contains(def.elements_at(p), vs.clone()),
            Filter::ContainsAll(p, vs) if !vs.is_empty() => {
                self.contains(def.elements_at(p), vec![vs[0].clone()]);
                self.residual |= vs.len() > 1;
            }
            Filter::HasEntry(p, k, v) => {
                self.contains(def.entries_at(p), vec![Scalar::Str(entry(k, v))]);
                self.residual = true;
            }
            Filter::Id(from, to) => {
                let now = self.ids.take().unwrap_or((Bound::Unbounded, Bound::Unbounded));
                self.ids = Some((
                    tighter(now.0, from.clone(), &|a, b| Some(a.cmp(b)), true),
                    tighter(now.1, to.clone(), &|a, b| Some(a.cmp(b)), false),
                ));
            }
            Filter::NotIn(p, _) => {
                self.implied.extend(one(p));
                self.residual = true;
            }
            Filter::Exists(p) => match one(p) {
                Some(a) => {
                    self.implied.insert(a);
                    self.there.insert(a);
                }
                None => self.residual = true,
            },
            _ => self.residual = true,
        }
    }

    fn equals(
        &mut self,
        def: &CollectionDef,
        path: &'a Path,
        attribute: Option<&'a str>,
        mut values: Vec<Scalar>,
    ) {
        sort(&mut values);
        let mut known = false;
        if matches!(&def.partition, Partitioning::By(p) if p == path) {
            let texts =
                values.iter().filter_map(|v| if let Scalar::Str(s) = v { Some(s.clone()) } else { None });
            let mut texts: Vec<String> = texts.collect();
            if let Some(now) = &self.partition {
                texts.retain(|t| now.binary_search(t).is_ok());
            }
            self.never |= texts.is_empty();
            self.partition = Some(texts);
            known = true;
        }
        match attribute {
            Some(a) => {
                self.implied.insert(a);
                if let Some(now) = self.equal.get(a) {
                    values.retain(|v| now.binary_search_by(|n| order(n, v)).is_ok());
                }
                self.never |= values.is_empty();
                self.equal.insert(a, values);
            }
            None if known => {}
            None => {
                self.never |= values.is_empty();
                self.residual = true;
            }
        }
    }

    fn contains(&mut self, attribute: Option<&'a Attribute>, mut values: Vec<Scalar>) {
        sort(&mut values);
        self.never |= values.is_empty();
        match attribute {
            // One condition an attribute: others are decided on the documents.
            Some(a) if !self.equal.contains_key(&*a.name) => {
                self.equal.insert(&a.name, values);
            }
            _ => self.residual = true,
        }
    }

    fn within(&mut self, attribute: &'a str, (from, to): (Bound<Scalar>, Bound<Scalar>)) {
        self.implied.insert(attribute);
        let now = self.range.remove(attribute).unwrap_or((Bound::Unbounded, Bound::Unbounded));
        let compare = |a: &Scalar, b: &Scalar| a.compare(b);
        let both = (tighter(now.0, from, &compare, true), tighter(now.1, to, &compare, false));
        self.range.insert(attribute, both);
    }

    pub(super) fn is_fixed(&self, attribute: &str) -> bool {
        self.equal.get(attribute).is_some_and(|v| v.len() == 1)
    }

    pub(super) fn implies(&self, attribute: &str) -> bool {
        self.implied.contains(attribute)
    }

    pub(super) fn is_empty_set(&self) -> bool {
        let empty = |from: &Bound<Scalar>, to: &Bound<Scalar>| match (from, to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(a), Bound::Included(b)) => a.compare(b).is_none_or(Ordering::is_gt),
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
                a.compare(b).is_none_or(Ordering::is_ge)
            }
        };
        let no_ids = self.ids.as_ref().is_some_and(|(from, to)| match (from, to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a >= b,
        });
        self.never || no_ids || self.range.values().any(|(from, to)| empty(from, to))
    }

    pub(super) fn is_covered_by(&self, used: &Used<'_>) -> bool {
        !self.residual
            && (self.partition.is_none() || used.partition)
            && self.equal.keys().all(|a| used.equal.contains(a))
            && self.range.keys().all(|a| used.range == Some(*a))
            && (self.ids.is_none() || used.ids)
            && self.there.is_subset(&used.there)
    }
}

/// An order of all constants: where nothing is declared they may be of different types, which compare with none.
fn order(a: &Scalar, b: &Scalar) -> Ordering {
    let kind = |s: &Scalar| match s {
        Scalar::F64(f) if f.is_nan() => 0,
        Scalar::I64(_) | Scalar::F64(_) => 1,
        Scalar::Bool(_) => 2,
        Scalar::Str(_) => 3,
        Scalar::Uuid(_) => 4,
        Scalar::Time(_) => 5,
    };
    a.compare(b).unwrap_or_else(|| kind(a).cmp(&kind(b)))
}

fn sort(values: &mut Vec<Scalar>) {
    values.sort_by(order);
    values.dedup();
}

fn bounds(comparison: Comparison, v: &Scalar) -> Option<(Bound<Scalar>, Bound<Scalar>)> {
    let v = v.clone();
    Some(match comparison {
        Comparison::Lt => (Bound::Unbounded, Bound::Excluded(v)),
        Comparison::Le => (Bound::Unbounded, Bound::Included(v)),
        Comparison::Gt => (Bound::Excluded(v), Bound::Unbounded),
        Comparison::Ge => (Bound::Included(v), Bound::Unbounded),
        Comparison::Eq | Comparison::Ne => return None,
    })
}

/// The texts that begin so: up to the smallest text that is larger than all of them.
pub(crate) fn prefix(s: &str) -> (Bound<Scalar>, Bound<Scalar>) {
    let mut end = s.to_owned();
    while let Some(last) = end.pop() {
        // Surrogates are no characters; UTF-8 orders the others as their numbers.
        let next = match last {
            '\u{d7ff}' => Some('\u{e000}'),
            c => char::from_u32(u32::from(c) + 1),
        };
        if let Some(next) = next {
            end.push(next);
            return (Bound::Included(Scalar::from(s)), Bound::Excluded(Scalar::Str(end)));
        }
    }
    (Bound::Included(Scalar::from(s)), Bound::Unbounded)
}

/// The bound that lets fewer through.
fn tighter<T>(
    a: Bound<T>,
    b: Bound<T>,
    compare: &dyn Fn(&T, &T) -> Option<Ordering>,
    lower: bool,
) -> Bound<T> {
    let (x, y) = match (&a, &b) {
        (Bound::Unbounded, _) => return b,
        (_, Bound::Unbounded) => return a,
        (Bound::Included(x) | Bound::Excluded(x), Bound::Included(y) | Bound::Excluded(y)) => (x, y),
    };
    match compare(x, y) {
        Some(Ordering::Equal) => {
            if matches!(a, Bound::Excluded(_)) {
                a
            } else {
                b
            }
        }
        Some(Ordering::Less) => {
            if lower {
                b
            } else {
                a
            }
        }
        _ => {
            if lower {
                a
            } else {
                b
            }
        }
    }
}
