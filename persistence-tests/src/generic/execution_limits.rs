//! Names, numbers and payloads at the edge of what is allowed, and beyond.

use super::blobs::{bad_names, broken, large, odd_blobs, odd_names};
use crate::build::execution::{Flow, Write};
use crate::build::expect::*;
use crate::build::record::*;
use persistence_core::store::ExecutionState::*;
use persistence_core::store::*;
use persistence_core::{Archetype, ErrorKind, Timestamp};

crate::cases! {
    group: "execution";

    /// Workflow ids are any 1 to 255 characters without U+0000, told apart by exact bytes.
    #[covers("P2", "execution.create_execution", "execution.get_execution", "execution.delete_current_execution")]
    async fn workflow_ids_are_compared_by_bytes(t) {
        let w = Flow::new(t).await?;
        // The same run id under each: nothing but the name tells them apart.
        let run_id = t.run();
        let mut made = Vec::new();
        for name in odd_names() {
            let w = w.named(name);
            missing(w.current().await);
            let run = snapshot(run_id, Running);
            w.send(&w.brand_new(&run)).await?;
            made.push((w, run));
        }
        for (w, run) in &made {
            assert_eq!(w.load(run_id).await?, created(run), "{:?}", w.workflow_id);
            assert_eq!(w.current().await?, run.record.current(run_id), "{:?}", w.workflow_id);
        }
        let (gone, kept) = made.split_at(made.len() / 2);
        for (w, _) in gone {
            w.send(&w.delete_current(run_id)).await?;
            w.send(&w.delete(run_id)).await?;
        }
        for (w, run) in kept {
            assert_eq!(w.load(run_id).await?, created(run), "{:?}", w.workflow_id);
            assert_eq!(w.current().await?, run.record.current(run_id), "{:?}", w.workflow_id);
        }
        for (w, _) in gone {
            missing(w.load(run_id).await);
        }
    }

    /// Workflow ids that are empty, longer than 255 characters or with U+0000 are invalid in every request.
    #[covers("P2", "execution.create_execution!invalid_argument", "execution.update_execution!invalid_argument",
        "execution.conflict_resolve_execution!invalid_argument", "execution.set_execution!invalid_argument",
        "execution.delete_execution!invalid_argument", "execution.delete_current_execution!invalid_argument",
        "execution.get_execution!invalid_argument", "execution.get_current_execution!invalid_argument")]
    async fn bad_workflow_ids_are_invalid(t) {
        let good = Flow::new(t).await?;
        for name in bad_names() {
            let w = good.named(name);
            let run = snapshot(t.run(), Running);
            let writes: Vec<Box<dyn Write>> = vec![
                Box::new(w.brand_new(&run)),
                Box::new(w.touch(run.run_id, 1)),
                Box::new(w.resolve(ConflictResolveMode::UpdateCurrent, &run)),
                Box::new(w.set(&run)),
                Box::new(w.delete(run.run_id)),
                Box::new(w.delete_current(run.run_id)),
            ];
            for write in writes {
                invalid(write.send(&*w.p, &w.cx()).await);
            }
            invalid(w.load(run.run_id).await);
            invalid(w.current().await);
        }
    }

    /// An archetype must be stated.
    #[covers("P20", "execution.create_execution!invalid_argument", "execution.get_current_execution!invalid_argument")]
    async fn unspecified_archetype_is_invalid(t) {
        let w = Flow { archetype: Archetype::UNSPECIFIED, ..Flow::new(t).await? };
        let run = snapshot(t.run(), Running);
        invalid(w.send(&w.brand_new(&run)).await);
        invalid(w.send(&w.touch(run.run_id, 1)).await);
        invalid(w.send(&w.resolve(ConflictResolveMode::UpdateCurrent, &run)).await);
        invalid(w.send(&w.set(&run)).await);
        invalid(w.send(&w.delete_current(run.run_id)).await);
        invalid(w.current().await);
    }

    /// Names of items are kept byte by byte, and told apart so: in a snapshot, an upsert and a delete.
    #[covers("P2", "execution.create_execution", "execution.update_execution")]
    async fn item_names_are_compared_by_bytes(t) {
        let w = Flow::new(t).await?;
        let named = |name: String| {
            [ItemKey::Timer(name.clone()), ItemKey::SignalRequested(name.clone()), ItemKey::Node(name)]
        };
        let names: Vec<ItemKey> = odd_names().into_iter().flat_map(named).collect();
        let run = Snapshot { items: names.iter().cloned().map(item).collect(), ..snapshot(t.run(), Running) };
        w.send(&w.brand_new(&run)).await?;
        assert_eq!(w.load(run.run_id).await?, created(&run));
        let (half, rest) = names.split_at(names.len() / 2);
        let change = Mutation {
            upsert_items: rest.iter().cloned().map(item).collect(),
            delete_items: half.to_vec(),
            ..mutation(run.run_id, 1, Running)
        };
        w.send(&w.update_current(&change)).await?;
        assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &change));
    }

    /// Names of items that nobody may use are invalid, wherever they stand.
    #[covers("P2", "execution.create_execution!invalid_argument", "execution.update_execution!invalid_argument",
        "execution.set_execution!invalid_argument")]
    async fn bad_item_names_are_invalid(t) {
        let w = Flow::new(t).await?;
        let run = w.begin(t, Running).await?;
        for name in bad_names() {
            for key in [ItemKey::Timer(name.clone()), ItemKey::SignalRequested(name.clone()), ItemKey::Node(name)] {
                let bad = vec![item(key.clone())];
                let plain = || mutation(run.run_id, 1, Running);
                invalid(w.send(&w.brand_new(&Snapshot { items: bad.clone(), ..snapshot(t.run(), Running) })).await);
                invalid(w.send(&w.set(&Snapshot { items: bad.clone(), ..snapshot(run.run_id, Running) })).await);
                invalid(w.send(&w.update_current(&Mutation { upsert_items: bad, ..plain() })).await);
                invalid(w.send(&w.update_current(&Mutation { delete_items: vec![key], ..plain() })).await);
            }
        }
        assert_eq!(w.load(run.run_id).await?, created(&run));
    }

    /// Numbers may be any: versions, event ids, last write versions, times, range ids and ids of items.
    #[covers("execution.create_execution", "execution.update_execution", "execution.get_current_execution", "P20")]
    async fn extreme_numbers_are_kept(t) {
        let w = Flow::new(t).await?;
        for n in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::from(i32::MAX) + 1, i64::MAX - 2, i64::MAX - 1] {
            let w = w.sibling(t);
            let mut run = Snapshot { record_version: n, items: items(n), ..snapshot(t.run(), Running) };
            (run.record.next_event_id, run.record.last_write_version) = (n, n);
            run.record.start_time = Timestamp(n);
            w.send(&w.brand_new(&run)).await?;
            assert_eq!(w.load(run.run_id).await?, created(&run), "{n}");
            assert_eq!(w.current().await?, run.record.current(run.run_id), "{n}");
            let change = Mutation { buffered_events: Some(blob("buffered")), ..mutation(run.run_id, n, Completed) };
            w.send(&w.update_current(&change)).await?;
            let after = mutated(&created(&run), &change);
            assert_eq!(w.load(run.run_id).await?, after, "{n}");
            run_failed(w.send(&w.touch(run.run_id, n)).await, run.run_id, Some(n), Some(&after));
        }
    }

    /// The largest record version can be stored, but nothing can come after it: to expect it is invalid.
    #[covers("P20", "execution.update_execution!invalid_argument", "execution.set_execution!invalid_argument",
        "execution.conflict_resolve_execution!invalid_argument")]
    async fn largest_record_version_is_the_last(t) {
        let w = Flow::new(t).await?;
        let run = Snapshot { record_version: i64::MAX, ..snapshot(t.run(), Running) };
        w.send(&w.brand_new(&run)).await?;
        invalid(w.send(&w.touch(run.run_id, i64::MAX)).await);
        let new = Snapshot { record_version: i64::MAX, ..snapshot(run.run_id, Running) };
        invalid(w.send(&w.set(&new)).await);
        invalid(w.send(&w.resolve(ConflictResolveMode::UpdateCurrent, &new)).await);
        assert_eq!(w.load(run.run_id).await?, created(&run));
        let zombie = Snapshot { record_version: i64::MAX - 1, ..snapshot(t.run(), Zombie) };
        w.send(&w.create(CreateMode::BypassCurrent, &zombie)).await?;
        let last = Mutation { ..mutation(zombie.run_id, i64::MAX - 1, Zombie) };
        w.send(&w.update(UpdateMode::IgnoreCurrent, &last)).await?;
        assert_eq!(w.load(zombie.run_id).await?.record_version, i64::MAX);
    }

    /// Payloads are opaque: empty and large ones and unknown encodings are kept as they are, everywhere in a run.
    #[covers("execution.create_execution", "execution.update_execution", "execution.add_history_tasks")]
    async fn payloads_are_kept_as_they_are(t) {
        let w = Flow::new(t).await?;
        for odd in odd_blobs() {
            let w = w.sibling(t);
            let mut run = snapshot(t.run(), Running);
            (run.record.info, run.record.execution_state) = (odd.clone(), odd.clone());
            run.items = keys(1).into_iter().map(|key| Item { key, value: odd.clone() }).collect();
            // Databases limit what one write may carry; ten megabytes fit everywhere. Large items come one by one.
            let more = run.items.split_off(if odd.data.len() > 1 << 20 { 1 } else { run.items.len() });
            w.send(&w.brand_new(&run)).await?;
            assert_eq!(w.load(run.run_id).await?, created(&run));
            assert_eq!(w.current().await?.execution_state, odd);
            let (mut version, mut stored) = (1, created(&run));
            for item in more {
                let change = Mutation { upsert_items: vec![item], ..mutation(run.run_id, version, Running) };
                w.send(&w.update_current(&change)).await?;
                (version, stored) = (version + 1, mutated(&stored, &change));
            }
            let task = HistoryTask { payload: odd.clone(), ..immediate(TaskCategory::TRANSFER, 1) };
            let change = Mutation {
                buffered_events: Some(odd.clone()),
                tasks: vec![task.clone()],
                ..mutation(run.run_id, version, Running)
            };
            w.send(&w.update_current(&change)).await?;
            assert_eq!(w.load(run.run_id).await?, mutated(&stored, &change));
            assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, [task]);
        }
    }

    /// Request ids of records are opaque: empty, long, and with any characters.
    #[covers("execution.create_execution")]
    async fn request_ids_are_kept_as_they_are(t) {
        let w = Flow::new(t).await?;
        for id in odd_names().into_iter().chain([String::new(), "r".repeat(5000), "a\0b".to_owned()]) {
            let w = w.sibling(t);
            let mut run = Snapshot { items: Vec::new(), ..snapshot(t.run(), Running) };
            run.record.create_request_id = id;
            w.send(&w.brand_new(&run)).await?;
            assert_eq!(w.load(run.run_id).await?, created(&run));
            assert_eq!(w.current().await?, run.record.current(run.run_id));
        }
    }

    /// A run may have many items, and one write may change all of them.
    #[covers("execution.create_execution", "execution.update_execution", "execution.set_execution")]
    async fn many_items(t) {
        let w = Flow::new(t).await?;
        let mut run = snapshot(t.run(), Running);
        run.items = (0..60).flat_map(items).collect();
        w.send(&w.brand_new(&run)).await?;
        assert_eq!(w.load(run.run_id).await?, created(&run));
        let change = Mutation {
            upsert_items: (30..90).flat_map(items).collect(),
            delete_items: (0..30).flat_map(keys).collect(),
            ..mutation(run.run_id, 1, Running)
        };
        w.send(&w.update_current(&change)).await?;
        assert_eq!(w.load(run.run_id).await?, mutated(&created(&run), &change));
        let new = Snapshot { record_version: 2, items: (80..140).flat_map(items).collect(), ..snapshot(run.run_id, Running) };
        w.send(&w.set(&new)).await?;
        assert_eq!(w.load(run.run_id).await?, replaced(&new));
    }

    /// Many large payloads fit into one run.
    #[covers("execution.create_execution", "execution.get_execution")]
    async fn many_megabytes_in_one_run(t) {
        let w = Flow::new(t).await?;
        let mut run = snapshot(t.run(), Running);
        let big = persistence_core::Blob::json(large()).with_checksum();
        run.items = (0..3).map(|n| Item { key: ItemKey::Activity(n), value: big.clone() }).collect();
        run.record.info = big;
        w.send(&w.brand_new(&run)).await?;
        assert_eq!(w.load(run.run_id).await?, created(&run));
    }

    /// A payload that does not match its checksum is corrupted when it is read, and only then; it can be replaced.
    #[covers("P24", "execution.get_execution!corrupted", "execution.get_current_execution!corrupted",
        "execution.list_executions!corrupted", "execution.get_history_tasks!corrupted")]
    async fn payloads_that_do_not_match_their_checksum_are_corrupted(t) {
        let w = Flow::new(t).await?;
        let damages: [fn(&mut Mutation); 5] = [
            |m| m.record.info = broken(blob("info")),
            |m| m.record.execution_state = broken(blob("state")),
            |m| m.upsert_items = vec![Item { key: ItemKey::Activity(1), value: broken(blob("item")) }],
            |m| m.buffered_events = Some(broken(blob("buffered"))),
            |m| m.tasks = vec![HistoryTask { payload: broken(blob("task")), ..immediate(TaskCategory::TRANSFER, 1) }],
        ];
        for (i, damage) in damages.into_iter().enumerate() {
            let run = w.sibling(t).begin(t, Running).await?;
            let w = Flow::new(t).await?;
            w.send(&w.brand_new(&run)).await?;
            let mut change = mutation(run.run_id, 1, Running);
            damage(&mut change);
            w.send(&w.update_current(&change)).await?;
            if i < 4 {
                failed(w.load(run.run_id).await, ErrorKind::Corrupted);
            } else {
                failed(w.tasks(TaskCategory::TRANSFER).await, ErrorKind::Corrupted);
                w.send(&w.complete(&change.tasks[0])).await?;
                assert_eq!(w.tasks(TaskCategory::TRANSFER).await?, []);
            }
            if i == 1 {
                failed(w.current().await, ErrorKind::Corrupted);
            }
            if i < 2 {
                let page = persistence_core::PageRequest::first(10);
                let list = ListExecutions { shard_id: w.shard_id, page };
                failed(w.p.executions().list_executions(&w.cx(), &list).await, ErrorKind::Corrupted);
            }
            // Conditions are not in the payload: the run can be written, and be whole again.
            let whole = Snapshot { record_version: 2, ..snapshot(run.run_id, Running) };
            w.send(&w.resolve(ConflictResolveMode::UpdateCurrent, &whole)).await?;
            assert_eq!(w.load(run.run_id).await?, replaced(&whole));
            assert_eq!(w.current().await?, whole.record.current(run.run_id));
        }
    }

    /// Errors of conditions show no contents of rows.
    #[covers("execution.create_execution!current_workflow_condition_failed")]
    async fn errors_show_no_contents(t) {
        let w = Flow::new(t).await?;
        let mut run = snapshot(t.run(), Running);
        let secret = persistence_core::Blob::json("hunter2");
        (run.record.info, run.record.execution_state) = (secret.clone(), secret);
        w.send(&w.brand_new(&run)).await?;
        let e = w.send(&w.brand_new(&snapshot(t.run(), Running))).await.unwrap_err();
        assert!(!format!("{e} {e:?}").contains("hunter2"), "{e:?}");
        assert!(!format!("{e:?}").contains("104, 117, 110"), "{e:?}");
    }
}
