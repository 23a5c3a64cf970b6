//! What is asked: the same of the library, by index and without one, and by hand.

use super::corpus::{Corpus, HOT, OPEN};
use anyhow::{Context as _, Result};
use persistence::document::plan::OrderBy;
use persistence::document::{DocumentKey, Filter, Path, Scalar};
use persistence::store::{Deleted, FindDocuments, ScanPolicy};
use persistence::{PageRequest, PageToken};
use uuid::Uuid;

/// A kind of query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    Id,
    Equality,
    Range,
    In,
    Prefix,
    Contains,
    Label,
    InOrder,
    FirstPage,
    DeepPage,
    Count,
    CountHot,
}

/// Documents of a page.
pub(super) const PAGE: u32 = 50;
/// The page that is far from the first, where there are as many.
const DEEP: u64 = 200;
/// More than there are of what is not asked for in pages.
pub(super) const ENOUGH: u32 = 200;

/// A query with its values.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Id(u64),
    Name(String),
    Score(f64, f64),
    Names(Vec<String>),
    Prefix(String),
    Tag(String),
    Team(String),
    /// Those of the large project that are not completed, newest first.
    Open,
    /// Those of the large project, newest first.
    Page(Option<After>),
    Count(String),
}

/// Where a page begins, for the library and by hand.
#[derive(Clone, Debug)]
pub(super) struct After {
    pub(super) token: PageToken,
    pub(super) updated: i64,
    pub(super) id: Uuid,
}

impl Query {
    pub(super) const ALL: [Query; 12] = [
        Query::Id,
        Query::Equality,
        Query::Range,
        Query::In,
        Query::Prefix,
        Query::Contains,
        Query::Label,
        Query::InOrder,
        Query::FirstPage,
        Query::DeepPage,
        Query::Count,
        Query::CountHot,
    ];

    /// What it is, in words.
    pub(super) fn name(self, corpus: Corpus) -> String {
        match self {
            Query::Id => "by id".to_owned(),
            Query::Equality => "name =".to_owned(),
            Query::Range => "score from, to (100)".to_owned(),
            Query::In => "name IN 20".to_owned(),
            Query::Prefix => "name begins (100)".to_owned(),
            Query::Contains => "tags contain".to_owned(),
            Query::Label => "label = ".to_owned(),
            Query::InOrder => "status IN 4, newest first".to_owned(),
            Query::FirstPage => "newest first, page 1".to_owned(),
            Query::DeepPage => format!("newest first, page {}", deep_page(corpus)),
            Query::Count => "count of a project".to_owned(),
            Query::CountHot => "count of a tenth".to_owned(),
        }
    }

    /// The n-th one. `deep` is where the page that is far from the first begins.
    pub(super) fn ask(self, corpus: Corpus, n: u64, deep: Option<&After>) -> Ask {
        // Spread over all documents, and never the same ones in turn.
        let seed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let one = |n: u64| n % corpus.documents;
        match self {
            Query::Id => Ask::Id(one(seed)),
            Query::Equality => Ask::Name(Corpus::name(one(seed))),
            Query::Range => {
                let (low, high) = corpus.scores(seed);
                Ask::Score(low, high)
            }
            Query::In => Ask::Names((0..20).map(|i| Corpus::name(one(seed + i * 7919))).collect()),
            Query::Prefix => Ask::Prefix(corpus.prefix(seed)),
            Query::Contains => Ask::Tag(Corpus::tag(seed)),
            Query::Label => Ask::Team(Corpus::team(seed)),
            Query::InOrder => Ask::Open,
            Query::FirstPage => Ask::Page(None),
            Query::DeepPage => Ask::Page(deep.cloned()),
            Query::Count => Ask::Count(Corpus::small_project(seed)),
            Query::CountHot => Ask::Count(HOT.to_owned()),
        }
    }
}

/// The page far from the first: the last full one, if there are fewer.
pub(super) fn deep_page(corpus: Corpus) -> u64 {
    (corpus.documents / 10 / u64::from(PAGE)).clamp(2, DEEP)
}

/// What the library is asked.
pub(super) enum Asked {
    Get(DocumentKey),
    Find(FindDocuments),
    /// The filter decides.
    Count(FindDocuments),
}

fn path(p: &str) -> Result<Path> {
    Ok(p.parse()?)
}

impl Ask {
    /// By index, or else by reading all documents, of which so many are allowed.
    pub(super) fn of_library(&self, collection: &str, scan: Option<u32>) -> Result<Asked> {
        let twin = if scan.is_some() { "twin." } else { "" };
        let at = |p: &str| path(&format!("{twin}{p}"));
        let project = |p: &str| Ok::<_, anyhow::Error>(Filter::eq(at("project_id")?, p));
        let (filter, size) = match self {
            Ask::Id(n) => return Ok(Asked::Get(DocumentKey::within(Corpus::project(*n), Corpus::id(*n)))),
            Ask::Name(name) => (Filter::eq(at("name")?, &**name), PAGE),
            Ask::Score(low, high) => {
                (Filter::ge(at("score")?, *low).and(Filter::lt(at("score")?, *high)), ENOUGH)
            }
            Ask::Names(names) => {
                (Filter::In(at("name")?, names.iter().map(|n| Scalar::from(&**n)).collect()), PAGE)
            }
            Ask::Prefix(prefix) => (Filter::Prefix(at("name")?, prefix.clone()), ENOUGH),
            Ask::Tag(tag) => (Filter::Contains(at("tags")?, Scalar::from(&**tag)), PAGE),
            Ask::Team(team) => (Filter::HasEntry(at("labels")?, "team".to_owned(), team.clone()), PAGE),
            Ask::Open => {
                let open = Filter::In(at("status")?, OPEN.map(Scalar::from).to_vec());
                (project(HOT)?.and(open), PAGE)
            }
            Ask::Page(_) => (project(HOT)?, PAGE),
            Ask::Count(of) => (project(of)?, PAGE),
        };
        let mut find = FindDocuments::new(collection, filter, size);
        find.deleted = Deleted::Hide;
        if let Some(max_documents) = scan {
            find.scan = ScanPolicy::Allow { max_documents };
        }
        match self {
            Ask::Open | Ask::Page(None) => find.order = vec![OrderBy::desc(path("updated_at")?)],
            Ask::Page(Some(after)) => {
                find.order = vec![OrderBy::desc(path("updated_at")?)];
                find.page = PageRequest::after(PAGE, after.token.clone());
            }
            Ask::Count(_) => return Ok(Asked::Count(find)),
            _ => {}
        }
        Ok(Asked::Find(find))
    }
}

/// The least text that is larger than all that begin so.
pub(super) fn end_of(prefix: &str) -> Result<String> {
    let mut end = prefix.to_owned();
    let last = end.pop().context("an empty prefix")?;
    end.push(char::from_u32(u32::from(last) + 1).context("a prefix without end")?);
    Ok(end)
}
