//! PostgreSQL's SQL.

use persistence_sql::dialect::{Dialect, Explain, Json, Placeholders, Transitions, Upsert};
use persistence_sql::value::Kind;

pub(crate) static POSTGRES: Dialect = Dialect {
    name: "postgres",
    placeholders: Placeholders::Dollar,
    upsert: Upsert::OnConflict,
    for_update: " FOR NO KEY UPDATE",
    for_share: " FOR SHARE",
    in_values: false,
    max_parameters: 32_767,
    single_writer: false,
    tuple_ranges: true,
    transitions: Transitions::Statement,
    json: Json::Postgres,
    explain: Explain { prefix: "EXPLAIN ", columns: &[Kind::Text] },
};
