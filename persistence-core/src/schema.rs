//! The stored schema of a database, from outside: which version, and whether its user may do what is needed.

use crate::connect::UrlOptions;
use crate::error::{Detail, Error, Result};
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

    /// `SchemaMismatch`, with what to do, unless this binary works on it.
    pub fn check(&self) -> Result<()> {
        let fix = match self.fit() {
            SchemaFit::Fits => return Ok(()),
            SchemaFit::Missing => "persist schema setup --url URL",
            SchemaFit::Behind => "persist schema upgrade --url URL",
            SchemaFit::Ahead => "a newer release of this program",
        };
        Err(Error::new(Detail::SchemaMismatch {
            found: self.found.map_or_else(|| "none".to_owned(), |v| v.to_string()),
            supported: format!("{} and {}", self.current, self.current.saturating_add(1)),
            fix: fix.to_owned(),
        }))
    }
}

/// What opening does about a schema that is missing or behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migrate {
    /// Sets it up or upgrades it.
    #[default]
    Auto,
    /// Fails with `SchemaMismatch`; `persist schema` is run by whoever may.
    Never,
}

impl Migrate {
    /// From the option `migrate`.
    pub fn take(options: &mut UrlOptions) -> Result<Self> {
        let choice = options.choice("migrate", &[("auto", Migrate::Auto), ("never", Migrate::Never)])?;
        Ok(choice.unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_tells_both_versions_and_the_command() {
        let message = |found| SchemaStatus::new(found, 3).check().unwrap_err().to_string();
        assert!(SchemaStatus::new(Some(3), 3).check().is_ok());
        assert!(SchemaStatus::new(Some(4), 3).check().is_ok());
        for (found, version, fix) in [
            (None, "none", "schema setup"),
            (Some(2), "2", "schema upgrade"),
            (Some(5), "5", "newer release"),
        ] {
            let message = message(found);
            assert!(
                message.contains(&format!("version {version},")) && message.contains("3 and 4"),
                "{message}"
            );
            assert!(message.contains(fix), "{message}");
        }
    }
}
