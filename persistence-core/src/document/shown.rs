//! What `Debug` shows of documents and of conditions: where they are and how large, never what they hold. Programs log requests.

use super::write::Action;
use super::{Document, Filter, Scalar};
use serde_json::Value;
use std::fmt;

/// The size of a body.
struct Size<'a>(&'a Value);

impl fmt::Debug for Size<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", serde_json::to_vec(self.0).map_or(0, |json| json.len()))
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Document { key, version, created, updated, deleted, expires, body } = self;
        f.debug_struct("Document")
            .field("key", key)
            .field("version", version)
            .field("created", created)
            .field("updated", updated)
            .field("deleted", deleted)
            .field("expires", expires)
            .field("body", &Size(body))
            .finish()
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Put { body, expires } => {
                f.debug_struct("Put").field("body", &Size(body)).field("expires", expires).finish()
            }
            Action::SoftDelete => f.write_str("SoftDelete"),
            Action::Delete => f.write_str("Delete"),
            Action::Check => f.write_str("Check"),
        }
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[Scalar]| format!("{} values", values.len());
        match self {
            Filter::All(filters) => f.debug_tuple("All").field(filters).finish(),
            Filter::Any(filters) => f.debug_tuple("Any").field(filters).finish(),
            Filter::Compare(path, comparison, _) => write!(f, "{path} {comparison:?} _"),
            Filter::In(path, values) => write!(f, "{path} In {}", list(values)),
            Filter::NotIn(path, values) => write!(f, "{path} NotIn {}", list(values)),
            Filter::Contains(path, _) => write!(f, "{path} Contains _"),
            Filter::ContainsAll(path, values) => write!(f, "{path} ContainsAll {}", list(values)),
            Filter::ContainsAny(path, values) => write!(f, "{path} ContainsAny {}", list(values)),
            Filter::HasKey(path, _) => write!(f, "{path} HasKey _"),
            Filter::HasEntry(path, ..) => write!(f, "{path} HasEntry _"),
            Filter::Prefix(path, _) => write!(f, "{path} Prefix _"),
            Filter::IsNull(path) => write!(f, "{path} IsNull"),
            Filter::Exists(path) => write!(f, "{path} Exists"),
            // Ids are shown wherever documents are named.
            Filter::Id(from, to) => f.debug_tuple("Id").field(from).field(to).finish(),
        }
    }
}

/// Why a document is no value of a type, as serde tells it, without the value that does not fit.
pub(super) fn unfit(e: &serde_json::Error) -> String {
    let said = e.to_string();
    let repeats =
        ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant ", "unknown field "];
    match said.rfind(", expected ") {
        // What was expected comes last, after what was found.
        Some(at) if repeats.iter().any(|r| said.starts_with(r)) => said[at + 2..].to_owned(),
        _ if said.starts_with("missing field ") => said,
        _ => "it does not fit its type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::write::{DocumentWrite, Pre};
    use crate::document::{DocumentKey, Path};
    use crate::store::{CountDocuments, Deleted, FindDocuments, ScanPolicy, WriteDocuments, Written};
    use crate::{AttemptId, Timestamp};
    use serde_json::json;

    const SECRET: &str = "hunter2";

    fn filters() -> Vec<Filter> {
        let (at, v): (Path, _) = ("name".parse().unwrap(), || Scalar::from(SECRET));
        let (p, text) = (|| at.clone(), || SECRET.to_owned());
        let leaves = vec![
            Filter::eq(p(), SECRET),
            Filter::In(p(), vec![v(), v()]),
            Filter::NotIn(p(), vec![v()]),
            Filter::Contains(p(), v()),
            Filter::ContainsAll(p(), vec![v()]),
            Filter::ContainsAny(p(), vec![v()]),
            Filter::HasKey(p(), text()),
            Filter::HasEntry(p(), text(), text()),
            Filter::Prefix(p(), text()),
        ];
        let both = vec![Filter::All(leaves.clone()), Filter::Any(leaves.clone())];
        leaves.into_iter().chain(both).collect()
    }

    #[test]
    fn debug_shows_neither_bodies_nor_constants() {
        let key = DocumentKey::new("a");
        let body = json!({"password": SECRET, SECRET: 1});
        let document = Document {
            key: key.clone(),
            version: 7,
            created: Timestamp(1),
            updated: Timestamp(2),
            deleted: None,
            expires: None,
            body: body.clone(),
        };
        let mut shown = vec![
            format!("{document:?}"),
            format!("{document:#?}"),
            format!("{:?}", Written { document: Some(document), changed: true }),
        ];
        for filter in filters() {
            let pre = Pre::Match(filter.clone());
            let action = Action::Put { body: body.clone(), expires: None };
            let write = DocumentWrite { collection: "c".to_owned(), key: key.clone(), pre, action };
            let write = WriteDocuments { writes: vec![write], attempt: AttemptId::new() };
            let (deleted, scan) = (Deleted::Hide, ScanPolicy::Forbid);
            let count = CountDocuments { collection: "c".to_owned(), filter: filter.clone(), deleted, scan };
            let find = FindDocuments::new("c", filter, 10);
            shown.extend([format!("{write:?}"), format!("{count:?}"), format!("{find:#?}")]);
        }
        for text in &shown {
            assert!(!text.contains(SECRET), "{text}");
        }
        let size = serde_json::to_vec(&body).unwrap().len();
        assert!(
            shown[0].contains("version: 7") && shown[0].contains(&format!("body: {size} bytes")),
            "{shown:?}"
        );
        let name = || "name".parse().unwrap();
        let both = Filter::eq(name(), SECRET).and(Filter::In(name(), vec![1.into(), 2.into()]));
        assert_eq!(format!("{both:?}"), "All([name Eq _, name In 2 values])");
    }

    #[test]
    fn what_does_not_fit_is_told_without_the_value() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)]
        struct Typed {
            n: u8,
            color: Option<Color>,
        }
        #[derive(Debug, serde::Deserialize)]
        enum Color {
            Red,
        }
        for (body, told) in [
            (json!({"n": SECRET}), "expected u8"),
            (json!({"n": "hunter2, expected hunter2"}), "expected u8"),
            (json!({"n": 300}), "expected u8"),
            (json!({"n": 1, "color": SECRET}), "expected `Red`"),
            (json!({"n": 1, SECRET: 1}), "expected `n` or `color`"),
            (json!({}), "missing field `n`"),
        ] {
            let e = serde_json::from_value::<Typed>(body).unwrap_err();
            assert_eq!(unfit(&e), told, "{e}");
        }
        let custom = serde::de::Error::custom("hunter2 is no colour");
        assert_eq!(unfit(&custom), "it does not fit its type");
    }
}
