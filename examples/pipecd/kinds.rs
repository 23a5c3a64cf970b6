//! The nine kinds of documents, each with what its collection declares.
//!
//! A kind declares what it is found and ordered by; everything else in its documents is free. Where the project is part of the
//! question, the index is one of the project's partition. Zeros are left out of documents, as protocol buffers do it: the
//! declared default says what a missing one means.

use persistence::document::collection::Documented;
use persistence::document::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(crate) type Labels = BTreeMap<String, String>;

fn path(at: &str) -> Path {
    at.parse().expect("a path that is written right")
}

fn text(name: &str, at: &str) -> Attribute {
    Attribute::new(name, path(at), KeyType::Str { max: 255 })
}

fn number(name: &str, at: &str) -> Attribute {
    Attribute::new(name, path(at), KeyType::I64).default_value(0)
}

fn seconds(name: &str, at: &str) -> Attribute {
    Attribute::new(name, path(at), KeyType::Time(TimeUnit::Seconds))
}

fn disabled() -> Attribute {
    Attribute::new("disabled", path("disabled"), KeyType::Bool).default_value(false)
}

fn labels() -> Attribute {
    Attribute::new("label", path("labels"), KeyType::Str { max: 511 }).entries()
}

/// All kinds share partitions: a write may change documents of several kinds of one project together.
fn kind(name: &str) -> CollectionDef {
    CollectionDef::new(format!("pipecd_{name}"), IdKind::Uuid).group("pipecd")
}

fn of_project(name: &str) -> CollectionDef {
    kind(name)
        .partition_by(path("project_id"))
        .attribute(seconds("created", "created_at").required())
        .attribute(seconds("updated", "updated_at").required())
}

/// An index of a project's documents by these attributes, the newest first.
fn newest(name: &str, keys: &[&str]) -> IndexDef {
    let index = keys.iter().fold(IndexDef::new(name).in_partition(), |i, k| i.asc(*k));
    index.desc("updated").id(Direction::Ascending)
}

/// An index of the documents of all projects.
fn over_all(name: &str, keys: &[&str]) -> IndexDef {
    keys.iter().fold(IndexDef::new(name), |i, k| i.asc(*k))
}

fn is_default<T: Default + PartialEq>(v: &T) -> bool {
    *v == T::default()
}

/// A type of documents, whose zeros are left out.
macro_rules! document {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub(crate) struct $name {
            $(#[serde(skip_serializing_if = "is_default")] pub(crate) $field: $type,)*
        }
    };
}

/// The collection of a type: its declaration, and what its key is made of.
macro_rules! collection {
    ($type:ident, $definition:expr) => {
        impl Documented for $type {
            fn definition() -> CollectionDef {
                $definition
            }

            fn key(&self) -> DocumentKey {
                DocumentKey::within(&*self.project_id, self.id)
            }
        }
    };
}

document! {
    /// A project, with its administrator and groups.
    Project { id: String, desc: String, static_admin: Option<Admin>, user_groups: Vec<UserGroup>, created_at: i64, updated_at: i64, }
}
document! { Admin { username: String, password_hash: String, } }
document! { UserGroup { sso_group: String, role: String, } }

impl Documented for Project {
    fn definition() -> CollectionDef {
        CollectionDef { id: IdKind::Text, ..kind("project") }.in_one_partition()
    }

    fn key(&self) -> DocumentKey {
        DocumentKey::new(&*self.id)
    }
}

document! {
    /// What is deployed, and whether it is as its repository says.
    Application {
        id: Uuid, project_id: String, piped_id: String, name: String, kind: i64, disabled: bool, deleted: bool, deleted_at: i64,
        deploying: bool, sync_state: SyncState, most_recent_deployment: Option<Uuid>, labels: Labels, created_at: i64,
        updated_at: i64,
    }
}
document! { SyncState { status: i64, short_reason: String, timestamp: i64, } }

collection! {
    Application,
    of_project("application")
        .attribute(disabled())
        .attribute(text("name", "name").required())
        .attribute(number("kind", "kind"))
        .attribute(number("status", "sync_state.status"))
        .attribute(text("piped", "piped_id").required())
        .attribute(labels())
        .index(newest("by_updated", &[]))
        .index(newest("by_disabled", &["disabled"]))
        .index(newest("by_name", &["name"]))
        .index(newest("by_kind", &["kind"]))
        .index(newest("by_status", &["status"]))
        .index(newest("by_label", &["label"]))
        .index(over_all("by_piped", &["piped", "disabled"]))
        .index(over_all("by_created", &["created"]))
}

document! {
    /// What an agent is asked to do.
    Command { id: Uuid, project_id: String, piped_id: String, status: i64, commander: String, created_at: i64, updated_at: i64, }
}

