//! Writing: setting up, keeping the newest of what comes, and deleting so that nothing older comes back.

use super::record::{body, check, check_attributes, key, tombstone, version};
use super::setup::{DEFAULT_PARTITIONS, MAX_PARTITIONS, RECORDS, SETUP, Setup, check_names, setup};
use super::{Visibility, status};
use crate::context::Context;
use crate::derived::encoding;
use crate::derived::family::is_missing_collection;
use crate::document::tries::Tries;
use crate::document::write::{Action, DocumentWrite, Pre};
use crate::document::{CollectionDef, Document, DocumentKey};
use crate::error::{Detail, Error, ErrorKind, Outcome, Result};
use crate::ids::{AttemptId, NamespaceId};
use crate::store::*;
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};

/// How often a step is tried while others come first.
const TRIES: u32 = 100;
/// The document that says what was set up.
const MAIN: &str = "setup";
/// What the id of a namespace's document begins with.
pub(super) const NAMESPACE: &str = "namespace/";
const ENTITY: &str = "visibility setup";

impl Visibility {
    /// Keeps a record unless a newer one, or a deletion, is there. `closed` is how it must stand.
    pub(super) async fn keep(
        &self,
        cx: &Context,
        record: &VisibilityRecord,
        closed: Option<bool>,
    ) -> Result<()> {
        check(record)?;
        if closed.is_some_and(|closed| closed != status::is_closed(record.status)) {
            let rule = format!("{} is no status to record so", status::name(record.status));
            return Err(Error::invalid("record.status", rule));
        }
        let mut setup = self.setup_to_write(cx).await?;
        if check_attributes(&setup, record).is_err() {
            // Somebody else may have registered them since.
            setup = self.read_setup(cx).await?;
            check_attributes(&setup, record)?;
        }
        let key = key(&setup, record.run.namespace_id, record.run.run_id);
        let body = body(key.partition.as_deref().unwrap_or_default(), record)?;
        let newer = |_, stored| stored >= record.version;
        self.replace(cx, record.run.namespace_id, key, body, None, newer).await
    }

    /// Leaves a deletion unless something newer is there.
    pub(super) async fn delete(&self, cx: &Context, req: &DeleteVisibility) -> Result<()> {
        if req.remember.as_millis() == 0 {
            return Err(Error::invalid("remember", "must be at least 1 ms"));
        }
        let setup = self.setup_to_write(cx).await?;
        let key = key(&setup, req.namespace_id, req.run_id);
        let body = tombstone(key.partition.as_deref().unwrap_or_default(), req.version)?;
        let expires = self.env.clock.now().after(req.remember);
        let newer = |deleted, stored| stored > req.version || (deleted && stored == req.version);
        self.replace(cx, req.namespace_id, key, body, Some(expires), newer).await
    }

    /// Writes a document in place of what is there, unless that is newer.
    async fn replace(
        &self,
        cx: &Context,
        namespace_id: NamespaceId,
        key: DocumentKey,
        body: Value,
        expires: Option<Timestamp>,
        newer: impl Fn(bool, i64) -> bool + Send,
    ) -> Result<()> {
        self.note(cx, namespace_id).await?;
        let mut tries = Tries::new(TRIES);
        loop {
            let pre = match self.document(cx, RECORDS, &key).await? {
                Some(stored) => {
                    let (deleted, stored_version) = version(&stored)?;
                    if newer(deleted, stored_version) {
                        return Ok(());
                    }
                    Pre::Version(stored.version)
                }
                None => Pre::Absent,
            };
            if self.put(cx, RECORDS, &key, body.clone(), expires, pre, &mut tries).await? {
                return Ok(());
            }
        }
    }

