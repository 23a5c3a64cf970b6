//! Clusters and members: a document each.

use super::Derived;
use super::encoding::blob;
use super::family::{Held, Stored, at_version, collection, delete, put};
use super::member;
use crate::blob::Blob;
use crate::context::Context;
use crate::document::write::Pre;
use crate::document::{CollectionDef, DocumentKey, Filter, IdKind};
use crate::error::{Error, Result};
use crate::ids::AttemptId;
use crate::page::Page;
use crate::store::*;
use crate::validate;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub(super) const GROUP: &str = "sys_cluster";
const ENTITY: &str = "cluster";

pub(super) fn definitions() -> Vec<CollectionDef> {
    vec![
        collection::<StoredCluster>(IdKind::Text).in_one_partition().group(GROUP),
        member::definition().in_one_partition().group(GROUP),
    ]
}

/// A cluster as it is stored; its version is the document's.
#[derive(Serialize, Deserialize)]
struct StoredCluster {
    name: String,
    cluster_id: String,
    history_shard_count: i32,
    is_global_namespace_enabled: bool,
    failover_version_increment: i64,
    initial_failover_version: i64,
    #[serde(with = "blob")]
    detail: Blob,
}

impl Stored for StoredCluster {
    const COLLECTION: &'static str = GROUP;
    const ENTITY: &'static str = ENTITY;
}

impl From<ClusterMetadata> for StoredCluster {
    fn from(m: ClusterMetadata) -> Self {
        StoredCluster {
            name: m.name,
            cluster_id: m.cluster_id,
            history_shard_count: m.history_shard_count,
            is_global_namespace_enabled: m.is_global_namespace_enabled,
            failover_version_increment: m.failover_version_increment,
            initial_failover_version: m.initial_failover_version,
            detail: m.detail,
        }
    }
}

fn read(held: Held<StoredCluster>) -> Result<StoredClusterMetadata> {
    let Held { value: m, version } = held;
    m.detail.verify(ENTITY)?;
    let metadata = ClusterMetadata {
        name: m.name,
        cluster_id: m.cluster_id,
        history_shard_count: m.history_shard_count,
        is_global_namespace_enabled: m.is_global_namespace_enabled,
        failover_version_increment: m.failover_version_increment,
        initial_failover_version: m.initial_failover_version,
        detail: m.detail,
    };
    Ok(StoredClusterMetadata { metadata, version })
}

/// Whether something changes that never does.
fn breaks(old: &StoredCluster, new: &ClusterMetadata) -> bool {
    let moves = |old: i64, new: i64| old != 0 && old != new;
    let global = old.is_global_namespace_enabled
        && (!new.is_global_namespace_enabled
            || moves(old.failover_version_increment, new.failover_version_increment)
            || moves(old.initial_failover_version, new.initial_failover_version));
    let id = !old.cluster_id.is_empty() && old.cluster_id != new.cluster_id;
    id || global || moves(old.history_shard_count.into(), new.history_shard_count.into())
}

fn check(m: &ClusterMetadata) -> Result<()> {
    validate::name("metadata.name", &m.name)?;
    match m.cluster_id.is_empty() {
        true => Ok(()),
        false => validate::name("metadata.cluster_id", &m.cluster_id),
    }
}

#[async_trait]
impl ClusterMetadataStore for Derived {
    async fn save_cluster_metadata(&self, cx: &Context, req: &SaveClusterMetadata) -> Result<bool> {
        check(&req.metadata)?;
        let name = &req.metadata.name;
        let mut tries = self.cluster.tries();
        loop {
            let held = self.cluster.get::<StoredCluster>(cx, DocumentKey::new(&**name)).await?;
            if held.as_ref().is_some_and(|old| breaks(&old.value, &req.metadata)) {
                return Ok(false);
            }
            let (expected, actual) = (req.expected_version, held.map(|h| h.version));
            if actual.unwrap_or_default() != expected {
                return Err(Error::condition_failed(format!("{ENTITY} {name}"), Some(expected), actual));
            }
            let new = StoredCluster::from(req.metadata.clone());
            let writes = vec![put(DocumentKey::new(&**name), &new, at_version(expected), None)?];
            if self.cluster.write(cx, &mut tries, writes, req.attempt).await?.is_some() {
                return Ok(true);
            }
        }
    }

    async fn get_cluster_metadata(
        &self,
        cx: &Context,
        req: &GetClusterMetadata,
    ) -> Result<StoredClusterMetadata> {
        validate::name("name", &req.name)?;
        let held = self.cluster.get(cx, DocumentKey::new(&*req.name)).await?;
        read(held.ok_or_else(|| Error::not_found(ENTITY, &*req.name))?)
    }

    async fn list_cluster_metadata(
        &self,
        cx: &Context,
        req: &ListClusterMetadata,
    ) -> Result<Page<StoredClusterMetadata>> {
        let query = FindDocuments::new(GROUP, Filter::everything(), 1);
        let query = FindDocuments { page: req.page.clone(), ..query };
        let page = self.cluster.find(cx, &query).await?;
        Ok(Page { items: page.items.into_iter().map(read).collect::<Result<_>>()?, next: page.next })
    }

    async fn delete_cluster_metadata(&self, cx: &Context, req: &DeleteClusterMetadata) -> Result<()> {
        validate::name("name", &req.name)?;
        if req.name == req.current_cluster {
            return Err(Error::invalid("name", "must not be the caller's own cluster"));
        }
        let write = delete::<StoredCluster>(DocumentKey::new(&*req.name), Pre::None);
        self.cluster.write_once(cx, write, AttemptId(self.env.ids.next())).await
    }

    async fn upsert_member(&self, cx: &Context, req: &UpsertMember) -> Result<()> {
        let write = member::put_now(req, self.env.clock.now())?;
        self.cluster.write_once(cx, write, AttemptId(self.env.ids.next())).await
    }

    async fn get_members(&self, cx: &Context, req: &GetMembers) -> Result<Page<Member>> {
        member::page(&self.cluster, cx, req, self.env.clock.now()).await
    }

    async fn prune_members(&self, cx: &Context, req: &PruneMembers) -> Result<u64> {
        self.cluster.sweep(cx, member::COLLECTION, req.limit, self.env.clock.now()).await
    }
}
