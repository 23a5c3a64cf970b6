//! Clusters, and the hosts that are members of this one.

use super::request::requests;
use crate::blob::Blob;
use crate::ids::{AttemptId, HostId};
use crate::page::{Page, PageRequest};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is known of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// Its name: 1 to 255 characters without U+0000, compared by exact bytes.
    pub name: String,
    /// Its id; never changes once it is not empty.
    pub cluster_id: String,
    /// Its number of shards; never changes once it is not 0.
    pub history_shard_count: i32,
    /// Whether it has namespaces that are replicated; once it has, for ever.
    pub is_global_namespace_enabled: bool,
    /// The distance between its failover versions; with global namespaces it never changes once it is not 0.
    pub failover_version_increment: i64,
    /// Its first failover version; with global namespaces it never changes once it is not 0.
    pub initial_failover_version: i64,
    /// Everything else.
    pub detail: Blob,
}

/// A cluster as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredClusterMetadata {
    /// What is known of it.
    pub metadata: ClusterMetadata,
    /// Its version: 1 when it is created, one more with every change.
    pub version: i64,
}

/// What a member does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberRole(pub u32);

impl MemberRole {
    /// Nothing: `InvalidArgument` for a member.
    pub const UNSPECIFIED: MemberRole = MemberRole(0);
    /// Takes the calls of clients.
    pub const FRONTEND: MemberRole = MemberRole(1);
    /// Owns shards.
    pub const HISTORY: MemberRole = MemberRole(2);
    /// Owns task queues.
    pub const MATCHING: MemberRole = MemberRole(3);
    /// Runs the engine's own workflows.
    pub const WORKER: MemberRole = MemberRole(4);
}

/// A member of the cluster: a host in one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The host.
    pub host_id: HostId,
    /// The role.
    pub role: MemberRole,
    /// Where it listens: 1 to 255 characters without U+0000.
    pub rpc_address: String,
    /// And the port there.
    pub rpc_port: u16,
    /// When its session began.
    pub session_start: Timestamp,
    /// When it was last heard of.
    pub last_heartbeat: Timestamp,
    /// From when on it is no member any more.
    pub expires: Timestamp,
}

/// See [`ClusterMetadataStore::save_cluster_metadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveClusterMetadata {
    /// What is known of it from now on.
    pub metadata: ClusterMetadata,
    /// The version that is there; 0 if there is to be none.
    pub expected_version: i64,
    /// Tells a repeat from another caller's request.
    pub attempt: AttemptId,
}

/// See [`ClusterMetadataStore::get_cluster_metadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetClusterMetadata {
    /// The cluster.
    pub name: String,
}

/// See [`ClusterMetadataStore::list_cluster_metadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListClusterMetadata {
    /// How much, and from where.
    pub page: PageRequest,
}

/// See [`ClusterMetadataStore::delete_cluster_metadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteClusterMetadata {
    /// The cluster.
    pub name: String,
    /// The caller's own, which is not deleted.
    pub current_cluster: String,
}

/// See [`ClusterMetadataStore::upsert_member`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpsertMember {
    /// The host; never the nil UUID.
    pub host_id: HostId,
    /// The role, specified.
    pub role: MemberRole,
    /// Where it listens.
    pub rpc_address: String,
    /// And the port there; not 0.
    pub rpc_port: u16,
    /// When its session began; after the epoch.
    pub session_start: Timestamp,
    /// How long it is a member, if nothing is heard of it any more; at least a second.
    pub expiry: Duration,
}

/// See [`ClusterMetadataStore::get_members`]. All conditions must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetMembers {
    /// How much, and from where.
    pub page: PageRequest,
    /// Heard of no longer ago than this.
    pub heartbeat_within: Option<Duration>,
    /// Listens there.
    pub rpc_address: Option<String>,
    /// Is of this host.
    pub host_id: Option<HostId>,
    /// Has this role.
    pub role: Option<MemberRole>,
    /// Its session began then or later.
    pub session_started_since: Option<Timestamp>,
}

impl GetMembers {
    /// The first page of all members.
    pub fn first(size: u32) -> Self {
        GetMembers {
            page: PageRequest::first(size),
            heartbeat_within: None,
            rpc_address: None,
            host_id: None,
            role: None,
            session_started_since: None,
        }
    }
}

/// See [`ClusterMetadataStore::prune_members`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneMembers {
    /// At most this many are removed; 0 is `InvalidArgument`.
    pub limit: u32,
}

requests! {
    sharded: ;
    unsharded: SaveClusterMetadata, GetClusterMetadata, ListClusterMetadata, DeleteClusterMetadata, UpsertMember, GetMembers,
        PruneMembers
}

store! {
    /// Clusters, and the members of this one.
    pub trait ClusterMetadataStore via cluster named "cluster" {
        /// Stores what is known of a cluster. Returns false, and changes nothing, if what never changes would change. Must return
        /// `ConditionFailed`, with the stored one, if the version is not the expected one.
        write fn save_cluster_metadata(SaveClusterMetadata) -> bool;

        /// What is known of a cluster. Must return `NotFound` if nothing is.
        read fn get_cluster_metadata(GetClusterMetadata) -> StoredClusterMetadata;

        /// The clusters, ordered by name (bytes).
        read fn list_cluster_metadata(ListClusterMetadata) -> Page<StoredClusterMetadata>;

        /// Removes a cluster, if there is one. Must return `InvalidArgument` for the caller's own.
        idempotent fn delete_cluster_metadata(DeleteClusterMetadata) -> ();

        /// A host is a member in a role, heard of now, whether it was one or not.
        idempotent fn upsert_member(UpsertMember) -> ();

        /// The members, ordered by host (bytes), then by role. One that has expired is none.
        read fn get_members(GetMembers) -> Page<Member>;

        /// Removes what is left of members that have expired. Returns how many.
        idempotent fn prune_members(PruneMembers) -> u64;
    }
}
