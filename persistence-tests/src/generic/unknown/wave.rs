//! Many plans in one write whose answer is lost.

use super::{Interrupted, MAYBE, honest, script};
use crate::build::execution::Flow;
use crate::build::expect::*;
use crate::build::record::*;
use crate::{Fault, FaultRule, Fixture};
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::transition::TransitionPlan;
use persistence_core::{Outcome, Result};

/// Updates of as many runs, and what they lead to.
struct Wave {
    plans: Vec<TransitionPlan>,
    want: Vec<(Flow, MutableState, persistence_core::RunId)>,
}

async fn wave(t: &Fixture, w: &Flow, n: usize) -> Result<Wave> {
    let mut wave = Wave { plans: Vec::new(), want: Vec::new() };
    for i in 0..n {
        let w = w.sibling(t);
        let run = w.begin(t, Running).await?;
        let change = Mutation {
            upsert_items: items(2),
            buffered_events: Some(blob("buffered")),
            tasks: vec![immediate(TaskCategory::TRANSFER, i64::try_from(i).unwrap() + 1)],
            ..mutation(run.run_id, 1, Running)
        };
        wave.plans.push(w.update_current(&change).lower()?);
        wave.want.push((w, mutated(&created(&run), &change), run.run_id));
    }
    Ok(wave)
}

impl Wave {
    async fn assert_done(&self) -> Result<()> {
        for (w, state, run) in &self.want {
            assert_eq!(w.load(*run).await?, *state);
        }
        Ok(())
    }
}

