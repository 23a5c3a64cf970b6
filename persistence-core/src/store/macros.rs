//! `store!`: a store trait, and the one place where a layer meets it.

/// Declares a store: the trait itself, and its implementation for [`Layered`](crate::layer::Layered), which hands every
/// call with its [`Op`](crate::layer::Op) to the layer. Each method says what a layer must know of it:
///
/// * `read` — changes nothing;
/// * `idempotent` — a write that may be sent again: its repeat gives the same answer and the same state;
/// * `write` — any other write: its repeat is recognised only by its attempt id, below the layers.
///
/// A store `behind a front` is also implemented for [`Guarded`](crate::front::Guarded), which hands on what may be done.
macro_rules! store {
    (
        $(#[$doc:meta])*
        pub trait $Trait:ident via $accessor:ident named $name:literal behind a front { $($methods:tt)* }
    ) => {
        store! { $(#[$doc])* pub trait $Trait via $accessor named $name { $($methods)* } }
        store! { @front $Trait { $($methods)* } }
    };
    (@front $Trait:ident {
        $(
            $(#[$method_doc:meta])*
            $effect:ident fn $method:ident($req:ty) -> $reply:ty;
        )*
    }) => {
        #[async_trait::async_trait]
        impl<B: $crate::front::Bucket> $Trait for $crate::front::Guarded<B> {
            $(
                async fn $method(&self, cx: &$crate::context::Context, req: &$req) -> $crate::error::Result<$reply> {
                    $crate::store::Request::validate(req)?;
                    store!(@$effect self, cx, req, $method)
                }
            )*
        }
    };
    (@read $guarded:ident, $cx:ident, $req:ident, $method:ident) => {{
        let _inside = $guarded.gate.enter()?;
        $guarded.bucket.$method($cx, $req).await
    }};
    (@idempotent $guarded:ident, $cx:ident, $req:ident, $method:ident) => {
        store!(@write $guarded, $cx, $req, $method)
    };
    (@write $guarded:ident, $cx:ident, $req:ident, $method:ident) => {{
        let (bucket, cx, req) = ($guarded.bucket.clone(), $cx.clone(), $req.clone());
        $guarded.gate.run(async move { bucket.$method(&cx, &req).await }).await
    }};
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
