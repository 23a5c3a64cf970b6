//! Accepting, draining, closing; and writes that outlive their caller.

use crate::error::{Error, Result};
use std::future::Future;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The door of a store: open until closed, and it knows who is inside.
#[derive(Clone, Debug)]
pub struct Gate {
    resource: &'static str,
    inside: TaskTracker,
}

impl Gate {
    /// An open door; `resource` is what the `Closed` error names.
    pub fn new(resource: &'static str) -> Self {
        Gate { resource, inside: TaskTracker::new() }
    }

    /// Enters, or fails with `Closed`. The call is under way until the token is dropped.
    pub fn enter(&self) -> Result<TaskTrackerToken> {
        let token = self.inside.token();
        // Looked at after entering, so that whoever closes either sees this call or is seen by it.
        if self.inside.is_closed() { Err(Error::closed(self.resource)) } else { Ok(token) }
    }

    /// Runs a write in a task of its own, so that it and its resolution go on when the caller goes away.
    pub async fn run<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let token = self.enter()?;
        let task = tokio::spawn(async move {
            let result = write.await;
            drop(token);
            result
        });
        task.await.unwrap_or_else(|e| {
            let reason =
                if e.is_panic() { "the write's task panicked" } else { "the runtime is shutting down" };
            Err(Error::unavailable(self.resource, reason))
        })
    }

    /// Shuts the door. True the first time.
    pub fn close(&self) -> bool {
        self.inside.close()
    }

    /// Waits until everyone has left. Call [`Gate::close`] first.
    pub async fn drained(&self) {
        self.inside.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::sync::Arc;
    use tokio::sync::Notify;

    #[tokio::test]
    async fn closing_waits_for_a_write_whose_caller_went_away() {
        let gate = Gate::new("store");
        let (go, done) = (Arc::new(Notify::new()), Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let (go2, done2) = (go.clone(), done.clone());
        let write = gate.run(async move {
            go2.notified().await;
            done2.store(true, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        });
        let abandoned = tokio::time::timeout(std::time::Duration::from_millis(5), write).await;
        assert!(abandoned.is_err());
        assert!(gate.close());
        assert!(!gate.close());
        assert_eq!(gate.run(async { Ok(()) }).await.unwrap_err().kind(), ErrorKind::Closed);
        go.notify_one();
        gate.drained().await;
        assert!(done.load(std::sync::atomic::Ordering::SeqCst));
    }
}
