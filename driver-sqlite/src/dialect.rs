//! SQLite's SQL.

use persistence_sql::dialect::{Dialect, Explain, Json, Placeholders, Transitions, Upsert};
use persistence_sql::value::Kind;

pub(crate) static SQLITE: Dialect = Dialect {
    name: "sqlite",
    placeholders: Placeholders::Question,
    upsert: Upsert::OnConflict,
    // One connection writes, and it has taken the write lock when it begins.
    for_update: "",
    for_share: "",
    in_values: true,
    max_parameters: 32_766,
    single_writer: true,
    tuple_ranges: true,
    transitions: Transitions::Transaction,
    json: Json::Sqlite,
    explain: Explain {
        prefix: "EXPLAIN QUERY PLAN ",
        columns: &[Kind::Int, Kind::Int, Kind::Int, Kind::Text],
    },
};
