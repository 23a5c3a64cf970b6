//! The statements: what they look like.

/// What a change asks of its row. All are conditions on columns: a refusal then tells guard and value of each row that there
/// is, and a row needs no marker besides them, which could outlive them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Nothing; the statement has no condition.
    None,
    /// Nothing, through Paxos: `checked` is never written.
    Anything,
    Absent,
    Present,
    /// Binds the guard.
    Guard,
}

/// What a change does to its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// Nothing: it only asks.
    Nothing,
    /// Binds guard and value.
    Put,
    /// Binds seconds to live, guard and value.
    PutFor,
    Delete,
}

/// The form of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// Binds what the effect binds, partition and key, and what the test binds.
    Change(Effect, Test),
    /// Binds partition and start, and the end if it has one.
    DeleteRange { ends: bool },
    /// Binds partition and keys.
    Get,
    /// Binds partition and start, the end if it has one, and the limit.
    Scan { ends: bool, descending: bool },
    /// Binds the limit.
    FirstPartitions,
    /// The partitions in the place of one on the ring. Binds it.
    PartitionsAt,
    /// Binds a partition and the limit.
    PartitionsAfter,
}

impl Form {
    /// The statement on a table.
    pub(crate) fn cql(self, table: &str) -> String {
        const ROW: &str = "WHERE partition = ? AND key = ?";
        let range =
            |ends| if ends { "partition = ? AND key >= ? AND key < ?" } else { "partition = ? AND key >= ?" };
        match self {
            Form::Change(effect, test) => {
                let change = match effect {
                    // A deletion of what is never there: rows without cells may be named, and others keep theirs.
                    Effect::Nothing => format!("DELETE checked FROM {table}"),
                    Effect::Put => format!("UPDATE {table} SET guard = ?, value = ?"),
                    Effect::PutFor => format!("UPDATE {table} USING TTL ? SET guard = ?, value = ?"),
                    Effect::Delete => format!("DELETE FROM {table}"),
                };
                let test = match test {
                    Test::None => "",
                    Test::Anything => " IF checked = null",
                    Test::Absent => " IF guard = null AND value = null",
                    Test::Present => " IF guard != null AND value != null",
                    Test::Guard => " IF guard = ? AND value != null",
                };
                format!("{change} {ROW}{test}")
            }
            Form::DeleteRange { ends } => format!("DELETE FROM {table} WHERE {}", range(ends)),
            Form::Get => {
                format!("SELECT key, guard, value FROM {table} WHERE partition = ? AND key IN ?")
            }
            Form::Scan { ends, descending } => {
                let order = if descending { " ORDER BY key DESC" } else { "" };
                format!("SELECT key, guard, value FROM {table} WHERE {}{order} LIMIT ?", range(ends))
            }
            Form::FirstPartitions => format!("SELECT DISTINCT partition FROM {table} LIMIT ?"),
            Form::PartitionsAt => {
                format!("SELECT DISTINCT partition FROM {table} WHERE token(partition) = token(?)")
            }
            Form::PartitionsAfter => {
                format!("SELECT DISTINCT partition FROM {table} WHERE token(partition) > token(?) LIMIT ?")
            }
        }
    }
}
