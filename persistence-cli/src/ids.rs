//! Ids that come out the same every time, so that a command that is run again finds its own work.

use persistence::{BranchId, BranchToken, NamespaceId, RunId, ShardId, TreeId};
use uuid::{Builder, Uuid};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// The namespace of everything replayed: exported histories do not say theirs.
pub(crate) const NAMESPACE: NamespaceId =
    NamespaceId(Uuid::from_u128(0x7065_7273_6973_8374_a072_6570_6c61_7900));

/// A UUID (version 8) made of these parts.
pub(crate) fn derived(parts: &[&[u8]]) -> Uuid {
    let mut bytes = Vec::new();
    for part in parts {
        // With their lengths, so that no two lists of parts run together.
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    Builder::from_custom_bytes(xxh3_128(&bytes).to_be_bytes()).into_uuid()
}

/// A run id as exported: a UUID as it is, any other text as a UUID made of it.
pub(crate) fn run_id(text: &str) -> RunId {
    RunId(text.parse().unwrap_or_else(|_| derived(&[b"run", text.as_bytes()])))
}

/// The request that created a run; exports do not keep it.
pub(crate) fn create_request_id(run_id: RunId) -> String {
    derived(&[b"create", run_id.0.as_bytes()]).to_string()
}

/// The branch of a run. The tree depends on the workflow too, because one export may be replayed under two names.
pub(crate) fn branch(workflow_id: &str, run_id: RunId) -> BranchToken {
    let tree = derived(&[b"tree", workflow_id.as_bytes(), run_id.0.as_bytes()]);
    let branch = derived(&[b"branch", tree.as_bytes()]);
    BranchToken::new_root(TreeId(tree), BranchId(branch))
}

/// The shard of a workflow, of shards 1 to `shards`.
pub(crate) fn shard_of(namespace_id: NamespaceId, workflow_id: &str, shards: u16) -> ShardId {
    let mut key = namespace_id.0.as_bytes().to_vec();
    key.extend_from_slice(workflow_id.as_bytes());
    let index = xxh3_64(&key) % u64::from(shards.max(1));
    ShardId(i32::try_from(index).unwrap_or(0) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_stable_and_tell_their_parts_apart() {
        assert_eq!(derived(&[b"a", b"b"]), derived(&[b"a", b"b"]));
        assert_ne!(derived(&[b"ab", b""]), derived(&[b"a", b"b"]));
        assert_eq!(derived(&[b"a"]).get_version_num(), 8);
    }

    #[test]
    fn shards_do_not_move_between_versions() {
        let all: Vec<i32> = ["a", "b", "order-1"].iter().map(|w| shard_of(NAMESPACE, w, 16).0).collect();
        assert!(all.iter().all(|s| (1..=16).contains(s)));
        assert_eq!(shard_of(NAMESPACE, "anything", 1), ShardId(1));
    }

    #[test]
    fn a_run_id_that_is_no_uuid_still_names_one_run() {
        assert_eq!(
            run_id("67e55044-10b1-426f-9247-bb680e5fe0c8").to_string(),
            "67e55044-10b1-426f-9247-bb680e5fe0c8"
        );
        assert_eq!(run_id("my run"), run_id("my run"));
        assert_ne!(run_id("my run"), run_id("your run"));
    }
}
