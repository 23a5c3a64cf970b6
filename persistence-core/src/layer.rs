//! Layers: behaviour around every call of every store, written once.
//!
//! A [`Layer`] has one method, [`Layer::around`]. [`Layered`] puts it around a [`Persistence`] and is a
//! [`Persistence`] again, so layers compose; the outermost is entered first.

use crate::context::Context;
use crate::derived::DerivedStores;
use crate::error::Result;
use crate::ids::ShardId;
use crate::persistence::{DriverInfo, Persistence};
use crate::store::*;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::sync::Arc;

mod deadline;

pub use deadline::Deadline;

/// What a repeat of an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// A write whose repeat gives the same answer and the same state.
    Idempotent,
    /// A write whose repeat only the store can tell from a second write.
    Write,
}

/// The call that a layer is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// The store, `snake_case`.
    pub store: &'static str,
    /// The method.
    pub method: &'static str,
    /// `store.method`.
    pub name: &'static str,
    /// What a repeat does.
    pub effect: Effect,
    /// The shard that it concerns, if any.
    pub shard_id: Option<ShardId>,
}

/// The operations of a store, for tables that must name every one.
pub trait Operations {
    /// The store, `snake_case`.
    const STORE: &'static str;
    /// Its methods, in order of declaration.
    const METHODS: &'static [(&'static str, Effect)];
}

/// Behaviour around calls.
///
/// ```
/// use persistence_core::layer::{Call, Layer, Op};
/// use persistence_core::{Context, Result};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// Counts the calls that fail.
/// #[derive(Default)]
/// struct Failures(AtomicU64);
///
/// impl Layer for Failures {
///     async fn around<'a, T: Send + 'a, C: Call<'a, T>>(&'a self, cx: &'a Context, _op: &'a Op, call: C) -> Result<T> {
///         let result = call(cx.clone()).await;
///         if result.is_err() {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///         result
///     }
/// }
/// ```
pub trait Layer: Send + Sync + 'static {
    /// Runs the call, or does not, or does so more than once. `call` may be given another context.
    fn around<'a, T: Send + 'a, C: Call<'a, T>>(
        &'a self,
        cx: &'a Context,
        op: &'a Op,
        call: C,
    ) -> impl Future<Output = Result<T>> + Send;
}

/// The call that a layer is around, as often as the layer wants it.
pub trait Call<'a, T>: Fn(Context) -> BoxFuture<'a, Result<T>> + Send + Sync + 'a {}

impl<'a, T, F: Fn(Context) -> BoxFuture<'a, Result<T>> + Send + Sync + 'a> Call<'a, T> for F {}

/// A [`Persistence`] with a layer around it.
pub struct Layered<L> {
    inner: Arc<dyn Persistence>,
    layer: L,
}

impl<L: Layer> Layered<L> {
    /// Puts a layer around a handle.
    pub fn wrap(inner: Arc<dyn Persistence>, layer: L) -> Arc<dyn Persistence> {
        Arc::new(Layered { inner, layer })
    }

    /// The handle below.
    pub fn inner(&self) -> &dyn Persistence {
        &*self.inner
    }

    /// The layer.
    pub fn layer(&self) -> &L {
        &self.layer
    }
}

#[async_trait]
impl<L: Layer> Persistence for Layered<L> {
    fn info(&self) -> &DriverInfo {
        self.inner.info()
    }

    fn shards(&self) -> &dyn ShardStore {
        self
    }

    fn executions(&self) -> &dyn ExecutionStore {
        self
    }

    fn history(&self) -> &dyn HistoryStore {
        self
    }

    fn tasks(&self) -> &dyn TaskStore {
        self
    }

    fn queues(&self) -> &dyn QueueStore {
        self
    }

    fn documents(&self) -> &dyn DocumentStore {
        self
    }

    fn derived(&self) -> &dyn DerivedStores {
        self
    }

    fn maintenance(&self) -> &dyn MaintenanceStore {
        self
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}
