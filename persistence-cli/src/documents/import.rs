//! `persist documents import`: lines become documents, many at once.

use super::line::{self, Incoming};
use super::{ImportArgs, OnConflict, context};
use crate::replay::retry::again;
use crate::replay::work::each;
use crate::{output, progress};
use anyhow::{Context as _, Result, anyhow};
use indicatif::ProgressBar;
use persistence::document::write::{Action, DocumentWrite, Pre};
use persistence::document::{CollectionDef, DocumentKey, Path};
use persistence::store::{WriteDocuments, Written};
use persistence::{AttemptId, Capability, Detail, Error, Outcome, Persistence};
use serde_json::json;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::sync::Arc;

/// A document that a line is to become.
#[derive(Clone)]
struct Item {
    line: u64,
    write: DocumentWrite,
}

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Written,
    Replaced,
    Skipped,
}

/// What an import came to.
#[derive(Default)]
struct Tally {
    written: u64,
    replaced: u64,
    skipped: u64,
    failed: Vec<(u64, String)>,
}

/// Says whether every line was good.
pub(super) async fn run(
    db: &Arc<dyn Persistence>,
    def: Arc<CollectionDef>,
    args: &ImportArgs,
) -> Result<bool> {
    let id: Option<Path> = args.id.as_ref().map(|p| p.parse()).transpose().context("--id")?;
    let importer = Importer { db: db.clone(), def, on_conflict: args.on_conflict };
    let together = db.info().capabilities.has(Capability::CrossPartition);
    let batch = if together { usize::from(args.batch) } else { 1 };
    let (mut lines, bar) = open(&args.file)?;
    let mut tally = Tally::default();
    loop {
        let window = importer.read(&mut lines, id.as_ref(), batch * usize::from(args.concurrency));
        importer.write(window.items, batch, usize::from(args.concurrency), &mut tally).await;
        tally.failed.extend(window.wrong);
        if window.end || !tally.failed.is_empty() {
            break;
        }
    }
    bar.finish_and_clear();
    tally.report(args)
}

struct Lines {
    input: Box<dyn BufRead>,
    number: u64,
    /// Read, but not of the window before: its document was.
    kept: Option<Item>,
}

fn open(path: &std::path::Path) -> Result<(Lines, ProgressBar)> {
    let (input, bar): (Box<dyn BufRead>, _) = if path.as_os_str() == "-" {
        let bar = progress::counter("bytes imported");
        (Box::new(BufReader::new(bar.wrap_read(io::stdin()))), bar)
    } else {
        let named = || path.display().to_string();
        let file = File::open(path).with_context(named)?;
        let bar = progress::bytes("importing", file.metadata().with_context(named)?.len());
        (Box::new(BufReader::new(bar.wrap_read(file))), bar)
    };
    Ok((Lines { input, number: 0, kept: None }, bar))
}

/// Lines that are written together: no two of one document, so that their order does not matter.
struct Window {
    items: Vec<Item>,
    end: bool,
    wrong: Option<(u64, String)>,
}

struct Importer {
    db: Arc<dyn Persistence>,
    def: Arc<CollectionDef>,
    on_conflict: OnConflict,
}

impl Importer {
    fn read(&self, lines: &mut Lines, id: Option<&Path>, most: usize) -> Window {
        let mut window = Window { items: Vec::new(), end: false, wrong: None };
        let mut keys: HashSet<DocumentKey> = HashSet::new();
        while window.items.len() < most {
            let item = match lines.kept.take().map_or_else(|| self.next(lines, id), |item| Ok(Some(item))) {
                Ok(Some(item)) => item,
                Ok(None) => {
                    window.end = true;
                    break;
                }
                Err(e) => {
                    window.wrong = Some((lines.number, format!("{e:#}")));
                    break;
                }
            };
            if !keys.insert(item.write.key.clone()) {
                lines.kept = Some(item);
                break;
            }
            window.items.push(item);
        }
        window
    }

    fn next(&self, lines: &mut Lines, id: Option<&Path>) -> Result<Option<Item>> {
        let mut text = String::new();
        loop {
            text.clear();
            lines.number += 1;
            if lines.input.read_line(&mut text)? == 0 {
                return Ok(None);
            }
            if text.trim().is_empty() {
                continue;
            }
            let Incoming { key, body, expires } = line::read(&self.def, &text, id)?;
            let pre = if self.on_conflict == OnConflict::Replace { Pre::None } else { Pre::Absent };
            let action = Action::Put { body, expires };
            let write = DocumentWrite { collection: self.def.name.clone(), key, pre, action };
            return Ok(Some(Item { line: lines.number, write }));
        }
    }

