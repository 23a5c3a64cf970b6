//! What a driver can do beyond the contract that every driver keeps.

use std::collections::BTreeSet;
use std::fmt;

/// A capability that a driver may declare. The declaration in code is the only one: the suite, the
/// README table and `persist caps` come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Capability {
    /// What was acknowledged survives closing, and the end of the process.
    Durable,
    /// One write may span partitions and tables, all or nothing.
    CrossPartition,
    /// History nodes that come with a state write commit with it.
    AtomicHistory,
    /// More than one process may have the database open.
    MultiProcess,
}

impl Capability {
    /// Every capability, in the order of reports.
    pub const ALL: &[Capability] = &[
        Capability::Durable,
        Capability::CrossPartition,
        Capability::AtomicHistory,
        Capability::MultiProcess,
    ];

    /// The name in reports and on command lines, `snake_case`.
    pub fn name(self) -> &'static str {
        match self {
            Capability::Durable => "durable",
            Capability::CrossPartition => "cross_partition",
            Capability::AtomicHistory => "atomic_history",
            Capability::MultiProcess => "multi_process",
        }
    }

    /// One line for tables: what the user gets.
    pub fn summary(self) -> &'static str {
        match self {
            Capability::Durable => "acknowledged writes survive the end of the process",
            Capability::CrossPartition => "one write may span partitions, all or nothing",
            Capability::AtomicHistory => "history nodes commit together with the state",
            Capability::MultiProcess => "several processes may share the database",
        }
    }
}

/// The capabilities of one driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySet(BTreeSet<Capability>);

impl CapabilitySet {
    /// A set of these.
    pub fn of(capabilities: &[Capability]) -> Self {
        CapabilitySet(capabilities.iter().copied().collect())
    }

    /// Whether the driver declares it.
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// The declared capabilities, in order.
    pub fn iter(&self) -> impl Iterator<Item = Capability> + '_ {
        self.0.iter().copied()
    }

    /// The same set without one: to try what a driver without it would do.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        self.0.remove(&capability);
        self
    }
}

impl fmt::Display for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Capability::name).collect();
        f.write_str(&names.join(", "))
    }
}
