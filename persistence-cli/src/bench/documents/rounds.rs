//! Queries and single writes, the library's and those by hand in turn.

use super::Documents;
use super::ask::{After, Ask, Asked, PAGE, Query, deep_page};
use super::corpus::{Corpus, definition};
use super::hand::{Any, Row, Rows};
use super::library::Library;
use super::load::{load, load_by_hand};
use super::report::{Line, Loaded, Report};
use crate::bench::measure::{Measured, Worker, measure};
use crate::output;
use anyhow::{Context as _, Result, ensure};
use persistence::document::write::Pre;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Documents more than there are, so that a scan may read all.
const SPARE: u64 = 10_000;
/// Documents that each writer changes.
const OWN: u64 = 500;

pub(super) async fn run(args: &Documents, library: &Library) -> Result<Report> {
    let corpus = args.corpus();
    let mut hand = Any::open(&args.url).await?;
    let report = measured(args, library, corpus, hand.as_mut()).await;
    let closed = match hand {
        Some(hand) => hand.tear_down().await.context("dropping the tables made by hand"),
        None => Ok(()),
    };
    let report = report?;
    closed.map(|()| report)
}

async fn measured(
    args: &Documents,
    library: &Library,
    corpus: Corpus,
    mut hand: Option<&mut Any>,
) -> Result<Report> {
    library.ensure(definition(&library.collection, true)?).await?;
    let took = load(library, corpus).await?;
    let mut report = Report::new(output::database(library.db.info()), corpus, args);
    let mut by_hand = None;
    if let Some(hand) = hand.as_deref_mut() {
        by_hand = Some(load_by_hand(hand, corpus).await?);
        hand.settle().await.context("after the load")?;
    }
    report.loaded = Some(Loaded { took, by_hand });
    let deep = deep(library, corpus).await?;
    let mut sides = Sides { library, corpus, deep: Arc::new(deep), hand, readers: None };
    let queries: Vec<Query> = Query::ALL.into_iter().filter(|q| args.wants(&q.name(corpus))).collect();
    for &query in &queries {
        let line = sides.check(query).await?;
        report.lines.push(line);
    }
    let time = Duration::from_secs_f64(args.seconds);
    for round in 0..args.rounds {
        output::complain(&format!("round {} of {}: queries", round + 1, args.rounds));
        for (i, &query) in queries.iter().enumerate() {
            let unindexed = round == 0 || round + 1 == args.rounds;
            sides.query(query, round, time, &mut report.lines[i], unindexed).await?;
        }
    }
    let counts: Vec<u16> = args.writers.iter().copied().filter(|n| *n > 0).collect();
    let kinds = |writers| Kind::ALL.into_iter().filter(move |k| args.wants(&k.name(writers)));
    for &writers in &counts {
        report.lines.extend(kinds(writers).map(|k| Line::new(k.name(writers))));
    }
    let made = Arc::new([AtomicU64::new(corpus.documents), AtomicU64::new(corpus.documents)]);
    let mut all = HashMap::new();
    for round in 0..args.rounds {
        let mut at = queries.len();
        for (group, &writers) in counts.iter().enumerate() {
            output::complain(&format!("round {} of {}: {writers} writers", round + 1, args.rounds));
            for kind in kinds(writers) {
                let pair = match all.remove(&(kind, writers)) {
                    Some(pair) => pair,
                    None => sides.writers(kind, writers, (group, counts.len()), &made).await?,
                };
                let pair = sides.write(pair, round, time, &mut report.lines[at]).await?;
                all.insert((kind, writers), pair);
                at += 1;
            }
        }
    }
    report.end();
    Ok(report)
}

/// Where the page that is far from the first begins: its token is the same for any size of pages.
async fn deep(library: &Library, corpus: Corpus) -> Result<After> {
    let mut left = (deep_page(corpus) - 1) * u64::from(PAGE);
    let Asked::Find(mut find) = Ask::Page(None).of_library(&library.collection, None)? else {
        unreachable!("a page is found");
    };
    loop {
        find.page.size = u32::try_from(left.min(1000))?;
        let page = library.page(&find).await.context("walking through pages")?;
        left -= page.documents.len() as u64;
        let last = page.documents.last().context("a page without documents")?;
        let token = page.next.context("too few pages")?;
        if left == 0 {
            let updated = last.body["updated_at"].as_i64().context("updated_at")?;
            let persistence::document::DocumentId::Uuid(id) = last.key.id else {
                anyhow::bail!("an id that nobody wrote")
            };
            return Ok(After { token, updated, id });
        }
        find.page.token = Some(token);
    }
}

