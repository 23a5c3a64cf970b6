//! Which nodes are live.
//!
//! Writes that failed leave nodes behind, so several may claim one place. A node follows its predecessor when its previous
//! transaction id is the predecessor's transaction id. Where several do, the one whose chain reaches the larger transaction
//! id wins: transaction ids only grow, so the chain with the largest is the one that writers went on with. For nodes
//! without successors that is simply the larger transaction id.

use crate::error::{Error, Result};
use crate::ids::BranchId;
use crate::store::NodeHeader;

/// A node and the branch that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// The branch.
    pub branch_id: BranchId,
    /// The node.
    pub header: NodeHeader,
}

/// The last live node that is known; the default is before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Position(pub Option<NodeHeader>);

impl Position {
    /// The smallest node id that a successor, fitting or not, can have: where to read headers from.
    pub fn read_from(self) -> i64 {
        self.0.map_or(1, |n| n.first_event_id.saturating_add(1))
    }

    /// The node id that the successor must have.
    pub fn next_id(self) -> i64 {
        self.0.map_or(1, |n| n.end())
    }

    fn transaction_id(self) -> i64 {
        self.0.map_or(0, |n| n.transaction_id)
    }
}

/// The live nodes found in a window of headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Live nodes after the position, in order.
    pub live: Vec<Located>,
    /// Nothing more can be said without the headers after the window.
    pub needs_more: bool,
}

/// The live nodes after `from`, as far as `window` tells.
///
/// `window` holds headers in order of node id from [`Position::read_from`] on; `more` says that headers exist after it. A
/// gap or overlap in the chain is `Corrupted`.
pub fn live(from: Position, window: &[Located], more: bool) -> Result<Selection> {
    let mut at = from;
    let mut live = Vec::new();
    loop {
        let rest = after(window, at);
        let next_id = at.next_id();
        let settled = !more || rest.last().is_some_and(|n| n.header.first_event_id > next_id);
        let mut candidates = rest.iter().filter(|n| {
            n.header.first_event_id == next_id && n.header.previous_transaction_id == at.transaction_id()
        });
        let (first, several) = (candidates.next(), candidates.next().is_some());
        let chosen = match first {
            _ if !settled => return Ok(Selection { live, needs_more: true }),
            Some(only) if !several => only,
            Some(_) if more => return Ok(Selection { live, needs_more: true }),
            Some(_) => farthest(rest, at)?,
            None => {
                if more {
                    return Ok(Selection { live, needs_more: true });
                }
                no_stray(rest, at)?;
                return Ok(Selection { live, needs_more: false });
            }
        };
        live.push(*chosen);
        at = Position(Some(chosen.header));
    }
}

/// The live nodes before `from`, newest first, found by following previous transaction ids through a window of headers in
/// descending order of node id. Stops where the window ends; reaching the first node ends the chain.
pub fn predecessors(from: NodeHeader, window: &[Located], more: bool) -> Result<Selection> {
    let mut at = from;
    let mut live = Vec::new();
    while at.first_event_id > 1 {
        let before = window.iter().find(|n| {
            n.header.transaction_id == at.previous_transaction_id && n.header.end() == at.first_event_id
        });
        match before {
            Some(n) => {
                live.push(*n);
                at = n.header;
            }
            None if more => return Ok(Selection { live, needs_more: true }),
            None => return Err(broken(at.first_event_id, "its predecessor is missing")),
        }
    }
    Ok(Selection { live, needs_more: false })
}

/// The part of the window after a position.
fn after(window: &[Located], at: Position) -> &[Located] {
    let begin = window.partition_point(|n| n.header.first_event_id < at.read_from());
    &window[begin..]
}

/// Of several candidates the one whose chain reaches the largest transaction id. The window must be complete.
fn farthest(rest: &[Located], at: Position) -> Result<&Located> {
    let reach: Vec<i64> = reaches(rest);
    rest.iter()
        .zip(&reach)
        .filter(|(n, _)| {
            n.header.first_event_id == at.next_id() && n.header.previous_transaction_id == at.transaction_id()
        })
        .max_by_key(|(n, reach)| (**reach, n.header.transaction_id))
        .map(|(n, _)| n)
        .ok_or_else(|| broken(at.next_id(), "no candidate"))
}

