//! What no index can decide, in words. Constants are left out: they may be secrets.

use super::alternatives::{MAX_BRANCHES, alternatives};
use super::definition::CollectionDef;
use super::filter::{Comparison, Filter};

/// The most conditions that are told.
const SOME: usize = 5;

/// Why nothing that could be declared would answer a query, and what else might.
pub(super) fn undecided(def: &CollectionDef, filter: &Filter) -> String {
    let mut all = Vec::new();
    gather(def, filter, &mut all);
    all.dedup();
    let more = if all.len() > SOME { " and others" } else { "" };
    all.truncate(SOME);
    let all = if all.is_empty() { "its conditions".to_owned() } else { all.join(", ") };
    format!("no index can decide {all}{more}: add a condition that an index decides, or allow a scan")
}

fn gather(def: &CollectionDef, filter: &Filter, all: &mut Vec<String>) {
    let several = "(of several values: ask for one that it contains)";
    match filter {
        Filter::Any(_) if alternatives(filter).len() > MAX_BRANCHES => {
            all.push(format!("more than {MAX_BRANCHES} alternatives"));
        }
        Filter::All(fs) | Filter::Any(fs) => fs.iter().for_each(|f| gather(def, f, all)),
        Filter::Compare(p, Comparison::Ne, _) => all.push(format!("{p} != …")),
        Filter::NotIn(p, _) => all.push(format!("{p} not in …")),
        Filter::IsNull(p) => all.push(format!("{p} is null")),
        Filter::HasKey(p, _) => all.push(format!(
            "that {p} has a key (ask for an entry, or keep the keys as elements of an array as well)"
        )),
        Filter::ContainsAll(p, vs) if vs.is_empty() => all.push(format!("that {p} is an array")),
        Filter::Exists(p) if p.has_each() => all.push(format!("that {p} exists")),
        Filter::Exists(p) if def.attribute_at(p).is_none() => {
            all.push(format!("that {p} exists (unless it is declared as an attribute, and an index by it)"));
        }
        Filter::Compare(p, ..) | Filter::In(p, _) | Filter::Prefix(p, _) if p.has_each() => {
            all.push(format!("{p} {several}"));
        }
        _ => {}
    }
}
