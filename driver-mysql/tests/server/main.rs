//! MySQL beyond the conformance suite: what its own ways do, on a real server.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod plans;
mod privileges;
mod procedures;
mod support;
mod wire;

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    support::SERVER.run(|| {
        let runtime = Arc::new(Runtime::new().unwrap());
        let mut trials = Vec::new();
        macro_rules! trials {
            ($($module:ident::$name:ident),* $(,)?) => {$({
                let runtime = Arc::clone(&runtime);
                let name = concat!(stringify!($module), "::", stringify!($name));
                trials.push(Trial::test(name, move || {
                    let done = runtime.block_on(runtime.spawn($module::$name()));
                    // What a panic said is on standard error.
                    done.map_err(|_| Failed::from("it panicked"))
                }));
            })*};
        }
        trials!(
            procedures::a_transition_is_one_call,
            procedures::a_wave_is_one_call,
            procedures::a_transaction_can_be_asked_for,
            procedures::who_may_not_call_them_is_served_all_the_same,
            procedures::who_may_call_them_need_not_create_them,
            procedures::names_of_tables_are_in_their_text,
            plans::a_page_reads_its_own_rows,
            plans::keys_of_a_batch_are_looked_up,
            privileges::what_a_user_may_not_do_is_told,
            privileges::who_may_make_no_temporary_table_ensures_by_names,
            privileges::who_is_refused_is_told_why_and_no_secret,
            wire::a_transition_is_one_round_trip,
            wire::a_connection_that_was_idle_too_long_is_replaced,
        );
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    })
}
