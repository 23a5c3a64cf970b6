use super::super::conditions::prefix;
use super::super::definition::{Attribute, IdKind};
use super::super::needed::Needed;
use super::super::scalar::{KeyType, TimeUnit};
use super::*;
use crate::error::{Detail, ErrorKind};

fn path(p: &str) -> Path {
    p.parse().unwrap()
}

fn def() -> CollectionDef {
    let text = KeyType::Str { max: 40 };
    CollectionDef::new("c", IdKind::Text)
        .partition_by(path("project"))
        .attribute(Attribute::new("name", path("name"), text))
        .attribute(Attribute::new("kind", path("kind"), KeyType::I64).default_value(0))
        .attribute(Attribute::new("updated", path("updated"), KeyType::Time(TimeUnit::Millis)).required())
        .attribute(Attribute::new("tag", path("tags"), text).elements())
        .index(IndexDef::new("page").in_partition().desc("updated").id(Direction::Ascending))
        .index(IndexDef::new("by_kind").in_partition().asc("kind").desc("updated").id(Direction::Ascending))
        .index(IndexDef::new("by_name").asc("name").desc("updated"))
        .index(IndexDef::new("by_tag").asc("tag").desc("updated"))
        .index(IndexDef::new("one_name").in_partition().asc("name").unique())
}

fn plan(filter: Filter, order: &[OrderBy], id_order: Option<Direction>, scan: bool) -> Result<Plan> {
    let def = def();
    def.validate().unwrap();
    let filter = filter.checked(&def).unwrap();
    let question = Question {
        def: &def,
        ready: &|_| true,
        filter: &filter,
        order,
        id_order,
        unordered: false,
        scan,
        hint: None,
    };
    question.plan()
}

fn newest() -> Vec<OrderBy> {
    vec![OrderBy::desc(path("updated"))]
}

fn project() -> Filter {
    Filter::eq(path("project"), "p")
}

/// The index of a plan of one branch.
fn index(plan: &Plan) -> Option<String> {
    assert_eq!(plan.branches.len(), 1);
    plan.branches[0].access.index.map(|i| def().indexes[i].name.clone())
}

const ASC: Option<Direction> = Some(Direction::Ascending);

#[test]
fn an_order_comes_from_the_index_that_has_it() {
    let p = plan(project(), &newest(), ASC, false).unwrap();
    assert_eq!((index(&p).as_deref(), p.sort, p.branches[0].access.reverse), (Some("page"), false, false));
    assert!(p.branches[0].covered);
    let backwards = [OrderBy::asc(path("updated"))];
    let p = plan(project(), &backwards, Some(Direction::Descending), false).unwrap();
    assert_eq!((index(&p).as_deref(), p.sort, p.branches[0].access.reverse), (Some("page"), false, true));
    // The index has ids the other way round: all of the partition is sorted.
    let p = plan(project(), &newest(), Some(Direction::Descending), false).unwrap();
    assert!(p.sort && !p.scan);
}

#[test]
fn equality_narrows_before_the_order() {
    let kind = || Filter::eq(path("kind"), 3);
    let p = plan(project().and(kind()), &newest(), ASC, false).unwrap();
    assert_eq!((index(&p).as_deref(), p.sort), (Some("by_kind"), false));
    assert_eq!(p.branches[0].access.equal, [[Scalar::I64(3)]]);
    // What is the same everywhere orders nothing.
    let order = [OrderBy::asc(path("kind")), OrderBy::desc(path("updated"))];
    let p = plan(project().and(kind()), &order, ASC, false).unwrap();
    assert_eq!((index(&p).as_deref(), p.sort, p.order.len()), (Some("by_kind"), false, 1));
    let some = Filter::In(path("kind"), vec![3.into(), 1.into(), 3.into()]);
    let p = plan(project().and(some), &newest(), ASC, false).unwrap();
    assert_eq!(p.branches[0].access.equal, [[Scalar::I64(1), Scalar::I64(3)]], "each once, in order");
    assert!(!p.sort);
}

