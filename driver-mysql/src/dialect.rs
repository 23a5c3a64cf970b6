//! MySQL's SQL.

use persistence_sql::dialect::{Dialect, Explain, Json, Placeholders, Transitions, Upsert};
use persistence_sql::value::Kind;

const MYSQL: Dialect = Dialect {
    name: "mysql",
    placeholders: Placeholders::Question,
    upsert: Upsert::OnDuplicateKey,
    for_update: " FOR UPDATE",
    for_share: " FOR SHARE",
    in_values: false,
    // A list of 4,096 keys of seven columns takes more than the range optimizer's 8 MiB, and the statement scans the table
    // without a word; 1,024 are well within it.
    max_parameters: 8_192,
    single_writer: false,
    tuple_ranges: false,
    transitions: Transitions::Transaction,
    json: Json::Mysql,
    explain: Explain { prefix: "EXPLAIN FORMAT=TREE ", columns: &[Kind::Text] },
};

/// Where there are no procedures, or they are not wanted.
pub(crate) static TRANSACTIONS: Dialect = MYSQL;

pub(crate) static PROCEDURES: Dialect = Dialect { transitions: Transitions::Procedure, ..MYSQL };
