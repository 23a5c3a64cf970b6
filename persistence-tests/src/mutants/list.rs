//! The mutants by name, each with the cases that must notice.

use super::Defect::{self, Bucket, Clock, Driver, Stores};
use super::rows::Flaw::*;
use super::rows::Meaning;
use super::{Mutant, documents, tasks, whole};

const fn mutant(name: &'static str, defect: Defect, killed_by: &'static [&'static str]) -> Mutant {
    Mutant { name, killed_by, defect }
}

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant(
            "fence_unchecked",
            Driver(Unchecked(Meaning::Shard)),
            &["execution::every_write_is_fenced", "history::a_refused_write_leaves_no_nodes"],
        ),
        mutant(
            "current_record_unchecked",
            Driver(Unchecked(Meaning::Current)),
            &[
                "execution::create_brand_new_beside_a_current_run",
                "execution::update_a_run_that_is_not_current",
            ],
        ),
        mutant(
            "current_version_unchecked",
            Driver(Unchecked(Meaning::CurrentVersion)),
            &["execution::reuse_checks_run_version_and_state"],
        ),
        mutant(
            "run_unchecked",
            Driver(Unchecked(Meaning::RunHeader)),
            &["execution::update_with_another_version", "execution::create_a_run_that_exists"],
        ),
        mutant(
            "task_queue_unchecked",
            Driver(Unchecked(Meaning::TaskQueue)),
            &["task::stale_owners_add_no_tasks", "task::one_owner_wins_a_queue"],
        ),
        mutant(
            "queue_unchecked",
            Driver(Unchecked(Meaning::Queue)),
            &["queue::concurrent_enqueuers_get_their_own_ids", "queue::a_queue_is_created_once"],
        ),
        mutant(
            "ack_unchecked",
            Driver(Unchecked(Meaning::Ack)),
            &["queue::ack_levels_only_rise", "queue::a_late_ack_never_lowers_the_level"],
        ),
        mutant(
            "tree_unchecked",
            Driver(Unchecked(Meaning::TreeVersion)),
            &[
                "history::forks_and_deletes_of_a_branch_serialise",
                "history::concurrent_deletes_leave_nothing",
            ],
        ),
        mutant(
            "branch_unchecked",
            Driver(Unchecked(Meaning::Branch)),
            &["history::a_late_fork_of_a_deleted_branch_does_nothing"],
        ),
        mutant(
            "guard_is_presence",
            Driver(GuardIsPresence),
            &[
                "shard::update_with_a_stale_range_id_changes_nothing",
                "task::a_stale_update_of_a_queue_is_refused",
            ],
        ),
        mutant(
            "refused_is_done",
            Driver(RefusedIsDone),
            &["task::stale_owners_add_no_tasks", "history::a_refused_write_leaves_no_nodes"],
        ),
        mutant(
            "refused_is_begun",
            Driver(RefusedIsBegun),
            &["task::stale_owners_add_no_tasks", "execution::resolve_is_all_or_nothing"],
        ),
        mutant(
            "refused_without_rows",
            Driver(RefusedWithoutRows),
            &["task::one_owner_wins_a_queue", "execution::create_a_run_that_exists"],
        ),
        mutant(
            "first_failure_hidden",
            Driver(FirstFailureHidden),
            &["execution::shard_before_current_record_before_run"],
        ),
        mutant(
            "part_by_part",
            Driver(PartByPart),
            &["history::a_refused_write_leaves_no_nodes", "atomic::one_check_refuses_all"],
        ),
        mutant(
            "last_op_lost",
            Driver(LastOpLost),
            &[
                "history::a_fork_shares_what_is_before_it",
                "task::tasks_come_in_order",
                "document::indexes_follow_the_document",
            ],
        ),
        mutant("done_again_later", Driver(DoneAgainLater), &["task::an_owner_updates_its_queue"]),
        mutant(
            "range_too_long",
            Driver(RangeTooLong),
            &["queue::a_range_delete_counts", "task::completing_without_a_limit_deletes_all_below"],
        ),
        mutant("range_too_short", Driver(RangeTooShort), &["queue::a_range_delete_counts"]),
        mutant(
            "range_stays",
            Driver(RangeStays),
            &["task::completing_with_a_limit_counts_exactly", "history::deleting_a_branch_twice_succeeds"],
        ),
        mutant(
            "row_stays",
            Driver(RowStays),
            &["task::an_owner_deletes_its_queue", "execution::delete_the_current_record"],
        ),
        mutant(
            "no_guard",
            Driver(NoGuard),
            &[
                "task::a_queue_reads_back_as_it_was_created",
                "queue::ack_levels_advance",
                "model::sequences_do_what_the_contract_says",
            ],
        ),
        mutant(
            "old_guard",
            Driver(OldGuard),
            &["task::an_owner_updates_its_queue", "queue::ack_levels_advance"],
        ),
        mutant(
            "old_value",
            Driver(OldValue),
            &["task::a_repeated_task_key_replaces", "execution::items_are_patched"],
        ),
        mutant(
            "collected_at_once",
            Driver(CollectedAtOnce),
            &["task::a_task_ends_on_time", "task::expired_tasks_never_shorten_a_page"],
        ),
        mutant(
            "attempts_forgotten",
            Driver(AttemptsForgotten),
            &[
                "task::a_takeover_is_remembered",
                "queue::a_lost_answer_to_an_enqueue_is_found",
                "unknown::update_then_rival_on_top",
            ],
        ),
        mutant("never_descending", Driver(NeverDescending), &["scan::byte_order"]),
        mutant(
            "descends_too_far",
            Driver(DescendsTooFar),
            &["history::backward_is_the_reverse_of_forward", "scan::bounds_and_limits"],
        ),
        mutant(
            "scan_too_short",
            Driver(ScanTooShort),
            &["task::tasks_come_in_order", "queue::a_read_begins_after_an_id"],
        ),
        mutant(
            "scan_begins_after",
            Driver(ScanBeginsAfter),
            &["task::a_task_is_read_by_its_position", "scan::bounds_and_limits"],
        ),
        mutant(
            "scan_ends_after",
            Driver(ScanEndsAfter),
            &["task::tasks_come_in_order", "task::completing_with_a_limit_counts_exactly"],
        ),
        mutant(
            "torn_scan",
            Driver(TornScan),
            &["execution::reads_are_never_torn", "snapshot::scans_see_whole_writes"],
        ),
        mutant("rows_swapped", Driver(RowsSwapped), &["history::batches_follow_each_other"]),
        mutant(
            "stale_row",
            Driver(StaleRow),
            &["task::an_owner_updates_its_queue", "shard::updates_are_seen_through_every_handle"],
        ),
        mutant(
            "partition_missing",
            Driver(PartitionMissing),
            &["task::every_task_queue_is_listed_once", "history::every_branch_is_listed_once"],
        ),
        mutant(
            "unknown_is_done",
            Bucket(UnknownIsDone),
            &[
                "task::a_lost_answer_to_a_create_is_found",
                "queue::a_lost_answer_to_an_enqueue_is_found",
                "document::a_lost_answer_to_a_document_write_is_found",
            ],
        ),
        mutant(
            "unknown_is_not_done",
            Bucket(UnknownIsNotDone),
            &["history::without_an_answer_history_says_maybe", "queue::a_lost_answer_to_an_enqueue_is_found"],
        ),
        mutant(
            "nothing_expires",
            Clock(whole::no_time),
            &[
                "task::a_sticky_queue_ends_on_time",
                "task::a_task_ends_on_time",
                "maintenance::a_sweep_deletes_what_expired",
                "document::an_expired_document_is_gone",
                "visibility::a_deletion_is_remembered_for_a_while",
                "model::sequences_do_what_the_contract_says",
            ],
        ),
        mutant(
            "expires_late",
            Clock(whole::late),
            &[
                "task::a_sticky_queue_ends_on_time",
                "task::a_task_ends_on_time",
                "model::sequences_do_what_the_contract_says",
            ],
        ),
        mutant(
            "expires_early",
            Clock(whole::early),
            &[
                "task::a_sticky_queue_ends_on_time",
                "maintenance::a_sweep_deletes_what_expired",
                "document::an_expired_document_is_gone",
            ],
        ),
        mutant(
            "no_details",
            Stores(whole::no_details),
            &["task::a_stale_update_of_a_queue_is_refused", "execution::create_a_run_that_exists"],
        ),
        mutant(
            "never_maybe",
            Stores(whole::never_maybe),
            &[
                "task::an_add_before_a_takeover_says_maybe",
                "history::without_an_answer_history_says_maybe",
                "document::without_an_answer_document_writes_say_maybe",
                "metadata::without_an_answer_changes_of_namespaces_say_maybe",
            ],
        ),
        mutant(
            "conflicts_are_outages",
            Stores(whole::conflicts_are_outages),
            &["queue::a_queue_is_created_once", "task::a_stale_update_of_a_queue_is_refused"],
        ),
        mutant("never_closed", Stores(whole::never_closed), &["lifecycle::closed_handle_refuses_everything"]),
        mutant(
            "closed_without_waiting",
            Stores(whole::closed_without_waiting),
            &["lifecycle::closing_waits_for_abandoned_writes"],
        ),
        mutant("any_token", Stores(tasks::any_token), &["task::task_tokens_fit_their_query_only"]),
        mutant(
            "page_too_short",
            Stores(tasks::page_too_short),
            &["task::tasks_come_in_order", "task::fair_tasks_come_by_pass"],
        ),
        mutant(
            "token_at_end",
            Stores(tasks::token_at_end),
            &[
                "task::a_crawl_of_tasks_stands_expiry",
                "task::tasks_come_in_order",
                "model::sequences_do_what_the_contract_says",
            ],
        ),
        mutant(
            "count_too_large",
            Stores(tasks::count_too_large),
            &[
                "task::completing_with_a_limit_counts_exactly",
                "task::completing_goes_by_pass",
                "model::sequences_do_what_the_contract_says",
            ],
        ),
        mutant(
            "no_limit",
            Stores(tasks::no_limit),
            &["task::completing_with_a_limit_counts_exactly", "task::completing_counts_expired_tasks"],
        ),
        mutant("zero_is_one", Stores(tasks::zero_is_one), &["task::task_tokens_fit_their_query_only"]),
    ]
    .into_iter()
    .chain(of_documents())
    .collect()
}

