//! Plans of one shard in groups without overlaps.

use super::plan::{TaskPlace, TransitionPlan, task_place};
use crate::ids::{BranchId, RangeId, ShardId, TreeId};
use crate::store::{CurrentKey, RunKey};
use std::collections::{HashMap, HashSet};

/// Plans that touch nothing in common and hold the same range id: one statement or one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// The range id that the fenced plans of the wave hold; none when none is fenced.
    pub fence: Option<RangeId>,
    /// Indexes into the plans, ascending.
    pub plans: Vec<usize>,
}

/// Splits plans into waves, to be carried out in order. Plans that touch the same run, current record, task or history node
/// come in the order given; `fits` says whether a wave may take one more plan.
pub fn waves(plans: &[TransitionPlan], mut fits: impl FnMut(&[usize], usize) -> bool) -> Vec<Wave> {
    let mut waves: Vec<Wave> = Vec::new();
    let mut last: HashMap<Touched<'_>, usize> = HashMap::new();
    for (index, plan) in plans.iter().enumerate() {
        let touched = touched(plan);
        let earliest = touched.iter().filter_map(|t| last.get(t)).map(|w| w + 1).max().unwrap_or(0);
        let room = |w: &Wave| {
            (w.fence.is_none() || plan.fence.is_none() || w.fence == plan.fence) && !w.plans.is_empty()
        };
        let place = (earliest..waves.len()).find(|&w| room(&waves[w]) && fits(&waves[w].plans, index));
        let place = place.unwrap_or_else(|| {
            waves.push(Wave { fence: None, plans: Vec::new() });
            waves.len() - 1
        });
        waves[place].fence = waves[place].fence.or(plan.fence);
        waves[place].plans.push(index);
        for t in touched {
            last.entry(t).and_modify(|w| *w = place.max(*w)).or_insert(place);
        }
    }
    waves
}

/// What plans of any shards touch.
#[derive(Debug, Default)]
pub struct Touching<'a>(HashSet<(ShardId, Touched<'a>)>);

impl<'a> Touching<'a> {
    /// Adds a plan; false if it touches what one of those that were added does.
    pub fn add(&mut self, plan: &'a TransitionPlan) -> bool {
        touched(plan).into_iter().all(|t| self.0.insert((plan.shard_id, t)))
    }
}

/// Something that at most one plan of a wave may touch.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Touched<'a> {
    Run(&'a RunKey),
    Current(&'a CurrentKey),
    Task(TaskPlace),
    Node(BranchId, i64, i64),
    Tree(TreeId),
    Tail(&'a RunKey, BranchId),
}

fn touched(plan: &TransitionPlan) -> Vec<Touched<'_>> {
    let mut out: Vec<Touched<'_>> = plan.runs.iter().map(|r| Touched::Run(&r.key)).collect();
    out.extend(plan.current.as_ref().map(|c| Touched::Current(&c.key)));
    out.extend(plan.tasks.iter().map(|t| Touched::Task(task_place(t.category, t.key))));
    for n in &plan.nodes {
        out.push(Touched::Node(n.branch.branch_id, n.header.first_event_id, n.header.transaction_id));
        out.push(Touched::Tail(&n.owner, n.branch.branch_id));
        out.extend(n.new_branch.then_some(Touched::Tree(n.branch.tree_id)));
    }
    out
}
