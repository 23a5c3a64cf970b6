//! Stores that are made of documents.

mod cluster;
mod endpoint;
mod member;
mod metadata;
mod metadata_lost;
mod metadata_race;
mod user_data;
mod visibility;

use crate::build::expect::failed;
use crate::{Case, Fixture};
use persistence_core::{Detail, Error, ErrorKind, Persistence, Result};
use std::fmt::Debug;
use std::sync::Arc;

/// The cases of all files.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    let files = [
        metadata::cases(),
        metadata_race::cases(),
        metadata_lost::cases(),
        cluster::cases(),
        member::cases(),
        endpoint::cases(),
        user_data::cases(),
        visibility::cases(),
    ];
    files.into_iter().flatten().collect()
}

/// Two handles, as of two processes.
async fn handles(t: &Fixture) -> Result<[Arc<dyn Persistence>; 2]> {
    Ok([t.p.clone(), t.another().await?])
}

/// What the one that won got, and why the others did not.
#[track_caller]
fn one_wins<T>(results: Vec<Result<T>>) -> (T, Vec<Error>) {
    let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(|r| r.is_ok());
    let mut won: Vec<T> = won.into_iter().filter_map(Result::ok).collect();
    assert_eq!(won.len(), 1, "exactly one wins");
    (won.remove(0), lost.into_iter().filter_map(Result::err).collect())
}

/// A version was another one than expected, and was told.
#[track_caller]
fn stale<T: Debug>(result: Result<T>, expected: i64, actual: Option<i64>) -> Error {
    let e = failed(result, ErrorKind::ConditionFailed);
    let told = matches!(e.detail(), Detail::ConditionFailed { expected: x, actual: a, .. }
        if (*x, *a) == (Some(expected), actual));
    assert!(told, "{e}");
    e
}
