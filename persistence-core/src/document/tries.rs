//! Beginning an atomic step again while others come first.

use crate::error::{Error, Result};
use std::time::Duration;
use uuid::Uuid;

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// The tries of one step that reads, decides, and writes on condition that what it read is still so.
#[derive(Debug)]
pub(crate) struct Tries {
    left: u32,
    pause: Duration,
}

impl Tries {
    /// So many, at least one.
    pub(crate) fn new(tries: u32) -> Self {
        Tries { left: tries, pause: FIRST_PAUSE }
    }

    /// After a try that others came before: waits for the next one, or gives up with what it met.
    pub(crate) async fn again(&mut self, met: Error) -> Result<()> {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return Err(met);
        }
        // Whoever meets again at once meets again and again.
        let spread = u32::from(Uuid::new_v4().as_bytes()[0]);
        tokio::time::sleep(self.pause * spread / 128).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
