//! Namespaces: a document each, with a unique name, and the notification version in the same partition.

use super::Derived;
use super::encoding::blob;
use super::family::{Held, Stored, at_version, collection, counter, delete, put, taken_index};
use crate::blob::Blob;
use crate::context::Context;
use crate::document::scalar::MAX_TEXT;
use crate::document::write::{DocumentWrite, Pre};
use crate::document::{Attribute, CollectionDef, DocumentKey, Filter, IdKind, IndexDef, KeyType, Path};
use crate::error::{Detail, Error, ErrorKind, Outcome, Result};
use crate::ids::{AttemptId, NamespaceId};
use crate::page::Page;
use crate::store::*;
use crate::validate;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub(super) const GROUP: &str = "sys_namespace";
/// The unique index of names.
const NAME: &str = "name";
const ENTITY: &str = "namespace";

pub(super) fn definitions() -> Vec<CollectionDef> {
    let name = Attribute::new(NAME, Path::member(NAME), KeyType::Str { max: MAX_TEXT });
    let hidden = Attribute::new("hidden", Path::member("hidden"), KeyType::Bool);
    let namespaces = collection::<StoredNamespace>(IdKind::Uuid)
        .in_one_partition()
        .group(GROUP)
        .attribute(name.required())
        .attribute(hidden.required())
        .index(IndexDef::new(NAME).asc(NAME).unique())
        .index(IndexDef::new("listed").asc("hidden"));
    vec![namespaces, counter(GROUP)]
}

/// A namespace as it is stored; its id is the document's.
#[derive(Serialize, Deserialize)]
struct StoredNamespace {
    id: NamespaceId,
    name: String,
    /// Whether lists leave it out.
    hidden: bool,
    state: NamespaceState,
    is_global: bool,
    active_cluster: String,
    clusters: Vec<String>,
    #[serde(with = "blob")]
    detail: Blob,
    notification_version: i64,
}

impl Stored for StoredNamespace {
    const COLLECTION: &'static str = GROUP;
    const ENTITY: &'static str = ENTITY;
}

impl StoredNamespace {
    fn new(id: NamespaceId, name: String, config: NamespaceConfig, current: &str, version: i64) -> Self {
        let NamespaceConfig { state, is_global, mut active_cluster, mut clusters, detail } = config;
        if active_cluster.is_empty() {
            current.clone_into(&mut active_cluster);
        }
        if clusters.is_empty() {
            clusters.push(current.to_owned());
        }
        let hidden = state == NamespaceState::Deleted;
        let notification_version = version;
        StoredNamespace {
            id,
            name,
            hidden,
            state,
            is_global,
            active_cluster,
            clusters,
            detail,
            notification_version,
        }
    }

    fn put(&self, pre: Pre) -> Result<DocumentWrite> {
        put(key(self.id), self, pre, None)
    }

    /// As it was read.
    fn verified(self) -> Result<Namespace> {
        self.detail.verify(ENTITY)?;
        Ok(self.told())
    }

    fn told(self) -> Namespace {
        let StoredNamespace { id, name, state, is_global, active_cluster, clusters, detail, .. } = self;
        let config = NamespaceConfig { state, is_global, active_cluster, clusters, detail };
        Namespace { id, name, config, notification_version: self.notification_version }
    }
}

fn key(id: NamespaceId) -> DocumentKey {
    DocumentKey::new(id.0)
}

fn missing(namespace: &NamespaceRef) -> Error {
    Error::not_found(
        ENTITY,
        match namespace {
            NamespaceRef::Id(id) => id.to_string(),
            NamespaceRef::Name(name) => name.clone(),
        },
    )
}

/// What a taken name means; any other error as it is.
fn named(e: Error, name: &str) -> Error {
    match taken_index(&e) {
        Some(index) => {
            let index = Some(index.to_owned());
            Error::new(Detail::AlreadyExists { entity: ENTITY, key: name.to_owned(), index })
        }
        None => e,
    }
}

fn check(config: &NamespaceConfig, current_cluster: &str) -> Result<()> {
    validate::name("current_cluster", current_cluster)?;
    if !config.active_cluster.is_empty() {
        validate::name("config.active_cluster", &config.active_cluster)?;
    }
    config.clusters.iter().try_for_each(|c| validate::name("config.clusters", c))
}

fn check_ref(namespace: &NamespaceRef) -> Result<()> {
    match namespace {
        NamespaceRef::Id(_) => Ok(()),
        NamespaceRef::Name(name) => validate::name("namespace.name", name),
    }
}

impl Derived {
    async fn namespace(&self, cx: &Context, r: &NamespaceRef) -> Result<Option<Held<StoredNamespace>>> {
        match r {
            NamespaceRef::Id(id) => self.metadata.get(cx, key(*id)).await,
            NamespaceRef::Name(name) => {
                let filter = Filter::eq(Path::member(NAME), &**name);
                let query = FindDocuments::new(GROUP, filter, 1);
                Ok(self.metadata.find(cx, &query).await?.items.pop())
            }
        }
    }
}

