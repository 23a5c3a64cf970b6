//! Files of definitions: what is wrong with one is told with its line and field.

use anyhow::{Context as _, Result, bail};
use persistence::document::CollectionDef;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub(super) fn read(path: &Path) -> Result<Vec<CollectionDef>> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{name}"))?;
    parse(&text).map_err(|wrong| wrong.context(format!("{name}")))
}

fn parse(text: &str) -> Result<Vec<CollectionDef>> {
    // One by one, so that what only validation finds has a line as well.
    let raw: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(e) => {
            bail!("line {}, column {}: {}, in an array of definitions", e.line(), e.column(), plain(&e))
        }
    };
    let (mut definitions, mut lines) = (Vec::<CollectionDef>::new(), BTreeMap::new());
    for (index, raw) in raw.into_iter().enumerate() {
        // A part of the same text.
        let begin = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let line = text.as_bytes().iter().take(begin).filter(|b| **b == b'\n').count() + 1;
        let definition = one(raw.get(), index, line)?;
        if let Err(e) = definition.validate() {
            bail!("line {line}: [{index}], collection {}: {e}", definition.name);
        }
        if let Some(first) = lines.insert(definition.name.clone(), line) {
            bail!("line {line}: [{index}]: collection {} is on line {first} already", definition.name);
        }
        definitions.push(definition);
    }
    Ok(definitions)
}

fn one(raw: &str, index: usize, line: usize) -> Result<CollectionDef> {
    let (mut track, mut unknown) = (serde_path_to_error::Track::new(), Vec::new());
    let mut json = serde_json::Deserializer::from_str(raw);
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    let definition = serde_ignored::deserialize(tracked, |field| unknown.push(field.to_string()));
    match (definition, unknown.first()) {
        (Ok(definition), None) => Ok(definition),
        (Ok(_), Some(field)) => {
            let member = field.rsplit('.').next().unwrap_or(field);
            let before = raw.split(&format!("\"{member}\"")).next().unwrap_or_default();
            let at = line + before.matches('\n').count();
            bail!("line {at}: [{index}].{}: no such field", dotted(field))
        }
        (Err(e), _) => {
            let field = match track.path().to_string() {
                path if path == "." => format!("[{index}]"),
                path => format!("[{index}].{path}"),
            };
            bail!("line {}: {field}: {}", line + e.line().saturating_sub(1), plain(&e))
        }
    }
}

/// A path with its numbers in brackets.
fn dotted(path: &str) -> String {
    let parts = path.split('.').filter(|p| *p != "?");
    let mut out = String::new();
    for part in parts {
        match part.parse::<usize>() {
            Ok(n) => out.push_str(&format!("[{n}]")),
            Err(_) if out.is_empty() => out.push_str(part),
            Err(_) => out.push_str(&format!(".{part}")),
        }
    }
    out
}

/// The error without its place, which is told otherwise.
fn plain(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let place = format!(" at line {} column {}", e.line(), e.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_as_it_says() {
        let text = r#"[
            {"name": "a", "id": "text"},
            {"name": "b", "id": "uuid", "attributes": [{"name": "x", "type": "i64"}], "indexes": [{"name": "i", "keys": ["x:desc"]}]}
        ]"#;
        let names: Vec<_> = parse(text).unwrap().into_iter().map(|d| d.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(parse("[]").unwrap(), []);
    }

    #[test]
    fn the_file_of_the_documentation_is_one() {
        let page = include_str!("../../../docs/documents.md");
        let (_, rest) = page.split_once("```json\n").unwrap();
        let definitions = parse(rest.split_once("```").unwrap().0).unwrap();
        assert_eq!((&*definitions[0].name, definitions[0].indexes.len()), ("application", 2));
    }

    #[test]
    fn what_is_wrong_has_a_line_and_a_field() {
        let good = "[\n{\"name\": \"a\", \"id\": \"text\"},\n";
        let cases = [
            ("{}", "line 1, column 0", "array of definitions"),
            ("[{\"name\": \"a\",\n}]", "line 2", "key must be a string"),
            (&format!("{good}{{\"name\": \"b\"}}\n]"), "line 3: [1]", "missing field `id`"),
            (
                &format!(
                    "{good}{{\"name\": \"b\", \"id\": \"uuid\",\n\"attributes\": [{{\"name\": \"x\",\n\"type\": \"int\"}}]}}]"
                ),
                "line 5: [1].attributes[0].type",
                "is none of bool, i64",
            ),
            (
                &format!(
                    "{good}{{\"name\": \"b\", \"id\": \"uuid\",\n\"indexes\": [{{\"name\": \"x\",\n\"key\": []}}]}}]"
                ),
                "line 5: [1].indexes[0].key",
                "no such field",
            ),
            (
                &format!(
                    "{good}{{\"name\": \"b\", \"id\": \"text\", \"indexes\": [{{\"name\": \"i\", \"keys\": [\"y\"]}}]}}]"
                ),
                "line 3: [1], collection b",
                "attribute y is not declared",
            ),
            (&format!("{good}{{\"name\": \"a\", \"id\": \"text\"}}]"), "line 3: [1]", "is on line 2 already"),
            (&format!("{good}{{\"name\": \"A\", \"id\": \"text\"}}]"), "line 3: [1]", "is no name"),
        ];
        for (text, place, rule) in cases {
            let e = parse(text).unwrap_err().to_string();
            assert!(e.contains(place) && e.contains(rule), "{e}");
        }
    }
}
