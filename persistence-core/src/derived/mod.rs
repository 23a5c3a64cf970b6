//! Derived stores: made of documents alone, once for all databases.
//!
//! Each has collections of its own, in one group and one partition, so that what belongs together changes in one write on every
//! database. What counts the changes of a whole group is the version of a reserved document in it. Nothing has to be set up: a call
//! that misses its collections makes them.
//!
//! | module | what |
//! |---|---|
//! | `family` | the collections of a store; reading, deciding and writing until nobody came in between |
//! | `encoding` | documents with the version of their format |
//! | `metadata` | namespaces |

mod encoding;
mod family;
mod metadata;

use crate::document::CollectionDef;
use crate::env::Env;
use crate::store::*;
use family::Family;
use std::sync::Arc;

/// Every derived store.
pub trait DerivedStores: MetadataStore {}

impl<T: MetadataStore> DerivedStores for T {}

/// Every derived store on the documents of one database.
pub struct Derived {
    env: Env,
    metadata: Family,
}

impl Derived {
    /// The stores on these documents.
    pub fn new(documents: &Arc<dyn DocumentStore>, env: Env) -> Self {
        Derived { env, metadata: Family::new(documents, metadata::GROUP, metadata::definitions) }
    }
}

/// The collections of all derived stores, for whoever makes them before they are missed.
pub fn definitions() -> Vec<CollectionDef> {
    [metadata::definitions()].concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_declared_may_be_declared() {
        for def in super::definitions() {
            def.validate().unwrap();
        }
    }
}
