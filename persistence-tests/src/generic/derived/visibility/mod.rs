//! Visibility.

mod lost;
mod newest;
mod paging;
mod random;
mod record;
mod search;
mod setup;

use crate::{Case, Fixture};

/// The cases of all files.
pub(super) fn cases() -> Vec<Case<Fixture>> {
    let files = [
        record::cases(),
        newest::cases(),
        search::cases(),
        paging::cases(),
        random::cases(),
        setup::cases(),
        lost::cases(),
    ];
    files.into_iter().flatten().collect()
}
