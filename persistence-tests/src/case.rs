//! Cases: declared once, by a macro that also lists them.

use futures_util::future::BoxFuture;
use persistence_core::Capability;
use std::error::Error;
use std::fmt;
use std::panic::Location;

/// What a case ends with: any error fails it, and so does a panic.
pub type CaseResult = Result<(), Failure>;

/// Any error, with the place where `?` met it.
pub struct Failure {
    error: Box<dyn Error + Send + Sync>,
    at: &'static Location<'static>,
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Failure { error: Box::new(error), at: Location::caller() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let mut next = self.error.source();
        while let Some(cause) = next {
            write!(f, "\n  caused by: {cause}")?;
            next = cause.source();
        }
        write!(f, "\n  at {}:{}", self.at.file(), self.at.line())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which database a case wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isolation {
    /// The database that all cases of the run share; the case uses fresh ids. The default.
    #[default]
    Shared,
    /// A database, or a prefix of one, of its own: for cases that list everything, reopen, or count.
    Own,
}

/// Whether a case also runs under random faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It does if it covers an operation that writes. The default.
    #[default]
    Auto,
    /// It does.
    Write,
    /// It does not: it scripts faults itself, or counts or times what faults would change.
    Calm,
}

/// One case, on a fixture `F`.
pub struct Case<F> {
    /// `group::name`; unique in its suite, and stable: waivers and reports name it.
    pub id: &'static str,
    /// The rule that it checks, as reports show it.
    pub rule: &'static str,
    /// Cells of the coverage table: rules (`"P8"`), operations (`"shard.get_shard"`), errors of an operation
    /// (`"shard.get_shard!not_found"`) and capabilities (`"capability.durable"`).
    pub covers: &'static [&'static str],
    /// The driver must declare these, else the case is ignored, visibly.
    pub needs: &'static [Capability],
    /// Which database it wants.
    pub isolation: Isolation,
    /// Whether it also runs under random faults.
    pub kind: Kind,
    /// The case itself.
    pub run: for<'a> fn(&'a mut F) -> BoxFuture<'a, CaseResult>,
}

impl<F> Case<F> {
    /// The part of the id before `::`; for generic cases the store.
    pub fn group(&self) -> &'static str {
        self.id.split("::").next().unwrap_or(self.id)
    }
}

// Derived, these would ask for `F: Clone`.
impl<F> Clone for Case<F> {
    fn clone(&self) -> Self {
        Case { ..*self }
    }
}

impl<F> fmt::Debug for Case<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// Declares the cases of a module and lists them as `pub fn cases() -> Vec<Case<_>>`, so that none can be forgotten.
///
/// The doc comment is the rule. The attributes come in this order; only `covers` is required.
///
/// ```
/// persistence_tests::cases! {
///     group: "shard";
///
///     /// A missing shard is lost, without a stored range id.
///     #[covers("P1", "shard.get_shard", "shard.get_shard!not_found")]
///     #[needs(Durable)]
///     #[isolation(Own)]
///     #[kind(Calm)]
///     async fn missing_shard_is_not_found(t) {
///         let shard_id = t.shard();
///         let req = persistence_core::store::GetShard { shard_id };
///         assert!(t.p.shards().get_shard(&t.cx(), &req).await.is_err());
///         t.reopen().await?;
///         assert!(t.p.shards().get_shard(&t.cx(), &req).await.is_err());
///     }
/// }
/// assert_eq!(cases()[0].id, "shard::missing_shard_is_not_found");
/// assert_eq!(cases()[0].rule, "A missing shard is lost, without a stored range id.");
/// ```
///
/// Cases are on [`Fixture`](crate::Fixture) unless `fixture: Type;` comes first.
#[macro_export]
macro_rules! cases {
    (group: $group:literal; $($cases:tt)*) => {
        $crate::cases! { fixture: $crate::Fixture; group: $group; $($cases)* }
    };
    (
        fixture: $fixture:ty;
        group: $group:literal;
        $(
            $(#[doc = $doc:literal])+
            #[covers($($covers:literal),+ $(,)?)]
            $(#[needs($($needs:ident),+ $(,)?)])?
            $(#[isolation($isolation:ident)])?
            $(#[kind($kind:ident)])?
            async fn $name:ident($t:ident) $body:block
        )*
    ) => {
        $(
            $(#[doc = $doc])+
            #[allow(unreachable_code, unused_variables)]
            async fn $name($t: &mut $fixture) -> $crate::CaseResult {
                let () = $body;
                Ok(())
            }
        )*

        /// The cases of this module.
        #[allow(unreachable_pub)]
        pub fn cases() -> Vec<$crate::Case<$fixture>> {
            vec![$(
                $crate::Case {
                    id: concat!($group, "::", stringify!($name)),
                    rule: concat!($($doc),+).trim_ascii(),
                    covers: &[$($covers),+],
                    needs: &[$($($crate::core::Capability::$needs),+)?],
                    isolation: $crate::cases!(@isolation $($isolation)?),
                    kind: $crate::cases!(@kind $($kind)?),
                    run: |t| Box::pin($name(t)),
                }
            ),*]
        }
    };
    (@isolation) => { $crate::Isolation::Shared };
    (@isolation $isolation:ident) => { $crate::Isolation::$isolation };
    (@kind) => { $crate::Kind::Auto };
    (@kind $kind:ident) => { $crate::Kind::$kind };
}
