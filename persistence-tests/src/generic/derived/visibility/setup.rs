//! Search attributes and partitions.

use crate::build::expect::{failed, invalid};
use crate::build::visibility::*;
use crate::race::race;
use crate::{Fault, FaultRule};
use persistence_core::store::*;
use persistence_core::{Detail, ErrorKind, Outcome};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an interrupted call goes on against failures.
const INTERRUPTED: Duration = Duration::from_secs(3);

fn with(record: &VisibilityRecord, name: &str, value: SearchAttribute) -> VisibilityRecord {
    let search_attributes = BTreeMap::from([(name.to_owned(), value)]);
    VisibilityRecord { search_attributes, version: record.version + 1, ..record.clone() }
}

fn keyword(text: &str) -> SearchAttribute {
    SearchAttribute::Keyword(text.to_owned())
}

crate::cases! {
    group: "visibility";

    /// A search attribute can be asked for once it is registered, through every handle, and is there after a reopen; registering
    /// it again changes nothing, and with another type is refused.
    #[covers("visibility.set_up_visibility", "visibility.set_up_visibility!already_exists",
        "visibility.get_visibility_setup")]
    #[needs(Durable)]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn search_attributes_are_registered(t) {
        let mut seen = Seen::new(t);
        let open = seen.run(t.run(), 0);
        seen.record(&open).await?;
        let late = with(&open, "Customer", keyword("c1"));
        invalid(seen.record(&late).await);
        invalid(seen.runs("Customer = 'c1'").await);
        let kinds = [("Customer", SearchAttributeType::Keyword), ("Due", SearchAttributeType::Datetime)];
        let made = seen.set_up(&kinds).await?;
        assert_eq!((made.partitions, made.search_attributes.len()), (4, 2));
        assert_eq!(seen.set_up(&kinds[..1]).await?, made, "none is forgotten");
        seen.record(&late).await?;
        assert_eq!(seen.runs("Customer = 'c1'").await?, [open.run.run_id]);
        let e = failed(seen.set_up(&[("Due", SearchAttributeType::Int)]).await, ErrorKind::AlreadyExists);
        let Detail::AlreadyExists { entity, key, .. } = e.detail() else { panic!("{e:?}") };
        assert_eq!((*entity, &**key), ("search attribute", "Due, which is a time"));
        t.reopen().await?;
        seen = seen.on(&t.p);
        assert_eq!(t.p.visibility().get_visibility_setup(&t.cx(), &GetVisibilitySetup {}).await?, made);
        assert_eq!(seen.get(open.run.run_id).await?, late);
        assert_eq!(seen.all(&seen.query("Customer STARTS_WITH 'c'", 1)).await?, std::slice::from_ref(&late));
        seen.record(&VisibilityRecord { version: 9, ..with(&open, "Customer", keyword("c2")) }).await?;
        assert_eq!(seen.count("Customer = 'c1'").await?.count, 0);
        assert_eq!(seen.count("Customer = 'c2'").await?.count, 1);
    }

    /// What another handle registers, and the records that have it, are known as soon as they are met.
    #[covers("visibility.set_up_visibility", "visibility.list_visibility", "visibility.record_started")]
    #[isolation(Own)]
    async fn others_learn_of_search_attributes(t) {
        let seen = Seen::new(t);
        let other = seen.on(&t.another().await?);
        for seen in [&seen, &other] {
            seen.record(&seen.run(t.run(), 0)).await?;
        }
        seen.set_up(&[("A", SearchAttributeType::Keyword), ("B", SearchAttributeType::Int)]).await?;
        assert_eq!(other.runs("A = 'x'").await?, []);
        let record = with(&other.run(t.run(), 1), "B", SearchAttribute::Int(5));
        other.record(&record).await?;
        assert_eq!(other.runs("B > 4").await?, [record.run.run_id]);
        other.set_up(&[("C", SearchAttributeType::Bool)]).await?;
        let record = with(&other.run(t.run(), 2), "C", SearchAttribute::Bool(false));
        other.record(&record).await?;
        assert_eq!(seen.get(record.run.run_id).await?, record);
        assert_eq!(seen.page(&seen.query("", 1)).await?.records, std::slice::from_ref(&record));
        assert_eq!(seen.runs("C = FALSE").await?, [record.run.run_id]);
    }

    /// Search attributes that are registered at once are all there in the end, with what was recorded meanwhile.
    #[covers("visibility.set_up_visibility")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn search_attributes_may_be_registered_at_once(t) {
        let seen = Seen::new(t);
        let sites = [seen.clone(), seen.on(&t.another().await?)];
        let names = ["A0", "A1", "A2", "A3"];
        let made = race(4, |i, line| {
            let seen = sites[i % 2].clone();
            async move {
                line.wait().await;
                seen.set_up(&[(names[i], SearchAttributeType::Keyword)]).await
            }
        });
        for made in made.await {
            made?;
        }
        let made = seen.set_up(&[]).await?;
        assert_eq!(made.search_attributes.keys().collect::<Vec<_>>(), names);
        for (i, name) in names.iter().enumerate() {
            let record = with(&seen.run(t.run(), 0), name, keyword("x"));
            sites[i % 2].record(&record).await?;
            assert_eq!(seen.runs(format!("{name} = 'x'")).await?, [record.run.run_id]);
            assert_eq!(seen.count(format!("{name} STARTS_WITH 'x'")).await?.count, 1);
        }
    }

    /// A registration that was interrupted anywhere is completed by the next one; what is recorded in between is found after it.
    #[covers("visibility.set_up_visibility")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn an_interrupted_registration_is_completed(t) {
        let seen = Seen::new(t);
        seen.record(&seen.run(t.run(), 0)).await?;
        for nth in 1..6 {
            let name = format!("Attribute{nth}");
            let wanted = [(&*name, SearchAttributeType::Int)];
            t.faults.script(FaultRule::write(Fault::Before(Outcome::NotApplied)).nth(nth).times(u64::MAX));
            let cx = t.cx().with_timeout(INTERRUPTED);
            let done = t.p.visibility().set_up_visibility(&cx, &registering(&wanted)).await;
            t.faults.quiet().await;
            t.faults.clear();
            let record = with(&seen.run(t.run(), 0), &name, SearchAttribute::Int(7));
            let early = seen.record(&record).await;
            let other = seen.on(&t.another().await?);
            other.set_up(&wanted).await?;
            if early.is_err() {
                assert!(done.is_err(), "what was registered may be recorded");
                seen.record(&record).await?;
            }
            for seen in [&seen, &other] {
                assert_eq!(seen.runs(format!("{name} = 7")).await?, [record.run.run_id]);
                assert_eq!(seen.count(format!("{name} > 6")).await?.count, 1);
            }
        }
    }

    /// An error says that nothing was registered only where nothing was: what failed may have come after.
    #[covers("visibility.set_up_visibility!unavailable")]
    #[isolation(Own)]
    #[kind(Calm)]
    async fn an_error_tells_of_what_was_registered(t) {
        let seen = Seen::new(t);
        seen.set_up(&[]).await?;
        let (mut nth, mut after) = (0, 0);
        while after < 2 {
            nth += 1;
            assert!(nth < 40, "no read fails after the registration");
            let name = format!("Attribute{nth}");
            t.faults.script(FaultRule::read(Fault::Before(Outcome::NotApplied)).nth(nth));
            let done = seen.set_up(&[(&*name, SearchAttributeType::Int)]).await;
            t.faults.clear();
            let setup = t.p.visibility().get_visibility_setup(&t.cx(), &GetVisibilitySetup {}).await?;
            let registered = setup.search_attributes.contains_key(&name);
            let told = done.as_ref().err().map(persistence_core::Error::outcome);
            assert!(!registered || told != Some(Outcome::NotApplied), "{nth}: {done:?}");
            after += u32::from(registered && told.is_some());
        }
    }

    /// The number of partitions is chosen once; whatever it is, nothing is found twice or not at all.
    #[covers("visibility.set_up_visibility", "visibility.set_up_visibility!condition_failed",
        "visibility.set_up_visibility!invalid_argument", "visibility.set_up_visibility!too_large")]
    #[isolation(Own)]
    async fn partitions_are_chosen_once(t) {
        let seen = Seen::new(t);
        let v = t.p.visibility();
        let choose = |n| SetUpVisibility { partitions: Some(n), ..SetUpVisibility::default() };
        for n in [0, 65] {
            invalid(v.set_up_visibility(&t.cx(), &choose(n)).await);
        }
        for name in ["", "a b", "WorkflowType", "null", "é", "_a", &"a".repeat(65)] {
            invalid(seen.set_up(&[(name, SearchAttributeType::Int)]).await);
        }
        let many: Vec<String> = (0..41).map(|i| format!("a{i}")).collect();
        let many: Vec<_> = many.iter().map(|name| (&**name, SearchAttributeType::Int)).collect();
        failed(seen.set_up(&many).await, ErrorKind::TooLarge);
        assert_eq!(v.set_up_visibility(&t.cx(), &choose(7)).await?.partitions, 7);
        let e = failed(v.set_up_visibility(&t.cx(), &choose(4)).await, ErrorKind::ConditionFailed);
        assert!(matches!(e.detail(), Detail::ConditionFailed { expected: Some(4), actual: Some(7), .. }), "{e}");
        assert_eq!(v.set_up_visibility(&t.cx(), &choose(7)).await?, seen.set_up(&[]).await?);
        let mut wanted = Vec::new();
        for i in 0..20 {
            let record = seen.run(t.run(), i);
            seen.record(&record).await?;
            assert_eq!(seen.get(record.run.run_id).await?, record);
            wanted.insert(0, record);
        }
        let found = seen.on(&t.another().await?).all(&seen.query("", 3)).await?;
        assert_eq!(found, wanted);
        assert_eq!(seen.count("WorkflowType = 'type'").await?.count, 20);
    }
}
