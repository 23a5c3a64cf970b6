//! The stored schema of a database, from outside: which version, and whether its user may do what is needed.

use std::fmt;

/// What to do about the stored schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaOp {
    /// Makes it current, from nothing or from an older version, under a lock.
    Setup,
    /// Makes an older version current; `SchemaMismatch` where nothing was set up, which is perhaps another database than was
    /// meant.
    Upgrade,
    /// Tells what is there, changing nothing.
    Status,
}

/// The schema as found. A binary of version N works on N and N + 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaStatus {
    /// The stored version; none when nothing is set up.
    pub found: Option<u32>,
    /// The version that this binary sets up.
    pub current: u32,
    /// What the user needs to be allowed, and whether it is; empty where the database knows no privileges, and unless it was
    /// asked for the status.
    pub privileges: Vec<Privilege>,
}

impl SchemaStatus {
    /// A version that was found, with no privileges known.
    #[must_use]
    pub fn new(found: Option<u32>, current: u32) -> Self {
        SchemaStatus { found, current, privileges: Vec::new() }
    }

    /// Whether this binary works on it.
    #[must_use]
    pub fn fit(&self) -> SchemaFit {
        match self.found {
            None => SchemaFit::Missing,
            Some(v) if v < self.current => SchemaFit::Behind,
            Some(v) if v > self.current.saturating_add(1) => SchemaFit::Ahead,
            Some(_) => SchemaFit::Fits,
        }
    }
}

/// How a stored schema fits this binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaFit {
    /// Nothing is set up.
    Missing,
    /// It must be upgraded first.
    Behind,
    /// This binary works on it.
    Fits,
    /// This binary is too old for it.
    Ahead,
}

impl fmt::Display for SchemaFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SchemaFit::Missing => "missing",
            SchemaFit::Behind => "behind",
            SchemaFit::Fits => "fits",
            SchemaFit::Ahead => "ahead",
        })
    }
}

/// Something that the database's user needs to be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// What it is needed for: `run`, `setup` or `upgrade`.
    pub purpose: String,
    /// What it is, as the database calls it.
    pub what: String,
    /// Whether the user has it.
    pub held: bool,
}