/// Documents, and what is made of them.
fn of_documents() -> Vec<Mutant> {
    vec![
        mutant(
            "document_version_unchecked",
            Stores(documents::version_unchecked),
            &[
                "document::preconditions_are_checked",
                "document::no_increment_is_lost",
                "metadata::every_change_has_its_version",
                "endpoint::every_change_of_endpoints_is_counted",
                "user_data::no_update_of_user_data_is_lost",
            ],
        ),
        mutant(
            "document_absence_unchecked",
            Stores(documents::absence_unchecked),
            &[
                "document::a_document_is_created_once",
                "document::one_writer_wins",
                "cluster::one_save_wins",
                "metadata::one_creation_wins",
            ],
        ),
        mutant(
            "document_match_unchecked",
            Stores(documents::match_unchecked),
            &["document::preconditions_are_checked"],
        ),
        mutant(
            "documents_one_by_one",
            Stores(documents::one_by_one),
            &["document::a_partition_is_written_together", "document::a_key_may_change_hands_in_one_write"],
        ),
        mutant("hidden_shown", Stores(documents::hidden_shown), &["document::a_soft_delete_hides"]),
        mutant(
            "scans_at_will",
            Stores(documents::scans_at_will),
            &["document::an_unindexed_query_names_the_index"],
        ),
        mutant(
            "order_lost",
            Stores(documents::order_lost),
            &[
                "document::random_queries_find_what_they_must",
                "document::pipecd_is_served",
                "visibility::orders_are_as_they_are_told",
            ],
        ),
        mutant(
            "document_page_too_short",
            Stores(documents::page_too_short),
            &[
                "document::ties_are_paged_exactly",
                "document::what_stays_is_paged_once",
                "endpoint::endpoints_are_listed",
                "visibility::what_stays_is_listed_once",
            ],
        ),
        mutant("any_document_token", Stores(documents::any_token), &["document::tokens_are_exact"]),
        mutant(
            "document_token_at_end",
            Stores(documents::token_at_end),
            &["document::ties_are_paged_exactly", "metadata::namespaces_are_listed"],
        ),
        mutant(
            "document_count_too_large",
            Stores(documents::count_too_large),
            &["document::declared_conditions_need_no_scan", "user_data::builds_are_known_once"],
        ),
        mutant(
            "index_untold",
            Stores(documents::index_untold),
            &["document::unique_keys_are_taken_once", "metadata::ids_and_names_are_taken_once"],
        ),
        mutant("plan_applied", Stores(documents::plan_applied), &["document::ensuring_is_idempotent"]),
        mutant(
            "verify_blind",
            Stores(documents::verify_blind),
            &["drift::a_row_that_is_gone_is_told", "drift::a_row_of_nothing_is_told"],
        ),
        mutant(
            "sweep_idle",
            Stores(documents::sweep_idle),
            &["document::a_sweep_removes_what_expired", "cluster::members_expire"],
        ),
        mutant("numbers_rounded", Stores(documents::rounded), &["document::a_document_is_read_back"]),
    ]
}