    /// Notes that a namespace has records, once in a process.
    async fn note(&self, cx: &Context, namespace_id: NamespaceId) -> Result<()> {
        if self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).contains(&namespace_id) {
            return Ok(());
        }
        let key = DocumentKey::new(format!("{NAMESPACE}{namespace_id}"));
        if self.document(cx, SETUP, &key).await?.is_none() {
            // Another one may note it at the same time: one of both is enough.
            let body = encoding::encode(&json!({}))?;
            self.put(cx, SETUP, &key, body, None, Pre::Absent, &mut Tries::new(TRIES)).await?;
        }
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).insert(namespace_id);
        Ok(())
    }

    /// What was set up, for a write: whatever is missing is made.
    async fn setup_to_write(&self, cx: &Context) -> Result<Arc<Setup>> {
        match self.known_setup() {
            Some(setup) => Ok(setup),
            None => match self.stored_setup(cx).await? {
                Some((setup, _)) => Ok(self.remember(setup)),
                None => self.set_up_first(cx).await,
            },
        }
    }

    /// Sets up what another call needs, which itself did nothing so far.
    async fn set_up_first(&self, cx: &Context) -> Result<Arc<Setup>> {
        let made = self.set_up(cx, &SetUpVisibility::default()).await;
        made.map_err(|e| e.with_outcome(Outcome::NotApplied))
    }

    /// What was set up, as last seen.
    pub(super) fn known_setup(&self) -> Option<Arc<Setup>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was set up, as it is; what would be, where nothing was.
    pub(super) async fn read_setup(&self, cx: &Context) -> Result<Arc<Setup>> {
        match self.stored_setup(cx).await? {
            Some((setup, _)) => Ok(self.remember(setup)),
            None => Ok(Arc::default()),
        }
    }

    fn remember(&self, setup: Setup) -> Arc<Setup> {
        let setup = Arc::new(setup);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two that read at once the one with more attributes read later.
        match &*known {
            Some(later) if later.attributes.len() > setup.attributes.len() => later.clone(),
            _ => known.insert(setup).clone(),
        }
    }

    /// Registers, then makes the collections so. Once that has begun, every failure says so.
    pub(super) async fn set_up(&self, cx: &Context, req: &SetUpVisibility) -> Result<Arc<Setup>> {
        if req.partitions.is_some_and(|n| !(1..=MAX_PARTITIONS).contains(&n)) {
            return Err(Error::invalid("partitions", format!("must be 1 to {MAX_PARTITIONS}")));
        }
        check_names(req.search_attributes.keys())?;
        let _one = self.setting_up.lock().await;
        let not_applied = |e: Error| e.with_outcome(Outcome::NotApplied);
        self.ensure(cx, setup(), EnsureMode::Apply).await.map_err(not_applied)?;
        let mut begun = false;
        let made = self.make(cx, req, &mut begun).await;
        made.map_err(|e| if begun { e.with_outcome(Outcome::MaybeApplied) } else { e })
    }

    /// Registers, then makes the collections so. Whoever registers meanwhile is seen before the end: the last one to make the
    /// collections has made them with everything. `begun` says whether anything was changed.
    async fn make(&self, cx: &Context, req: &SetUpVisibility, begun: &mut bool) -> Result<Arc<Setup>> {
        let (mut wanted, mut stored_version) = self.register(cx, req, begun).await?;
        loop {
            let mut made = self.ensure(cx, wanted.records(), EnsureMode::Plan).await?.is_empty();
            if !made && matches!(self.stored_setup(cx).await?, Some((_, now)) if now == stored_version) {
                // What somebody else has made of a later setup is not to be unmade.
                *begun |= !self.ensure(cx, wanted.records(), EnsureMode::Apply).await?.is_empty();
                made = true;
            }
            match self.stored_setup(cx).await? {
                Some((_, now)) if made && now == stored_version => return Ok(self.remember(wanted)),
                Some(now) => (wanted, stored_version) = now,
                None => return Err(Error::corrupted(ENTITY, "it is gone")),
            }
        }
    }

    /// Writes down what is registered. Gives it with the version of its document; `begun` says whether it was written.
    async fn register(&self, cx: &Context, req: &SetUpVisibility, begun: &mut bool) -> Result<(Setup, i64)> {
        let (key, mut tries) = (DocumentKey::new(MAIN), Tries::new(TRIES));
        loop {
            let stored = self.stored_setup(cx).await?;
            let partitions = req.partitions.unwrap_or(DEFAULT_PARTITIONS);
            let (base, pre) = match &stored {
                Some((setup, version)) => (setup.clone(), Pre::Version(*version)),
                None => (Setup { partitions, ..Setup::default() }, Pre::Absent),
            };
            if let Some(wanted) = req.partitions
                && wanted != base.partitions
            {
                let (wanted, found) = (Some(wanted.into()), Some(base.partitions.into()));
                return Err(Error::condition_failed("partitions of visibility", wanted, found));
            }
            let wanted = base.with(&req.search_attributes)?;
            if let Some((_, version)) = stored
                && wanted == base
            {
                return Ok((wanted, version));
            }
            let body = encoding::encode(&wanted)?;
            *begun |= self.put(cx, SETUP, &key, body, None, pre, &mut tries).await?;
        }
    }

    async fn stored_setup(&self, cx: &Context) -> Result<Option<(Setup, i64)>> {
        let Some(stored) = self.document_if_any(cx, SETUP, &DocumentKey::new(MAIN)).await? else {
            return Ok(None);
        };
        let version = stored.version;
        Ok(Some((encoding::decode(ENTITY, stored)?, version)))
    }

    async fn ensure(
        &self,
        cx: &Context,
        def: CollectionDef,
        mode: EnsureMode,
    ) -> Result<Vec<CollectionChange>> {
        let req = EnsureCollections { definitions: vec![def], mode };
        Ok(self.documents.ensure_collections(cx, &req).await?.changes)
    }

    /// A document of a collection that may be missing.
    pub(super) async fn document_if_any(
        &self,
        cx: &Context,
        collection: &str,
        key: &DocumentKey,
    ) -> Result<Option<Document>> {
        let (collection, keys) = (collection.to_owned(), vec![key.clone()]);
        let req = GetDocuments { collection, keys, deleted: Deleted::Hide };
        match self.documents.get_documents(cx, &req).await {
            Ok(mut found) => Ok(found.pop().flatten()),
            Err(e) if is_missing_collection(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A document; its collection is made if it is missing, as after a setup that was interrupted.
    async fn document(&self, cx: &Context, collection: &str, key: &DocumentKey) -> Result<Option<Document>> {
        let (name, keys) = (collection.to_owned(), vec![key.clone()]);
        let req = GetDocuments { collection: name, keys, deleted: Deleted::Hide };
        match self.documents.get_documents(cx, &req).await {
            Err(e) if is_missing_collection(&e) => {
                self.set_up_first(cx).await?;
                Ok(None)
            }
            result => Ok(result?.pop().flatten()),
        }
    }

    /// Puts a document. False when another writer came first.
    #[allow(clippy::too_many_arguments)]
    async fn put(
        &self,
        cx: &Context,
        collection: &str,
        key: &DocumentKey,
        body: Value,
        expires: Option<Timestamp>,
        pre: Pre,
        tries: &mut Tries,
    ) -> Result<bool> {
        let action = Action::Put { body, expires };
        let write = DocumentWrite { collection: collection.to_owned(), key: key.clone(), pre, action };
        let req = WriteDocuments { writes: vec![write], attempt: AttemptId(self.env.ids.next()) };
        match self.documents.write_documents(cx, &req).await {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.kind(), ErrorKind::ConditionFailed | ErrorKind::AlreadyExists) => {
                let cause = format!("{TRIES} tries beside other writers");
                let scope = collection.to_owned();
                let met = Error::new(Detail::ResourceExhausted { cause, scope, retry_after: None });
                tries.again(met).await.map(|()| false)
            }
            Err(e) => Err(e),
        }
    }
}
