//! The registry of fuseml on documents: applications, workflows, runnables and extensions, nested and polymorphic; a delete that
//! refuses while a workflow is assigned; assignments that are added at the same time and all stay; and a writer of all four that is
//! killed with `kill -9`, after which every document is as it was acknowledged, and found by every index as it is.
//!
//! `cargo run -p persistence --example fuseml_registry [URL]`; without a URL in an embedded database in a temporary directory.

#[path = "fuseml/crash.rs"]
mod crash;
#[path = "fuseml/kinds.rs"]
mod kinds;
#[path = "fuseml/registry.rs"]
mod registry;
#[path = "fuseml/rounds.rs"]
mod rounds;

use kinds::*;
use persistence::document::write::Pre;
use persistence::document::{DocumentKey, Filter, Path};
use persistence::{Capability, ErrorKind, Result};
use regex::Regex;
use registry::Registry;
use semver::VersionReq;
use std::collections::BTreeMap;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [writer, url] = &args[..]
        && writer == crash::WRITER
    {
        return crash::write_forever(url).await;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let url =
        args.first().cloned().unwrap_or_else(|| format!("fjall:{}", dir.path().join("registry").display()));

    let db = persistence::connect(&url).await?;
    let registry = Registry::open(&db).await?;
    crash::clear(&registry).await?;
    applications(&registry).await?;
    workflows(&registry).await?;
    extensions(&registry).await?;
    let durable = db.info().capabilities.has(Capability::Durable);
    db.close().await?;
    if durable {
        crash::kill_and_reopen(&url).await?;
    } else {
        println!("{url} forgets everything when it is closed: nobody is killed");
    }
    println!("everything was found by an index");
    Ok(())
}

fn eq(at: &str, value: &str) -> Filter {
    Filter::eq(path(at), value)
}

fn path(at: &str) -> Path {
    at.parse().expect("a path that is written right")
}

async fn applications(r: &Registry) -> Result<()> {
    for (name, ty, workflow) in [
        ("app1", "type1", "wf1"),
        ("app2", "type1", "wf2"),
        ("app3", "type2", "wf1"),
        ("app4", "type2", "wf2"),
    ] {
        let resource = K8sResource { name: format!("{name}-service"), kind: "Service".to_owned() };
        let app = Application {
            name: name.to_owned(),
            r#type: ty.to_owned(),
            workflow: workflow.to_owned(),
            k8s_resources: vec![resource],
            ..Default::default()
        };
        // Stores or replaces, in one step: nobody ever sees it missing.
        r.applications.put(&r.cx, &app, Pre::None).await?;
    }
    let of = |filter| r.ids(&r.applications, filter);
    assert_eq!(of(Filter::everything()).await?, ["app1", "app2", "app3", "app4"]);
    assert_eq!(of(eq("Type", "type1")).await?, ["app1", "app2"]);
    assert_eq!(of(eq("Workflow", "wf1")).await?, ["app1", "app3"]);
    assert_eq!(of(eq("Type", "type1").and(eq("Workflow", "wf1"))).await?, ["app1"]);
    println!("applications: by type, by workflow, by both");
    Ok(())
}

