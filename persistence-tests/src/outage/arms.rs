//! Disturbances of connections, armed one by one: each strikes one piece and is gone.

use crate::proxy::{Act, Direction, Piece, Tap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What ends a transaction in most dialects: the moment after which nobody knows.
const COMMIT: &[u8] = b"COMMIT";

/// One disturbance.
#[derive(Clone, Copy, Debug)]
struct Arm {
    direction: Direction,
    /// It lets so many pieces go by, unless one is a commit and it waits for those.
    skip: u32,
    commit: bool,
    act: Act,
}

/// The disturbances that are to come.
#[derive(Clone)]
pub(super) struct Arms(Arc<Inner>);

struct Inner {
    armed: Mutex<Vec<Arm>>,
    struck: watch::Sender<usize>,
}

/// What kind of disturbance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// Requests and answers get lost, with their connections.
    Cut,
    /// Requests and answers take longer than their callers wait, or arrive when these have gone.
    Late,
}

impl Arms {
    pub(super) fn new() -> Self {
        Arms(Arc::new(Inner { armed: Mutex::default(), struck: watch::channel(0).0 }))
    }

    /// Arms one.
    pub(super) fn arm(&self, rng: &mut fastrand::Rng, what: Disturbance) {
        let commit = rng.u8(..3) == 0;
        let wait = Duration::from_millis(rng.u64(1..400));
        let (direction, act) = match (what, rng.u8(..6)) {
            (Disturbance::Cut, 0) => (Direction::ToServer, Act::Cut),
            (Disturbance::Cut, 1) => (Direction::ToClient, Act::Cut),
            // The one that makes outcomes unknown is the one to look at most.
            (Disturbance::Cut, _) => (Direction::ToServer, Act::PassAndCut),
            (Disturbance::Late, 0) => (Direction::ToServer, Act::Delay(wait)),
            (Disturbance::Late, 1) => (Direction::ToClient, Act::Delay(wait)),
            (Disturbance::Late, 2) => (Direction::ToServer, Act::Hold),
            (Disturbance::Late, 3) => (Direction::ToClient, Act::Hold),
            (Disturbance::Late, _) => (Direction::ToServer, Act::Late(wait)),
        };
        let skip = if commit { 40 } else { rng.u32(..12) };
        self.lock().push(Arm { direction, skip, commit: commit && direction == Direction::ToServer, act });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arm>> {
        self.0.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets those that have not struck.
    pub(super) fn disarm(&self) {
        self.lock().clear();
    }

    /// How many have struck.
    pub(super) fn struck(&self) -> usize {
        *self.0.struck.borrow()
    }

    /// Waits until so many have struck.
    pub(super) async fn strikes(&self, n: usize) {
        let mut struck = self.0.struck.subscribe();
        let waited = tokio::time::timeout(super::STUCK, struck.wait_for(|now| *now >= n)).await.map(|_| ());
        assert!(waited.is_ok(), "only {} of {n} disturbances struck", self.struck());
    }
}

impl Tap for Arms {
    fn piece(&self, piece: Piece<'_>) -> Act {
        let mut armed = self.lock();
        let strikes = |arm: &mut Arm| {
            let commits = arm.commit && piece.bytes.windows(COMMIT.len()).any(|w| w == COMMIT);
            let due = arm.skip == 0 || commits;
            arm.skip = arm.skip.saturating_sub(1);
            due
        };
        let due = armed.iter_mut().position(|arm| arm.direction == piece.direction && strikes(arm));
        let Some(arm) = due.map(|i| armed.swap_remove(i)) else { return Act::Pass };
        self.0.struck.send_modify(|n| *n += 1);
        arm.act
    }
}
