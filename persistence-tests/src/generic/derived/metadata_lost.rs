//! Namespaces, when answers get lost.

use super::metadata::{made, read, unnamed, version};
use crate::build::expect::{failed, missing};
use crate::build::namespace::*;
use crate::generic::history::UNKNOWN;
use crate::generic::unknown::unanswered;
use crate::{Fault, FaultRule};
use persistence_core::store::*;
use persistence_core::{ErrorKind, Outcome};

crate::cases! {
    group: "metadata";

    /// A change whose answer is lost is done once, and answered as if nothing had happened; one that was refused is told so.
    #[covers("P13", "metadata.create_namespace", "metadata.update_namespace", "metadata.rename_namespace",
        "metadata.delete_namespace")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_change_of_a_namespace_is_found(t) {
        let m = t.p.metadata();
        let mut changes = version(t).await?;
        for fault in UNKNOWN {
            for times in [1, 2] {
                let lose = || t.faults.script(FaultRule::write(fault).times(times));
                let (new, other) = (create(t), t.name("other"));
                lose();
                assert_eq!(made(t, &new).await?.notification_version, changes, "{fault:?}");
                t.faults.release().await;
                lose();
                let changed = m.update_namespace(&t.cx(), &update(new.id, changes + 1)).await?;
                assert_eq!(changed.notification_version, changes + 1, "{fault:?}");
                t.faults.release().await;
                lose();
                let renamed = m.rename_namespace(&t.cx(), &rename(&new.name, &other)).await?;
                t.faults.release().await;
                changes += 3;
                assert_eq!(version(t).await?, changes, "{fault:?}");
                assert_eq!(read(t, new.id, &other).await?, renamed);
                lose();
                let again = create_as(t.namespace(), &other);
                let e = failed(m.create_namespace(&t.cx(), &again).await, ErrorKind::AlreadyExists);
                assert_eq!(e.outcome(), Outcome::NotApplied);
                t.faults.clear();
                lose();
                m.delete_namespace(&t.cx(), &delete(NamespaceRef::Name(other.clone()))).await?;
                t.faults.release().await;
                unnamed(t, &other).await;
                t.faults.clear();
            }
        }
    }

    /// When no answer comes in time, the error says that the change may have been done; when nothing was sent, that it was not.
    #[covers("P13", "metadata.create_namespace!timeout", "metadata.update_namespace!timeout",
        "metadata.rename_namespace!timeout", "metadata.delete_namespace!timeout", "metadata.create_namespace!unavailable")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn without_an_answer_changes_of_namespaces_say_maybe(t) {
        let m = t.p.metadata();
        let here = create(t);
        made(t, &here).await?;
        let (new, update, rename) = (&create(t), &update(here.id, 1), &rename(&here.name, "new"));
        let delete = &delete(NamespaceRef::Id(here.id));
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            t.faults.script(FaultRule::write(fault).times(u64::MAX));
            unanswered(t, |cx| async move { m.create_namespace(&cx, new).await }).await;
            unanswered(t, |cx| async move { m.update_namespace(&cx, update).await }).await;
            unanswered(t, |cx| async move { m.rename_namespace(&cx, rename).await }).await;
            unanswered(t, |cx| async move { m.delete_namespace(&cx, delete).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
        }
        t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).times(1));
        let e = m.create_namespace(&t.cx(), new).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!(read(t, here.id, &here.name).await?, created(&here, 0));
        missing(m.get_namespace(&t.cx(), &by_id(new.id)).await);
        assert_eq!(version(t).await?, 1);
    }
}
