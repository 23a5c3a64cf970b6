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
//! | `cluster`, `member` | clusters; the hosts of this one |
//! | `endpoint` | endpoints |
//! | `user_data` | user data of task queues |
//! | [`visibility`] | what runs there are and were, and the language of queries for them |

mod cluster;
mod encoding;
mod endpoint;
mod family;
mod member;
mod metadata;
mod user_data;
pub mod visibility;

use crate::document::CollectionDef;
use crate::env::Env;
use crate::store::*;
use family::Family;
use std::sync::Arc;
use visibility::Visibility;

macro_rules! derived {
    ($($store:ident in $module:ident;)*) => {
        /// Every derived store.
        pub trait DerivedStores: VisibilityStore $(+ $store)* {}

        impl<T: VisibilityStore $(+ $store)*> DerivedStores for T {}

        /// Every derived store on the documents of one database.
        pub struct Derived {
            env: Env,
            visibility: Visibility,
            $($module: Family,)*
        }

        impl Derived {
            /// The stores on these documents.
            pub fn new(documents: &Arc<dyn DocumentStore>, env: Env) -> Self {
                Derived {
                    visibility: Visibility::new(documents, env.clone()),
                    env,
                    $($module: Family::new(documents, $module::GROUP, $module::definitions),)*
                }
            }
        }

        /// The collections of all derived stores, for whoever makes them before they are missed.
        pub fn definitions() -> Vec<CollectionDef> {
            [visibility::definitions(), $($module::definitions()),*].concat()
        }
    };
}

derived! {
    MetadataStore in metadata;
    ClusterMetadataStore in cluster;
    EndpointStore in endpoint;
    TaskQueueUserDataStore in user_data;
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