#[test]
fn ranges_are_joined_and_impossible_ones_find_nothing() {
    let between = |a: i64, b: i64| {
        let (a, b) = (crate::Timestamp(a), crate::Timestamp(b));
        project()
            .and(Filter::ge(path("updated"), a))
            .and(Filter::lt(path("updated"), b))
            .and(Filter::gt(path("updated"), a))
    };
    let p = plan(between(1, 9), &newest(), ASC, false).unwrap();
    let time = |t| Scalar::Time(crate::Timestamp(t));
    assert_eq!(p.branches[0].access.range, (Bound::Excluded(time(1)), Bound::Excluded(time(9))));
    assert!(p.branches[0].covered);
    for nothing in
        [between(9, 9), between(9, 1), project().and(Filter::In(path("kind"), vec![])), Filter::Any(vec![])]
    {
        assert_eq!(plan(nothing, &newest(), ASC, false).unwrap().branches, []);
    }
}

#[test]
fn prefixes_are_ranges_of_texts() {
    let end = |s: &str| match prefix(s).1 {
        Bound::Excluded(Scalar::Str(s)) => Some(s),
        _ => None,
    };
    assert_eq!(end("ab").as_deref(), Some("ac"));
    assert_eq!(end("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
    assert_eq!(end("a\u{10ffff}").as_deref(), Some("b"));
    assert_eq!(end("\u{10ffff}"), None);
    assert_eq!(end(""), None);
}

#[test]
fn alternatives_are_answered_one_by_one() {
    let any = Filter::Any(vec![Filter::eq(path("name"), "a"), Filter::Contains(path("tags"), "t".into())]);
    let p = plan(any.clone(), &newest(), None, false).unwrap();
    assert_eq!((p.branches.len(), p.sort, p.scan), (2, false, false));
    let with_one_unindexed = Filter::Any(vec![any, Filter::eq(path("kind"), 1)]);
    let e = plan(with_one_unindexed.clone(), &newest(), None, false).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Unindexed);
    assert!(plan(with_one_unindexed, &newest(), None, true).unwrap().scan);
}

#[test]
fn a_unique_key_beats_everything() {
    let p = plan(project().and(Filter::eq(path("name"), "a")), &newest(), ASC, false).unwrap();
    assert_eq!(index(&p).as_deref(), Some("one_name"));
}

#[test]
fn what_no_index_chooses_is_a_scan() {
    for (filter, order) in [
        (Filter::everything(), vec![]),
        (Filter::eq(path("kind"), 1), vec![]),
        (Filter::everything(), newest()),
        (Filter::ne(path("name"), "a"), vec![]),
        (Filter::IsNull(path("name")), vec![]),
    ] {
        let e = plan(filter.clone(), &order, None, false).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Unindexed, "{filter:?}");
        assert!(plan(filter, &order, None, true).unwrap().scan);
    }
    // In its partition everything may be read in the order of ids.
    let p = plan(project().and(Filter::IsNull(path("name"))), &[], None, false).unwrap();
    assert!(!p.scan && !p.sort && !p.branches[0].covered);
    assert_eq!(index(&p), None);
}

#[test]
fn without_an_order_the_longest_part_of_an_index_counts() {
    let def = def();
    let filter = project().and(Filter::eq(path("kind"), 3)).checked(&def).unwrap();
    let ready = &|_| true;
    let question = |unordered| Question {
        def: &def,
        ready,
        filter: &filter,
        order: &[],
        id_order: None,
        unordered,
        scan: false,
        hint: None,
    };
    let p = question(false).plan().unwrap();
    assert_eq!((index(&p), p.branches[0].covered), (None, false), "in the order of ids");
    let narrow = p.narrow.unwrap();
    assert_eq!(narrow.access.index.map(|i| &*def.indexes[i].name), Some("by_kind"), "while it finds few");
    let p = question(true).plan().unwrap();
    assert_eq!((index(&p).as_deref(), p.branches[0].covered, p.sort), (Some("by_kind"), true, false));
    // Whatever the order, documents themselves are nearer than entries that decide no more.
    let whole = project().checked(&def).unwrap();
    let p = Question { filter: &whole, ..question(true) }.plan().unwrap();
    assert_eq!((index(&p), p.branches[0].covered), (None, true));
}

