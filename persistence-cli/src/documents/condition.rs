//! Conditions and orders as people type them.

use super::Conditions;
use anyhow::{Context as _, Result, anyhow, bail};
use persistence::Timestamp;
use persistence::document::plan::OrderBy;
use persistence::document::{
    CollectionDef, Direction, DocumentId, Filter, IdKind, KeyType, Partitioning, Path, Scalar,
};
use persistence::store::ScanPolicy;
use serde_json::Value;
use std::ops::Bound;

impl Conditions {
    pub(super) fn filter(&self, def: &CollectionDef) -> Result<Filter> {
        let all = self
            .conditions
            .iter()
            .map(|text| condition(def, text.trim()).with_context(|| format!("--where {text:?}")));
        Ok(match all.collect::<Result<Vec<_>>>()? {
            mut one if one.len() == 1 => one.remove(0),
            all => Filter::All(all),
        })
    }

    pub(super) fn scan(&self) -> ScanPolicy {
        self.scan.map_or(ScanPolicy::Forbid, |max_documents| ScanPolicy::Allow { max_documents })
    }
}

/// `PATH` or `PATH:desc`.
pub(super) fn order(text: &str) -> Result<OrderBy> {
    let ordered = || -> persistence::Result<OrderBy> {
        let (path, direction) = Direction::of_suffix(text)?;
        Ok(OrderBy { path: path.parse()?, direction })
    };
    ordered().with_context(|| format!("--order {text:?}"))
}

/// The comparisons, the longer ones first.
const SIGNS: [&str; 7] = ["!=", "<=", ">=", "^=", "=", "<", ">"];

fn condition(def: &CollectionDef, text: &str) -> Result<Filter> {
    if text.starts_with('{') {
        return serde_json::from_str(text).context("no filter in JSON");
    }
    let (path, rest) = text.split_at(end_of_path(text));
    let sign = SIGNS.iter().find_map(|sign| rest.trim_start().strip_prefix(sign).map(|value| (*sign, value)));
    if path == "@id" {
        let (sign, value) = sign.ok_or_else(|| anyhow!("expected one of = < <= > >= after @id"))?;
        return ids(sign, document_id(def, value.trim_start())?);
    }
    let path: Path = path.parse()?;
    if let Some((sign, value)) = sign {
        // What follows a sign and a space is as if there was no space.
        return compared(def, path, sign, value.trim_start());
    }
    let (word, value) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
    match (word, value.trim_start()) {
        ("exists", "") => Ok(Filter::Exists(path)),
        ("is", "null") => Ok(Filter::IsNull(path)),
        ("in", list) if !list.is_empty() => {
            let values = list.split(',').map(|v| value_at(def, &path, v.trim())).collect::<Result<_>>()?;
            Ok(Filter::In(path, values))
        }
        ("has", value) if !value.is_empty() => has(def, path, value),
        _ => bail!("expected one of = != < <= > >= ^= in, has, exists, is null after {path}"),
    }
}

/// Members in quotes may hold anything.
fn end_of_path(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            c if c.is_whitespace() || "=!<>^".contains(c) => return at,
            _ => {}
        }
    }
    text.len()
}

fn compared(def: &CollectionDef, path: Path, sign: &str, value: &str) -> Result<Filter> {
    if sign == "^=" {
        return Ok(Filter::Prefix(path, value.to_owned()));
    }
    let value = value_at(def, &path, value)?;
    Ok(match sign {
        "=" => Filter::eq(path, value),
        "!=" => Filter::ne(path, value),
        "<" => Filter::lt(path, value),
        "<=" => Filter::le(path, value),
        ">" => Filter::gt(path, value),
        _ => Filter::ge(path, value),
    })
}

fn has(def: &CollectionDef, path: Path, value: &str) -> Result<Filter> {
    if let Some(elements) = def.elements_at(&path) {
        return Ok(Filter::Contains(path, typed(elements.ty, value)?));
    }
    Ok(match value.split_once('=') {
        Some((key, value)) => Filter::HasEntry(path, key.to_owned(), value.to_owned()),
        None if def.entries_at(&path).is_some() => Filter::HasKey(path, value.to_owned()),
        None => Filter::Contains(path, untyped(value)),
    })
}

fn ids(sign: &str, id: DocumentId) -> Result<Filter> {
    use Bound::{Excluded, Included, Unbounded};
    Ok(match sign {
        "=" => Filter::id(id),
        "<" => Filter::Id(Unbounded, Excluded(id)),
        "<=" => Filter::Id(Unbounded, Included(id)),
        ">" => Filter::Id(Excluded(id), Unbounded),
        ">=" => Filter::Id(Included(id), Unbounded),
        other => bail!("@id cannot be compared by {other}"),
    })
}

/// An id as its collection has them.
pub(super) fn document_id(def: &CollectionDef, text: &str) -> Result<DocumentId> {
    match def.id {
        IdKind::Uuid => {
            let id: uuid::Uuid = text.parse().map_err(|_| anyhow!("{text:?} is no id: a UUID is needed"))?;
            Ok(id.into())
        }
        _ => Ok(text.into()),
    }
}

