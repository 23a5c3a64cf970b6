//! The columns of attributes: what each database computes from the document. A value of another type than declared, in a document
//! that was stored before it was, is NULL there, as it is missing for the filters.

use super::names;
use crate::core::document::path::Step;
use crate::core::document::{Arity, Attribute, KeyType, Missing, Path, Scalar, TimeUnit};
use crate::dialect::Json;
use std::fmt::Write;

/// A computed column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) ty: String,
    pub(super) expression: String,
}

/// The longest whole number of seconds that is a whole number of milliseconds.
const SECONDS: &str = "-9223372036854775 AND 9223372036854775";
const UUID_PATTERN: &str = "^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$";

/// A text as a literal.
pub(super) fn literal(json: Json, text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match json {
        Json::Mysql => format!("'{}'", quoted.replace('\\', "\\\\")),
        Json::Postgres | Json::Sqlite => format!("'{quoted}'"),
    }
}

/// A path in the database's own language, members in JSON's quotes.
pub(super) fn path_text(path: &Path) -> String {
    let mut out = "$".to_owned();
    for step in path.steps() {
        match step {
            Step::Member(name) => {
                let _ = write!(out, ".{}", serde_json::Value::from(name.as_str()));
            }
            // Of PostgreSQL: every element and every member, one level down.
            Step::Each => out.push_str(".**{1}"),
        }
    }
    out
}

/// The column of an attribute; none where the database keeps its values in a table of entries.
pub(super) fn column(json: Json, a: &Attribute) -> Option<Column> {
    if a.arity != Arity::One {
        let expression = (json == Json::Postgres).then(|| several(a))?;
        return Some(Column { name: names::column(a), ty: "jsonb".to_owned(), expression });
    }
    let (found, missing) = match json {
        Json::Postgres => postgres(a),
        Json::Mysql => mysql(a),
        Json::Sqlite => sqlite(a),
    };
    let expression = match &a.missing {
        Missing::Default(v) => {
            format!("CASE WHEN {missing} THEN {} ELSE {found} END", constant(json, v))
        }
        _ => found,
    };
    let expression = match (json, a.ty) {
        (Json::Postgres, KeyType::Str { .. }) => format!("({expression}) COLLATE \"C\""),
        _ => expression,
    };
    Some(Column { name: names::column(a), ty: type_of(json, a.ty), expression })
}

pub(super) fn type_of(json: Json, ty: KeyType) -> String {
    match (json, ty) {
        (Json::Postgres, KeyType::Bool) => "smallint",
        (Json::Postgres, KeyType::I64 | KeyType::Time(_)) => "bigint",
        (Json::Postgres, KeyType::F64) => "double precision",
        (Json::Postgres, KeyType::Uuid) => "uuid",
        (Json::Postgres, _) => "text COLLATE \"C\"",
        (Json::Mysql, KeyType::Bool) => "TINYINT",
        (Json::Mysql, KeyType::I64 | KeyType::Time(_)) => "BIGINT",
        (Json::Mysql, KeyType::F64) => "DOUBLE",
        (Json::Mysql, KeyType::Uuid) => "BINARY(16)",
        // Bytes, so that a key is as long as was declared and not four times that.
        (Json::Mysql, KeyType::Str { max }) => return format!("VARBINARY({max})"),
        (Json::Mysql, _) => "VARBINARY(1020)",
        (Json::Sqlite, KeyType::F64) => "REAL",
        (Json::Sqlite, KeyType::Uuid) => "BLOB",
        (Json::Sqlite, KeyType::Str { .. }) => "TEXT",
        (Json::Sqlite, _) => "INTEGER",
    }
    .to_owned()
}