#[test]
fn a_range_alone_is_not_worth_sorting_for() {
    let recent = Filter::gt(path("updated"), crate::time::Timestamp(5));
    let p = plan(project().and(recent), &[], None, false).unwrap();
    assert_eq!((index(&p), p.narrow.is_none(), p.sort), (None, true, false));
}

#[test]
fn ids_choose_nothing_among_all_partitions() {
    for id in [Filter::id("a"), Filter::Id(Bound::Included("a".into()), Bound::Unbounded)] {
        let e = plan(id.clone(), &[], None, false).unwrap_err();
        assert!(e.to_string().contains("an index of c by id"), "{e}");
        assert!(
            plan(id.clone(), &newest(), None, false).unwrap_err().to_string().contains("an index of c by id")
        );
        let p = plan(id.clone(), &[], None, true).unwrap();
        assert!(p.scan && p.sort && !p.branches[0].covered);
        assert!(p.branches[0].access.is_crawl(&def()));
        assert_eq!(p.branches[0].access.ids, (Bound::Unbounded, Bound::Unbounded), "it is read as it is");
        let p = plan(project().and(id), &[], None, false).unwrap();
        assert!(!p.scan && p.branches[0].covered && !p.branches[0].access.is_crawl(&def()));
    }
}

#[test]
fn an_id_is_looked_up_whatever_the_order() {
    let p = plan(project().and(Filter::id("a")), &newest(), ASC, false).unwrap();
    assert_eq!((index(&p), p.sort), (None, true), "one document needs no order");
    let some = Filter::Any(["a", "b", "c"].map(Filter::id).into());
    let p = plan(project().and(some.clone()), &newest(), ASC, false).unwrap();
    assert_eq!((p.branches.len(), p.sort, p.scan), (3, true, false));
    let everywhere = (0..200).map(|i| Scalar::from(format!("p{i}"))).collect();
    let p = plan(Filter::In(path("project"), everywhere).and(some), &newest(), ASC, false).unwrap();
    assert_eq!((index(&p).as_deref(), p.sort), (Some("page"), false), "too many partitions to look in");
}

#[test]
fn alternatives_that_all_decide_more_are_read_one_by_one() {
    let kind = |k: i64| Filter::eq(path("kind"), k);
    let late = Filter::gt(path("updated"), crate::time::Timestamp(5));
    let free = Filter::eq(path("free"), 1);
    for (any, branches) in [
        (vec![kind(1), kind(2)], 2),
        (vec![kind(1), Filter::Any(vec![kind(2), Filter::Any(vec![kind(3), late])])], 4),
        (vec![kind(1), Filter::All(vec![Filter::Any(vec![kind(2), kind(3)])])], 3),
        (vec![kind(1), free], 1),
        ((0..32).map(kind).collect(), 32),
        ((0..33).map(kind).collect(), 1),
    ] {
        let p = plan(project().and(Filter::Any(any.clone())), &newest(), ASC, false).unwrap();
        assert_eq!((p.branches.len(), p.sort, p.scan), (branches, false, false), "{any:?}");
    }
    // Without a partition nothing else would choose.
    let name = |i: usize| Filter::eq(path("name"), format!("n{i}"));
    let nested = |n: usize| (1..n).fold(name(0), |all, i| Filter::Any(vec![all, name(i)]));
    assert_eq!(plan(nested(9), &newest(), None, false).unwrap().branches.len(), 9);
    let most = Filter::Any((0..32).map(name).collect());
    assert_eq!(plan(most, &newest(), None, false).unwrap().branches.len(), 32);
    let more = Filter::Any((0..33).map(name).collect());
    assert_eq!(plan(more, &newest(), None, false).unwrap_err().kind(), ErrorKind::Unindexed);
}

