//! Where in a document a value is.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A path into a document: members of objects, and `*` for every element of an array or every value of an object. Written
/// `sync_state.status`, `services.*.resource`; a member with other characters than letters, digits, `_` and `-` in JSON's
/// quotes, `labels."a.b"`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(Vec<Step>);

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The member of an object.
    Member(String),
    /// Every element of an array, every value of an object.
    Each,
}

/// The most steps that a path may have.
const MAX_STEPS: usize = 32;

impl Path {
    /// A member of the document itself.
    pub fn member(name: impl Into<String>) -> Self {
        Path(vec![Step::Member(name.into())])
    }

    /// The steps, at least one.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether it may lead to several values.
    pub fn has_each(&self) -> bool {
        self.0.contains(&Step::Each)
    }

    /// The values that it leads to, in the document's order; a path without `*` leads to one at most.
    pub fn find<'v>(&self, body: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![body];
        for step in &self.0 {
            found = match step {
                Step::Member(name) => found.into_iter().filter_map(|v| v.get(name)).collect(),
                Step::Each => found.into_iter().flat_map(each).collect(),
            };
        }
        found
    }
}

/// The elements of an array, or the values of an object.
fn each(v: &Value) -> Vec<&Value> {
    match v {
        Value::Array(a) => a.iter().collect(),
        Value::Object(o) => o.values().collect(),
        _ => Vec::new(),
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            match step {
                Step::Each => f.write_str("*")?,
                Step::Member(name) if is_plain(name) => f.write_str(name)?,
                Step::Member(name) => write!(f, "{}", Value::from(name.as_str()))?,
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |rule: &str| Error::invalid("path", format!("{rule}: {text:?}"));
        let (mut steps, mut rest) = (Vec::new(), text);
        loop {
            let (step, after) = if rest.starts_with('"') {
                let mut quoted = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                let name =
                    quoted.next().and_then(|n| n.ok()).ok_or_else(|| bad("unreadable quoted member"))?;
                (Step::Member(name), &rest[quoted.byte_offset()..])
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                let step = match &rest[..end] {
                    "*" => Step::Each,
                    name if is_plain(name) => Step::Member(name.to_owned()),
                    _ => return Err(bad("a member of other characters must be quoted")),
                };
                (step, &rest[end..])
            };
            steps.push(step);
            if steps.len() > MAX_STEPS {
                return Err(bad("too many steps"));
            }
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None if after.is_empty() => return Ok(Path(steps)),
                None => return Err(bad("expected a dot")),
            }
        }
    }
}

impl TryFrom<String> for Path {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_read_back_as_written() {
        for text in [
            "a",
            "a.b",
            "services.*.resource",
            r#"labels."a.b"."#.trim_end_matches('.'),
            r#""".x"#,
            r#""q\"\\é""#,
        ] {
            let path: Path = text.parse().unwrap();
            assert_eq!(path.to_string().parse::<Path>().unwrap(), path, "{text}");
        }
        for text in ["", ".", "a.", ".a", "a b", "a..b", "\"a", "\"a\"b", "a[0]", "$.a", "a'b"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_finds_what_is_there() {
        let body =
            json!({"a": {"b.c": 1}, "s": {"x": {"r": "p"}, "y": {"r": "q"}}, "l": [{"r": 1}, 2, {"r": 3}]});
        let find =
            |text: &str| text.parse::<Path>().unwrap().find(&body).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(find(r#"a."b.c""#), [json!(1)]);
        assert_eq!(find("s.*.r"), [json!("p"), json!("q")]);
        assert_eq!(find("l.*.r"), [json!(1), json!(3)]);
        assert_eq!(find("a.b"), [] as [Value; 0]);
        assert_eq!(find("l.r"), [] as [Value; 0]);
    }
}
