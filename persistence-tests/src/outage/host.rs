//! A server that can be hurt.

use async_trait::async_trait;
use persistence_core::Result;

/// A server, as faults see it. `Server` (feature `containers`) gives one that runs in a container.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Where it listens, `host:port`; may be another place after a start.
    async fn address(&self) -> Result<String>;

    /// It stands still, with everything that it has in hand.
    async fn pause(&self) -> Result<()>;

    /// It goes on.
    async fn resume(&self) -> Result<()>;

    /// It ends without a last word.
    async fn kill(&self) -> Result<()>;

    /// It ends in order.
    async fn stop(&self) -> Result<()>;

    /// It begins again with what it had on disk. It may take a while to answer.
    async fn start(&self) -> Result<()>;
}
