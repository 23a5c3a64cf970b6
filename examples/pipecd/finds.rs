//! Every find in its code base: who asks, what, in which order. Some conditions are there only if a user gives them.

use crate::seed::{START, id};
use persistence::Timestamp;
use persistence::document::plan::OrderBy;
use persistence::document::{Filter, Path, Scalar};

/// A find.
pub(crate) struct Find {
    pub(crate) caller: &'static str,
    pub(crate) kind: &'static str,
    /// What is always asked.
    pub(crate) always: Filter,
    /// What may be asked in addition.
    pub(crate) optional: Vec<Filter>,
    pub(crate) order: Vec<OrderBy>,
}

impl Find {
    /// Without what is optional, with each of it, and with all of it.
    pub(crate) fn variants(&self) -> Vec<Filter> {
        let with = |o: &Filter| self.always.clone().and(o.clone());
        let all = self.optional.iter().fold(self.always.clone(), |f, o| f.and(o.clone()));
        let mut variants = vec![self.always.clone()];
        variants.extend(self.optional.iter().map(with));
        variants.extend((self.optional.len() > 1).then_some(all));
        variants
    }
}

fn path(at: &str) -> Path {
    at.parse().expect("a path that is written right")
}

fn eq(at: &str, value: impl Into<Scalar>) -> Filter {
    Filter::eq(path(at), value)
}

fn is_one_of(at: &str, values: impl IntoIterator<Item = i64>) -> Filter {
    Filter::In(path(at), values.into_iter().map(Scalar::from).collect())
}

/// A time after the beginning, as attributes of times are compared.
fn hours(n: i64) -> Timestamp {
    Timestamp((START + n * 3600) * 1000)
}

/// All 24.
pub(crate) fn finds() -> Vec<Find> {
    let shop = || eq("project_id", "shop");
    let enabled = || eq("disabled", false);
    let label = || Filter::HasEntry(path("labels"), "env".to_owned(), "dev".to_owned());
    let since = || Filter::ge(path("updated_at"), hours(1));
    let before = |at: &str, n| Filter::le(path(at), hours(n));
    let piped = || eq("piped_id", id(1, 0).to_string());
    let (newest, oldest) =
        (|at: &str| vec![OrderBy::desc(path(at))], |at: &str| vec![OrderBy::asc(path(at))]);
    let (name, kind) = (|| eq("name", "app-2"), || eq("kind", 1));
    let of_deployment = || {
        vec![
            eq("status", 4),
            kind(),
            eq("application_id", id(3, 2).to_string()),
            eq("application_name", "app-2"),
            label(),
        ]
    };
    let of_event = || vec![eq("name", "image-pushed"), eq("status", 2), label()];
    let find = |caller, kind, always, optional, order| Find { caller, kind, always, optional, order };
    let everything = Filter::everything;
    vec![
        find("web ListPipeds", "piped", shop(), vec![enabled()], vec![]),
        find(
            "web ListApplications",
            "application",
            shop(),
            vec![enabled(), kind(), eq("sync_state.status", 0), name(), piped(), label()],
            newest("updated_at"),
        ),
        find("web ListDeployments", "deployment", shop().and(since()), of_deployment(), newest("updated_at")),
        find(
            "web ListDeploymentTraces",
            "deploymenttrace",
            shop().and(since()),
            vec![eq("commit_hash", "c0ffee03")],
            newest("updated_at"),
        ),
        find(
            "web ListDeploymentTraces, each",
            "deployment",
            eq("deployment_trace_commit_hash", "c0ffee03"),
            vec![],
            vec![],
        ),
        find("web ListAPIKeys", "apikey", shop(), vec![enabled()], vec![]),
        find(
            "web ListDeploymentChains",
            "deploymentchain",
            shop().and(Filter::gt(path("updated_at"), hours(2))),
            vec![],
            newest("updated_at"),
        ),
        find("web ListEvents", "event", shop().and(since()), of_event(), newest("updated_at")),
        find("web ListDeprecatedNotes", "piped", shop().and(enabled()), vec![], vec![]),
        find(
            "API ListApplications",
            "application",
            shop().and(enabled()),
            vec![name(), kind(), piped(), label()],
            newest("updated_at"),
        ),
        find("API ListDeployments", "deployment", shop(), of_deployment(), newest("updated_at")),
        find("piped ListApplications", "application", shop().and(piped()).and(enabled()), vec![], vec![]),
        find(
            "piped ListNotCompletedDeployments",
            "deployment",
            piped().and(is_one_of("status", 0..4)),
            vec![],
            vec![],
        ),
        find(
            "piped GetLatestEvent",
            "event",
            shop().and(eq("name", "image-pushed")).and(eq("event_key", "key-1")),
            vec![],
            newest("created_at"),
        ),
        find(
            "piped ListEvents",
            "event",
            shop(),
            vec![
                Filter::ge(path("created_at"), hours(1)),
                Filter::lt(path("created_at"), hours(6)),
                eq("status", 2),
            ],
            oldest("created_at"),
        ),
        find(
            "piped CreateDeploymentChain",
            "application",
            shop().and(enabled()),
            vec![name(), kind()],
            vec![],
        ),
        find("command ListUnhandled", "command", piped().and(eq("status", 0)), vec![], vec![]),
        find("ops orphan commands", "command", eq("status", 0).and(before("created_at", 5)), vec![], vec![]),
        find("ops API keys' last use", "apikey", enabled(), vec![], vec![]),
        find("ops chain controller", "deploymentchain", is_one_of("status", 0..2), vec![], vec![]),
        find(
            "ops chain updater",
            "deployment",
            eq("deployment_chain_id", id(7, 2).to_string()),
            vec![],
            vec![],
        ),
        find("insight applications", "application", everything(), vec![], oldest("created_at")),
        find(
            "insight deployments",
            "deployment",
            Filter::ge(path("completed_at"), hours(1)).and(before("completed_at", 8)),
            vec![],
            oldest("completed_at"),
        ),
        find("ops projects", "project", everything(), vec![], vec![]),
    ]
}
