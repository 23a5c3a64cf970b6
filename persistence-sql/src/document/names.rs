//! What the tables, columns and indexes of a collection are called. A name ends with a hash of all that the thing is made of, so
//! that what is declared otherwise is another thing: it is built beside the old one, which is dropped when it is ready.

use crate::core::document::{Arity, Attribute, CollectionDef, IndexDef};
use crate::naming::{DOCUMENT_ENTRIES, DOCUMENT_INDEX, DOCUMENTS};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

/// PostgreSQL keeps 63 bytes of a name, of which the prefix of the user's choice may take 20.
const LONGEST: usize = 40;
/// How much of a readable name stays beside hashes.
const READABLE: usize = 16;

/// Of the form that definitions are stored in, which stays what it is.
fn hash(what: &impl Serialize) -> String {
    // Plain data: it cannot fail.
    let form = serde_json::to_vec(what).unwrap_or_default();
    format!("{:016x}", xxh3_64(&form))
}

/// A number for a name, that others are unlikely to have.
pub(super) fn number(name: &str) -> i64 {
    xxh3_64(name.as_bytes()).cast_signed()
}

fn short(name: &str) -> &str {
    &name[..name.len().min(READABLE)]
}

/// The table of a collection.
pub(super) fn table(collection: &str) -> String {
    if DOCUMENTS.len() + collection.len() <= LONGEST {
        return format!("{DOCUMENTS}{collection}");
    }
    format!("{DOCUMENTS}{}_{}", short(collection), hash(&collection))
}

/// What the names of all columns of attributes begin with.
pub(super) const COLUMN: &str = "k_";

/// The column of an attribute.
pub(super) fn column(a: &Attribute) -> String {
    format!("{COLUMN}{}_{}", a.name, &hash(a)[..8])
}

/// What the names of all indexes of a collection begin with.
pub(super) fn indexes_of(collection: &str) -> String {
    format!("{DOCUMENT_INDEX}{}_", &hash(&collection)[..8])
}

/// What the names of all tables of entries of a collection begin with.
pub(super) fn entries_of(collection: &str) -> String {
    format!("{DOCUMENT_ENTRIES}{}_", &hash(&collection)[..8])
}

fn made_of(def: &CollectionDef, index: &IndexDef) -> String {
    let columns: Vec<String> =
        index.keys.iter().filter_map(|k| def.attribute_named(&k.attribute)).map(column).collect();
    let h = hash(&(index, columns));
    format!("{}_{}", short(&index.name), &h[..8])
}

/// The index of a declared one.
pub(super) fn index(def: &CollectionDef, index: &IndexDef) -> String {
    format!("{}{}", indexes_of(&def.name), made_of(def, index))
}

/// The index that keeps a declared one unique among documents that live, beside the one that is read.
pub(super) fn live_index(def: &CollectionDef, index: &IndexDef) -> String {
    format!("{}{}_live", indexes_of(&def.name), made_of(def, index))
}

/// The index by which expired documents are found.
pub(super) fn expiry(collection: &str) -> String {
    format!("{}expiry", indexes_of(collection))
}

/// The table of the entries of a declared index.
pub(super) fn entries(def: &CollectionDef, index: &IndexDef) -> String {
    format!("{}{}", entries_of(&def.name), made_of(def, index))
}

/// The attribute of several values that an index contains.
pub(super) fn several<'d>(def: &'d CollectionDef, index: &IndexDef) -> Option<&'d Attribute> {
    let attributes = index.keys.iter().filter_map(|k| def.attribute_named(&k.attribute));
    attributes.into_iter().find(|a| a.arity != Arity::One)
}
