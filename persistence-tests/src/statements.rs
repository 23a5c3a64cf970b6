//! Which statements the bucket sent in a run: compared with a file, so that a change of a statement is seen, and a statement that
//! no case sends is noticed.

use persistence_sql::Naming;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Set to `write`, a whole run writes the files anew.
const MODE: &str = "PERSISTENCE_TESTS_STATEMENTS";

const HEADER: &str = "\
-- Every statement that the stores send to this database, as the suite saw them: lists of tuples are cut to one, and names of tables
-- are plain. Written by a whole run of the suite with PERSISTENCE_TESTS_STATEMENTS=write.

";

/// The statements of a run.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    raw: Mutex<HashSet<u64>>,
    statements: Mutex<BTreeSet<String>>,
}

impl Seen {
    pub(crate) fn note(&self, naming: &Naming, sql: &str) {
        let mut hasher = DefaultHasher::new();
        sql.hash(&mut hasher);
        if self.raw.lock().unwrap_or_else(PoisonError::into_inner).insert(hasher.finish()) {
            let sql = naming.unrender(sql);
            // Those about documents are as many as there are collections.
            if is_of_documents(&sql) {
                return;
            }
            let parts = parts(&sql);
            self.statements.lock().unwrap_or_else(PoisonError::into_inner).extend(parts);
        }
    }

    pub(crate) fn statements(&self) -> BTreeSet<String> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a statement is about the tables or indexes of a collection.
fn is_of_documents(sql: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    sql.split(|c| !is_word(c)).any(|word| ["d_", "de_", "dx_"].iter().any(|begin| word.starts_with(begin)))
}

/// What is wrong with the statements of a whole run.
pub(crate) fn problems(file: &Path, seen: &BTreeSet<String>) -> Vec<String> {
    if std::env::var(MODE).is_ok_and(|mode| mode == "write") {
        let all: Vec<&str> = seen.iter().map(String::as_str).collect();
        let written = fs::write(file, format!("{HEADER}{};\n", all.join(";\n\n")));
        return written
            .err()
            .map(|e| format!("{} cannot be written: {e}", file.display()))
            .into_iter()
            .collect();
    }
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) => return vec![format!("{} cannot be read: {e}; run with {MODE}=write", file.display())],
    };
    let listed: BTreeSet<String> = text
        .trim_start_matches(HEADER)
        .split(";\n")
        .map(|s| s.trim_start_matches('\n').to_owned())
        .filter(|s| !s.is_empty())
        .collect();
    let never = listed.difference(seen).map(|s| format!("no case sends this statement any more:\n{s}"));
    let new = seen
        .difference(&listed)
        .map(|s| format!("a statement is new or changed; look at it, and run with {MODE}=write:\n{s}"));
    never.chain(new).collect()
}

/// The statements that were sent together, each in its plainest form.
fn parts(sql: &str) -> Vec<String> {
    let plain = one_tuple(&without_hashes(&question_marks(sql)));
    match plain.strip_prefix("WITH\n") {
        // Put together of what a wave needs: each expression is a part, and what asks for the answer.
        Some(with) => {
            let mut parts: Vec<String> = with.split("\n),\n").map(str::to_owned).collect();
            if let Some((last, select)) =
                parts.pop().and_then(|p| p.split_once("\n)\n").map(|(a, b)| (a.to_owned(), b.to_owned())))
            {
                parts.push(last);
                parts.extend(select.split("\nUNION ALL\n").map(|s| s.trim().to_owned()));
            }
            parts
        }
        None => plain.split("; ").map(str::to_owned).collect(),
    }
}

/// `$1` is `?`.
fn question_marks(sql: &str) -> String {
    let mut parts = sql.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        out.push_str(if rest.len() < part.len() { "?" } else { "$" });
        out.push_str(rest);
    }
    out
}

/// Names that end with a hash end with `…`.
fn without_hashes(sql: &str) -> String {
    let is_hash = |word: &str| word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut out = String::with_capacity(sql.len());
    for (i, piece) in sql.split('_').enumerate() {
        if i > 0 {
            out.push('_');
        }
        match piece.split_at_checked(16) {
            Some((hash, rest)) if is_hash(hash) => out.extend(["…", rest]),
            _ => out.push_str(piece),
        }
    }
    out
}

/// Of equal tuples of placeholders in a list, one.
fn one_tuple(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find("(?") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        // Placeholders, each perhaps as a type.
        let of_tuple = |c: char| "(?, :[]".contains(c) || c.is_ascii_lowercase();
        let end = from.find(|c: char| !of_tuple(c)).unwrap_or(from.len());
        if !from[end..].starts_with(')') {
            out.push_str(&from[..end]);
            rest = &from[end..];
            continue;
        }
        let (tuple, mut after) = from.split_at(end + 1);
        while let Some(next) = after.strip_prefix(", ").and_then(|a| a.strip_prefix(tuple)) {
            after = next;
        }
        out.push_str(tuple);
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_made_plain() {
        let naming = Naming::default().with_schema(Some("S")).unwrap().with_prefix("p_").unwrap();
        let seen = Seen::default();
        seen.note(&naming, "INSERT INTO \"S\".p_tasks (a, b) VALUES ($1, $2), ($3, $4), ($5, $6)");
        seen.note(&naming, "INSERT INTO \"S\".p_tasks (a, b) VALUES ($1, $2)");
        seen.note(
            &naming,
            "DELETE FROM \"S\".p_tasks WHERE (a) IN (($1), ($2)); DELETE FROM \"S\".p_queues WHERE a = $3",
        );
        seen.note(&naming, "SELECT t.* FROM (VALUES ($1::bigint, $2::bytea[]), ($3::bigint, $4::bytea[])) AS t WHERE (x) > ($5)");
        seen.note(&naming, "CALL p_persist_0123456789abcdef(?, ?)");
        let expected = [
            "CALL persist_…(?, ?)",
            "DELETE FROM queues WHERE a = ?",
            "DELETE FROM tasks WHERE (a) IN ((?))",
            "INSERT INTO tasks (a, b) VALUES (?, ?)",
            "SELECT t.* FROM (VALUES (?::bigint, ?::bytea[])) AS t WHERE (x) > (?)",
        ];
        assert_eq!(seen.statements().into_iter().collect::<Vec<_>>(), expected);
    }
}
