//! Shard rows: the fence of everything that a shard holds.

use super::blobs::{broken, odd_blobs};
use crate::build::execution::{Flow, move_shard, shard};
use crate::build::expect::*;
use crate::build::record::blob;
use crate::race::race;
use persistence_core::store::*;
use persistence_core::{Clock, ErrorKind, RangeId, Result, ShardId};
use std::collections::BTreeSet;
use std::time::Duration;

const OWNERS: usize = 8;

async fn get(t: &crate::Fixture, shard_id: ShardId) -> Result<Shard> {
    t.p.shards().get_shard(&t.cx(), &GetShard { shard_id }).await
}

async fn assert_owned(t: &crate::Fixture, shard_id: ShardId, range_id: RangeId) -> Result<()> {
    t.p.shards().assert_shard_ownership(&t.cx(), &AssertShardOwnership { shard_id, range_id }).await
}

crate::cases! {
    group: "shard";

    /// A new shard is what was supplied, stamped by the store's clock.
    #[covers("shard.get_or_create_shard", "shard.get_shard")]
    async fn create_gives_what_was_supplied(t) {
        for range_id in [0, 1, 77, -5, i64::MAX, i64::MIN] {
            let req = shard(t.shard(), range_id);
            let made = t.p.shards().get_or_create_shard(&t.cx(), &req).await?;
            let info = req.initial_info.clone();
            let wanted = Shard { shard_id: req.shard_id, range_id, info, updated_at: t.clock.now() };
            assert_eq!(made, wanted);
            assert_eq!(get(t, req.shard_id).await?, wanted);
        }
    }

    /// The initial values are ignored when the shard exists, also after it was updated.
    #[covers("shard.get_or_create_shard", "shard.update_shard")]
    async fn initial_values_are_ignored_when_it_exists(t) {
        let id = t.shard();
        let first = t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 3)).await?;
        t.clock.advance(Duration::from_secs(1));
        assert_eq!(t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 9)).await?, first);
        let update = move_shard(id, 3, 4);
        t.p.shards().update_shard(&t.cx(), &update).await?;
        let found = t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 3)).await?;
        let info = update.info;
        assert_eq!(found, Shard { shard_id: id, range_id: 4, info, updated_at: t.clock.now() });
    }

    /// Concurrent creators of one shard all get the value of one of them.
    #[covers("shard.get_or_create_shard")]
    async fn concurrent_creators_get_one_value(t) {
        for _ in 0..5 {
            let id = t.shard();
            let made = race(OWNERS, |i, line| {
                let (p, cx) = (t.p.clone(), t.cx());
                async move {
                    let req = shard(id, i64::try_from(i).unwrap());
                    line.wait().await;
                    (req.initial_info.clone(), p.shards().get_or_create_shard(&cx, &req).await.unwrap())
                }
            })
            .await;
            let stored = get(t, id).await?;
            assert!(made.iter().all(|(_, s)| *s == stored), "{made:?}");
            let owner = usize::try_from(stored.range_id)?;
            assert_eq!(made[owner].0, stored.info, "range id of one creator, info of another");
        }
    }

    /// A shard that does not exist is not found, and its ownership is lost without a stored range id.
    #[covers("P1", "shard.get_shard!not_found", "shard.update_shard!shard_ownership_lost",
        "shard.assert_shard_ownership!shard_ownership_lost")]
    async fn missing_shard_is_lost_without_a_range_id(t) {
        let id = t.shard();
        missing(get(t, id).await);
        shard_lost(assert_owned(t, id, 1).await, 1, None);
        shard_lost(t.p.shards().update_shard(&t.cx(), &move_shard(id, 1, 2)).await, 1, None);
        shard_lost(t.p.shards().update_shard(&t.cx(), &move_shard(id, 0, 0)).await, 0, None);
        missing(get(t, id).await);
    }

    /// Ownership is read and compared: the stored range id alone is the owner's.
    #[covers("P1", "shard.assert_shard_ownership", "shard.assert_shard_ownership!shard_ownership_lost")]
    async fn ownership_is_read_and_compared(t) {
        let id = t.shard();
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 5)).await?;
        assert_owned(t, id, 5).await?;
        for wrong in [4, 6, 0, -5, i64::MAX, i64::MIN] {
            shard_lost(assert_owned(t, id, wrong).await, wrong, Some(5));
        }
        t.p.shards().update_shard(&t.cx(), &move_shard(id, 5, 6)).await?;
        shard_lost(assert_owned(t, id, 5).await, 5, Some(6));
        assert_owned(t, id, 6).await?;
    }

    /// An update with the stored range id replaces range id and info and stamps the time.
    #[covers("shard.update_shard", "shard.get_shard")]
    async fn update_replaces_range_id_and_info(t) {
        let id = t.shard();
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 1)).await?;
        for (from, to) in [(1, 2), (2, 3), (3, 1000), (1000, i64::MAX)] {
            t.clock.advance(Duration::from_millis(1500));
            let update = move_shard(id, from, to);
            t.p.shards().update_shard(&t.cx(), &update).await?;
            let wanted = Shard { shard_id: id, range_id: to, info: update.info, updated_at: t.clock.now() };
            assert_eq!(get(t, id).await?, wanted);
        }
    }

    /// An update with another range id is refused with the stored one, and changes nothing.
    #[covers("shard.update_shard!shard_ownership_lost")]
    async fn update_with_a_stale_range_id_changes_nothing(t) {
        let id = t.shard();
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 7)).await?;
        let before = get(t, id).await?;
        t.clock.advance(Duration::from_secs(5));
        for (stale, to) in [(6, 7), (6, 8), (8, 9), (6, 6), (0, i64::MAX), (i64::MIN, 8)] {
            shard_lost(t.p.shards().update_shard(&t.cx(), &move_shard(id, stale, to)).await, stale, Some(7));
        }
        assert_eq!(get(t, id).await?, before);
    }

    /// A checkpoint keeps the range id, replaces the info, and may be repeated; it does not fence the owner out.
    #[covers("P21", "shard.update_shard")]
    async fn checkpoint_keeps_the_range_id(t) {
        let id = t.shard();
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 4)).await?;
        for _ in 0..10 {
            t.clock.advance(Duration::from_millis(1));
            let checkpoint = move_shard(id, 4, 4);
            t.p.shards().update_shard(&t.cx(), &checkpoint).await?;
            t.p.shards().update_shard(&t.cx(), &checkpoint).await?;
            let stored = get(t, id).await?;
            assert_eq!((stored.range_id, stored.info, stored.updated_at), (4, checkpoint.info, t.clock.now()));
            assert_owned(t, id, 4).await?;
        }
    }

    /// A fence never goes back: a smaller range id is invalid, whoever owns the shard.
    #[covers("shard.update_shard!invalid_argument")]
    async fn range_id_never_goes_back(t) {
        let id = t.shard();
        invalid(t.p.shards().update_shard(&t.cx(), &move_shard(id, 2, 1)).await);
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 5)).await?;
        let before = get(t, id).await?;
        for (from, to) in [(5, 4), (5, -1), (5, i64::MIN), (9, 8), (i64::MAX, i64::MIN)] {
            invalid(t.p.shards().update_shard(&t.cx(), &move_shard(id, from, to)).await);
        }
        assert_eq!(get(t, id).await?, before);
    }

    /// Shards are numbered from 1: zero and below are invalid in every request.
    #[covers("shard.get_or_create_shard!invalid_argument", "shard.get_shard!invalid_argument",
        "shard.update_shard!invalid_argument", "shard.assert_shard_ownership!invalid_argument")]
    async fn shards_are_numbered_from_one(t) {
        for id in [0, -1, i32::MIN].map(ShardId) {
            invalid(t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 1)).await);
            invalid(get(t, id).await);
            invalid(t.p.shards().update_shard(&t.cx(), &move_shard(id, 1, 2)).await);
            invalid(assert_owned(t, id, 1).await);
        }
    }

    /// The largest shard number is a shard like any other.
    #[covers("shard.get_or_create_shard", "shard.assert_shard_ownership")]
    #[isolation(Own)]
    async fn largest_shard_number(t) {
        let id = ShardId(i32::MAX);
        missing(get(t, id).await);
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 1)).await?;
        assert_owned(t, id, 1).await?;
        missing(get(t, ShardId(i32::MAX - 1)).await);
    }

    /// Shards are independent: an update of one leaves its neighbours alone.
    #[covers("shard.update_shard")]
    async fn shards_are_independent(t) {
        let ids: Vec<_> = (0..5).map(|_| t.shard()).collect();
        for id in &ids {
            t.p.shards().get_or_create_shard(&t.cx(), &shard(*id, 1)).await?;
        }
        let mut before = Vec::new();
        for id in &ids {
            before.push(get(t, *id).await?);
        }
        t.p.shards().update_shard(&t.cx(), &move_shard(ids[2], 1, 9)).await?;
        for (i, id) in ids.iter().enumerate().filter(|(i, _)| *i != 2) {
            assert_eq!(get(t, *id).await?, before[i]);
        }
    }

    /// Of many owners who take a shard over exactly one wins each round; the losers see the winner's range id.
    #[covers("shard.update_shard", "shard.update_shard!shard_ownership_lost")]
    async fn one_owner_wins(t) {
        let id = t.shard();
        let mut range_id = 1;
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, range_id)).await?;
        for round in 0..10 {
            let outcomes = race(OWNERS, |i, line| {
                let (p, cx) = (t.p.clone(), t.cx());
                // Each takes another range id, so that the winner can be told.
                let update = move_shard(id, range_id, range_id + 1 + i64::try_from(i).unwrap());
                async move {
                    let read = p.shards().get_shard(&cx, &GetShard { shard_id: id }).await.unwrap();
                    assert_eq!(read.range_id, update.previous_range_id);
                    line.wait().await;
                    (p.shards().update_shard(&cx, &update).await, update)
                }
            })
            .await;
            let won: Vec<_> = outcomes.iter().filter(|(r, _)| r.is_ok()).map(|(_, u)| u.clone()).collect();
            assert_eq!(won.len(), 1, "round {round}: {outcomes:?}");
            let stored = get(t, id).await?;
            assert_eq!((stored.range_id, &stored.info), (won[0].range_id, &won[0].info));
            for (result, _) in outcomes.into_iter().filter(|(r, _)| r.is_err()) {
                shard_lost(result, range_id, Some(won[0].range_id));
            }
            range_id = won[0].range_id;
        }
    }

    /// Every acknowledged update is seen at once through every handle.
    #[covers("shard.get_shard", "shard.update_shard")]
    async fn updates_are_seen_through_every_handle(t) {
        let other = t.another().await?;
        let id = t.shard();
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 1)).await?;
        for range_id in 1..20 {
            let (writer, reader) = if range_id % 2 == 0 { (&t.p, &other) } else { (&other, &t.p) };
            writer.shards().update_shard(&t.cx(), &move_shard(id, range_id, range_id + 1)).await?;
            assert_eq!(reader.shards().get_shard(&t.cx(), &GetShard { shard_id: id }).await?.range_id, range_id + 1);
        }
        other.close().await?;
    }

    /// Info is opaque: empty and large payloads and unknown encodings are kept as they are.
    #[covers("shard.update_shard", "shard.get_or_create_shard")]
    async fn info_is_kept_as_it_is(t) {
        for info in odd_blobs() {
            let id = t.shard();
            let req = GetOrCreateShard { initial_info: info.clone(), ..shard(id, 1) };
            assert_eq!(t.p.shards().get_or_create_shard(&t.cx(), &req).await?.info, info);
            t.p.shards().update_shard(&t.cx(), &move_shard(id, 1, 2)).await?;
            t.p.shards().update_shard(&t.cx(), &UpdateShard { info: info.clone(), ..move_shard(id, 2, 3) }).await?;
            assert_eq!(get(t, id).await?.info, info);
        }
    }

    /// Info that does not match its checksum is corrupted when it is read, and can be replaced.
    #[covers("P24", "shard.get_shard!corrupted")]
    async fn info_that_does_not_match_its_checksum_is_corrupted(t) {
        let w = Flow::new(t).await?;
        let (id, at) = (w.shard_id, w.range_id);
        w.send(&UpdateShard { info: broken(blob("shard")), ..move_shard(id, at, at) }).await?;
        failed(get(t, id).await, ErrorKind::Corrupted);
        w.send(&move_shard(id, at, at + 1)).await?;
        assert_eq!(get(t, id).await?.range_id, at + 1);
    }

    /// Two owners of one shard alternate; each is fenced out by the other's update, and no range id is given twice.
    #[covers("shard.update_shard", "shard.update_shard!shard_ownership_lost")]
    async fn owners_fence_each_other_out(t) {
        let id = t.shard();
        t.p.shards().get_or_create_shard(&t.cx(), &shard(id, 1)).await?;
        let (mut held, mut given) = ([1, 0], BTreeSet::from([1]));
        for round in 0..12 {
            let me = round % 2;
            let stored = get(t, id).await?.range_id;
            t.p.shards().update_shard(&t.cx(), &move_shard(id, stored, stored + 1)).await?;
            held[me] = stored + 1;
            assert!(given.insert(held[me]));
            let other = held[1 - me];
            shard_lost(assert_owned(t, id, other).await, other, Some(held[me]));
            shard_lost(t.p.shards().update_shard(&t.cx(), &move_shard(id, other, other)).await, other, Some(held[me]));
        }
    }
}
