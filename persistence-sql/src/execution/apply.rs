//! Plans in waves, each wave in one transaction.

use super::rows::fence_of;
use super::{Answers, procedure, statement, transact};
use crate::bucket::{Bucket, Tried, work};
use crate::core::transition::{TransitionPlan, waves};
use crate::core::{Context, Error, Result, Timestamp};
use crate::dialect::Transitions;
use crate::tx::Tx;
use crate::work::Wave;
use std::sync::Arc;

/// The most plans of one transaction.
const MAX_WAVE: usize = 256;

/// How often plans are sent again whose rows moved while the statement waited for them. Each time another writer got on.
const MAX_MOVES: usize = 64;

impl Bucket {
    /// Applies plans of one shard, each with an outcome of its own.
    pub(crate) async fn apply_plans(&self, cx: &Context, plans: Vec<TransitionPlan>) -> Vec<Result<()>> {
        let groups = waves(&plans, |wave, _| wave.len() < MAX_WAVE);
        let mut outcomes: Vec<Result<()>> = plans.iter().map(|_| Ok(())).collect();
        let plans = Arc::new(plans);
        for wave in groups {
            for (i, outcome) in self.apply_wave(cx, &plans, wave.plans).await {
                outcomes[i] = outcome;
            }
        }
        outcomes
    }

    /// Applies those of the plans, which touch nothing in common.
    async fn apply_wave(
        &self,
        cx: &Context,
        plans: &Arc<Vec<TransitionPlan>>,
        mut left: Vec<usize>,
    ) -> Vec<(usize, Result<()>)> {
        let (now, mut tried, mut done) = (self.env.clock.now(), Tried::default(), Vec::new());
        for _ in 0..MAX_MOVES {
            let sent = Arc::new(std::mem::take(&mut left));
            let answers = self.apply_once(cx, plans, &sent, tried, now).await;
            match answers {
                Ok((answers, knew)) => {
                    tried = knew;
                    for (&i, answer) in sent.iter().zip(answers) {
                        match answer {
                            Some(outcome) => done.push((i, outcome)),
                            None => left.push(i),
                        }
                    }
                }
                Err(e) => done.extend(sent.iter().map(|&i| (i, Err(e.clone())))),
            }
            if left.is_empty() {
                return done;
            }
        }
        let moved = || Error::unavailable("apply", "its rows were changed by others again and again");
        done.extend(left.into_iter().map(|i| (i, Err(moved().with_outcome(tried.outcome())))));
        done
    }

    /// One transaction; `None` for plans whose rows moved and that are to be sent again.
    async fn apply_once(
        &self,
        cx: &Context,
        plans: &Arc<Vec<TransitionPlan>>,
        sent: &Arc<Vec<usize>>,
        tried: Tried,
        now: Timestamp,
    ) -> Result<(Answers, Tried)> {
        let (plans, sent) = (Arc::clone(plans), Arc::clone(sent));
        let mode = match self.dialect.transitions {
            Transitions::Procedure if !sent.iter().all(|&i| procedure::knows(&plans[i])) => {
                Transitions::Transaction
            }
            mode => mode,
        };
        let wave = Wave { plans, sent, now, result: |answers, tried| (answers, tried) };
        let ours = wave.clone();
        let work = work(move |tx: &mut Tx, tried| {
            let wave = ours.clone();
            Box::pin(async move {
                let wave = wave.plans(tried);
                debug_assert!(
                    wave.plans.iter().all(|p| p.fence.is_none() || p.fence == fence_of(&wave.plans))
                );
                let answers = match mode {
                    Transitions::Transaction => transact(tx, &[wave]).await?.pop().unwrap_or_default(),
                    Transitions::Statement => statement::apply(tx, &wave.plans, tried, now).await?,
                    Transitions::Procedure => procedure::apply(tx, &wave.plans, tried, now).await?,
                };
                Ok((answers, tried))
            })
        });
        match mode {
            Transitions::Transaction => self.write_after(cx, tried, work.of(wave)).await,
            Transitions::Statement | Transitions::Procedure => self.write_at_once(cx, tried, work).await,
        }
    }
}