/// A value as the attribute at a path has them; where none is declared, as JSON would have it, else as text.
fn value_at(def: &CollectionDef, path: &Path, text: &str) -> Result<Scalar> {
    match def.attribute_at(path) {
        Some(a) => typed(a.ty, text),
        None if matches!(&def.partition, Partitioning::By(by) if by == path) => Ok(text.into()),
        None => Ok(untyped(text)),
    }
}

fn untyped(text: &str) -> Scalar {
    let json: Option<Value> = serde_json::from_str(text).ok();
    json.and_then(|v| Scalar::of_leaf(&v)).unwrap_or_else(|| text.into())
}

fn typed(ty: KeyType, text: &str) -> Result<Scalar> {
    let wrong = || anyhow!("{text:?} is not {ty}");
    if let KeyType::Str { .. } = ty {
        return Ok(text.into());
    }
    if let KeyType::Uuid = ty {
        return Ok(text.parse::<uuid::Uuid>().map_err(|_| wrong())?.into());
    }
    if let (KeyType::Time(_), Ok(time)) = (ty, text.parse::<jiff::Timestamp>()) {
        return Ok(Timestamp(time.as_millisecond()).into());
    }
    let json: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    Scalar::of_type(&json, ty).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use persistence::document::{Attribute, TimeUnit};
    use serde_json::json;

    fn def() -> CollectionDef {
        let at = |name: &str, ty| Attribute::new(name, name.parse().unwrap(), ty);
        CollectionDef::new("c", IdKind::Text)
            .partition_by("project".parse().unwrap())
            .attribute(at("name", KeyType::Str { max: 40 }))
            .attribute(at("n", KeyType::I64))
            .attribute(at("score", KeyType::F64))
            .attribute(at("on", KeyType::Bool))
            .attribute(at("owner", KeyType::Uuid))
            .attribute(at("at", KeyType::Time(TimeUnit::Seconds)))
            .attribute(at("tags", KeyType::Str { max: 40 }).elements())
            .attribute(at("labels", KeyType::Str { max: 40 }).entries())
    }

    #[test]
    fn conditions_mean_what_is_typed() {
        let id = "0f0e0d0c-0b0a-4908-8706-050403020100";
        let cases = [
            ("name=5", json!({"compare": ["name", "eq", "5"]})),
            ("name = app 1", json!({"compare": ["name", "eq", "app 1"]})),
            ("name=a=b", json!({"compare": ["name", "eq", "a=b"]})),
            ("name^=app-", json!({"prefix": ["name", "app-"]})),
            ("project=7", json!({"compare": ["project", "eq", "7"]})),
            ("n!=-5", json!({"compare": ["n", "ne", -5]})),
            ("n in 1, 2,3", json!({"in": ["n", [1, 2, 3]]})),
            ("score>=1", json!({"compare": ["score", "ge", 1.0]})),
            ("on=true", json!({"compare": ["on", "eq", true]})),
            (&format!("owner={id}"), json!({"compare": ["owner", "eq", {"uuid": id}]})),
            ("at<1970-01-01T00:00:05Z", json!({"compare": ["at", "lt", {"time": 5000}]})),
            ("at<=5", json!({"compare": ["at", "le", {"time": 5000}]})),
            ("tags has blue", json!({"contains": ["tags", "blue"]})),
            ("labels has env=dev", json!({"has_entry": ["labels", "env", "dev"]})),
            ("labels has env", json!({"has_key": ["labels", "env"]})),
            ("other has 5", json!({"contains": ["other", 5]})),
            ("other.\"a = b\">x", json!({"compare": ["other.\"a = b\"", "gt", "x"]})),
            ("other exists", json!({"exists": "other"})),
            ("other is null", json!({"is_null": "other"})),
            ("@id=x", json!({"id": [{"Included": {"text": "x"}}, {"Included": {"text": "x"}}]})),
            ("@id>x", json!({"id": [{"Excluded": {"text": "x"}}, "Unbounded"]})),
            ("{\"any\": []}", json!({"any": []})),
        ];
        for (text, wanted) in cases {
            let filter = condition(&def(), text).unwrap_or_else(|e| panic!("{text}: {e:#}"));
            assert_eq!(serde_json::to_value(&filter).unwrap(), wanted, "{text}");
            filter.checked(&def()).unwrap();
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for text in [
            "",
            "name",
            "name is",
            "=5",
            "n=x",
            "n=1.5",
            "on=1",
            "owner=x",
            "at=soon",
            "a b=c",
            "n in",
            "tags has",
            "@id",
            "@id!=x",
            "{\"al\": []}",
        ] {
            assert!(condition(&def(), text).is_err(), "{text}");
        }
        assert_eq!(order("a.b:desc").unwrap(), OrderBy::desc("a.b".parse().unwrap()));
        assert!(order("a b").is_err() && order("a:up").is_err());
    }
}
