//! Namespaces, one caller at a time.

use super::stale;
use crate::Fixture;
use crate::build::expect::{failed, invalid, missing};
use crate::build::namespace::*;
use crate::build::record::blob;
use crate::generic::blobs::{bad_names, broken, odd_blobs, odd_names};
use crate::generic::crawl::{Reply, check_tokens, crawl_by};
use persistence_core::store::*;
use persistence_core::{Capability, Detail, ErrorKind, NamespaceId, PageRequest, Result};

/// The notification version.
pub(super) async fn version(t: &Fixture) -> Result<i64> {
    t.p.metadata().get_metadata(&t.cx(), &GetMetadata {}).await
}

/// Creates it, and gives what is to be read of it.
pub(super) async fn made(t: &Fixture, req: &CreateNamespace) -> Result<Namespace> {
    let made = t.p.metadata().create_namespace(&t.cx(), req).await?;
    assert_eq!(made, created(req, made.notification_version));
    Ok(made)
}

/// The namespace by id and by name, which must be the same.
pub(super) async fn read(t: &Fixture, id: NamespaceId, name: &str) -> Result<Namespace> {
    let by_id = t.p.metadata().get_namespace(&t.cx(), &by_id(id)).await?;
    assert_eq!(t.p.metadata().get_namespace(&t.cx(), &by_name(name)).await?, by_id);
    Ok(by_id)
}

/// There is no namespace of this name.
pub(super) async fn unnamed(t: &Fixture, name: &str) {
    let e = missing(t.p.metadata().get_namespace(&t.cx(), &by_name(name)).await);
    assert!(matches!(e.detail(), Detail::NotFound { entity: "namespace", key } if key == name), "{e}");
}

/// There is no namespace of this id.
async fn gone(t: &Fixture, id: NamespaceId) {
    missing(t.p.metadata().get_namespace(&t.cx(), &by_id(id)).await);
}

