//! The four kinds of documents, with the names that fuseml gives their members, each with what its collection declares.

use persistence::document::collection::Documented;
use persistence::document::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

fn path(at: &str) -> Path {
    at.parse().expect("a path that is written right")
}

fn text(name: &str, at: &str) -> Attribute {
    Attribute::new(name, path(at), KeyType::Str { max: 255 })
}

fn kind(name: &str) -> CollectionDef {
    CollectionDef::new(format!("fuseml_{name}"), IdKind::Text)
}

/// A type of nested values: members in fuseml's spelling.
macro_rules! values {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }
    )*};
}

values! {
    /// What was deployed, by which workflow.
    Application { name: String, r#type: String, description: String, workflow: String, k8s_resources: Vec<K8sResource>, k8s_namespace: String, }
    K8sResource { name: String, kind: String, }

    /// Steps that make something of a codeset, and the codesets that it is assigned to.
    Workflow { name: String, description: String, steps: Vec<Step>, assigned_to: Assignments, }
    Step { name: String, image: String, env: BTreeMap<String, String>, resources: Resources, }
    Resources { requests: BTreeMap<String, String>, limits: BTreeMap<String, String>, }
    Assignments { codesets: Vec<Assignment>, }
    Assignment { codeset: Codeset, webhook_id: i64, }
    Codeset { id: String, project: String, name: String, }

    /// Something that runs, with what goes in and comes out.
    Runnable {
        id: String, kind: String, description: String, container: Container, inputs: BTreeMap<String, Input>,
        outputs: BTreeMap<String, Input>, labels: BTreeMap<String, String>,
    }
    Container { image: String, env: BTreeMap<String, String>, entrypoint: Vec<String>, args: Vec<String>, }

    /// An installed product with its services.
    Extension { id: String, product: String, version: String, zone: String, services: BTreeMap<String, Service>, }
    Service { id: String, resource: String, category: String, auth_required: bool, endpoints: BTreeMap<String, Endpoint>, credentials: BTreeMap<String, Credentials>, }
    Endpoint { url: String, r#type: String, }
    Credentials { id: String, scope: String, projects: Vec<String>, users: Vec<String>, }
}

impl Codeset {
    /// Names are unique in a project: both together are what an index finds.
    pub(crate) fn new(project: &str, name: impl Into<String>) -> Self {
        let name = name.into();
        Codeset { id: format!("{project}/{name}"), project: project.to_owned(), name }
    }
}

/// What goes into a runnable, one of several kinds of things: a tag says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "Kind", rename_all = "lowercase", rename_all_fields = "PascalCase")]
pub(crate) enum Input {
    Parameter { datatype: String, default: Value, optional: bool },
    Codeset { functions: Vec<String> },
    Dataset { format: String, columns: Vec<Column> },
    Model { formats: Vec<String>, pretrained: bool },
}

values! {
    Column { name: String, datatype: String, }
}

impl Documented for Application {
    fn definition() -> CollectionDef {
        kind("application")
            .attribute(text("type", "Type").required())
            .attribute(text("workflow", "Workflow").required())
            .index(IndexDef::new("by_type").asc("type"))
            .index(IndexDef::new("by_workflow").asc("workflow"))
            .index(IndexDef::new("by_both").asc("type").asc("workflow"))
    }

    fn key(&self) -> DocumentKey {
        DocumentKey::new(&*self.name)
    }
}

impl Documented for Workflow {
    fn definition() -> CollectionDef {
        kind("workflow")
            .attribute(text("codeset", "AssignedTo.Codesets.*.Codeset.Id").elements())
            .index(IndexDef::new("by_codeset").asc("codeset"))
    }

    fn key(&self) -> DocumentKey {
        DocumentKey::new(&*self.name)
    }
}

impl Documented for Runnable {
    fn definition() -> CollectionDef {
        kind("runnable")
            .attribute(text("kind", "Kind").required())
            .attribute(text("label", "Labels").entries())
            .index(IndexDef::new("by_kind").asc("kind"))
            .index(IndexDef::new("by_label").asc("label"))
    }

    fn key(&self) -> DocumentKey {
        DocumentKey::new(&*self.id)
    }
}

impl Documented for Extension {
    fn definition() -> CollectionDef {
        kind("extension")
            .attribute(text("product", "Product").required())
            .attribute(text("version", "Version"))
            .attribute(text("zone", "Zone"))
            .attribute(text("resource", "Services.*.Resource").elements())
            .attribute(text("category", "Services.*.Category").elements())
            .attribute(text("endpoint", "Services.*.Endpoints.*.Url").elements())
            .attribute(text("credentials", "Services.*.Credentials.*.Id").elements())
            .index(IndexDef::new("by_product").asc("product"))
            .index(IndexDef::new("by_version").asc("product").asc("version"))
            .index(IndexDef::new("by_zone").asc("zone"))
            .index(IndexDef::new("by_resource").asc("resource"))
            .index(IndexDef::new("by_category").asc("category"))
            .index(IndexDef::new("by_endpoint").asc("endpoint"))
            .index(IndexDef::new("by_credentials").asc("credentials"))
    }

    fn key(&self) -> DocumentKey {
        DocumentKey::new(&*self.id)
    }
}