collection! {
    Command,
    of_project("command")
        .attribute(text("piped", "piped_id").required())
        .attribute(number("status", "status"))
        .index(over_all("by_piped", &["piped", "status", "created"]))
        .index(over_all("by_status", &["status", "created"]))
}

document! {
    /// One deployment of an application, with its stages.
    Deployment {
        id: Uuid, project_id: String, application_id: String, application_name: String, piped_id: String, kind: i64, status: i64,
        stages: Vec<Stage>, metadata: BTreeMap<String, String>, labels: Labels, deployment_chain_id: Option<String>,
        deployment_trace_commit_hash: Option<String>, created_at: i64, updated_at: i64, completed_at: Option<i64>,
    }
}
document! { Stage { id: String, status: i64, metadata: BTreeMap<String, String>, } }

collection! {
    Deployment,
    of_project("deployment")
        .attribute(number("status", "status"))
        .attribute(number("kind", "kind"))
        .attribute(text("application", "application_id").required())
        .attribute(text("application_name", "application_name").required())
        .attribute(text("piped", "piped_id").required())
        .attribute(seconds("completed", "completed_at"))
        .attribute(text("chain", "deployment_chain_id"))
        .attribute(text("commit", "deployment_trace_commit_hash"))
        .attribute(labels())
        .index(newest("by_updated", &[]))
        .index(newest("by_status", &["status"]))
        .index(newest("by_kind", &["kind"]))
        .index(newest("by_application", &["application"]))
        .index(newest("by_application_name", &["application_name"]))
        .index(newest("by_label", &["label"]))
        .index(over_all("by_piped", &["piped", "status"]))
        .index(over_all("by_completed", &["completed"]))
        .index(over_all("by_chain", &["chain"]))
        .index(over_all("by_commit", &["commit"]))
}

document! {
    /// An agent, with the keys that it may come with: at most two, the newest first.
    Piped { id: Uuid, project_id: String, name: String, disabled: bool, version: String, keys: Vec<PipedKey>, created_at: i64, updated_at: i64, }
}
document! { PipedKey { hash: String, creator: String, created_at: i64, } }

collection! {
    Piped,
    of_project("piped")
        .attribute(disabled())
        .attribute(text("name", "name").required())
        .index(IndexDef::new("by_name").in_partition().asc("disabled").asc("name"))
}

document! {
    /// A key for the API.
    ApiKey { id: Uuid, project_id: String, name: String, key_hash: String, role: i64, disabled: bool, last_used_at: i64, created_at: i64, updated_at: i64, }
}

collection! {
    ApiKey,
    of_project("apikey")
        .attribute(disabled())
        .index(IndexDef::new("by_disabled").in_partition().asc("disabled"))
        .index(over_all("all_by_disabled", &["disabled"]))
}

document! {
    /// Something that happened outside, which applications wait for.
    Event { id: Uuid, project_id: String, name: String, event_key: String, data: String, status: i64, handled_at: i64, labels: Labels, created_at: i64, updated_at: i64, }
}

collection! {
    Event,
    of_project("event")
        .attribute(number("status", "status"))
        .attribute(text("name", "name").required())
        .attribute(text("key", "event_key").required())
        .attribute(labels())
        .index(newest("by_updated", &[]))
        .index(newest("by_name", &["name"]))
        .index(newest("by_status", &["status"]))
        .index(IndexDef::new("by_created").in_partition().desc("created").id(Direction::Ascending))
        .index(IndexDef::new("oldest").in_partition().asc("created"))
        .index(IndexDef::new("by_key").in_partition().asc("key").desc("created").id(Direction::Ascending))
}

document! {
    /// Deployments that follow one another, block by block.
    DeploymentChain { id: Uuid, project_id: String, status: i64, blocks: Vec<Block>, created_at: i64, updated_at: i64, }
}
document! { Block { status: i64, nodes: Vec<Node>, } }
document! { Node { application_id: String, deployment_id: Option<Uuid>, status: i64, } }

collection! {
    DeploymentChain,
    of_project("deploymentchain")
        .attribute(number("status", "status"))
        .index(newest("by_updated", &[]))
        .index(over_all("by_status", &["status"]))
}

document! {
    /// A commit, and what was deployed because of it.
    DeploymentTrace { id: Uuid, project_id: String, commit_hash: String, title: String, author: String, created_at: i64, updated_at: i64, }
}

collection! {
    DeploymentTrace,
    of_project("deploymenttrace")
        .attribute(text("commit", "commit_hash").required())
        .index(newest("by_updated", &[]))
        .index(newest("by_commit", &["commit"]))
}
