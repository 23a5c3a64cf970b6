//! The documents that are measured: deployed applications of 200 projects and of one that has a tenth of them all.

use anyhow::{Context as _, Result};
use persistence::document::{
    Attribute, CollectionDef, DocumentKey, IdKind, IndexDef, KeyType, Path, Scalar, TimeUnit,
};
use serde_json::{Value, json};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The project with a tenth of the documents.
pub(super) const HOT: &str = "project-hot";
const PROJECTS: u64 = 200;
const TAGS: u64 = 512;
const TEAMS: u64 = 64;
/// Statuses, of which the first four are those of what is not completed.
const STATUSES: u64 = 7;
pub(super) const OPEN: [i64; 4] = [0, 1, 2, 3];
const EPOCH: i64 = 1_780_000_000;
const BYTES: usize = 800;
/// Scores are from 0 to this.
const SCORES: f64 = 1000.0;

/// How many documents there are, by number, from 0; those of writers come after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corpus {
    pub(super) documents: u64,
}

/// A document.
#[derive(Clone, Debug)]
pub(super) struct Doc {
    pub(super) project: String,
    pub(super) id: Uuid,
    pub(super) body: Value,
}

impl Doc {
    pub(super) fn key(&self) -> DocumentKey {
        DocumentKey::within(&*self.project, self.id)
    }
}

fn hash(n: u64, what: u64) -> u64 {
    xxh3_64_with_seed(&n.to_le_bytes(), what)
}

/// From 0 to 1, to 32 bits.
fn fraction(n: u64, what: u64) -> f64 {
    let bits = u32::try_from(hash(n, what) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

impl Corpus {
    /// The project of a document.
    pub(super) fn project(n: u64) -> String {
        if n.is_multiple_of(10) { HOT.to_owned() } else { format!("project-{}", hash(n, 1) % PROJECTS) }
    }

    pub(super) fn id(n: u64) -> Uuid {
        uuid::Builder::from_random_bytes(
            (u128::from(hash(n, 2)) << 64 | u128::from(hash(n, 3))).to_be_bytes(),
        )
        .into_uuid()
    }

    /// Numbered, so that what begins alike are a hundred.
    pub(super) fn name(n: u64) -> String {
        format!("app-{n:07}")
    }

    /// What a hundred names begin with.
    pub(super) fn prefix(&self, seed: u64) -> String {
        format!("app-{:05}", seed % (self.documents / 100).max(1))
    }

    /// Scores of a hundred documents.
    pub(super) fn scores(&self, seed: u64) -> (f64, f64) {
        let documents = f64::from(u32::try_from(self.documents).unwrap_or(u32::MAX));
        let width = (100.0 * SCORES / documents).min(SCORES);
        let low = fraction(seed, 20) * (SCORES - width);
        (low, low + width)
    }

    pub(super) fn tag(seed: u64) -> String {
        format!("tag-{}", seed % TAGS)
    }

    pub(super) fn team(seed: u64) -> String {
        format!("t{:02}", seed % TEAMS)
    }

    /// The project of some document that is not in the large one.
    pub(super) fn small_project(seed: u64) -> String {
        format!("project-{}", seed % PROJECTS)
    }

    /// A document as it is after so many changes. What queries ask for is there twice: as it is indexed, and below `twin`,
    /// where nothing is declared.
    pub(super) fn document(n: u64, changes: u64) -> Doc {
        let (project, id) = (Self::project(n), Self::id(n));
        let status = hash(n, 5 + changes) % STATUSES;
        let tags: Vec<String> = (0..3).map(|i| Self::tag(hash(n, 10 + i))).collect();
        let environment = ["dev", "stg", "prd"][usize::try_from(hash(n, 7) % 3).unwrap_or_default()];
        let labels = json!({ "env": environment, "team": Self::team(hash(n, 8)) });
        let (name, score) = (Self::name(n), fraction(n, 4) * SCORES);
        let mut body = json!({
            "project_id": project,
            "name": name,
            "score": score,
            "status": status,
            "updated_at": EPOCH + i64::try_from(hash(n, 6) % 10_000_000 + changes).unwrap_or_default(),
            "tags": tags,
            "labels": labels,
            "twin": {
                "project_id": project, "name": name, "score": score, "status": status, "tags": tags, "labels": labels,
            },
        });
        let rest = BYTES.saturating_sub(body.to_string().len() + r#","description":"""#.len());
        let words = (0..rest as u64 / 16 + 1).map(|i| format!("{:016x}", hash(n, 100 + i)));
        body["description"] = Value::from(words.collect::<String>()[..rest].to_owned());
        Doc { project, id, body }
    }
}

/// The collection, with its indexes, or without those that are added later.
pub(super) fn definition(name: &str, whole: bool) -> Result<CollectionDef> {
    let path = |p: &str| p.parse::<Path>().context("a path");
    let text = KeyType::Str { max: 64 };
    let def = CollectionDef::new(name, IdKind::Uuid)
        .partition_by(path("project_id")?)
        .attribute(Attribute::new("status", path("status")?, KeyType::I64).default_value(Scalar::I64(0)))
        .attribute(
            Attribute::new("updated", path("updated_at")?, KeyType::Time(TimeUnit::Seconds)).required(),
        )
        .index(IndexDef::new("page").in_partition().desc("updated"))
        .index(IndexDef::new("by_status").in_partition().asc("status").desc("updated"));
    if !whole {
        return Ok(def);
    }
    Ok(def
        .attribute(Attribute::new("name", path("name")?, text).required())
        .attribute(Attribute::new("score", path("score")?, KeyType::F64).required())
        .attribute(Attribute::new("tags", path("tags")?, text).elements())
        .attribute(Attribute::new("labels", path("labels")?, KeyType::Str { max: 128 }).entries())
        .index(IndexDef::new("by_name").asc("name"))
        .index(IndexDef::new("by_score").asc("score"))
        .index(IndexDef::new("by_tag").asc("tags"))
        .index(IndexDef::new("by_label").asc("labels")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_as_declared_and_of_one_length() {
        let def = definition("bench", true).unwrap();
        def.validate().unwrap();
        for n in 0..200 {
            let doc = Corpus::document(n, n);
            def.check_body(&doc.key(), &doc.body).unwrap();
            assert_eq!(doc.body.to_string().len(), BYTES);
        }
        let hot = (0..1000).filter(|n| Corpus::project(*n) == HOT).count();
        assert_eq!(hot, 100);
    }
}
