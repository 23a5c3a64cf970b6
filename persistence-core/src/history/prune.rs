//! What a delete or a trim removes.

use super::branch::Branch;
use super::chain::Located;
use crate::ids::BranchId;
use std::collections::HashMap;

/// Every node of a branch from a node id on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteFrom {
    /// The branch.
    pub branch_id: BranchId,
    /// The first node id, inclusive.
    pub begin: i64,
}

/// What to delete with a branch: every node of its ranges that no other branch of the tree uses.
pub fn plan_delete(doomed: &Branch, others: &[Branch]) -> Vec<DeleteFrom> {
    let mut used: HashMap<BranchId, i64> = HashMap::new();
    for other in others.iter().filter(|b| b.branch_id != doomed.branch_id) {
        for range in other.ranges() {
            let end = used.entry(range.branch_id).or_insert(range.end);
            *end = range.end.max(*end);
        }
    }
    let mut deletes = Vec::new();
    for range in doomed.ranges().into_iter().rev() {
        match used.get(&range.branch_id) {
            None => deletes.push(DeleteFrom { branch_id: range.branch_id, begin: range.begin }),
            Some(&i64::MAX) => break,
            // Everything further up is then in use as well.
            Some(&end) => {
                deletes.push(DeleteFrom { branch_id: range.branch_id, begin: end });
                break;
            }
        }
    }
    deletes
}

/// What a trim removes: beside each node of the chain that ends in `(first_event_id, transaction_id)`, the nodes with the
/// same id and a larger transaction id. Nothing when there is no such chain. `nodes` are all headers of the branch up to
/// that node, in any order.
pub fn plan_trim(nodes: &[Located], first_event_id: i64, transaction_id: i64) -> Vec<Located> {
    let by_transaction: HashMap<i64, &Located> = nodes.iter().map(|n| (n.header.transaction_id, n)).collect();
    let mut chain = Vec::new();
    let Some(mut at) =
        by_transaction.get(&transaction_id).copied().filter(|n| n.header.first_event_id == first_event_id)
    else {
        return Vec::new();
    };
    loop {
        chain.push(at.header);
        if at.header.first_event_id <= 1 {
            break;
        }
        match by_transaction.get(&at.header.previous_transaction_id) {
            Some(before) if before.header.end() == at.header.first_event_id => at = before,
            _ => return Vec::new(),
        }
    }
    let kept: HashMap<i64, i64> = chain.iter().map(|h| (h.first_event_id, h.transaction_id)).collect();
    let newer =
        |n: &&Located| kept.get(&n.header.first_event_id).is_some_and(|t| n.header.transaction_id > *t);
    nodes.iter().filter(newer).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::BranchToken;
    use crate::ids::TreeId;
    use crate::store::NodeHeader;

    #[test]
    fn a_delete_spares_what_others_use() {
        let a = BranchToken::new_root(TreeId::new(), BranchId::new()).parse().unwrap();
        let b = a.fork(5, BranchId::new());
        let c = b.fork(8, BranchId::new());
        let from = |b: &Branch, begin| DeleteFrom { branch_id: b.branch_id, begin };
        assert_eq!(
            plan_delete(&a, &[a.clone(), b.clone()]),
            [from(&a, 5)],
            "the base keeps its shared beginning"
        );
        assert_eq!(plan_delete(&b, &[a.clone(), b.clone(), c.clone()]), [from(&b, 8)]);
        assert_eq!(
            plan_delete(&c, &[a.clone(), c.clone()]),
            [from(&c, 8), from(&b, 5)],
            "b is gone, c was its last user"
        );
        assert_eq!(plan_delete(&a, std::slice::from_ref(&a)), [from(&a, 1)]);
        assert_eq!(plan_delete(&b, std::slice::from_ref(&b)), [from(&b, 5), from(&a, 1)]);
    }

    #[test]
    fn a_trim_needs_an_unbroken_chain() {
        let branch_id = BranchId::new();
        let node = |first_event_id, event_count, transaction_id, previous_transaction_id| Located {
            branch_id,
            header: NodeHeader { first_event_id, event_count, transaction_id, previous_transaction_id },
        };
        let all = [node(1, 3, 10, 0), node(4, 2, 11, 10), node(4, 2, 12, 10), node(4, 1, 9, 10)];
        assert_eq!(plan_trim(&all, 4, 11), [all[2]]);
        assert_eq!(plan_trim(&all, 4, 12), []);
        assert_eq!(plan_trim(&all, 5, 11), [], "another node id");
        assert_eq!(plan_trim(&all[1..], 4, 11), [], "a broken chain");
    }
}
