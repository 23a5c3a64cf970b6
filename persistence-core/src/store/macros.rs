//! `store!`: a store trait, and the one place where a layer meets it.

/// Declares a store: the trait itself, and its implementation for [`Layered`](crate::layer::Layered), which hands every
/// call with its [`Op`](crate::layer::Op) to the layer. Each method says what a layer must know of it:
///
/// * `read` — changes nothing;
/// * `idempotent` — a write that may be sent again: its repeat gives the same answer and the same state;
/// * `write` — any other write: its repeat is recognised only by its attempt id, below the layers.
macro_rules! store {
    (
        $(#[$doc:meta])*
        pub trait $Trait:ident via $accessor:ident named $name:literal {
            $(
                $(#[$method_doc:meta])*
                $effect:ident fn $method:ident($req:ty) -> $reply:ty;
            )*
        }
    ) => {
        $(#[$doc])*
        #[async_trait::async_trait]
        pub trait $Trait: Send + Sync {
            $(
                $(#[$method_doc])*
                async fn $method(&self, cx: &$crate::context::Context, req: &$req) -> $crate::error::Result<$reply>;
            )*
        }

        #[async_trait::async_trait]
        impl<L: $crate::layer::Layer> $Trait for $crate::layer::Layered<L> {
            $(
                async fn $method(&self, cx: &$crate::context::Context, req: &$req) -> $crate::error::Result<$reply> {
                    let op = $crate::layer::Op {
                        store: $name,
                        method: stringify!($method),
                        name: concat!($name, ".", stringify!($method)),
                        effect: store!(@effect $effect),
                        shard_id: $crate::store::Request::shard_id(req),
                    };
                    let inner = self.inner().$accessor();
                    self.layer()
                        .around(cx, &op, |cx| Box::pin(async move { inner.$method(&cx, req).await }))
                        .await
                }
            )*
        }

        impl $crate::layer::Operations for dyn $Trait {
            const STORE: &'static str = $name;
            const METHODS: &'static [(&'static str, $crate::layer::Effect)] =
                &[$((stringify!($method), store!(@effect $effect))),*];
        }
    };
    (@effect read) => { $crate::layer::Effect::Read };
    (@effect idempotent) => { $crate::layer::Effect::Idempotent };
    (@effect write) => { $crate::layer::Effect::Write };
}