/// For each node the largest transaction id that a chain through it reaches. Successors have larger ids, so one pass from
/// the end is enough.
fn reaches(rest: &[Located]) -> Vec<i64> {
    let mut reach = vec![0; rest.len()];
    for i in (0..rest.len()).rev() {
        let n = rest[i].header;
        let begin = rest.partition_point(|m| m.header.first_event_id < n.end());
        reach[i] = rest[begin..]
            .iter()
            .zip(&reach[begin..])
            .take_while(|(m, _)| m.header.first_event_id == n.end())
            .filter(|(m, _)| m.header.previous_transaction_id == n.transaction_id)
            .map(|(_, r)| *r)
            .fold(n.transaction_id, i64::max);
    }
    reach
}

/// A node that names the last live one as its predecessor but does not begin where that one ends.
fn no_stray(rest: &[Located], at: Position) -> Result<()> {
    let stray = rest.iter().find(|n| {
        n.header.previous_transaction_id == at.transaction_id() && n.header.first_event_id != at.next_id()
    });
    match stray.map(|n| n.header.first_event_id) {
        Some(id) if id > at.next_id() => {
            Err(broken(id, &format!("events from {} are missing before it", at.next_id())))
        }
        Some(id) => Err(broken(id, &format!("it overlaps the batch that ends at {}", at.next_id() - 1))),
        None => Ok(()),
    }
}

fn broken(node: i64, problem: &str) -> Error {
    Error::corrupted(format!("history node {node}"), problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn nodes(list: &[(i64, i64, i64, i64)]) -> Vec<Located> {
        let branch_id = BranchId(uuid::Uuid::nil());
        let mut out: Vec<_> = list
            .iter()
            .map(|&(first_event_id, event_count, transaction_id, previous_transaction_id)| Located {
                branch_id,
                header: NodeHeader { first_event_id, event_count, transaction_id, previous_transaction_id },
            })
            .collect();
        out.sort_by_key(|n| (n.header.first_event_id, -n.header.transaction_id));
        out
    }

    fn ids(s: &Selection) -> Vec<(i64, i64)> {
        s.live.iter().map(|n| (n.header.first_event_id, n.header.transaction_id)).collect()
    }

    #[test]
    fn leftovers_beside_the_chain_are_not_live() {
        let w = nodes(&[(1, 3, 10, 0), (4, 2, 11, 10), (4, 2, 12, 10), (6, 1, 13, 12), (6, 4, 9, 8)]);
        assert_eq!(ids(&live(Position::default(), &w, false).unwrap()), [(1, 10), (4, 12), (6, 13)]);
    }

    #[test]
    fn a_newer_leftover_loses_to_the_chain_that_went_on() {
        let w = nodes(&[(1, 3, 10, 0), (4, 2, 11, 10), (4, 2, 19, 10), (6, 1, 20, 11)]);
        assert_eq!(ids(&live(Position::default(), &w, false).unwrap()), [(1, 10), (4, 11), (6, 20)]);
        let tail = &w[..3];
        assert_eq!(
            ids(&live(Position::default(), tail, false).unwrap()),
            [(1, 10), (4, 19)],
            "at the tail the newer wins"
        );
    }

    #[test]
    fn gaps_and_overlaps_are_corrupted() {
        for w in [
            nodes(&[(1, 3, 10, 0), (5, 1, 11, 10)]),
            nodes(&[(1, 3, 10, 0), (3, 1, 11, 10)]),
            nodes(&[(2, 1, 5, 0)]),
        ] {
            assert_eq!(live(Position::default(), &w, false).unwrap_err().kind(), ErrorKind::Corrupted);
        }
    }

    #[test]
    fn a_window_is_never_judged_beyond_what_it_shows() {
        let w = nodes(&[(1, 3, 10, 0), (4, 2, 11, 10), (4, 2, 12, 10), (6, 1, 13, 11)]);
        for cut in 0..w.len() {
            let s = live(Position::default(), &w[..cut], true).unwrap();
            assert!(s.needs_more);
            let whole = live(Position::default(), &w, false).unwrap();
            assert!(whole.live.starts_with(&s.live), "cut at {cut}");
        }
    }

    #[test]
    fn backwards_is_the_reverse_of_forwards() {
        let w = nodes(&[(1, 3, 10, 0), (4, 2, 11, 10), (4, 2, 12, 10), (6, 1, 13, 12), (5, 1, 7, 10)]);
        let forward = live(Position::default(), &w, false).unwrap().live;
        let mut back: Vec<_> = w.clone();
        back.reverse();
        let last = *forward.last().unwrap();
        let mut reverse = predecessors(last.header, &back, false).unwrap().live;
        reverse.reverse();
        reverse.push(last);
        assert_eq!(reverse, forward);
    }
}
