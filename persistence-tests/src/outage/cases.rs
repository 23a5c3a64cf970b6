//! The faults, one kind a case.

use super::PATIENCE;
use super::arms::Disturbance;
use super::fixture::OutageFixture;
use std::time::Duration;

crate::cases! {
    fixture: OutageFixture;
    group: "server";

    /// A server that stands still, for less or more time than its callers wait, and goes on: no acknowledged transition is
    /// lost, none is applied twice, every outcome is as it was reported, and writers go on by themselves.
    #[covers("P13")]
    async fn stands_still(t) {
        t.load.begin(Duration::from_secs(1), false);
        for _ in 0..5 {
            t.load.progress(20..200).await;
            let time = t.load.millis(200..2_000);
            t.stand_still(time).await?;
        }
        t.verdict().await?;
    }

    /// The same of a server that is killed and started again.
    #[covers("P13")]
    async fn is_killed(t) {
        t.load.begin(PATIENCE, false);
        for _ in 0..4 {
            t.load.progress(20..300).await;
            t.host.kill().await?;
            let time = t.load.millis(0..800);
            tokio::time::sleep(time).await;
            t.start_again().await?;
        }
        t.verdict().await?;
    }

    /// The same of a server that ends in order and is started again.
    #[covers("P13")]
    async fn is_restarted(t) {
        t.load.begin(PATIENCE, false);
        for _ in 0..3 {
            t.load.progress(20..300).await;
            t.host.stop().await?;
            t.start_again().await?;
        }
        t.verdict().await?;
    }

    /// The same where everything comes together: short deadlines, lost and late requests, a server that stands still and is
    /// killed.
    #[covers("P13")]
    async fn is_killed_behind_a_bad_network(t) {
        t.load.begin(Duration::from_secs(3), true);
        for round in 0..3 {
            let struck = t.arms.struck();
            for i in 0..10 {
                t.disturb(if i % 2 == 0 { Disturbance::Cut } else { Disturbance::Late });
                t.load.progress(1..10).await;
            }
            t.arms.strikes(struck + 1).await;
            t.release();
            let time = t.load.millis(100..600);
            match round {
                0 => t.stand_still(time).await?,
                _ => {
                    t.host.kill().await?;
                    t.start_again().await?;
                }
            }
        }
        t.verdict().await?;
    }
}

pub(super) mod network {
    use super::*;

    crate::cases! {
        fixture: OutageFixture;
        group: "network";

        /// Connections are cut, mostly after a request was delivered and before its answer came.
        #[covers("P13")]
        async fn is_cut(t) {
            t.load.begin(PATIENCE, false);
            for i in 1..=100 {
                t.disturb(Disturbance::Cut);
                t.load.progress(1..16).await;
                if i % 25 == 0 {
                    t.cut_all();
                }
            }
            t.arms.strikes(100).await;
            t.verdict().await?;
        }

        /// Requests and answers are late, and some requests arrive when their callers have given up.
        #[covers("P13")]
        async fn is_late(t) {
            t.load.begin(Duration::from_secs(1), true);
            for i in 1..=100 {
                t.disturb(Disturbance::Late);
                t.load.progress(1..16).await;
                if i % 5 == 0 {
                    t.release();
                }
            }
            t.arms.strikes(90).await;
            t.verdict().await?;
        }
    }
}
