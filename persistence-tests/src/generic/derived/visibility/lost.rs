//! Answers that get lost.

use crate::build::expect::missing;
use crate::build::visibility::*;
use crate::generic::history::UNKNOWN;
use crate::generic::unknown::unanswered;
use crate::{Fault, FaultRule};
use persistence_core::store::*;
use persistence_core::{ErrorKind, Outcome};

crate::cases! {
    group: "visibility";

    /// A record or a deletion whose answer is lost is kept once, and answered as if nothing had happened.
    #[covers("P13", "visibility.record_started", "visibility.record_closed", "visibility.delete_visibility")]
    #[kind(Calm)]
    async fn a_lost_answer_to_a_record_is_found(t) {
        let seen = Seen::new(t);
        seen.record(&seen.run(t.run(), 0)).await?;
        for fault in UNKNOWN {
            for times in [1, 2] {
                let lose = || t.faults.script(FaultRule::write(fault).times(times));
                let open = seen.run(t.run(), 1);
                let (run, end) = (open.run.run_id, closed(&open, ExecutionStatus::Failed, 1));
                lose();
                seen.record(&open).await?;
                t.faults.release().await;
                assert_eq!(seen.get(run).await?, open, "{fault:?}");
                lose();
                seen.record(&end).await?;
                t.faults.release().await;
                assert_eq!(seen.get(run).await?, end, "{fault:?}");
                assert_eq!(seen.runs("ExecutionStatus = 'Failed'").await?, [run]);
                lose();
                seen.delete(run, i64::MAX, DeleteVisibility::REMEMBER).await?;
                t.faults.release().await;
                missing(seen.get(run).await);
                assert_eq!(seen.count("").await?.count, 1);
                t.faults.clear();
            }
        }
    }

    /// When no answer comes in time, the error says that the record may have been kept; when nothing was sent, that it was not.
    #[covers("P13", "visibility.upsert_visibility!timeout", "visibility.delete_visibility!timeout",
        "visibility.upsert_visibility!unavailable")]
    #[kind(Calm)]
    async fn without_an_answer_records_say_maybe(t) {
        let seen = Seen::new(t);
        let (here, new) = (seen.run(t.run(), 0), seen.run(t.run(), 0));
        seen.record(&here).await?;
        let v = t.p.visibility();
        for fault in [Fault::Cut(None), Fault::Before(Outcome::MaybeApplied)] {
            // Namespaces of which nothing is known yet: that is written down first, whatever entries a record has.
            let fresh = [Seen::new(t), Seen::new(t)];
            let record = fresh[0].run(t.run(), 0);
            let upsert = &RecordVisibility { record: record.clone() };
            let delete = &DeleteVisibility::all(fresh[1].namespace_id, record.run.run_id);
            t.faults.script(FaultRule::write(fault).times(u64::MAX));
            unanswered(t, |cx| async move { v.upsert_visibility(&cx, upsert).await }).await;
            unanswered(t, |cx| async move { v.delete_visibility(&cx, delete).await }).await;
            t.faults.quiet().await;
            t.faults.clear();
            missing(fresh[0].get(record.run.run_id).await);
        }
        let upsert = &RecordVisibility { record: new.clone() };
        let delete = &DeleteVisibility::all(seen.namespace_id, here.run.run_id);
        t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).times(1));
        let e = v.delete_visibility(&t.cx(), delete).await.unwrap_err();
        assert_eq!((e.kind(), e.outcome()), (ErrorKind::Unavailable, Outcome::NotApplied));
        assert_eq!(seen.get(here.run.run_id).await?, here);
        missing(seen.get(new.run.run_id).await);
        v.upsert_visibility(&t.cx(), upsert).await?;
        v.delete_visibility(&t.cx(), delete).await?;
        assert_eq!(seen.all(&seen.query("", 5)).await?, [new]);
    }
}