    async fn write(&self, items: Vec<Item>, batch: usize, concurrency: usize, tally: &mut Tally) {
        let batches: Arc<Vec<Vec<Item>>> = Arc::new(items.chunks(batch).map(<[Item]>::to_vec).collect());
        let fates = each(batches.len(), concurrency, |index| {
            let (db, batches, on_conflict) = (self.db.clone(), batches.clone(), self.on_conflict);
            async move { Ok(write_batch(db.as_ref(), &batches[index], on_conflict).await) }
        });
        for (batch, fates) in batches.iter().zip(fates.await) {
            match fates {
                Ok(fates) => batch.iter().zip(fates).for_each(|(item, fate)| tally.count(item.line, fate)),
                Err(e) => tally.failed.push((batch[0].line, format!("{e:#}"))),
            }
        }
    }
}

/// All together; where that fails, one by one, so that each line has its own fate.
async fn write_batch(db: &dyn Persistence, items: &[Item], on_conflict: OnConflict) -> Vec<Result<Fate>> {
    if items.len() > 1 {
        match write(db, items).await {
            Ok(written) => return written.iter().map(|w| Ok(fate(w))).collect(),
            // Whatever is done now could meet what it wrote itself.
            Err(e) if e.outcome() == Outcome::MaybeApplied => {
                return items.iter().map(|_| Err(anyhow!(e.clone()))).collect();
            }
            Err(_) => {}
        }
    }
    let mut fates = Vec::new();
    for item in items {
        fates.push(match write(db, std::slice::from_ref(item)).await {
            Ok(written) => Ok(written.first().map_or(Fate::Written, fate)),
            Err(e) if on_conflict == OnConflict::Skip && is_there(&e) => Ok(Fate::Skipped),
            Err(e) => Err(anyhow!(e)),
        });
    }
    fates
}

async fn write(db: &dyn Persistence, items: &[Item]) -> persistence::Result<Vec<Written>> {
    let writes = items.iter().map(|item| item.write.clone()).collect();
    let (cx, req) = (context(), WriteDocuments { writes, attempt: AttemptId::new() });
    again(|| db.documents().write_documents(&cx, &req)).await
}

fn fate(written: &Written) -> Fate {
    let first = written.document.as_ref().is_none_or(|d| d.version == 1);
    if first { Fate::Written } else { Fate::Replaced }
}

/// Whether the document itself is there; not another one that holds its unique key.
fn is_there(e: &Error) -> bool {
    matches!(e.detail(), Detail::AlreadyExists { index: None, .. })
}

impl Tally {
    fn count(&mut self, line: u64, fate: Result<Fate>) {
        match fate {
            Ok(Fate::Written) => self.written += 1,
            Ok(Fate::Replaced) => self.replaced += 1,
            Ok(Fate::Skipped) => self.skipped += 1,
            Err(e) => self.failed.push((line, format!("{e:#}"))),
        }
    }

    fn report(mut self, args: &ImportArgs) -> Result<bool> {
        self.failed.sort();
        for (line, e) in &self.failed {
            let problem = format!("{}: line {line}: {e}", args.file.display());
            output::complain(&problem.replace('\n', " "));
        }
        if args.json {
            let failed = self.failed.iter().map(|(line, e)| json!({"line": line, "error": e}));
            output::json(&json!({
                "written": self.written,
                "replaced": self.replaced,
                "skipped": self.skipped,
                "failed": failed.collect::<Vec<_>>(),
            }))?;
        } else {
            let mut table = output::table(&[]);
            table.add_row(["written", &self.written.to_string()]);
            table.add_row(["replaced", &self.replaced.to_string()]);
            table.add_row(["skipped", &self.skipped.to_string()]);
            table.add_row(["failed", &self.failed.len().to_string()]);
            let note = match &args.id {
                None => "\nkeys, documents and expiry are as exported; versions and times begin anew",
                Some(_) => "",
            };
            output::text(&format!("{table}{note}"))?;
        }
        Ok(self.failed.is_empty())
    }
}
