//! Namespaces.

use super::request::requests;
use crate::blob::Blob;
use crate::ids::{AttemptId, NamespaceId};
use crate::page::{Page, PageRequest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The namespace of the engine's own workflows: it has the same id and name everywhere.
pub const SYSTEM_NAMESPACE_ID: NamespaceId =
    NamespaceId(Uuid::from_u128(0x3204_9b68_7872_4094_8e63_d0dd_5989_6a83));
/// Its name.
pub const SYSTEM_NAMESPACE_NAME: &str = "temporal-system";

/// How far a namespace is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NamespaceState {
    /// In use.
    #[default]
    Registered,
    /// Not to be used for anything new.
    Deprecated,
    /// About to be removed: not listed unless asked for.
    Deleted,
}

/// What the owner of a namespace decides of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceConfig {
    /// How far it is in its life.
    pub state: NamespaceState,
    /// Whether it is replicated between clusters.
    pub is_global: bool,
    /// The cluster in which it is active; empty for the caller's own.
    pub active_cluster: String,
    /// The clusters that have it; none for the caller's own alone.
    pub clusters: Vec<String>,
    /// Everything else.
    pub detail: Blob,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its id.
    pub id: NamespaceId,
    /// Its name, which no other namespace has: 1 to 255 characters without U+0000, compared by exact bytes.
    pub name: String,
    /// What was decided of it, with the clusters filled in.
    pub config: NamespaceConfig,
    /// The notification version before its last change: who has seen a larger one has seen that change.
    pub notification_version: i64,
}

/// What names a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)]
pub enum NamespaceRef {
    /// Its id.
    Id(NamespaceId),
    /// Its name.
    Name(String),
}

/// See [`MetadataStore::create_namespace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateNamespace {
    /// Its id.
    pub id: NamespaceId,
    /// Its name.
    pub name: String,
    /// What is decided of it.
    pub config: NamespaceConfig,
    /// The caller's own cluster.
    pub current_cluster: String,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`MetadataStore::get_namespace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetNamespace {
    /// The namespace.
    pub namespace: NamespaceRef,
}

/// See [`MetadataStore::update_namespace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateNamespace {
    /// The namespace.
    pub id: NamespaceId,
    /// What is decided of it from now on.
    pub config: NamespaceConfig,
    /// The caller's own cluster.
    pub current_cluster: String,
    /// The notification version that the caller knows.
    pub expected_notification_version: i64,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`MetadataStore::rename_namespace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameNamespace {
    /// The name that it has.
    pub previous_name: String,
    /// The name that it gets.
    pub new_name: String,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`MetadataStore::delete_namespace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteNamespace {
    /// The namespace.
    pub namespace: NamespaceRef,
}

/// See [`MetadataStore::list_namespaces`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNamespaces {
    /// How much, and from where.
    pub page: PageRequest,
    /// Whether those are among them whose state is [`NamespaceState::Deleted`].
    pub include_deleted: bool,
}

/// See [`MetadataStore::get_metadata`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetMetadata {}

/// See [`MetadataStore::initialize_system_namespaces`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitializeSystemNamespaces {
    /// The caller's own cluster.
    pub current_cluster: String,
    /// Description, owner and retention.
    pub detail: Blob,
}

requests! {
    sharded: ;
    unsharded: CreateNamespace, GetNamespace, UpdateNamespace, RenameNamespace, DeleteNamespace, ListNamespaces, GetMetadata,
        InitializeSystemNamespaces
}

store! {
    /// Namespaces, and one notification version for all of them, by which caches notice changes: it counts creations, updates
    /// and renames, from 0, in the same write.
    pub trait MetadataStore via metadata named "metadata" {
        /// Creates a namespace, and returns it as it is stored. Must return `AlreadyExists` if its id or its name is taken; for
        /// the name with the index `name`.
        write fn create_namespace(CreateNamespace) -> Namespace;

        /// A namespace by id or by name. Must return `NotFound` if there is none.
        read fn get_namespace(GetNamespace) -> Namespace;

        /// Changes all of a namespace but its name, and returns it. Must return `ConditionFailed`, with the stored one, if the
        /// notification version is not the expected one; then `NotFound` if there is no such namespace.
        write fn update_namespace(UpdateNamespace) -> Namespace;

        /// Gives a namespace another name, and returns it. Must return `NotFound` if there is none of the previous name, and
        /// `AlreadyExists` if the new one is taken. Renaming to the name that it has changes nothing.
        write fn rename_namespace(RenameNamespace) -> Namespace;

        /// Removes a namespace, if there is one. The notification version stays.
        idempotent fn delete_namespace(DeleteNamespace) -> ();

        /// The namespaces, ordered by id (bytes).
        read fn list_namespaces(ListNamespaces) -> Page<Namespace>;

        /// The notification version.
        read fn get_metadata(GetMetadata) -> i64;

        /// Creates the namespace of the engine's own workflows: local, registered, active in the caller's cluster. One that is
        /// there stays as it is.
        idempotent fn initialize_system_namespaces(InitializeSystemNamespaces) -> ();
    }
}
