//! Clusters and members, and the requests for them.

use super::record::blob;
use persistence_core::store::*;
use persistence_core::{AttemptId, HostId, Timestamp};
use std::time::Duration;

/// What is known of a cluster, with every field set.
pub fn cluster(name: &str) -> ClusterMetadata {
    ClusterMetadata {
        name: name.to_owned(),
        cluster_id: "id of it".to_owned(),
        history_shard_count: 512,
        is_global_namespace_enabled: true,
        failover_version_increment: 100,
        initial_failover_version: 1,
        detail: blob("cluster"),
    }
}

/// Saves what is known of a cluster.
pub fn save(metadata: &ClusterMetadata, expected_version: i64) -> SaveClusterMetadata {
    SaveClusterMetadata { metadata: metadata.clone(), expected_version, attempt: AttemptId::new() }
}

/// Deletes a cluster that is not one's own.
pub fn delete(name: &str) -> DeleteClusterMetadata {
    DeleteClusterMetadata { name: name.to_owned(), current_cluster: "one's own".to_owned() }
}

/// A host is a member for ten seconds.
pub fn upsert(host_id: HostId, role: MemberRole) -> UpsertMember {
    UpsertMember {
        host_id,
        role,
        rpc_address: "10.0.0.1".to_owned(),
        rpc_port: 7233,
        session_start: Timestamp(1_000),
        expiry: Duration::from_secs(10),
    }
}

/// The member that this made at a time.
pub fn member(req: &UpsertMember, at: Timestamp) -> Member {
    let UpsertMember { host_id, role, rpc_address, rpc_port, session_start, expiry } = req.clone();
    let expires = at.after(expiry);
    Member { host_id, role, rpc_address, rpc_port, session_start, last_heartbeat: at, expires }
}
