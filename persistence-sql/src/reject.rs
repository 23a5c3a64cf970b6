//! Why a database refused, where that decides what to do: carried as the source of an error.

use persistence_core::Error;
use std::error::Error as StdError;
use std::fmt;

/// The classes of refusals. In each nothing of the transaction was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// A unique key exists. Where the statement was not to meet one, a row appeared since the look.
    Duplicate,
    /// The database chose this transaction to end a deadlock.
    Deadlock,
    /// The database could not order this transaction among others.
    Serialization,
    /// A lock was not to be had in time.
    LockTimeout,
}

/// A refusal, with the driver's own error. What is logged of it never repeats a unique key that exists: it is part of a row.
pub struct Rejected {
    /// Its class.
    pub class: Class,
    /// What the driver said.
    pub cause: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            Class::Duplicate => write!(f, "{:?}", self.class),
            _ => write!(f, "{:?}: {}", self.class, self.cause),
        }
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for Rejected {}

/// What the driver said, in words.
pub(crate) fn cause(error: &Error) -> Option<String> {
    StdError::source(error)?.downcast_ref::<Rejected>().map(|r| r.cause.to_string())
}

/// The class of a refusal, if the error is one.
pub fn class(error: &Error) -> Option<Class> {
    StdError::source(error)?.downcast_ref::<Rejected>().map(|r| r.class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_key_is_not_repeated() {
        let said = "Duplicate entry 'hunter2' for key 'd_users.u_name'";
        for class in [Class::Duplicate, Class::Deadlock] {
            let e =
                Error::unavailable("execute", "refused").with_source(Rejected { class, cause: said.into() });
            let shown = format!("{e} {e:?} {}", StdError::source(&e).unwrap());
            assert_eq!(shown.contains("hunter2"), class != Class::Duplicate, "{shown}");
            assert_eq!(cause(&e).as_deref(), Some(said), "which index it is can still be told");
        }
    }
}
