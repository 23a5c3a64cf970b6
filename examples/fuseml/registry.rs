//! The registry's stores: what fuseml does with its documents.

use crate::kinds::*;
use persistence::document::collection::{Collection, Documented, Update};
use persistence::document::write::Pre;
use persistence::document::{DocumentKey, Filter, Path};
use persistence::store::{EnsureCollections, EnsureMode};
use persistence::{Context, Persistence, Result};
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
        let cx = Context::new();
        let definitions = vec![
            Application::definition(),
            Workflow::definition(),
            Runnable::definition(),
            Extension::definition(),
        ];
        let ensure = EnsureCollections { definitions, mode: EnsureMode::Apply };
        db.documents().ensure_collections(&cx, &ensure).await?;
        Ok(Registry {
            cx,
            applications: Collection::new(db.clone()),
            workflows: Collection::new(db.clone()).with_tries(100),
            runnables: Collection::new(db.clone()),
            extensions: Collection::new(db.clone()),
        })
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
        let assigned =
            Filter::Contains(path("AssignedTo.Codesets.*.Codeset.Name"), codeset.name.as_str().into());
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

    /// The ids of what a filter finds, by an index.
    pub(crate) async fn ids<T: Documented>(&self, of: &Collection<T>, filter: Filter) -> Result<Vec<String>> {
        let query = of.query(filter, 100);
        let explain = of.explain(&self.cx, &query).await?;
        assert!(!explain.scan, "{:?} scans", query.filter);
        let found = of.find(&self.cx, &query).await?;
        Ok(found.documents.into_iter().map(|d| d.key.id.to_string()).collect())
    }
}