crate::cases! {
    group: "metadata";

    /// A namespace reads back with every field, by id and by name; clusters that were not named are the caller's own.
    #[covers("metadata.create_namespace", "metadata.get_namespace", "metadata.get_namespace!not_found")]
    #[isolation(Own)]
    async fn a_namespace_reads_back(t) {
        let full = create(t);
        gone(t, full.id).await;
        unnamed(t, &full.name).await;
        let was = made(t, &full).await?;
        assert_eq!(read(t, full.id, &full.name).await?, was);
        assert!(version(t).await? > was.notification_version, "who has seen the version has seen the namespace");
        let bare = CreateNamespace { config: NamespaceConfig::default(), ..create(t) };
        t.p.metadata().create_namespace(&t.cx(), &bare).await?;
        let config = read(t, bare.id, &bare.name).await?.config;
        let clusters = vec![HERE.to_owned()];
        assert_eq!(config, NamespaceConfig { active_cluster: HERE.to_owned(), clusters, ..NamespaceConfig::default() });
        for detail in odd_blobs() {
            let new = create(t);
            let new = CreateNamespace { config: NamespaceConfig { detail: detail.clone(), ..new.config.clone() }, ..new };
            made(t, &new).await?;
            assert_eq!(read(t, new.id, &new.name).await?.config.detail, detail);
        }
    }

    /// A detail that does not fit its checksum is corrupted, and nothing else is.
    #[covers("P24", "metadata.get_namespace")]
    #[isolation(Own)]
    async fn a_broken_namespace_is_corrupted(t) {
        let new = create(t);
        let new = CreateNamespace { config: NamespaceConfig { detail: broken(blob("x")), ..new.config.clone() }, ..new };
        made(t, &new).await?;
        failed(t.p.metadata().get_namespace(&t.cx(), &by_id(new.id)).await, ErrorKind::Corrupted);
        failed(t.p.metadata().get_namespace(&t.cx(), &by_name(&new.name)).await, ErrorKind::Corrupted);
    }

    /// Neither an id nor a name is taken twice. What was refused changed nothing, the notification version included.
    #[covers("metadata.create_namespace!already_exists", "metadata.get_metadata")]
    #[isolation(Own)]
    async fn ids_and_names_are_taken_once(t) {
        assert_eq!(version(t).await?, 0);
        let first = create(t);
        let was = made(t, &first).await?;
        assert_eq!((was.notification_version, version(t).await?), (0, 1), "one creation, one version");
        let (other_id, other_name) = (t.namespace(), t.name("namespace"));
        for _ in 0..2 {
            for (new, by) in [
                (create_as(first.id, &first.name), None),
                (create_as(first.id, &other_name), None),
                (create_as(other_id, &first.name), Some("name")),
            ] {
                let e = failed(t.p.metadata().create_namespace(&t.cx(), &new).await, ErrorKind::AlreadyExists);
                let told = matches!(e.detail(), Detail::AlreadyExists { entity: "namespace", index, .. }
                    if index.as_deref() == by);
                assert!(told, "{e}");
            }
        }
        assert_eq!(version(t).await?, 1);
        assert_eq!(read(t, first.id, &first.name).await?, was);
        unnamed(t, &other_name).await;
        gone(t, other_id).await;
        made(t, &create_as(other_id, &other_name)).await?;
        assert_eq!(version(t).await?, 2);
    }

    /// Names are compared by exact bytes; one that nobody may use is invalid, wherever it is.
    #[covers("P2", "metadata.create_namespace!invalid_argument", "metadata.get_namespace!invalid_argument",
        "metadata.rename_namespace!invalid_argument", "metadata.delete_namespace!invalid_argument")]
    #[isolation(Own)]
    async fn namespace_names_are_exact(t) {
        let (m, cx) = (t.p.metadata(), t.cx());
        let mut all = Vec::new();
        for name in odd_names() {
            all.push(made(t, &create_as(t.namespace(), &name)).await?);
        }
        for one in &all {
            assert_eq!(read(t, one.id, &one.name).await?, *one);
        }
        for name in bad_names() {
            invalid(m.create_namespace(&cx, &create_as(t.namespace(), &name)).await);
            invalid(m.get_namespace(&cx, &by_name(&name)).await);
            invalid(m.rename_namespace(&cx, &rename(&name, "fine")).await);
            invalid(m.rename_namespace(&cx, &rename("a", &name)).await);
            invalid(m.delete_namespace(&cx, &delete(NamespaceRef::Name(name.clone()))).await);
            invalid(m.create_namespace(&cx, &CreateNamespace { current_cluster: name.clone(), ..create(t) }).await);
            let config = NamespaceConfig { clusters: vec![HERE.to_owned(), name.clone()], ..config("c") };
            invalid(m.create_namespace(&cx, &CreateNamespace { config: config.clone(), ..create(t) }).await);
            invalid(m.update_namespace(&cx, &UpdateNamespace { config, ..update(all[0].id, version(t).await?) }).await);
        }
        assert_eq!(version(t).await?, i64::try_from(all.len()).unwrap());
    }

    /// An update needs the notification version, writes everything but the name, and takes the version; a namespace that is
    /// missing is not found, and not made.
    #[covers("P19", "P20", "metadata.update_namespace", "metadata.update_namespace!condition_failed",
        "metadata.update_namespace!not_found", "metadata.get_metadata")]
    #[isolation(Own)]
    async fn an_update_needs_the_notification_version(t) {
        let m = t.p.metadata();
        let (a, b) = (create(t), create(t));
        made(t, &a).await?;
        let other = made(t, &b).await?;
        stale(m.update_namespace(&t.cx(), &update(a.id, 1)).await, 1, Some(2));
        stale(m.update_namespace(&t.cx(), &update(a.id, 3)).await, 3, Some(2));
        stale(m.update_namespace(&t.cx(), &update(t.namespace(), 0)).await, 0, Some(2));
        assert_eq!(read(t, a.id, &a.name).await?, created(&a, 0));
        let absent = t.namespace();
        missing(m.update_namespace(&t.cx(), &update(absent, 2)).await);
        gone(t, absent).await;
        assert_eq!(version(t).await?, 2);
        for (version_before, state) in [(2, NamespaceState::Deprecated), (3, NamespaceState::Deleted)] {
            let config = NamespaceConfig { state, is_global: false, clusters: vec!["c".to_owned()], ..config("new") };
            let change = UpdateNamespace { config: config.clone(), ..update(a.id, version_before) };
            let changed = m.update_namespace(&t.cx(), &change).await?;
            let (id, name) = (a.id, a.name.clone());
            assert_eq!(changed, Namespace { id, name, config, notification_version: version_before });
            assert_eq!(read(t, a.id, &a.name).await?, changed);
            assert_eq!(version(t).await?, version_before + 1);
        }
        // A change that changes nothing is one.
        let same = UpdateNamespace { config: b.config.clone(), ..update(b.id, 4) };
        assert_eq!(m.update_namespace(&t.cx(), &same).await?, Namespace { notification_version: 4, ..other });
        assert_eq!(version(t).await?, 5);
    }

    /// A renamed namespace keeps everything else, and its old name is free; to the name that it has is a success without a
    /// change.
    #[covers("P19", "metadata.rename_namespace", "metadata.rename_namespace!not_found",
        "metadata.rename_namespace!already_exists")]
    #[isolation(Own)]
    async fn a_namespace_is_renamed(t) {
        let m = t.p.metadata();
        let (a, b) = (create(t), create(t));
        made(t, &a).await?;
        let other = made(t, &b).await?;
        let (second, third) = (t.name("second"), t.name("third"));
        let was = m.rename_namespace(&t.cx(), &rename(&a.name, &second)).await?;
        assert_eq!(was, Namespace { name: second.clone(), ..created(&a, 2) });
        assert_eq!(read(t, a.id, &second).await?, was);
        unnamed(t, &a.name).await;
        let was = m.rename_namespace(&t.cx(), &rename(&second, &third)).await?;
        assert_eq!(read(t, a.id, &third).await?, Namespace { name: third.clone(), ..created(&a, 3) });
        assert_eq!(m.rename_namespace(&t.cx(), &rename(&third, &third)).await?, was);
        for gone in [&a.name, &second] {
            missing(m.rename_namespace(&t.cx(), &rename(gone, "other")).await);
            missing(m.rename_namespace(&t.cx(), &rename(gone, gone)).await);
            missing(m.rename_namespace(&t.cx(), &rename(gone, &third)).await);
        }
        let e = failed(m.rename_namespace(&t.cx(), &rename(&third, &b.name)).await, ErrorKind::AlreadyExists);
        let told = matches!(e.detail(), Detail::AlreadyExists { key, index, .. }
            if *key == b.name && index.as_deref() == Some("name"));
        assert!(told, "{e}");
        assert_eq!(version(t).await?, 4);
        assert_eq!(read(t, a.id, &third).await?, was);
        assert_eq!(read(t, b.id, &b.name).await?, other);
        made(t, &create_as(t.namespace(), &a.name)).await?;
    }

    /// A deletion by id or by name, of what is there or not, is a success, and leaves the notification version alone; id and
    /// name are free.
    #[covers("metadata.delete_namespace")]
    #[isolation(Own)]
    async fn a_namespace_is_deleted(t) {
        let m = t.p.metadata();
        for (i, by_name) in [false, true, false].into_iter().enumerate() {
            let (a, b) = (create_as(t.namespace(), &format!("name {i}")), create(t));
            made(t, &a).await?;
            let other = made(t, &b).await?;
            let before = version(t).await?;
            let by = if by_name { NamespaceRef::Name(a.name.clone()) } else { NamespaceRef::Id(a.id) };
            for _ in 0..2 {
                m.delete_namespace(&t.cx(), &delete(by.clone())).await?;
                gone(t, a.id).await;
                unnamed(t, &a.name).await;
            }
            assert_eq!(version(t).await?, before);
            assert_eq!(read(t, b.id, &b.name).await?, other);
            let again = made(t, &create_as(t.namespace(), &a.name)).await?;
            made(t, &create_as(a.id, &t.name("namespace"))).await?;
            assert_eq!(read(t, again.id, &a.name).await?, again);
        }
    }

    /// Namespaces are listed by id, those that are marked as deleted only if asked for; tokens are exact, and a crawl stands
    /// what comes and goes meanwhile.
    #[covers("P9", "metadata.list_namespaces", "metadata.list_namespaces!invalid_token",
        "metadata.list_namespaces!invalid_argument")]
    #[isolation(Own)]
    async fn namespaces_are_listed(t) {
        let p = t.p.clone();
        let (m, cx) = (p.metadata(), t.cx());
        let cx = &cx;
        let list = |include_deleted| move |page| -> Reply<'_, Namespace> {
            Box::pin(async move { m.list_namespaces(cx, &ListNamespaces { page, include_deleted }).await })
        };
        assert_eq!(crawl_by([1, 5], list(true)).await?, []);
        let mut all = Vec::new();
        for i in 0..9 {
            let new = CreateNamespace { id: NamespaceId(uuid::Uuid::new_v4()), ..create(t) };
            let state = if i % 3 == 0 { NamespaceState::Deleted } else { NamespaceState::Deprecated };
            let new = CreateNamespace { config: NamespaceConfig { state, ..new.config.clone() }, ..new };
            all.push(made(t, &new).await?);
        }
        all.sort_by_key(|n| n.id);
        assert_eq!(crawl_by([1, 2, 3, 4, 8, 9, 10], list(true)).await?, all);
        let living: Vec<_> = all.iter().filter(|n| n.config.state != NamespaceState::Deleted).cloned().collect();
        assert_eq!(crawl_by([1, 2, 3, 5, 6, 7], list(false)).await?, living);
        let own = list(false)(PageRequest::first(2)).await?.next.unwrap();
        let other = list(true)(PageRequest::first(2)).await?.next.unwrap();
        check_tokens(&own, &[other], list(false)).await?;
        // The first of each page goes as soon as it was read, and with it what the token was made of.
        let (mut seen, mut page) = (Vec::new(), PageRequest::first(2));
        loop {
            let got = list(false)(page).await?;
            if let Some(last) = got.items.last() {
                m.delete_namespace(cx, &delete(NamespaceRef::Id(last.id))).await?;
            }
            seen.extend(got.items);
            let Some(next) = got.next else { break };
            made(t, &create_as(NamespaceId(uuid::Uuid::nil()), "before")).await.ok();
            page = PageRequest::after(2, next);
        }
        assert_eq!(seen, living);
    }

    /// The system's namespace is made once, with the id and name that it has everywhere; what became of it since stays.
    #[covers("metadata.initialize_system_namespaces")]
    #[isolation(Own)]
    async fn the_system_namespace_is_made_once(t) {
        let m = t.p.metadata();
        let init = system();
        m.initialize_system_namespaces(&t.cx(), &init).await?;
        let made = read(t, SYSTEM_NAMESPACE_ID, SYSTEM_NAMESPACE_NAME).await?;
        assert_eq!(SYSTEM_NAMESPACE_ID.to_string(), "32049b68-7872-4094-8e63-d0dd59896a83");
        let config = NamespaceConfig {
            active_cluster: HERE.to_owned(),
            clusters: vec![HERE.to_owned()],
            detail: init.detail,
            ..NamespaceConfig::default()
        };
        assert_eq!((made.config.is_global, &made.config), (false, &config));
        let changed = m.update_namespace(&t.cx(), &update(SYSTEM_NAMESPACE_ID, 1)).await?;
        m.initialize_system_namespaces(&t.cx(), &system()).await?;
        assert_eq!(read(t, SYSTEM_NAMESPACE_ID, SYSTEM_NAMESPACE_NAME).await?, changed);
        assert_eq!(version(t).await?, 2);
        let bad = InitializeSystemNamespaces { current_cluster: String::new(), ..system() };
        invalid(m.initialize_system_namespaces(&t.cx(), &bad).await);
    }

    /// Namespaces and the notification version are there after closing and opening again where the driver is durable, and are
    /// not where it is not.
    #[covers("capability.durable", "metadata.create_namespace", "metadata.rename_namespace")]
    #[isolation(Own)]
    async fn namespaces_survive_reopening(t) {
        let (a, b) = (create(t), create(t));
        made(t, &a).await?;
        made(t, &b).await?;
        let renamed = t.p.metadata().rename_namespace(&t.cx(), &rename(&a.name, "new")).await?;
        t.reopen().await?;
        if t.capabilities().has(Capability::Durable) {
            assert_eq!(read(t, a.id, "new").await?, renamed);
            assert_eq!(version(t).await?, 3);
            failed(t.p.metadata().create_namespace(&t.cx(), &b).await, ErrorKind::AlreadyExists);
        } else {
            unnamed(t, "new").await;
            assert_eq!(version(t).await?, 0);
            made(t, &b).await?;
        }
    }
}