#[test]
fn filters_are_finite_and_few_of_their_alternatives_are_tried() {
    let either = |i: i64| Filter::Any(vec![Filter::eq(path("free"), i), Filter::eq(path("other"), i)]);
    let several = |n: i64| Filter::All((0..n).map(either).collect());
    assert_eq!(several(500).leaves(), 1000);
    assert!(plan(project().and(several(499)), &newest(), ASC, false).unwrap().branches.len() == 1);
    let e = several(501).checked(&def()).unwrap_err();
    assert!(e.to_string().contains("more than 1000 conditions"), "{e}");
    // Conditions of alternatives are tried one by one, the first ones only, and those that are too long are none of them.
    let names = Filter::Any(vec![Filter::eq(path("name"), "a"), Filter::eq(path("name"), "b")]);
    let long = || Filter::Any((0..33).map(|i| Filter::eq(path("free"), i)).collect());
    let after = |n: i64| Filter::All((0..n).map(either).chain([long(), names.clone()]).collect());
    assert_eq!(plan(after(15), &newest(), None, false).unwrap().branches.len(), 2);
    assert_eq!(plan(after(16), &newest(), None, false).unwrap_err().kind(), ErrorKind::Unindexed);
}

#[test]
fn what_every_alternative_asks_for_is_there() {
    let name = OrderBy::asc(path("name"));
    let outside = Filter::Any(vec![Filter::lt(path("name"), "b"), Filter::ge(path("name"), "c")]);
    let p = plan(project().and(outside.clone()), std::slice::from_ref(&name), None, false).unwrap();
    assert_eq!((p.order.len(), p.scan), (1, false));
    for lacking in [Filter::IsNull(path("name")), Filter::All(vec![])] {
        let any = Filter::Any(vec![outside.clone(), lacking]);
        let e = plan(project().and(any), std::slice::from_ref(&name), None, false).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn constants_of_all_types_have_an_order() {
    let mixed = (0..200).map(|i| match i % 5 {
        0 => Scalar::from(i),
        1 => Scalar::from(format!("p{i}")),
        2 => Scalar::from(i % 2 == 0),
        3 => Scalar::from(f64::NAN),
        _ => Scalar::from(f64::from(i) / 7.0),
    });
    let mixed: Vec<Scalar> = mixed.collect();
    let of = |p: &str| Filter::In(path(p), mixed.clone());
    let p = plan(of("project").and(of("free")), &[], None, false).unwrap();
    assert_eq!(p.branches[0].access.partitions.as_ref().map(Vec::len), Some(40));
}

/// What an error says, and what it says to declare.
fn unindexed(filter: Filter, order: &[OrderBy]) -> (String, Option<Needed>) {
    match plan(filter, order, None, false).unwrap_err().detail() {
        Detail::Unindexed { advice, declare } => (advice.clone(), declare.clone().map(|needed| *needed)),
        other => panic!("{other}"),
    }
}

#[test]
fn the_index_that_is_named_helps() {
    let exists = |p: &str| Filter::Exists(path(p));
    let label = Filter::HasEntry(path("labels"), "k".to_owned(), "v".to_owned());
    for (filter, order, wanted) in [
        (Filter::everything(), vec![], "an index of c by id"),
        (Filter::everything(), newest(), "an index of c by updated desc"),
        (Filter::eq(path("kind"), 1), vec![], "an index of c by kind"),
        (Filter::eq(path("kind"), 1), newest(), "an index of c by kind, updated desc"),
        (Filter::gt(path("kind"), 1), newest(), "an index of c by kind"),
        (Filter::gt(path("kind"), 1), vec![OrderBy::desc(path("kind"))], "an index of c by kind desc"),
        (exists("kind").and(Filter::ne(path("kind"), 1)), vec![], "an index of c by kind"),
        (Filter::eq(path("a.b"), 1), vec![], "an index of c by a.b (to be declared as an attribute)"),
        (label, vec![], "an index of c by labels (to be declared as an attribute)"),
        // What is declared is enough.
        (Filter::eq(path("free"), 1).and(Filter::eq(path("kind"), 1)), vec![], "an index of c by kind"),
        (
            Filter::Any(vec![Filter::eq(path("name"), "a"), Filter::lt(path("kind"), 1)]),
            vec![],
            "an index of c by kind",
        ),
        (
            Filter::Any(vec![
                Filter::eq(path("free"), 1),
                Filter::lt(path("kind"), 1),
                Filter::gt(path("kind"), 7),
            ]),
            vec![],
            "an index of c by free (to be declared as an attribute) and an index of c by kind",
        ),
    ] {
        let (advice, needed) = unindexed(filter.clone(), &order);
        assert_eq!(advice, format!("declare {wanted}"), "{filter:?}");
        let wider = needed.unwrap().added_to(def());
        wider.validate().unwrap();
        let filter = filter.checked(&wider).unwrap();
        let ready = &|_| true;
        let (def, order) = (&wider, &order[..]);
        let question = Question {
            def,
            ready,
            filter: &filter,
            order,
            id_order: None,
            unordered: false,
            scan: false,
            hint: None,
        };
        assert!(!question.plan().unwrap().scan, "{filter:?}");
    }
}

#[test]
fn what_no_index_decides_is_told() {
    let any = Filter::Any(vec![Filter::eq(path("name"), "a"), Filter::IsNull(path("kind"))]);
    let mixed = Filter::In(path("free"), vec![1.into(), "a".into()]);
    for (filter, wanted) in [
        (Filter::ne(path("name"), "secret"), "decide name != …: add"),
        (Filter::NotIn(path("name"), vec!["secret".into()]), "decide name not in …: add"),
        (Filter::IsNull(path("name")), "decide name is null: add"),
        (Filter::HasKey(path("labels"), "secret".to_owned()), "decide that labels has a key ("),
        (any, "decide kind is null: add"),
        (mixed, "decide its conditions: add"),
        (
            Filter::Any((0..33).map(|i| Filter::eq(path("name"), format!("{i}"))).collect()),
            "more than 32 alternatives",
        ),
    ] {
        let (advice, needed) = unindexed(filter.clone(), &[]);
        assert!(advice.contains(wanted) && !advice.contains("secret"), "{advice}");
        assert_eq!(needed, None, "{filter:?}");
    }
}

#[test]
fn hints_and_indexes_that_are_built_are_told_apart() {
    let def = def();
    let filter = Filter::Prefix(path("name"), "a".to_owned());
    let ask = |hint, ready: &(dyn Fn(usize) -> bool + Sync)| {
        let order = [];
        let question = Question {
            def: &def,
            ready,
            filter: &filter,
            order: &order,
            id_order: None,
            unordered: false,
            scan: false,
            hint,
        };
        question.plan()
    };
    let unknown = ask(Some("nope"), &|_| true).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::InvalidArgument);
    assert!(unknown.to_string().contains("it has page, by_kind, by_name"), "{unknown}");
    let wrong = ask(Some("page"), &|_| true).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Unindexed);
    assert!(wrong.to_string().contains("ask without a hint"), "{wrong}");
    assert!(ask(Some("by_name"), &|_| true).is_ok());
    let unbuilt = ask(None, &|i| i != 2).unwrap_err();
    assert!(unbuilt.to_string().contains("by_name of c is declared, but not built yet"), "{unbuilt}");
}

#[test]
fn an_index_has_just_what_exists() {
    let owned = |filter: Filter| plan(filter, &[], None, false).unwrap();
    let p = owned(Filter::Exists(path("name")));
    assert_eq!((index(&p).as_deref(), p.branches[0].covered, p.scan), (Some("by_name"), true, false));
    assert_eq!(p.branches[0].access.range, (Bound::Unbounded, Bound::Unbounded));
    let p = plan(project().and(Filter::Exists(path("name"))), &[OrderBy::asc(path("name"))], None, false)
        .unwrap();
    assert_eq!((index(&p).as_deref(), p.branches[0].covered, p.sort), (Some("one_name"), true, false));
    let p = owned(Filter::eq(path("name"), "a").and(Filter::Exists(path("updated"))));
    assert_eq!((index(&p).as_deref(), p.branches[0].covered), (Some("by_name"), true));
    // Of several values an index does not tell whether there is an array.
    assert_eq!(
        plan(Filter::Exists(path("tags")), &[], None, false).unwrap_err().kind(),
        ErrorKind::Unindexed
    );
}