#[async_trait]
impl MetadataStore for Derived {
    async fn create_namespace(&self, cx: &Context, req: &CreateNamespace) -> Result<Namespace> {
        validate::name("name", &req.name)?;
        check(&req.config, &req.current_cluster)?;
        let mut tries = self.metadata.tries();
        loop {
            let version = self.metadata.version(cx).await?;
            if self.namespace(cx, &NamespaceRef::Id(req.id)).await?.is_some() {
                return Err(Error::already_exists(ENTITY, req.id.to_string()));
            }
            let (name, config) = (req.name.clone(), req.config.clone());
            let new = StoredNamespace::new(req.id, name, config, &req.current_cluster, version);
            let writes = vec![self.metadata.count(version)?, new.put(Pre::Absent)?];
            let written = self.metadata.write(cx, &mut tries, writes, req.attempt).await;
            if written.map_err(|e| named(e, &req.name))?.is_some() {
                return Ok(new.told());
            }
        }
    }

    async fn get_namespace(&self, cx: &Context, req: &GetNamespace) -> Result<Namespace> {
        check_ref(&req.namespace)?;
        let found = self.namespace(cx, &req.namespace).await?;
        found.ok_or_else(|| missing(&req.namespace))?.value.verified()
    }

    async fn update_namespace(&self, cx: &Context, req: &UpdateNamespace) -> Result<Namespace> {
        check(&req.config, &req.current_cluster)?;
        let expected = req.expected_notification_version;
        let mut tries = self.metadata.tries();
        loop {
            let version = self.metadata.version(cx).await?;
            if version != expected {
                let e = Error::condition_failed("notification version", Some(expected), Some(version));
                return Err(e);
            }
            let id = NamespaceRef::Id(req.id);
            let held = self.namespace(cx, &id).await?.ok_or_else(|| missing(&id))?;
            let (name, config) = (held.value.name, req.config.clone());
            let new = StoredNamespace::new(req.id, name, config, &req.current_cluster, version);
            let writes = vec![self.metadata.count(version)?, new.put(at_version(held.version))?];
            if self.metadata.write(cx, &mut tries, writes, req.attempt).await?.is_some() {
                return Ok(new.told());
            }
        }
    }

    async fn rename_namespace(&self, cx: &Context, req: &RenameNamespace) -> Result<Namespace> {
        validate::name("previous_name", &req.previous_name)?;
        validate::name("new_name", &req.new_name)?;
        let previous = NamespaceRef::Name(req.previous_name.clone());
        let mut tries = self.metadata.tries();
        loop {
            let held = self.namespace(cx, &previous).await?.ok_or_else(|| missing(&previous))?;
            if req.new_name == req.previous_name {
                return held.value.verified();
            }
            let version = self.metadata.version(cx).await?;
            let name = req.new_name.clone();
            let new = StoredNamespace { name, notification_version: version, ..held.value };
            let writes = vec![self.metadata.count(version)?, new.put(at_version(held.version))?];
            let written = self.metadata.write(cx, &mut tries, writes, req.attempt).await;
            if written.map_err(|e| named(e, &req.new_name))?.is_some() {
                return Ok(new.told());
            }
        }
    }

    async fn delete_namespace(&self, cx: &Context, req: &DeleteNamespace) -> Result<()> {
        check_ref(&req.namespace)?;
        let mut tries = self.metadata.tries();
        loop {
            let (id, pre) = match &req.namespace {
                NamespaceRef::Id(id) => (*id, Pre::None),
                name => match self.namespace(cx, name).await? {
                    // It may get another name before it is gone.
                    Some(held) => (held.value.id, at_version(held.version)),
                    None => return Ok(()),
                },
            };
            let writes = vec![delete::<StoredNamespace>(key(id), pre)];
            let attempt = AttemptId(self.env.ids.next());
            let done = self.metadata.write(cx, &mut tries, writes, attempt).await;
            if done.as_ref().is_err_and(|e| e.outcome() == Outcome::MaybeApplied) {
                // Whose removal it was nobody can tell, but whether it is gone.
                let gone = matches!(self.namespace(cx, &req.namespace).await, Ok(None));
                return if gone { Ok(()) } else { done.map(drop) };
            }
            if done?.is_some() {
                return Ok(());
            }
        }
    }

    async fn list_namespaces(&self, cx: &Context, req: &ListNamespaces) -> Result<Page<Namespace>> {
        let filter = match req.include_deleted {
            true => Filter::everything(),
            false => Filter::eq(Path::member("hidden"), false),
        };
        let query = FindDocuments { page: req.page.clone(), ..FindDocuments::new(GROUP, filter, 1) };
        let page = self.metadata.find::<StoredNamespace>(cx, &query).await?;
        let items = page.items.into_iter().map(|held| held.value.verified()).collect::<Result<_>>()?;
        Ok(Page { items, next: page.next })
    }

    async fn get_metadata(&self, cx: &Context, _: &GetMetadata) -> Result<i64> {
        self.metadata.version(cx).await
    }

    async fn initialize_system_namespaces(
        &self,
        cx: &Context,
        req: &InitializeSystemNamespaces,
    ) -> Result<()> {
        let create = CreateNamespace {
            id: SYSTEM_NAMESPACE_ID,
            name: SYSTEM_NAMESPACE_NAME.to_owned(),
            config: NamespaceConfig { detail: req.detail.clone(), ..NamespaceConfig::default() },
            current_cluster: req.current_cluster.clone(),
            attempt: AttemptId(self.env.ids.next()),
        };
        match self.create_namespace(cx, &create).await {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            result => result.map(drop),
        }
    }
}
