//! Branches and their tokens.

use crate::error::{Error, Result};
use crate::ids::{BranchId, TreeId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

const TOKEN_VERSION: u8 = 1;
const TRAILER: usize = 4;

/// Names a branch with everything that is needed to read it. Opaque to applications, which keep it in their mutable
/// state; a damaged one is `InvalidArgument`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BranchToken(Bytes);

impl BranchToken {
    /// The token of the first branch of a new tree.
    pub fn new_root(tree_id: TreeId, branch_id: BranchId) -> Self {
        Branch { tree_id, branch_id, ancestors: Vec::new() }.token()
    }

    /// A token from bytes that were kept elsewhere; checked when it is used.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        BranchToken(bytes.into())
    }

    /// The token's bytes, to keep elsewhere.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The branch that the token names.
    pub fn parse(&self) -> Result<Branch> {
        let bad = |rule: &str| Error::invalid("branch", format!("unable to parse the branch token: {rule}"));
        if self.0.len() < 1 + TRAILER {
            return Err(bad("too short"));
        }
        let (body, sum) = self.0.split_at(self.0.len() - TRAILER);
        if crc32fast::hash(body).to_be_bytes() != sum {
            return Err(bad("damaged"));
        }
        if body[0] != TOKEN_VERSION {
            return Err(bad("a format version that this binary does not know"));
        }
        let branch: Branch = postcard::from_bytes(&body[1..]).map_err(|_| bad("damaged"))?;
        branch.checked()
    }

    /// The tree of the branch.
    pub fn tree_id(&self) -> Result<TreeId> {
        Ok(self.parse()?.tree_id)
    }
}

impl fmt::Debug for BranchToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parse() {
            Ok(b) => write!(f, "BranchToken({}/{}, {} ancestors)", b.tree_id, b.branch_id, b.ancestors.len()),
            Err(_) => write!(f, "BranchToken({} bytes, unreadable)", self.0.len()),
        }
    }
}

/// A branch: its own nodes, and the beginnings of the branches that it was forked from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Branch {
    /// The tree.
    pub tree_id: TreeId,
    /// The branch.
    pub branch_id: BranchId,
    /// What it shares, oldest first; each begins where the one before ends.
    pub ancestors: Vec<Ancestor>,
}

/// A part of another branch that this one shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ancestor {
    /// The other branch.
    pub branch_id: BranchId,
    /// The first node id, inclusive.
    pub begin: i64,
    /// The node id after the last, exclusive.
    pub end: i64,
}

/// Where to find nodes with ids in `[begin, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchRange {
    /// The branch that holds them.
    pub branch_id: BranchId,
    /// The first node id, inclusive.
    pub begin: i64,
    /// The node id after the last, exclusive; `i64::MAX` for the branch's own nodes.
    pub end: i64,
}

impl Branch {
    /// The branch's token.
    pub fn token(&self) -> BranchToken {
        let mut out = vec![TOKEN_VERSION];
        // Serialising plain data to memory cannot fail.
        out.extend_from_slice(&postcard::to_stdvec(self).unwrap_or_default());
        out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
        BranchToken(out.into())
    }

    /// The first node id that is the branch's own.
    pub fn begin(&self) -> i64 {
        self.ancestors.last().map_or(1, |a| a.end)
    }

    /// Where the branch's nodes are, in order of node ids: shared parts first, then its own.
    pub fn ranges(&self) -> Vec<BranchRange> {
        let shared =
            self.ancestors.iter().map(|a| BranchRange { branch_id: a.branch_id, begin: a.begin, end: a.end });
        let own = BranchRange { branch_id: self.branch_id, begin: self.begin(), end: i64::MAX };
        shared.chain([own]).collect()
    }

    /// The branch forked from this one: it shares the nodes below `fork_event_id`.
    pub fn fork(&self, fork_event_id: i64, new_branch_id: BranchId) -> Branch {
        let ancestors = self
            .ranges()
            .into_iter()
            .take_while(|r| r.begin < fork_event_id)
            .map(|r| Ancestor { branch_id: r.branch_id, begin: r.begin, end: r.end.min(fork_event_id) })
            .collect();
        Branch { tree_id: self.tree_id, branch_id: new_branch_id, ancestors }
    }

    /// Ancestors must be a chain from node 1 without gaps.
    fn checked(self) -> Result<Self> {
        let mut begin = 1;
        for a in &self.ancestors {
            if a.begin != begin || a.end <= a.begin {
                return Err(Error::invalid(
                    "branch",
                    "unable to parse the branch token: ancestors do not join",
                ));
            }
            begin = a.end;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn root() -> Branch {
        BranchToken::new_root(TreeId::new(), BranchId::new()).parse().unwrap()
    }

    #[test]
    fn a_token_round_trips_and_notices_damage() {
        let fork = root().fork(7, BranchId::new());
        assert_eq!(fork.token().parse().unwrap(), fork);
        for i in 0..fork.token().as_bytes().len() {
            let mut bytes = fork.token().as_bytes().to_vec();
            bytes[i] ^= 0x40;
            assert_eq!(
                BranchToken::from_bytes(bytes).parse().unwrap_err().kind(),
                ErrorKind::InvalidArgument
            );
        }
        assert!(BranchToken::from_bytes(vec![]).parse().is_err());
    }

    #[test]
    fn forks_share_what_is_below_the_fork_point() {
        let a = root();
        let b = a.fork(5, BranchId::new());
        assert_eq!(b.ancestors, [Ancestor { branch_id: a.branch_id, begin: 1, end: 5 }]);
        let c = b.fork(8, BranchId::new());
        assert_eq!(c.ancestors[1], Ancestor { branch_id: b.branch_id, begin: 5, end: 8 });
        assert_eq!(c.begin(), 8);
        let d = c.fork(3, BranchId::new());
        assert_eq!(d.ancestors, [Ancestor { branch_id: a.branch_id, begin: 1, end: 3 }]);
        assert_eq!(
            c.fork(5, BranchId::new()).ancestors,
            b.ancestors,
            "a fork at a branch's beginning shares none of it"
        );
    }
}