/// Both sides, each with a connection that reads.
struct Sides<'a> {
    library: &'a Library,
    corpus: Corpus,
    deep: Arc<After>,
    hand: Option<&'a mut Any>,
    readers: Option<Reader>,
}

impl Sides<'_> {
    fn scan(&self) -> Result<u32> {
        Ok(u32::try_from(self.corpus.documents + SPARE)?)
    }

    /// Whether a query without an index is another one.
    fn has_twin(query: Query) -> bool {
        !matches!(query, Query::Id | Query::DeepPage)
    }

    /// That all give the same documents, the one by index and without a scan, the other by a scan.
    async fn check(&mut self, query: Query) -> Result<Line> {
        let mut line = Line::new(query.name(self.corpus));
        let ask = query.ask(self.corpus, 1, Some(&self.deep));
        line.index = self.library.explain(&ask, None).await?;
        let found = self.library.ask(ask.of_library(&self.library.collection, None)?).await?;
        ensure!(found.count > 0, "nothing was found by {ask:?}");
        if Self::has_twin(query) {
            let scan = Some(self.scan()?);
            self.library.explain(&ask, scan).await?;
            let scanned = self.library.ask(ask.of_library(&self.library.collection, scan)?).await?;
            same(&found, &scanned).with_context(|| format!("without an index: {ask:?}"))?;
        }
        if let Some(hand) = &mut self.hand {
            let by_hand = hand.ask(&ask).await?;
            same(&found, &by_hand).with_context(|| format!("by hand: {ask:?}"))?;
        }
        Ok(line)
    }

    async fn query(
        &mut self,
        query: Query,
        round: u16,
        time: Duration,
        line: &mut Line,
        unindexed: bool,
    ) -> Result<()> {
        let from = u64::from(round) * 1_000_000 + 1000;
        let (corpus, deep) = (self.corpus, &self.deep);
        let make = |side| Reader { side, query, corpus, deep: Arc::clone(deep), n: from };
        let ours = make(Side::Library(self.library.clone()));
        let hand = match (self.readers.take(), &self.hand) {
            (Some(reader), _) => Some(make(reader.side)),
            (None, Some(hand)) => Some(make(Side::Hand(Box::new(hand.another().await?)))),
            (None, None) => None,
        };
        // Turn and turn about, so that what the machine does meanwhile hits both.
        let (mut measured, mut rival) = (None, None);
        if round.is_multiple_of(2) {
            measured = Some(measure(vec![ours], time).await?.0);
        }
        if let Some(hand) = hand {
            let (m, mut readers) = measure(vec![hand], time).await?;
            (rival, self.readers) = (Some(m), readers.pop());
        }
        if !round.is_multiple_of(2) {
            let ours = Reader {
                side: Side::Library(self.library.clone()),
                query,
                corpus,
                deep: Arc::clone(&self.deep),
                n: from,
            };
            measured = Some(measure(vec![ours], time).await?.0);
        }
        line.add(measured.context("nothing measured")?, rival);
        if unindexed && Self::has_twin(query) {
            let ask = query.ask(corpus, from, Some(&self.deep));
            let asked = ask.of_library(&self.library.collection, Some(self.scan()?))?;
            let began = Instant::now();
            self.library.ask(asked).await?;
            line.unindexed.push(began.elapsed());
        }
        Ok(())
    }
}

/// Pages are in order on all sides; of what has no order within a page the set counts. Nobody has changed any.
fn same(a: &Rows, b: &Rows) -> Result<()> {
    let known = |row: &Row| (row.id, row.version, row.updated - row.created);
    let set = |rows: &Rows| rows.documents.iter().map(known).collect::<BTreeSet<_>>();
    ensure!(a.count == b.count && set(a) == set(b), "found {} and {} documents, or others", a.count, b.count);
    Ok(())
}

enum Side {
    Library(Library),
    Hand(Box<Any>),
}

/// Asks one kind of query, one after the other.
struct Reader {
    side: Side,
    query: Query,
    corpus: Corpus,
    deep: Arc<After>,
    n: u64,
}

