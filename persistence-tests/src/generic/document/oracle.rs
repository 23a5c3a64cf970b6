//! What a query must find, from the specification: a list of documents, looked through from the beginning to the end.

use persistence_core::Timestamp;
use persistence_core::document::filter::Comparison;
use persistence_core::document::plan::OrderBy;
use persistence_core::document::*;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What a collection declares of its members, by path.
pub(super) struct Oracle {
    members: BTreeMap<String, (KeyType, Option<Scalar>)>,
}

fn member<'v>(body: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(body, |v, name| v.get(name)).filter(|v| !v.is_null())
}

fn plain(v: &Value) -> Option<Scalar> {
    Some(match v {
        Value::Bool(b) => Scalar::Bool(*b),
        Value::String(s) => Scalar::Str(s.clone()),
        Value::Number(n) => n.as_i64().map(Scalar::I64).or(n.as_f64().map(Scalar::F64))?,
        _ => return None,
    })
}

/// What a path leads to, `*` included.
fn reach<'v>(body: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![body];
    for name in path.split('.') {
        found = match name {
            "*" => found
                .into_iter()
                .flat_map(|v| match v {
                    Value::Array(a) => a.iter().collect(),
                    Value::Object(o) => o.values().collect(),
                    _ => Vec::new(),
                })
                .collect(),
            name => found.into_iter().filter_map(|v| v.get(name)).collect(),
        };
    }
    found.retain(|v| !v.is_null());
    found
}

/// The elements of an array, of which there is none where there is no array.
fn elements(path: &Path, body: &Value) -> Option<Vec<Scalar>> {
    let path = path.to_string();
    if path.contains('*') {
        return Some(reach(body, &path).into_iter().filter_map(plain).collect());
    }
    Some(member(body, &path)?.as_array()?.iter().filter_map(plain).collect())
}

fn compare(a: &Scalar, b: &Scalar) -> Option<Ordering> {
    match (a, b) {
        // Small numbers only: both kinds are exact.
        #[allow(clippy::cast_precision_loss)]
        (Scalar::I64(a), Scalar::F64(b)) => (*a as f64).partial_cmp(b),
        #[allow(clippy::cast_precision_loss)]
        (Scalar::F64(a), Scalar::I64(b)) => a.partial_cmp(&(*b as f64)),
        (Scalar::I64(a), Scalar::I64(b)) => Some(a.cmp(b)),
        (Scalar::F64(a), Scalar::F64(b)) => a.partial_cmp(b),
        (Scalar::Str(a), Scalar::Str(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(b)),
        (Scalar::Uuid(a), Scalar::Uuid(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Scalar::Time(a), Scalar::Time(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn same(a: &Scalar, b: &Scalar) -> bool {
    compare(a, b) == Some(Ordering::Equal)
}

impl Oracle {
    /// For a collection.
    pub(super) fn of(def: &CollectionDef) -> Self {
        let one = def.attributes.iter().filter(|a| a.arity == Arity::One);
        let members = one.map(|a| {
            let default = if let Missing::Default(v) = &a.missing { Some(v.clone()) } else { None };
            (a.path.to_string(), (a.ty, default))
        });
        Oracle { members: members.collect() }
    }

    fn value(&self, path: &Path, body: &Value) -> Option<Scalar> {
        let path = path.to_string();
        let declared = self.members.get(&path);
        match (member(body, &path), declared) {
            (Some(Value::String(s)), Some((KeyType::Uuid, _))) => Some(Scalar::Uuid(s.parse().ok()?)),
            (Some(v), Some((KeyType::Time(TimeUnit::Seconds), _))) => {
                Some(Scalar::Time(Timestamp(v.as_i64()? * 1000)))
            }
            (Some(v), _) => plain(v),
            (None, declared) => declared.and_then(|d| d.1.clone()),
        }
    }

    /// Whether a filter holds of a document.
    ///
    /// # Panics
    ///
    /// When the filter is of a kind that it does not know.
    pub(super) fn holds(&self, filter: &Filter, d: &Document) -> bool {
        let body = &d.body;
        match filter {
            Filter::All(fs) => fs.iter().all(|f| self.holds(f, d)),
            Filter::Any(fs) => fs.iter().any(|f| self.holds(f, d)),
            Filter::Compare(p, c, v) => match (self.value(p, body).and_then(|x| compare(&x, v)), c) {
                (None, _) => false,
                (Some(o), Comparison::Eq) => o.is_eq(),
                (Some(o), Comparison::Ne) => o.is_ne(),
                (Some(o), Comparison::Lt) => o.is_lt(),
                (Some(o), Comparison::Le) => o.is_le(),
                (Some(o), Comparison::Gt) => o.is_gt(),
                (Some(o), Comparison::Ge) => o.is_ge(),
            },
            Filter::In(p, vs) => self.value(p, body).is_some_and(|x| vs.iter().any(|v| same(&x, v))),
            Filter::NotIn(p, vs) => self.value(p, body).is_some_and(|x| !vs.iter().any(|v| same(&x, v))),
            Filter::Contains(p, v) => elements(p, body).is_some_and(|es| es.iter().any(|e| same(e, v))),
            Filter::ContainsAll(p, vs) => {
                elements(p, body).is_some_and(|es| vs.iter().all(|v| es.iter().any(|e| same(e, v))))
            }
            Filter::ContainsAny(p, vs) => {
                elements(p, body).is_some_and(|es| vs.iter().any(|v| es.iter().any(|e| same(e, v))))
            }
            Filter::HasKey(p, k) => {
                member(body, &p.to_string()).is_some_and(|v| v.get(k).is_some_and(|v| !v.is_null()))
            }
            Filter::HasEntry(p, k, v) => {
                member(body, &p.to_string()).and_then(|o| o.get(k)?.as_str()).is_some_and(|x| x == v)
            }
            Filter::Prefix(p, s) => {
                matches!(self.value(p, body), Some(Scalar::Str(x)) if x.starts_with(s.as_str()))
            }
            Filter::IsNull(p) => self.value(p, body).is_none() && reach(body, &p.to_string()).is_empty(),
            Filter::Exists(p) => self.value(p, body).is_some() || !reach(body, &p.to_string()).is_empty(),
            Filter::Id(from, to) => std::ops::RangeBounds::contains(&(from.clone(), to.clone()), &d.key.id),
            other => panic!("{other:?}"),
        }
    }

    /// What a query must find, in its order.
    pub(super) fn answer(
        &self,
        docs: &[Document],
        filter: &Filter,
        order: &[OrderBy],
        id_order: Option<Direction>,
    ) -> Vec<Document> {
        let mut found: Vec<Document> = docs.iter().filter(|d| self.holds(filter, d)).cloned().collect();
        let id_order = id_order.or(order.last().map(|o| o.direction)).unwrap_or(Direction::Ascending);
        let directed = |o: Ordering, d: Direction| if d == Direction::Ascending { o } else { o.reverse() };
        found.sort_by(|a, b| {
            let by = |o: &OrderBy| {
                let (x, y) = (self.value(&o.path, &a.body).unwrap(), self.value(&o.path, &b.body).unwrap());
                directed(compare(&x, &y).unwrap(), o.direction)
            };
            let keys = order.iter().map(by).find(|o| o.is_ne()).unwrap_or(Ordering::Equal);
            let key = |d: &Document| (d.key.id.clone(), d.key.partition.clone());
            keys.then_with(|| directed(key(a).cmp(&key(b)), id_order))
        });
        found
    }
}
