//! User data of task queues: a document each, with the builds that it knows, in the partition of its namespace.

use super::Derived;
use super::encoding::blob;
use super::family::{Held, Stored, at_version, collection, put};
use crate::blob::Blob;
use crate::context::Context;
use crate::document::scalar::MAX_TEXT;
use crate::document::value::MAX_VALUES;
use crate::document::{Attribute, CollectionDef, DocumentKey, Filter, IdKind, IndexDef, KeyType, Path};
use crate::error::{Error, Result};
use crate::ids::NamespaceId;
use crate::page::{Page, PageRequest};
use crate::store::*;
use crate::validate;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub(super) const GROUP: &str = "sys_user_data";
const ENTITY: &str = "user data";
const NAMESPACE: &str = "namespace";
const BUILD_IDS: &str = "build_ids";
/// Task queues of a build that are read at once.
const CHUNK: u32 = 100;

pub(super) fn definitions() -> Vec<CollectionDef> {
    let builds = Attribute::new("build_id", Path::member(BUILD_IDS), KeyType::Str { max: MAX_TEXT });
    let def = collection::<StoredUserData>(IdKind::Text)
        .partition_by(Path::member(NAMESPACE))
        .attribute(builds.elements())
        .index(IndexDef::new("by_build_id").in_partition().asc("build_id"));
    vec![def]
}

/// User data as it is stored; its version is the document's.
#[derive(Serialize, Deserialize)]
struct StoredUserData {
    namespace: NamespaceId,
    task_queue: String,
    #[serde(with = "blob")]
    data: Blob,
    build_ids: BTreeSet<String>,
}

impl Stored for StoredUserData {
    const COLLECTION: &'static str = GROUP;
    const ENTITY: &'static str = ENTITY;
}

fn key(namespace_id: NamespaceId, task_queue: &str) -> DocumentKey {
    DocumentKey::within(namespace_id.to_string(), task_queue)
}

fn read(held: Held<StoredUserData>) -> Result<TaskQueueUserData> {
    let Held { value: StoredUserData { task_queue, data, .. }, version } = held;
    data.verify(ENTITY)?;
    Ok(TaskQueueUserData { task_queue, version, data })
}

fn check(req: &UpdateTaskQueueUserData) -> Result<()> {
    if req.updates.is_empty() {
        return Err(Error::invalid("updates", "must not be empty"));
    }
    let mut seen = BTreeSet::new();
    for update in &req.updates {
        validate::name("task_queue", &update.task_queue)?;
        if !seen.insert(&update.task_queue) {
            return Err(Error::invalid("updates", format!("task queue {} twice", update.task_queue)));
        }
        let (added, removed) = (&update.build_ids_added, &update.build_ids_removed);
        added.iter().chain(removed).try_for_each(|b| validate::name("build_id", b))?;
    }
    Ok(())
}

/// What an update makes of what is there.
fn updated(
    namespace: NamespaceId,
    update: &UserDataUpdate,
    held: Option<Held<StoredUserData>>,
) -> Result<StoredUserData> {
    let (actual, mut build_ids) =
        held.map_or_else(Default::default, |h| (Some(h.version), h.value.build_ids));
    let UserDataUpdate { task_queue, data, expected_version, build_ids_added, build_ids_removed } = update;
    if actual.unwrap_or_default() != *expected_version {
        let entity = format!("{ENTITY} of task queue {task_queue}");
        return Err(Error::condition_failed(entity, Some(*expected_version), actual));
    }
    build_ids.extend(build_ids_added.iter().cloned());
    build_ids.retain(|b| !build_ids_removed.contains(b));
    if build_ids.len() > MAX_VALUES {
        let rule = format!("task queue {task_queue} may know at most {MAX_VALUES} builds");
        return Err(Error::invalid("build_ids_added", rule));
    }
    Ok(StoredUserData { namespace, task_queue: task_queue.clone(), data: data.clone(), build_ids })
}

fn within(namespace_id: NamespaceId) -> Filter {
    Filter::eq(Path::member(NAMESPACE), namespace_id.to_string())
}

fn knows(namespace_id: NamespaceId, build_id: &str) -> Result<Filter> {
    validate::name("build_id", build_id)?;
    let build = Filter::Contains(Path::member(BUILD_IDS), build_id.into());
    Ok(Filter::All(vec![within(namespace_id), build]))
}

#[async_trait]
impl TaskQueueUserDataStore for Derived {
    async fn update_user_data(&self, cx: &Context, req: &UpdateTaskQueueUserData) -> Result<()> {
        check(req)?;
        let namespace = req.namespace_id;
        let keys: Vec<_> = req.updates.iter().map(|u| key(namespace, &u.task_queue)).collect();
        let mut tries = self.user_data.tries();
        loop {
            let held = self.user_data.get_all(cx, keys.clone()).await?;
            let mut writes = Vec::with_capacity(keys.len());
            for ((update, key), held) in req.updates.iter().zip(&keys).zip(held) {
                let new = updated(namespace, update, held)?;
                writes.push(put(key.clone(), &new, at_version(update.expected_version), None)?);
            }
            if self.user_data.write(cx, &mut tries, writes, req.attempt).await?.is_some() {
                return Ok(());
            }
        }
    }

    async fn get_user_data(&self, cx: &Context, req: &GetTaskQueueUserData) -> Result<TaskQueueUserData> {
        validate::name("task_queue", &req.task_queue)?;
        let held = self.user_data.get(cx, key(req.namespace_id, &req.task_queue)).await?;
        read(held.ok_or_else(|| Error::not_found(ENTITY, &*req.task_queue))?)
    }

    async fn list_user_data(
        &self,
        cx: &Context,
        req: &ListTaskQueueUserData,
    ) -> Result<Page<TaskQueueUserData>> {
        let query = FindDocuments::new(GROUP, within(req.namespace_id), 1);
        let query = FindDocuments { page: req.page.clone(), ..query };
        let page = self.user_data.find(cx, &query).await?;
        Ok(Page { items: page.items.into_iter().map(read).collect::<Result<_>>()?, next: page.next })
    }

    async fn get_task_queues_by_build_id(
        &self,
        cx: &Context,
        req: &GetTaskQueuesByBuildId,
    ) -> Result<Vec<String>> {
        let mut query = FindDocuments::new(GROUP, knows(req.namespace_id, &req.build_id)?, CHUNK);
        let mut names = Vec::new();
        loop {
            let page = self.user_data.find::<StoredUserData>(cx, &query).await?;
            names.extend(page.items.into_iter().map(|held| held.value.task_queue));
            match page.next {
                Some(next) => query.page = PageRequest::after(CHUNK, next),
                None => return Ok(names),
            }
        }
    }

    async fn count_task_queues_by_build_id(
        &self,
        cx: &Context,
        req: &CountTaskQueuesByBuildId,
    ) -> Result<u64> {
        self.user_data.count_found(cx, GROUP, knows(req.namespace_id, &req.build_id)?).await
    }
}