impl Worker for Reader {
    async fn step(&mut self) -> Result<u64> {
        self.n += 1;
        let ask = self.query.ask(self.corpus, self.n, Some(&self.deep));
        match &mut self.side {
            Side::Library(library) => library.ask(ask.of_library(&library.collection, None)?).await?,
            Side::Hand(hand) => hand.ask(&ask).await?,
        };
        Ok(1)
    }
}

/// A kind of write of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Create,
    Replace,
    Put,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Create, Kind::Replace, Kind::Put];

    fn name(self, writers: u16) -> String {
        let what = match self {
            Kind::Create => "create",
            Kind::Replace => "update if version",
            Kind::Put => "put",
        };
        format!("{what}, {writers} writer{}", if writers == 1 { "" } else { "s" })
    }
}

/// Writes documents of its own, one after the other.
struct Writer {
    side: Side,
    kind: Kind,
    /// The numbers of those that are new.
    made: Arc<[AtomicU64; 2]>,
    /// The first of those that are its own, and how many.
    own: u64,
    documents: u64,
    writes: u64,
    versions: HashMap<u64, i64>,
}

impl Writer {
    /// The next of its own, which no other writer of the same side changes at the same time.
    fn next(&mut self) -> u64 {
        self.writes += 1;
        self.own + self.writes * 7919 % self.documents
    }
}

impl Worker for Writer {
    async fn step(&mut self) -> Result<u64> {
        let place = usize::from(matches!(self.side, Side::Hand(_)));
        let n = match self.kind {
            Kind::Create => self.made[place].fetch_add(1, Relaxed),
            _ => self.next(),
        };
        let doc = Corpus::document(n, if self.kind == Kind::Create { 0 } else { self.writes });
        let version = *self.versions.get(&n).unwrap_or(&1);
        match (&mut self.side, self.kind) {
            (Side::Library(l), Kind::Create) => l.write(vec![l.put(doc, Pre::Absent)]).await?,
            (Side::Library(l), Kind::Replace) => l.write(vec![l.put(doc, Pre::Version(version))]).await?,
            (Side::Library(l), Kind::Put) => l.write(vec![l.put(doc, Pre::None)]).await?,
            (Side::Hand(h), Kind::Create) => h.create(&doc).await?,
            (Side::Hand(h), Kind::Replace) => h.replace(&doc, version).await?,
            (Side::Hand(h), Kind::Put) => h.put(&doc).await?,
        }
        if self.kind == Kind::Replace {
            self.versions.insert(n, version + 1);
        }
        Ok(1)
    }
}

/// Writers of both sides.
type Pair = (Vec<Writer>, Vec<Writer>);

impl Sides<'_> {
    /// So many writers of both sides; `group` is which of how many numbers of writers that is.
    async fn writers(
        &mut self,
        kind: Kind,
        writers: u16,
        group: (usize, usize),
        made: &Arc<[AtomicU64; 2]>,
    ) -> Result<Pair> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        // Documents of its own for each writer of each kind, whose versions nobody else changes.
        let (place, writers) = (kind as usize * group.1 + group.0, u64::from(writers));
        let parts = (Kind::ALL.len() * group.1) as u64 * writers;
        for w in 0..writers {
            let own = (place as u64 * writers + w) * self.corpus.documents / parts;
            let documents = (self.corpus.documents / parts).clamp(1, OWN);
            let make = |side| Writer {
                side,
                kind,
                made: Arc::clone(made),
                own,
                documents,
                writes: 0,
                versions: HashMap::new(),
            };
            ours.push(make(Side::Library(self.library.clone())));
            if let Some(hand) = &self.hand {
                theirs.push(make(Side::Hand(Box::new(hand.another().await?))));
            }
        }
        Ok((ours, theirs))
    }

    async fn write(&mut self, pair: Pair, round: u16, time: Duration, line: &mut Line) -> Result<Pair> {
        let (mut ours, mut theirs) = pair;
        let mut rival = None;
        let by_hand = async |theirs: Vec<Writer>| -> Result<(Option<Measured>, Vec<Writer>)> {
            if theirs.is_empty() {
                return Ok((None, theirs));
            }
            let (measured, writers) = measure(theirs, time).await?;
            Ok((Some(measured), writers))
        };
        if !round.is_multiple_of(2) {
            (rival, theirs) = by_hand(theirs).await?;
        }
        let measured;
        (measured, ours) = measure(ours, time).await?;
        if round.is_multiple_of(2) {
            (rival, theirs) = by_hand(theirs).await?;
        }
        line.add(measured, rival);
        Ok((ours, theirs))
    }
}
