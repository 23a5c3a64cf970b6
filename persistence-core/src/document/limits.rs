//! How much may be declared: what every database can keep, so that none refuses a document that the others take.

use super::definition::{CollectionDef, IdKind, IndexDef, IndexKey, Partitioning, Scope, bad};
use super::scalar::KeyType;
use crate::error::Result;

/// The most attributes of a collection.
pub const MAX_ATTRIBUTES: usize = 64;
/// The most indexes of a collection, of which each that is unique among the living counts as two: MySQL has 64 of a table, and what is
/// declared otherwise is built beside what it replaces.
pub const MAX_INDEXES: usize = 48;
/// The most bytes of an index's keys, with the partition and the id: what PostgreSQL keeps of a row of an index (2,704), less what it
/// adds.
pub const MAX_KEY_BYTES: usize = 2600;
/// The same for an index with an attribute of several values: what MySQL keeps of a key.
pub const MAX_KEY_BYTES_OF_SEVERAL: usize = 3072;
/// What a partition, and an id of text, count as: 255 characters.
const NAME_BYTES: usize = 1020;
/// What everything else in an index counts as.
const VALUE_BYTES: usize = 16;

impl CollectionDef {
    pub(super) fn validate_numbers(&self) -> Result<()> {
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Err(bad(format!("collection {}: more than {MAX_ATTRIBUTES} attributes", self.name)));
        }
        if self.indexes.len() + self.indexes.iter().filter(|i| i.live_only).count() > MAX_INDEXES {
            let rule = "one that is unique among the living counts as two";
            return Err(bad(format!("collection {}: more than {MAX_INDEXES} indexes; {rule}", self.name)));
        }
        Ok(())
    }

    pub(super) fn validate_size(&self, index: &IndexDef, limit: usize) -> Result<()> {
        let size = |key: &IndexKey| match self.attribute_named(&key.attribute).map(|a| a.ty) {
            Some(KeyType::Str { max }) => usize::from(max),
            _ => VALUE_BYTES,
        };
        let keys: usize = index.keys.iter().map(size).sum();
        // One that is unique ends without the id.
        let listed = !index.unique || index.live_only;
        let partition =
            matches!(self.partition, Partitioning::By(_)) && (listed || index.scope == Scope::Partition);
        let id = if self.id == IdKind::Text { NAME_BYTES } else { VALUE_BYTES };
        let beside = usize::from(partition) * NAME_BYTES + usize::from(listed) * id;
        if keys + beside <= limit {
            return Ok(());
        }
        Err(bad(format!(
            "index {}: its keys may have {keys} bytes, at most {} beside its partition and id; declare shorter texts, fewer keys, \
             or ids that are UUIDs",
            index.name,
            limit - beside
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::Attribute;
    use super::super::path::Path;
    use super::*;

    fn attribute(name: &str, ty: KeyType) -> Attribute {
        Attribute::new(name, Path::member(name), ty)
    }

    #[test]
    fn no_index_is_larger_than_every_database_can_keep() {
        let of = |id, texts: &[u16], index: &dyn Fn(IndexDef) -> IndexDef| {
            let def = CollectionDef::new("c", id).partition_by(Path::member("p"));
            let (def, keys) =
                texts.iter().enumerate().fold((def, IndexDef::new("i")), |(def, i), (n, max)| {
                    let name = format!("t{n}");
                    (def.attribute(attribute(&name, KeyType::Str { max: *max })), i.asc(name))
                });
            def.index(index(keys)).validate().map_err(|e| e.to_string())
        };
        let plain = |i: IndexDef| i;
        of(IdKind::Text, &[560], &plain).unwrap();
        of(IdKind::Uuid, &[1020, 544], &plain).unwrap();
        of(IdKind::Text, &[1020, 1020], &IndexDef::unique).unwrap();
        let e = of(IdKind::Text, &[280, 281], &plain).unwrap_err();
        assert!(
            e.contains("index i: its keys may have 561 bytes, at most 560 beside its partition and id"),
            "{e}"
        );
        assert!(of(IdKind::Text, &[561], &IndexDef::unique_live).is_err());
        assert!(of(IdKind::Text, &[1020, 1020], &|i| i.unique().in_partition()).is_err());
        let several = |max| {
            let def = CollectionDef::new("c", IdKind::Text).partition_by(Path::member("p"));
            let def = def.attribute(attribute("a", KeyType::Str { max: 1020 }).elements());
            let def = def.attribute(attribute("b", KeyType::Str { max }));
            def.index(IndexDef::new("i").asc("a").asc("b")).validate()
        };
        several(12).unwrap();
        several(13).unwrap_err();
    }

    #[test]
    fn a_table_has_so_many_indexes() {
        let of = |n: usize| {
            let def = CollectionDef::new("c", IdKind::Text).in_one_partition();
            let def = def.attribute(attribute("a", KeyType::I64));
            (0..n).fold(def, |def, i| def.index(IndexDef::new(format!("i{i}")).asc("a")))
        };
        of(MAX_INDEXES).validate().unwrap();
        of(MAX_INDEXES + 1).validate().unwrap_err();
        let living = |def: CollectionDef| def.index(IndexDef::new("u").asc("a").unique_live());
        living(of(MAX_INDEXES - 2)).validate().unwrap();
        assert!(living(of(MAX_INDEXES - 1)).validate().unwrap_err().to_string().contains("counts as two"));
    }
}
