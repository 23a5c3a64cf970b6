//! Ack levels.

use super::{created, put};
use crate::build::expect::invalid;
use crate::build::queue::*;
use crate::generic::blobs::{bad_names, odd_names};
use persistence_core::Result;
use persistence_core::store::*;

async fn raise(t: &crate::Fixture, key: &QueueKey, consumer: &str, level: i64) -> Result<()> {
    t.p.queues().update_ack_level(&t.cx(), &ack(key, consumer, level)).await
}

async fn levels(t: &crate::Fixture, key: &QueueKey) -> Result<Vec<AckLevel>> {
    t.p.queues().get_ack_levels(&t.cx(), &acks(key)).await
}

crate::cases! {
    group: "queue";

    /// Ack levels are kept per consumer, advance again and again, and come in order of consumer.
    #[covers("P14", "queue.update_ack_level", "queue.get_ack_levels")]
    async fn ack_levels_advance(t) {
        let key = created(t, QueueType::Normal).await?;
        assert_eq!(levels(t, &key).await?, []);
        raise(t, &key, "test2", 25).await?;
        for level in [10, 20, 21, 1_000_000] {
            raise(t, &key, "test1", level).await?;
            assert_eq!(levels(t, &key).await?, [level_of("test1", level), level_of("test2", 25)]);
        }
        assert_eq!(put(t, &key, &["a"]).await?, 0, "an ack is no message");
    }

    /// A level that is not larger changes nothing, and succeeds.
    #[covers("P14", "P21", "queue.update_ack_level")]
    async fn ack_levels_only_rise(t) {
        let key = created(t, QueueType::Dlq).await?;
        raise(t, &key, "me", 20).await?;
        for level in [20, 19, 0, -1, i64::MIN] {
            raise(t, &key, "me", level).await?;
            assert_eq!(levels(t, &key).await?, [level_of("me", 20)]);
        }
        raise(t, &key, "me", i64::MAX).await?;
        assert_eq!(levels(t, &key).await?, [level_of("me", i64::MAX)]);
    }

    /// A first level may be anything, also below every id.
    #[covers("P14", "queue.update_ack_level")]
    async fn a_first_ack_level_may_be_anything(t) {
        let key = created(t, QueueType::Normal).await?;
        raise(t, &key, "low", i64::MIN).await?;
        raise(t, &key, "minus", -1).await?;
        assert_eq!(levels(t, &key).await?, [level_of("low", i64::MIN), level_of("minus", -1)]);
        raise(t, &key, "low", -5).await?;
        raise(t, &key, "minus", 0).await?;
        assert_eq!(levels(t, &key).await?, [level_of("low", -5), level_of("minus", 0)]);
    }

    /// Consumers are compared, and ordered, by exact bytes; a name that nobody may use is invalid.
    #[covers("P2", "queue.update_ack_level", "queue.get_ack_levels", "queue.update_ack_level!invalid_argument")]
    async fn consumers_are_exact(t) {
        let key = created(t, QueueType::Normal).await?;
        let mut names = odd_names();
        for (level, name) in (0..).zip(&names) {
            raise(t, &key, name, level).await?;
        }
        let mut wanted: Vec<_> = names.iter().zip(0..).map(|(name, level)| level_of(name, level)).collect();
        wanted.sort_by(|a, b| a.consumer.as_bytes().cmp(b.consumer.as_bytes()));
        assert_eq!(levels(t, &key).await?, wanted);
        names.truncate(0);
        for name in bad_names() {
            invalid(raise(t, &key, &name, 1).await);
        }
        assert_eq!(levels(t, &key).await?, wanted);
    }
}
