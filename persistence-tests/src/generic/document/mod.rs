//! Documents.

mod body;
mod contents;
mod domain;
mod doubt;
mod ensure;
mod everywhere;
mod expiry;
mod extreme;
mod limits;
mod lost;
mod odd;
mod oracle;
mod paging;
mod query;
mod race;
mod random;
mod reopen;
mod sizes;
mod together;
mod typed;
mod unindexed;
mod unique;
mod write;

use crate::{Case, Fixture};

/// The cases of all files.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    let files = [
        write::cases(),
        body::cases(),
        contents::cases(),
        race::cases(),
        together::cases(),
        unique::cases(),
        everywhere::cases(),
        query::cases(),
        unindexed::cases(),
        limits::cases(),
        paging::cases(),
        random::cases(),
        expiry::cases(),
        ensure::cases(),
        lost::cases(),
        doubt::cases(),
        reopen::cases(),
        domain::cases(),
        typed::cases(),
        extreme::cases(),
        odd::cases(),
        sizes::cases(),
    ];
    files.into_iter().flatten().collect()
}
