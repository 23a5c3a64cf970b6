//! PostgreSQL beyond the conformance suite: what its settings do, on a real server.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

mod pgbouncer;
mod settings;
mod statements;
mod support;
mod tls;

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
                trials.push(Trial::ignorable_test(name, move || {
                    let done = runtime.block_on(runtime.spawn($module::$name()));
                    // What a panic said is on standard error.
                    done.unwrap_or_else(|_| Err("it panicked".to_owned())).map_err(Failed::from)
                }));
            })*};
        }
        trials!(
            settings::a_refused_login_shows_no_password,
            settings::an_unknown_database_is_told_at_once,
            settings::credentials_are_asked_for_each_new_connection,
            settings::statements_time_out_on_the_server,
            settings::connections_have_a_name,
            settings::a_server_that_does_not_answer_is_given_up,
            settings::statements_are_kept_or_not,
            settings::idle_connections_are_closed,
            settings::privileges_are_told,
            settings::upgrades_give_way_to_others,
            statements::arrays_come_back,
            statements::a_transaction_that_cannot_be_ordered_is_told,
            statements::health_and_plans,
            tls::the_server_is_verified,
            tls::the_client_shows_its_certificate,
            pgbouncer::transactions_share_sessions,
        );
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    })
}
