//! Attributes that a query compares with and nobody has declared, as they might be.

use super::definition::{Arity, Attribute, CollectionDef, Missing};
use super::filter::Filter;
use super::path::{Path, Step};
use super::scalar::{KeyType, MAX_TEXT, Scalar};
use super::value::entry;
use std::collections::BTreeMap;

/// The bytes of a text of which nothing is known but that it is compared with shorter ones.
const USUAL_TEXT: u16 = 255;

/// By path: what is asked of it, with the type that fits all constants; none where that is no single one.
type Guesses<'f> = BTreeMap<&'f Path, Option<(Arity, KeyType)>>;

/// A definition with attributes at all places that a filter compares with something, and of which nothing was declared yet.
pub(super) fn with_guesses(def: &CollectionDef, filter: &Filter) -> CollectionDef {
    let mut guesses = Guesses::new();
    gather(filter, &mut guesses);
    let mut def = def.clone();
    for (path, guess) in guesses {
        let Some((arity, ty)) = guess else { continue };
        let possible = arity == Arity::Elements || !path.has_each();
        if possible && def.attributes.iter().all(|a| a.path != *path) {
            let name = name(path, &def);
            def.attributes.push(Attribute { name, path: path.clone(), ty, arity, missing: Missing::Skip });
        }
    }
    def
}

fn gather<'f>(filter: &'f Filter, guesses: &mut Guesses<'f>) {
    let mut add = |path, arity, values: &[Scalar]| {
        for v in values {
            let one = type_of(v).map(|ty| (arity, ty));
            let all = guesses.entry(path).or_insert(one);
            *all = all.zip(one).and_then(|(a, b)| both(a, b));
        }
    };
    match filter {
        Filter::All(all) | Filter::Any(all) => all.iter().for_each(|filter| gather(filter, guesses)),
        Filter::Compare(p, _, v) => add(p, Arity::One, std::slice::from_ref(v)),
        Filter::In(p, vs) | Filter::NotIn(p, vs) => add(p, Arity::One, vs),
        Filter::Prefix(p, s) => add(p, Arity::One, &[Scalar::from(&**s)]),
        Filter::Contains(p, v) => add(p, Arity::Elements, std::slice::from_ref(v)),
        Filter::ContainsAll(p, vs) | Filter::ContainsAny(p, vs) => add(p, Arity::Elements, vs),
        Filter::HasEntry(p, k, v) => add(p, Arity::Entries, &[Scalar::Str(entry(k, v))]),
        Filter::HasKey(..) | Filter::IsNull(_) | Filter::Exists(_) | Filter::Id(..) => {}
    }
}

fn type_of(v: &Scalar) -> Option<KeyType> {
    match v {
        Scalar::Bool(_) => Some(KeyType::Bool),
        Scalar::I64(_) => Some(KeyType::I64),
        Scalar::F64(_) => Some(KeyType::F64),
        Scalar::Str(s) => {
            let bytes = u16::try_from(s.len()).ok().filter(|bytes| *bytes <= MAX_TEXT)?;
            Some(KeyType::Str { max: bytes.max(USUAL_TEXT) })
        }
        Scalar::Uuid(_) => Some(KeyType::Uuid),
        // Its unit is not known.
        Scalar::Time(_) => None,
    }
}

fn both(a: (Arity, KeyType), b: (Arity, KeyType)) -> Option<(Arity, KeyType)> {
    let ty = match (a.1, b.1) {
        (KeyType::Str { max: a }, KeyType::Str { max: b }) => KeyType::Str { max: a.max(b) },
        (KeyType::I64, KeyType::F64) | (KeyType::F64, KeyType::I64) => KeyType::F64,
        (one, other) if one == other => one,
        _ => return None,
    };
    (a.0 == b.0).then_some((a.0, ty))
}

/// A name after the last member of a path that no attribute has.
fn name(path: &Path, def: &CollectionDef) -> String {
    let member =
        |step: &Step| if let Step::Member(name) = step { Some(name.to_ascii_lowercase()) } else { None };
    let last = path.steps().iter().rev().find_map(member).unwrap_or_default();
    let mut name = last.replace(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit(), "_");
    name.truncate(40);
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "at_");
    }
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| def.attribute_named(name).is_none()).unwrap_or_default()
}