crate::cases! {
    group: "unknown";

    /// The answer to a whole wave is lost: every plan was applied once, and is answered so; late tries change nothing.
    #[covers("P13", "P22", "execution.apply")]
    #[kind(Calm)]
    async fn lost_answers_of_waves(t) {
        let troubles: [&[Fault]; 6] = [
            &[Fault::After],
            &[MAYBE],
            &[Fault::Late],
            &[Fault::After, Fault::After],
            &[Fault::Late, MAYBE, Fault::After],
            &[Fault::Cut(Some(std::time::Duration::from_millis(2))), Fault::After],
        ];
        for trouble in troubles {
            let w = Flow::new(t).await?;
            let wave = wave(t, &w, 6).await?;
            let before = t.faults.injected().total();
            script(t, trouble);
            for outcome in w.apply(wave.plans.clone()).await? {
                outcome?;
            }
            wave.assert_done().await?;
            t.faults.release().await;
            wave.assert_done().await?;
            assert_eq!(w.tasks(TaskCategory::TRANSFER).await?.len(), 6);
            assert_eq!(t.faults.injected().total() - before, u64::try_from(trouble.len())?);
        }
    }

    /// Lost answers, refused plans, and the rest that is sent again: each plan learns its own truth.
    #[covers("P13", "P22", "execution.apply", "execution.apply!workflow_condition_failed")]
    #[kind(Calm)]
    async fn lost_answers_and_refusals(t) {
        for trouble in [&[Fault::After][..], &[Fault::After, Fault::After], &[MAYBE, Fault::Late, Fault::After]] {
            for rounds in 1..4usize {
                let w = Flow::new(t).await?;
                let wave = wave(t, &w, 5).await?;
                let stale = w.sibling(t);
                let run = stale.begin(t, Running).await?;
                let mut plans = wave.plans.clone();
                plans.insert(2, stale.touch(run.run_id, 9).lower()?);
                // The first answer is that of a refusal, later ones are of what is left.
                for _ in 0..rounds {
                    script(t, trouble);
                }
                let mut outcomes = w.apply(plans).await?;
                run_failed(outcomes.remove(2), run.run_id, Some(9), Some(&created(&run)));
                for outcome in outcomes {
                    outcome?;
                }
                wave.assert_done().await?;
                t.faults.release().await;
                wave.assert_done().await?;
                assert_eq!(stale.load(run.run_id).await?, created(&run));
                t.faults.clear();
            }
        }
    }

    /// A plan that was done by an earlier call does not vouch for the others of a call in which it is repeated: these are
    /// done now, and answered so.
    #[covers("P13", "P22", "execution.apply")]
    #[kind(Calm)]
    async fn a_repeat_does_not_vouch_for_others(t) {
        for trouble in [&[MAYBE][..], &[Fault::After], &[Fault::Late], &[MAYBE, MAYBE, Fault::After]] {
            let w = Flow::new(t).await?;
            let wave = wave(t, &w, 3).await?;
            for outcome in w.apply(wave.plans[..1].to_vec()).await? {
                outcome?;
            }
            let task = immediate(TaskCategory::REPLICATION, 1);
            let mut plans = wave.plans.clone();
            plans.push(w.add_tasks(std::slice::from_ref(&task)).lower()?);
            script(t, trouble);
            for outcome in &w.apply(plans).await?[1..] {
                outcome.clone()?;
            }
            wave.assert_done().await?;
            assert_eq!(w.tasks(TaskCategory::REPLICATION).await?, [task]);
            t.faults.release().await;
            wave.assert_done().await?;
            t.faults.clear();
        }
    }

    /// A rival wrote one of the runs in between: that plan is refused if the first try was not done, and all are answered
    /// success if it was.
    #[covers("P13", "P22", "execution.apply!workflow_condition_failed")]
    #[kind(Calm)]
    async fn rival_of_a_wave(t) {
        for first in [Fault::After, Fault::Late] {
            let done = first == Fault::After;
            let w = Flow::new(t).await?;
            let wave = wave(t, &w, 4).await?;
            let req = ApplyPlans { shard_id: w.shard_id, plans: wave.plans.clone() };
            let p = w.p.clone();
            let call = |cx| async move { p.executions().apply(&cx, &req).await };
            let ours = Interrupted::begin(t, first, call).await;
            let (rival, _, run) = &wave.want[1];
            rival.send(&rival.touch(*run, if done { 2 } else { 1 })).await?;
            let mut outcomes = ours.end().await?;
            let contested = outcomes.remove(1);
            let stored = rival.load(*run).await?;
            if done {
                contested?;
                assert_eq!(stored.record_version, 3);
            } else {
                let e = run_failed(contested, *run, Some(1), Some(&stored));
                assert_eq!(e.outcome(), Outcome::NotApplied, "{e}");
            }
            for outcome in outcomes {
                outcome?;
            }
            t.faults.release().await;
            assert_eq!(rival.load(*run).await?, stored, "a late wave took effect");
            for (w, state, run) in wave.want.iter().filter(|(_, _, r)| r != run) {
                assert_eq!(w.load(*run).await?, *state);
            }
        }
    }

    /// Of a plan that leaves no memory nobody knows whether a first try without an answer did it, whatever becomes of the write in
    /// which it is sent again without those that were answered.
    #[covers("P13", "P22", "execution.apply!unavailable")]
    #[kind(Calm)]
    async fn a_doubt_outlives_the_next_write(t) {
        for (first, version) in [(Fault::After, 1), (MAYBE, 9)] {
            let w = Flow::new(t).await?;
            let run = w.begin(t, Running).await?;
            let task = immediate(TaskCategory::REPLICATION, 1);
            let plans = vec![
                w.touch(run.run_id, version).lower()?,
                w.add_tasks(std::slice::from_ref(&task)).lower()?,
            ];
            script(t, &[first]);
            t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).table("shard").nth(3));
            let outcomes = w.apply(plans).await?;
            t.faults.clear();
            match first {
                Fault::After => outcomes[0].clone()?,
                _ => assert_eq!(outcomes[0].as_ref().unwrap_err().outcome(), Outcome::NotApplied),
            }
            let done = w.tasks(TaskCategory::REPLICATION).await? == [task];
            assert!(done || first == MAYBE, "{first:?}");
            honest(&outcomes[1], done, first);
            assert!(outcomes[1].as_ref().err().is_none_or(|e| e.outcome() == Outcome::MaybeApplied), "{outcomes:?}");
        }
    }

    /// Nor does anybody where the look before that write fails.
    #[covers("P13", "P5", "P22", "execution.apply!unavailable")]
    #[kind(Calm)]
    async fn a_doubt_outlives_the_next_look(t) {
        for nth in 1..=6 {
            let w = Flow::new(t).await?;
            let (run, other) = (w.begin(t, Running).await?, w.sibling(t));
            let zombie = other.zombie(t).await?;
            let around = mutation(zombie.run_id, 1, Zombie);
            let plans = vec![
                w.touch(run.run_id, 9).lower()?,
                w.add_tasks(&[immediate(TaskCategory::REPLICATION, 1)]).lower()?,
                other.update(UpdateMode::BypassCurrent, &around).lower()?,
            ];
            let before = t.faults.injected().before;
            script(t, &[MAYBE]);
            t.faults.script(FaultRule::read(Fault::After).table("shard").nth(nth));
            let outcomes = w.apply(plans).await?;
            t.faults.clear();
            let sent = t.faults.injected().before > before;
            let want = if sent { Outcome::MaybeApplied } else { Outcome::NotApplied };
            for outcome in &outcomes[1..] {
                assert!(outcome.as_ref().err().is_none_or(|e| e.outcome() == want), "{nth}: {outcomes:?}");
            }
        }
    }

    /// Deleting the current record of another run is a success in a batch as well, and when its answer is lost.
    #[covers("P13", "P10", "execution.apply", "execution.delete_current_execution")]
    #[kind(Calm)]
    async fn deletes_in_a_wave(t) {
        for trouble in [&[][..], &[Fault::After], &[MAYBE, Fault::After]] {
            let w = Flow::new(t).await?;
            let wave = wave(t, &w, 2).await?;
            let (kept, gone) = (w.sibling(t), w.sibling(t));
            let (kept_run, gone_run) = (kept.begin(t, Running).await?, gone.begin(t, Running).await?);
            let mut plans = wave.plans.clone();
            plans.insert(0, kept.delete_current(t.run()).lower()?);
            plans.insert(2, gone.delete_current(gone_run.run_id).lower()?);
            plans.push(gone.delete(gone_run.run_id).lower()?);
            script(t, trouble);
            for (i, outcome) in w.apply(plans).await?.into_iter().enumerate() {
                outcome.unwrap_or_else(|e| panic!("plan {i}: {e}"));
            }
            wave.assert_done().await?;
            assert_eq!(kept.current().await?, kept_run.record.current(kept_run.run_id));
            missing(gone.current().await);
            missing(gone.load(gone_run.run_id).await);
        }
    }
}