async fn workflows(r: &Registry) -> Result<()> {
    let step = Step { name: "train".to_owned(), image: "trainer".to_owned(), ..Default::default() };
    let workflow = Workflow { name: "mlflow-e2e".to_owned(), steps: vec![step], ..Default::default() };
    r.workflows.put(&r.cx, &workflow, Pre::None).await?;
    let codeset = |n: i64| Codeset::new("workspace", format!("codeset-{n}"));

    // Eight at once, each read before any of them writes, or not: none is lost.
    let adding = (0..8).map(|n| {
        let (r, codeset) = (r.clone(), codeset(n));
        tokio::spawn(async move { r.add_codeset_assignment("mlflow-e2e", codeset, n).await })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.expect("adding does not panic")?;
    }
    assert_eq!(
        r.add_codeset_assignment("mlflow-e2e", codeset(3), 3).await?,
        8,
        "adding again changes nothing"
    );
    let assigned = |id: &str| Filter::Contains(path("AssignedTo.Codesets.*.Codeset.Id"), id.into());
    assert_eq!(r.ids(&r.workflows, assigned("workspace/codeset-5")).await?, ["mlflow-e2e"]);
    println!("workflows: 8 codesets were assigned at once, 8 are there");

    let refused = r.delete_workflow("mlflow-e2e").await.expect_err("it is assigned");
    assert_eq!(refused.kind(), ErrorKind::ConditionFailed);
    println!("workflows: not deleted while assigned: {refused}");
    // A codeset of another project that is called the same is another one: nothing is written.
    assert_eq!(r.codeset_deleted(&Codeset::new("other", "codeset-5")).await?, 0);
    for n in 0..8 {
        assert_eq!(r.codeset_deleted(&codeset(n)).await?, 1);
    }
    assert_eq!(r.ids(&r.workflows, assigned("workspace/codeset-5")).await?, [""; 0]);
    assert!(r.delete_workflow("mlflow-e2e").await?);
    let gone = r.workflows.get(&r.cx, &DocumentKey::new("mlflow-e2e")).await?;
    assert_eq!(gone, None);
    Ok(())
}

async fn extensions(r: &Registry) -> Result<()> {
    let url = "https://s3.example";
    let service = |resource: &str, category: &str, user: &str| Service {
        id: "store".to_owned(),
        resource: resource.to_owned(),
        category: category.to_owned(),
        auth_required: true,
        endpoints: [(url.to_owned(), Endpoint { url: url.to_owned(), r#type: "external".to_owned() })].into(),
        credentials: [(
            "default".to_owned(),
            Credentials {
                id: "default".to_owned(),
                scope: "user".to_owned(),
                users: vec![user.to_owned()],
                ..Default::default()
            },
        )]
        .into(),
    };
    for (id, product, version, resource) in [
        ("1", "mlflow", "v1.0", "s3"),
        ("2", "mlflow", "v1.2.0", "mlflow-tracking"),
        ("3", "kfserving", "v0.6", "s3"),
    ] {
        let services: BTreeMap<_, _> = [("store".to_owned(), service(resource, "storage", "ada"))].into();
        let extension = Extension {
            id: id.to_owned(),
            product: product.to_owned(),
            version: version.to_owned(),
            zone: "eu".to_owned(),
            services,
        };
        let stored = r.extensions.put(&r.cx, &extension, Pre::None).await?;
        assert_eq!(stored.value, extension);
    }
    let of = |filter| r.ids(&r.extensions, filter);
    let has = |at: &str, value: &str| Filter::Contains(path(at), value.into());
    assert_eq!(of(eq("Product", "mlflow")).await?, ["1", "2"]);
    assert_eq!(
        of(eq("Product", "mlflow").and(Filter::Prefix(path("Version"), "v1.0".to_owned()))).await?,
        ["1"]
    );
    assert_eq!(of(has("Services.*.Resource", "s3")).await?, ["1", "3"]);
    assert_eq!(of(has("Services.*.Category", "storage").and(eq("Product", "kfserving"))).await?, ["3"]);
    assert_eq!(of(has("Services.*.Endpoints.*.Url", url)).await?, ["1", "2", "3"]);
    assert_eq!(
        of(has("Services.*.Credentials.*.Id", "default").and(eq("Zone", "eu"))).await?,
        ["1", "2", "3"]
    );
    println!("extensions: by product, version, resource, category, endpoint and credentials");

    let versions = |text| VersionReq::parse(text).expect("a range of versions");
    let way = |extension: &str| [extension, "store", url, "default"].map(str::to_owned);
    assert_eq!(r.services("s3", &versions(">=1.0,<1.1"), Some("ada")).await?, [way("1")]);
    assert_eq!(r.services("s3", &versions("*"), None).await?, [way("1"), way("3")]);
    assert_eq!(r.services("s3", &versions("*"), Some("bob")).await?, [[""; 4]; 0]);
    println!("services: of a range of versions, for one user and for all");

    for (id, kind) in
        [("sklearn-trainer", "trainer"), ("keras-trainer", "trainer"), ("keras-builder", "builder")]
    {
        let runnable = Runnable { id: id.to_owned(), kind: kind.to_owned(), ..Default::default() };
        r.runnables.put(&r.cx, &runnable, Pre::None).await?;
    }
    let like = Regex::new("^k.*r").expect("a pattern");
    assert_eq!(r.runnables_like("trainer", &like).await?, ["keras-trainer"]);
    println!("runnables: of a kind, by a pattern");
    Ok(())
}
