//! Namespaces, and the requests for them.

use super::record::blob;
use crate::Fixture;
use persistence_core::store::*;
use persistence_core::{AttemptId, NamespaceId};

/// The cluster that the requests come from.
pub const HERE: &str = "here";

/// What is decided of a namespace, with every field set.
pub fn config(what: &str) -> NamespaceConfig {
    NamespaceConfig {
        state: NamespaceState::Registered,
        is_global: true,
        active_cluster: "there".to_owned(),
        clusters: vec!["there".to_owned(), HERE.to_owned()],
        detail: blob(what),
    }
}

/// Creates a namespace of this id and name.
pub fn create_as(id: NamespaceId, name: &str) -> CreateNamespace {
    CreateNamespace {
        id,
        name: name.to_owned(),
        config: config(name),
        current_cluster: HERE.to_owned(),
        attempt: AttemptId::new(),
    }
}

/// Creates a fresh namespace.
pub fn create(t: &Fixture) -> CreateNamespace {
    create_as(t.namespace(), &t.name("namespace"))
}

/// A namespace as it is read that was created when the notification version was this.
pub fn created(req: &CreateNamespace, notification_version: i64) -> Namespace {
    let CreateNamespace { id, name, config, .. } = req.clone();
    Namespace { id, name, config, notification_version }
}

/// Gets a namespace by id.
pub fn by_id(id: NamespaceId) -> GetNamespace {
    GetNamespace { namespace: NamespaceRef::Id(id) }
}

/// Gets a namespace by name.
pub fn by_name(name: &str) -> GetNamespace {
    GetNamespace { namespace: NamespaceRef::Name(name.to_owned()) }
}

/// Changes a namespace.
pub fn update(id: NamespaceId, expected_notification_version: i64) -> UpdateNamespace {
    UpdateNamespace {
        id,
        config: config("updated"),
        current_cluster: HERE.to_owned(),
        expected_notification_version,
        attempt: AttemptId::new(),
    }
}

/// Renames a namespace.
pub fn rename(previous_name: &str, new_name: &str) -> RenameNamespace {
    RenameNamespace {
        previous_name: previous_name.to_owned(),
        new_name: new_name.to_owned(),
        attempt: AttemptId::new(),
    }
}

/// Deletes a namespace.
pub fn delete(namespace: NamespaceRef) -> DeleteNamespace {
    DeleteNamespace { namespace }
}

/// Creates the system's namespace.
pub fn system() -> InitializeSystemNamespaces {
    InitializeSystemNamespaces { current_cluster: HERE.to_owned(), detail: blob("system") }
}
