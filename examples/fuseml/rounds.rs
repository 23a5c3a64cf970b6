//! Documents of each kind with everything that one has, as they are in some round of a writer that writes them over and over.

use crate::kinds::*;
use persistence::document::collection::Documented;
use persistence::document::{Filter, Path};
use serde_json::json;
use std::collections::BTreeMap;

/// A kind of which a document in every round is another one.
pub(crate) trait Round: Documented {
    /// Its name.
    const KIND: &str;

    /// One of its documents in a round.
    fn in_round(n: u32, round: u32) -> Self;

    /// What finds this document, by one index each, in this round and in no other.
    fn found_by(n: u32, round: u32) -> Vec<Filter>;
}

/// The name, or id, of a document.
pub(crate) fn name(n: u32) -> String {
    format!("crash-{n}")
}

const TEXT: &str = "ä \"quoted\" text\nof two lines";

fn path(at: &str) -> Path {
    at.parse().expect("a path that is written right")
}

fn is(at: &str, value: impl Into<String>) -> Filter {
    Filter::eq(path(at), value.into())
}

fn has(at: &str, value: impl Into<String>) -> Filter {
    Filter::Contains(path(at), value.into().into())
}

fn map<V, const N: usize>(members: [(&str, V); N]) -> BTreeMap<String, V> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Round for Application {
    const KIND: &str = "application";

    fn in_round(n: u32, round: u32) -> Self {
        let resource = |kind: &str| K8sResource { name: format!("crash-{round}"), kind: kind.to_owned() };
        Application {
            name: name(n),
            r#type: format!("crash-type-{round}"),
            description: TEXT.to_owned(),
            workflow: format!("crash-workflow-{n}-{round}"),
            k8s_resources: vec![resource("Service"), resource("Deployment")],
            k8s_namespace: "workloads".to_owned(),
        }
    }

    fn found_by(n: u32, round: u32) -> Vec<Filter> {
        let of_type = is("Type", format!("crash-type-{round}"));
        let of_workflow = is("Workflow", format!("crash-workflow-{n}-{round}"));
        vec![of_type.clone(), of_workflow.clone(), of_type.and(of_workflow)]
    }
}

impl Round for Workflow {
    const KIND: &str = "workflow";

    fn in_round(n: u32, round: u32) -> Self {
        let step = |name: &str| Step {
            name: name.to_owned(),
            image: format!("ghcr.io/fuseml/{name}:{round}"),
            env: map([("ROUND", round.to_string())]),
            resources: Resources {
                requests: map([("cpu", "1".to_owned())]),
                limits: map([("memory", "2Gi".to_owned()), ("nvidia.com/gpu", "1".to_owned())]),
            },
        };
        let assignment = |codeset: Codeset| Assignment { codeset, webhook_id: i64::from(round) };
        Workflow {
            name: name(n),
            description: TEXT.to_owned(),
            steps: vec![step("builder"), step("trainer")],
            assigned_to: Assignments {
                codesets: vec![
                    assignment(Codeset::new("crash", "always")),
                    assignment(Codeset::new("crash", format!("round-{round}"))),
                ],
            },
        }
    }

    fn found_by(_: u32, round: u32) -> Vec<Filter> {
        vec![has("AssignedTo.Codesets.*.Codeset.Id", Codeset::new("crash", format!("round-{round}")).id)]
    }
}

impl Round for Extension {
    const KIND: &str = "extension";

    /// Two services: one with two endpoints, one with credentials.
    fn in_round(n: u32, round: u32) -> Self {
        let endpoint = |kind: &str| {
            let url = format!("https://{kind}.example/{round}");
            (url.clone(), Endpoint { url, r#type: kind.to_owned() })
        };
        let credentials = Credentials {
            id: format!("crash-{round}"),
            scope: "user".to_owned(),
            projects: vec!["workspace".to_owned()],
            users: vec!["ada".to_owned(), format!("user-{round}")],
        };
        let tracking = Service {
            id: "tracking".to_owned(),
            resource: format!("tracking-{round}"),
            category: format!("category-{round}"),
            endpoints: [endpoint("internal"), endpoint("external")].into(),
            ..Default::default()
        };
        let store = Service {
            id: "store".to_owned(),
            resource: "s3-crash".to_owned(),
            auth_required: true,
            credentials: map([("default", credentials)]),
            ..Default::default()
        };
        Extension {
            id: name(n),
            product: "crash".to_owned(),
            version: format!("v1.{round}.{n}"),
            zone: format!("zone-{round}"),
            services: map([("tracking", tracking), ("store", store)]),
        }
    }

    fn found_by(n: u32, round: u32) -> Vec<Filter> {
        vec![
            is("Product", "crash").and(is("Version", format!("v1.{round}.{n}"))),
            is("Zone", format!("zone-{round}")),
            has("Services.*.Resource", format!("tracking-{round}")),
            has("Services.*.Category", format!("category-{round}")),
            has("Services.*.Endpoints.*.Url", format!("https://external.example/{round}")),
            has("Services.*.Endpoints.*.Url", format!("https://internal.example/{round}")),
            has("Services.*.Credentials.*.Id", format!("crash-{round}")),
        ]
    }
}

impl Round for Runnable {
    const KIND: &str = "runnable";

    fn in_round(n: u32, round: u32) -> Self {
        let columns =
            (0..n + round % 5).map(|c| Column { name: format!("column-{c}"), datatype: "float".to_owned() });
        let inputs = [
            (
                "epochs",
                Input::Parameter { datatype: "int".to_owned(), default: json!(round), optional: true },
            ),
            ("rate", Input::Parameter { datatype: "float".to_owned(), default: json!(0.5), optional: false }),
            ("code", Input::Codeset { functions: vec!["train".to_owned(), format!("round-{round}")] }),
            ("data", Input::Dataset { format: "csv".to_owned(), columns: columns.collect() }),
        ];
        let model = Input::Model {
            formats: vec!["sklearn".to_owned(), "onnx".to_owned()],
            pretrained: round.is_multiple_of(2),
        };
        Runnable {
            id: name(n),
            kind: format!("crash-kind-{round}"),
            description: TEXT.to_owned(),
            container: Container {
                image: format!("ghcr.io/fuseml/trainer:{round}"),
                env: map([("ROUND", round.to_string())]),
                entrypoint: vec!["run".to_owned()],
                args: vec![],
            },
            inputs: map(inputs),
            outputs: map([("model", model)]),
            labels: map([("library", "sklearn".to_owned()), ("round", round.to_string())]),
        }
    }

    fn found_by(_: u32, round: u32) -> Vec<Filter> {
        let label = Filter::HasEntry(path("Labels"), "round".to_owned(), round.to_string());
        vec![is("Kind", format!("crash-kind-{round}")), label]
    }
}
