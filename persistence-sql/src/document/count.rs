//! Counting in the database, where it can tell by itself.

use super::access::Query;
use super::columns::path_text;
use super::names;
use super::shape::{Condition, Merge, Reads, Shape};
use crate::core::Timestamp;
use crate::core::document::value::MAX_VALUES;
use crate::core::document::{Arity, Attribute, KeyType};
use crate::core::store::Deleted;
use crate::value::Value;

/// Of PostgreSQL. What the path does not lead to is no error.
const EXISTS: &str = "jsonb_path_exists(d.data, CAST(? AS jsonpath), '{}', true)";

impl Query<'_> {
    /// How many documents there are of those that are shown; none where a document may be found twice or wrongly.
    pub(super) fn count(mut self, deleted: Deleted, now: Timestamp) -> Option<(Shape, Vec<Value>)> {
        self.once()?;
        self.choose_of_lists();
        match deleted {
            Deleted::Hide => self.conditions.push(Condition::IsDeleted(false)),
            Deleted::Only => self.conditions.push(Condition::IsDeleted(true)),
            Deleted::Any => {}
        }
        self.conditions.push(Condition::Lives);
        self.args.push(Value::Int(now.0));
        Some(self.into_shape(Reads::Count, Merge::Nothing, Vec::new(), Vec::new()))
    }

    /// Sees to it that each document is found once, and rightly: by one value of an attribute of several.
    fn once(&mut self) -> Option<()> {
        let Some(index) = self.index else { return Some(()) };
        let Some(a) = names::several(self.def, index) else { return Some(()) };
        let place = index.keys.iter().position(|k| k.attribute == a.name)?;
        let [_] = &self.access.equal.get(place)?[..] else { return None };
        if self.entries { Some(()) } else { self.fits(a) }
    }

    /// Of PostgreSQL: documents that were stored before the attribute was declared, and have something else there, lack it.
    fn fits(&mut self, a: &Attribute) -> Option<()> {
        let KeyType::Str { .. } = a.ty else { return None };
        if a.arity != Arity::Elements || a.path.has_each() {
            return None;
        }
        let path = path_text(&a.path);
        let array = format!("strict {path} ? (@.type() == \"array\")");
        let others = format!("strict {path}[*] ? (@.type() != \"string\" && @.type() != \"null\")");
        self.conditions.push(Condition::Fits(self.place(&a.name)?));
        self.args.extend([Value::Text(array), Value::Text(others)]);
        Some(())
    }
}

/// That an attribute of several texts is one.
pub(super) fn fits(a: &Attribute) -> String {
    let KeyType::Str { max } = a.ty else { return "FALSE".to_owned() };
    format!(
        "{EXISTS} AND NOT {EXISTS} AND \
         (SELECT count(DISTINCT e.v) <= {MAX_VALUES} AND max(octet_length(e.v)) <= {max} \
         FROM jsonb_array_elements_text(d.{}) AS e (v))",
        names::column(a)
    )
}