/// A default as a literal.
fn constant(json: Json, v: &Scalar) -> String {
    match v {
        Scalar::Bool(b) => {
            let ty = if json == Json::Postgres { "::smallint" } else { "" };
            format!("{}{ty}", i32::from(*b))
        }
        // The smallest number is written as a sum: without its sign it is none.
        Scalar::I64(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Scalar::I64(i) => number(json, *i),
        Scalar::Time(t) => number(json, t.0),
        Scalar::F64(f) if json == Json::Postgres => format!("'{f:e}'::double precision"),
        Scalar::F64(f) => format!("{f:e}"),
        Scalar::Uuid(id) if json == Json::Postgres => format!("'{id}'::uuid"),
        Scalar::Uuid(id) => format!("x'{}'", id.simple()),
        Scalar::Str(s) => literal(json, s),
    }
}

fn number(json: Json, i: i64) -> String {
    if json == Json::Postgres { format!("({i})::bigint") } else { format!("{i}") }
}

/// The value if it has the type, and whether there is none.
fn postgres(a: &Attribute) -> (String, String) {
    let path = path_text(&a.path);
    // Strict: an array on the way is no object.
    let of = |condition: &str, returning: &str| {
        let path = literal(Json::Postgres, &format!("strict {path} ? ({condition})"));
        format!("JSON_VALUE(data, {path} RETURNING {returning})")
    };
    let whole = || of("@.type() == \"number\"", "bigint");
    let found = match a.ty {
        KeyType::Bool => format!("{}::int::smallint", of("@.type() == \"boolean\"", "boolean")),
        KeyType::Time(TimeUnit::Seconds) => {
            format!("CASE WHEN {0} BETWEEN {SECONDS} THEN {0} * 1000 END", whole())
        }
        KeyType::I64 | KeyType::Time(_) => whole(),
        KeyType::F64 => of("@.type() == \"number\"", "double precision"),
        KeyType::Uuid => of(&format!("@ like_regex \"{UUID_PATTERN}\""), "uuid"),
        KeyType::Str { max } => {
            let text = of("@.type() == \"string\"", "text");
            format!("CASE WHEN octet_length({text}) <= {max} THEN {text} END")
        }
        _ => "NULL".to_owned(),
    };
    let json = literal(Json::Postgres, &format!("strict {path}"));
    (found, format!("coalesce(JSON_QUERY(data, {json}), 'null') = 'null'"))
}

/// Of PostgreSQL: the values of an attribute of several, and perhaps some that are none. What finds them looks at the document.
fn several(a: &Attribute) -> String {
    let path = path_text(&a.path);
    if a.arity == Arity::Entries {
        let path = literal(Json::Postgres, &format!("strict {path} ? (@.type() == \"object\")"));
        return format!("coalesce(JSON_QUERY(data, {path}), '{{}}'::jsonb)");
    }
    let array = if a.path.has_each() { "" } else { "[*]" };
    let condition = match a.ty {
        KeyType::Bool => "@.type() == \"boolean\"",
        KeyType::I64 | KeyType::F64 | KeyType::Time(_) => "@.type() == \"number\"",
        _ => "@.type() == \"string\"",
    };
    let path = literal(Json::Postgres, &format!("lax {path}{array} ? ({condition})"));
    format!("jsonb_path_query_array(data, {path})")
}

fn mysql(a: &Attribute) -> (String, String) {
    let path = literal(Json::Mysql, &path_text(&a.path));
    let value = format!("JSON_EXTRACT(data, {path})");
    let ty = format!("JSON_TYPE({value})");
    let text = format!("JSON_UNQUOTE({value})");
    let whole = format!("JSON_VALUE(data, {path} RETURNING SIGNED)");
    let of = |condition: &str, value: &str| format!("CASE WHEN {condition} THEN {value} END");
    let is_whole = format!("{ty} IN ('INTEGER', 'UNSIGNED INTEGER')");
    let found = match a.ty {
        KeyType::Bool => of(&format!("{ty} = 'BOOLEAN'"), &whole),
        KeyType::Time(TimeUnit::Seconds) => {
            of(&format!("{is_whole} AND {whole} BETWEEN {SECONDS}"), &format!("{whole} * 1000"))
        }
        KeyType::I64 | KeyType::Time(_) => of(&is_whole, &whole),
        KeyType::F64 => of(
            &format!("{ty} IN ('DOUBLE', 'DECIMAL', 'INTEGER', 'UNSIGNED INTEGER')"),
            &format!("JSON_VALUE(data, {path} RETURNING DOUBLE)"),
        ),
        KeyType::Uuid => of(
            &format!("{ty} = 'STRING' AND REGEXP_LIKE({text}, '{UUID_PATTERN}', 'c')"),
            &format!("UUID_TO_BIN({text})"),
        ),
        KeyType::Str { max } => of(&format!("{ty} = 'STRING' AND OCTET_LENGTH({text}) <= {max}"), &text),
        _ => "NULL".to_owned(),
    };
    (found, format!("COALESCE({ty}, 'NULL') = 'NULL'"))
}

fn sqlite(a: &Attribute) -> (String, String) {
    let path = literal(Json::Sqlite, &path_text(&a.path));
    let (value, ty) = (format!("json_extract(data, {path})"), format!("json_type(data, {path})"));
    let of = |condition: &str, value: &str| format!("CASE WHEN {condition} THEN {value} END");
    // Beyond 64 bits it is a whole number of which only a float is left.
    let is_whole = format!("{ty} = 'integer' AND typeof({value}) = 'integer'");
    let found = match a.ty {
        KeyType::Bool => of(&format!("{ty} IN ('true', 'false')"), &value),
        KeyType::Time(TimeUnit::Seconds) => {
            of(&format!("{is_whole} AND {value} BETWEEN {SECONDS}"), &format!("{value} * 1000"))
        }
        KeyType::I64 | KeyType::Time(_) => of(&is_whole, &value),
        KeyType::F64 => of(&format!("{ty} IN ('integer', 'real')"), &format!("CAST({value} AS REAL)")),
        KeyType::Uuid => {
            let hex = "[0-9a-f]";
            let (four, eight, twelve) = (hex.repeat(4), hex.repeat(8), hex.repeat(12));
            let pattern = format!("{eight}-{four}-{four}-{four}-{twelve}");
            of(
                &format!("{ty} = 'text' AND {value} GLOB '{pattern}'"),
                &format!("unhex(replace({value}, '-', ''))"),
            )
        }
        KeyType::Str { max } => of(&format!("{ty} = 'text' AND octet_length({value}) <= {max}"), &value),
        _ => "NULL".to_owned(),
    };
    (found, format!("coalesce({ty}, 'null') = 'null'"))
}
