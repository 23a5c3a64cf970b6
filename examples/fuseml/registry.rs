//! The registry's stores: what fuseml does with its documents.

use crate::kinds::*;
use futures_util::TryStreamExt;
use persistence::document::collection::{Collection, Documented, Update};
use persistence::document::write::Pre;
use persistence::document::{DocumentKey, Filter, Path};
use persistence::store::{CollectionChange, EnsureCollections, EnsureMode};
use persistence::{Context, Persistence, Result};
use regex::Regex;
use semver::{Version, VersionReq};
use std::pin::pin;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) cx: Context,
    pub(crate) applications: Collection<Application>,
    pub(crate) workflows: Collection<Workflow>,
    pub(crate) runnables: Collection<Runnable>,
    pub(crate) extensions: Collection<Extension>,
}

fn path(at: &str) -> Path {
    at.parse().expect("a path that is written right")
}

impl Registry {
    pub(crate) async fn open(db: &Arc<dyn Persistence>) -> Result<Self> {
        Self::ensure(db, EnsureMode::Apply).await?;
        Ok(Registry {
            cx: Context::new(),
            applications: Collection::new(db.clone()),
            workflows: Collection::new(db.clone()).with_tries(100),
            runnables: Collection::new(db.clone()),
            extensions: Collection::new(db.clone()),
        })
    }

    /// What in the database is not as declared; indexes are compared with documents. Nothing is changed.
    pub(crate) async fn drift(db: &Arc<dyn Persistence>) -> Result<Vec<CollectionChange>> {
        Self::ensure(db, EnsureMode::Verify).await
    }

    async fn ensure(db: &Arc<dyn Persistence>, mode: EnsureMode) -> Result<Vec<CollectionChange>> {
        let definitions = vec![
            Application::definition(),
            Workflow::definition(),
            Runnable::definition(),
            Extension::definition(),
        ];
        let ensure = EnsureCollections { definitions, mode };
        Ok(db.documents().ensure_collections(&Context::new(), &ensure).await?.changes)
    }

    /// Adds an assignment, once: all that are added at the same time stay.
    pub(crate) async fn add_codeset_assignment(
        &self,
        workflow: &str,
        codeset: Codeset,
        webhook_id: i64,
    ) -> Result<usize> {
        let add = |w: &mut Workflow| {
            if w.assigned_to.codesets.iter().any(|a| a.codeset == codeset) {
                return Ok(Update::NoChange);
            }
            w.assigned_to.codesets.push(Assignment { codeset: codeset.clone(), webhook_id });
            Ok(Update::Write)
        };
        let stored = self.workflows.update(&self.cx, &DocumentKey::new(workflow), add).await?;
        Ok(stored.value.assigned_to.codesets.len())
    }

    /// Deletes a workflow; `ConditionFailed` while a codeset is assigned to it. Looking and deleting are one step.
    pub(crate) async fn delete_workflow(&self, name: &str) -> Result<bool> {
        let unassigned = Pre::Match(Filter::IsNull(path("AssignedTo.Codesets.*")));
        self.workflows.delete(&self.cx, &DocumentKey::new(name), unassigned).await
    }

    /// A codeset is deleted: no workflow is assigned to it any more. Asked of an index, page by page.
    pub(crate) async fn codeset_deleted(&self, codeset: &Codeset) -> Result<u64> {
        let assigned = Filter::Contains(path("AssignedTo.Codesets.*.Codeset.Id"), codeset.id.as_str().into());
        let mut query = self.workflows.query(assigned, 100);
        let mut changed = 0;
        loop {
            let remove = |w: &mut Workflow| {
                w.assigned_to.codesets.retain(|a| a.codeset != *codeset);
                Ok(Update::Write)
            };
            let page = self.workflows.update_where(&self.cx, &query, remove).await?;
            changed += page.changed;
            let Some(token) = page.next else { return Ok(changed) };
            query.page.token = Some(token);
        }
    }

    /// The ways to a resource for a user, of extensions whose version is in a range: extension, service, URL, credentials. An index
    /// finds the extensions that offer it; versions and scopes are decided on those.
    pub(crate) async fn services(
        &self,
        resource: &str,
        versions: &VersionReq,
        user: Option<&str>,
    ) -> Result<Vec<[String; 4]>> {
        let offers = Filter::Contains(path("Services.*.Resource"), resource.into());
        let mut found = pin!(self.extensions.stream(&self.cx, self.extensions.query(offers, 100)));
        let mut all = Vec::new();
        while let Some(extension) = found.try_next().await? {
            let extension = extension.value;
            if !version(&extension.version).is_some_and(|v| versions.matches(&v)) {
                continue;
            }
            for service in extension.services.values().filter(|s| s.resource == resource) {
                let usable = |c: &&Credentials| {
                    user.is_none_or(|user| c.scope == "global" || c.users.iter().any(|u| u == user))
                };
                for (endpoint, c) in service
                    .endpoints
                    .values()
                    .flat_map(|e| service.credentials.values().filter(usable).map(move |c| (e, c)))
                {
                    all.push([&extension.id, &service.id, &endpoint.url, &c.id].map(String::clone));
                }
            }
        }
        Ok(all)
    }

    /// The runnables of a kind whose id has a pattern somewhere.
    pub(crate) async fn runnables_like(&self, kind: &str, id: &Regex) -> Result<Vec<String>> {
        let ids = self.ids(&self.runnables, Filter::eq(path("Kind"), kind)).await?;
        Ok(ids.into_iter().filter(|text| id.is_match(text)).collect())
    }

    /// The ids of what a filter finds, by an index.
    pub(crate) async fn ids<T: Documented>(&self, of: &Collection<T>, filter: Filter) -> Result<Vec<String>> {
        let query = of.query(filter, 100);
        let explain = of.explain(&self.cx, &query).await?;
        assert!(!explain.scan, "{:?} scans", query.filter);
        let found = of.find(&self.cx, &query).await?;
        Ok(found.documents.into_iter().map(|d| d.key.id.to_string()).collect())
    }
}

/// A version as people write them: `v1.0` is 1.0.0.
fn version(text: &str) -> Option<Version> {
    let text = text.trim_start_matches('v');
    let missing = 2_usize.saturating_sub(text.matches('.').count());
    Version::parse(&format!("{text}{}", ".0".repeat(missing))).ok()
}
