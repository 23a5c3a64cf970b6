//! Values across the driver boundary.

use super::SqlFixture;
use super::fixture::GET;
use persistence_sql::value::{Kind, Value};
use uuid::Uuid;

crate::cases! {
    fixture: SqlFixture;
    group: "value";

    /// Integers come back as they were bound, the extremes included.
    #[covers("sql.value")]
    async fn integers(t) {
        let mut c = t.connection().await?;
        for id in [i64::MIN, -1, 0, 1, i64::from(i32::MAX) + 1, i64::MAX] {
            t.round_trip(&mut *c, b"x", id).await?;
        }
    }

    /// Bytes come back as they were bound: none, every value, and megabytes.
    #[covers("sql.value")]
    async fn bytes(t) {
        let mut c = t.connection().await?;
        let every: Vec<u8> = (0..=255).collect();
        for payload in [Vec::new(), every, vec![0; 3], vec![7; 5 << 20]] {
            assert_eq!(t.round_trip(&mut *c, &payload, 1).await?, payload);
        }
    }

    /// Text is compared by exact bytes: case, accents, trailing spaces and composition all count.
    #[covers("sql.value")]
    async fn text_is_compared_by_bytes(t) {
        let mut c = t.connection().await?;
        let name = t.name();
        let distinct =
            ["a", "A", "ä", "a\u{308}", "a ", " a", "a\t", "ａ", "ß", "ss", "%", "_", "'", "\"", "\\", "🦀", "é", "e\u{301}"];
        for (text, level) in distinct.iter().zip(0..) {
            t.put(&mut *c, &name, text, level).await?;
        }
        for (text, level) in distinct.iter().zip(0..) {
            assert_eq!(t.get(&mut *c, &name, text).await?, Some(level), "{text:?}");
        }
    }

    /// Text is ordered by its UTF-8 bytes.
    #[covers("sql.value")]
    async fn text_is_ordered_by_bytes(t) {
        let mut c = t.connection().await?;
        let name = t.name();
        let mut texts = vec!["b", "a", "B", "a b", "ab", "Z", "z", "é", "\u{ffff}", "🦀", "~", "1", "10", "9"];
        for text in &texts {
            t.put(&mut *c, &name, text, 0).await?;
        }
        let sql = t.sql("SELECT consumer FROM queue_acks WHERE queue_type = ? AND name = ? ORDER BY consumer");
        let rows = c.query("queue_acks", &sql, vec![1.into(), (&*name).into()], &[Kind::Text]).await?;
        let found: Vec<String> = rows.into_iter().map(|mut r| r.text()).collect::<Result<_, _>>()?;
        texts.sort_unstable();
        assert_eq!(found, texts);
    }

    /// 255 characters of four bytes each are a name.
    #[covers("sql.value")]
    async fn long_names(t) {
        let mut c = t.connection().await?;
        let (name, consumer) = (t.name(), "🦀".repeat(255));
        t.put(&mut *c, &name, &consumer, 5).await?;
        assert_eq!(t.get(&mut *c, &name, &consumer).await?, Some(5));
    }

    /// UUIDs come back as they were bound, and are ordered by their bytes.
    #[covers("sql.value")]
    async fn uuids(t) {
        let mut c = t.connection().await?;
        let (queue, put) = (t.name(), "INSERT INTO tasks (namespace_id, name, task_type, subqueue, pass, task_id, payload) VALUES (?, ?, ?, ?, ?, ?, ?)");
        let mut ids = vec![Uuid::nil(), Uuid::max(), Uuid::now_v7(), Uuid::new_v4(), Uuid::from_u128(1)];
        for id in &ids {
            let args = vec![(*id).into(), (&*queue).into(), 0.into(), 0.into(), 0.into(), 0.into(), Value::Bytes("".into())];
            c.execute(&t.sql(put), args).await?;
        }
        let sql = t.sql("SELECT namespace_id FROM tasks WHERE name = ? ORDER BY namespace_id");
        let rows = c.query("tasks", &sql, vec![(&*queue).into()], &[Kind::Uuid]).await?;
        let found: Vec<Uuid> = rows.into_iter().map(|mut r| r.uuid()).collect::<Result<_, _>>()?;
        ids.sort_unstable();
        assert_eq!(found, ids);
    }

    /// NULL is told from every value.
    #[covers("sql.value")]
    async fn null(t) {
        let mut c = t.connection().await?;
        let queue = t.name();
        let put = "INSERT INTO tasks (namespace_id, name, task_type, subqueue, pass, task_id, payload, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        for (id, expiry) in [(1, Value::Null(Kind::Int)), (2, Value::Int(0))] {
            let args = vec![Uuid::nil().into(), (&*queue).into(), 0.into(), 0.into(), 0.into(), id.into(), Value::Bytes("".into()), expiry];
            c.execute(&t.sql(put), args).await?;
        }
        let sql = t.sql("SELECT expires_at FROM tasks WHERE name = ? ORDER BY task_id");
        let mut rows = c.query("tasks", &sql, vec![(&*queue).into()], &[Kind::Int]).await?;
        assert_eq!((rows[0].opt_int()?, rows[1].opt_int()?), (None, Some(0)));
    }

    /// What looks like SQL in a value is a value.
    #[covers("sql.value")]
    async fn values_are_bound(t) {
        let mut c = t.connection().await?;
        let name = format!("'; DROP TABLE queue_acks; -- {}", t.name());
        t.put(&mut *c, &name, "x' OR 'a' = 'a", 1).await?;
        assert_eq!(t.get(&mut *c, &name, "x' OR 'a' = 'a").await?, Some(1));
        assert_eq!(t.get(&mut *c, &name, "y").await?, None);
        assert!(c.query("queue_acks", &t.sql(GET), vec![1.into(), "".into(), "".into()], &[Kind::Int]).await?.is_empty());
    }
}
