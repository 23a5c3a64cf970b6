//! The handle that gives all stores.

use crate::capability::CapabilitySet;
use crate::derived::DerivedStores;
use crate::error::Result;
use crate::store::*;
use async_trait::async_trait;

/// What a handle says of the driver below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverInfo {
    /// The driver's name, as in its URL scheme.
    pub driver: String,
    /// Where the data is, without secrets.
    pub location: String,
    /// What the driver can do beyond the contract.
    pub capabilities: CapabilitySet,
}

/// One database, with all its stores. Shared as `Arc<dyn Persistence>`; layers wrap one and give one back.
#[async_trait]
pub trait Persistence: Send + Sync + 'static {
    /// The driver below, constant for the life of the handle.
    fn info(&self) -> &DriverInfo;

    /// Shard rows: who owns a shard.
    fn shards(&self) -> &dyn ShardStore;

    /// Mutable state, current records and history tasks.
    fn executions(&self) -> &dyn ExecutionStore;

    /// Event history: branches and their nodes.
    fn history(&self) -> &dyn HistoryStore;

    /// Task queues.
    fn tasks(&self) -> &dyn TaskStore;

    /// FIFO queues and DLQs.
    fn queues(&self) -> &dyn QueueStore;

    /// Documents.
    fn documents(&self) -> &dyn DocumentStore;

    /// The stores that are made of documents, all as one.
    fn derived(&self) -> &dyn DerivedStores;

    /// Namespaces.
    fn metadata(&self) -> &dyn MetadataStore {
        self.derived()
    }

    /// Clusters, and the members of this one.
    fn cluster(&self) -> &dyn ClusterMetadataStore {
        self.derived()
    }

    /// Endpoints.
    fn endpoints(&self) -> &dyn EndpointStore {
        self.derived()
    }

    /// User data of task queues, and the builds that they know.
    fn user_data(&self) -> &dyn TaskQueueUserDataStore {
        self.derived()
    }

    /// What runs there are and were, to be searched.
    fn visibility(&self) -> &dyn VisibilityStore {
        self.derived()
    }

    /// Scavenging and sweeping.
    fn maintenance(&self) -> &dyn MaintenanceStore;

    /// Stops accepting calls (`Closed` from then on), waits for those under way, then releases everything. A second call
    /// does nothing.
    async fn close(&self) -> Result<()>;
}
