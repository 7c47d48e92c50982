//! Parsing the rows of a state, on as many threads as there are processors where there are many rows.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use crate::error::{Error, Result};
use crate::name::ResourceName;
use crate::resource::StateRow;
use crate::store::text::RowText;

/// How many rows are parsed at a time.
const CHUNK: usize = 2048;
/// How many chunks wait for each thread at most: the texts are as long as the state.
const AHEAD: usize = 2;

/// A row as it is kept, with the name that it is kept under.
pub(super) type Text = (String, RowText);
type Parsed = Result<Vec<(ResourceName, StateRow)>>;
/// Texts to parse, with their place among the others.
type Chunk = (usize, Vec<Text>);
type Queue = Arc<Mutex<mpsc::Receiver<Chunk>>>;

/// The rows of texts that come in the order of their names.
pub(super) fn rows(mut texts: impl Iterator<Item = Result<Text>>) -> Result<BTreeMap<ResourceName, StateRow>> {
    let first = chunk(&mut texts)?;
    if first.len() < CHUNK {
        return parse(&first).map(BTreeMap::from_iter);
    }
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (sender, receiver) = mpsc::sync_channel(threads * AHEAD);
    let receiver = Arc::new(Mutex::new(receiver));
    let mut parsed: Vec<(usize, Parsed)> = thread::scope(|scope| {
        let worker = |receiver: Queue| {
            scope.spawn(move || {
                let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
                std::iter::from_fn(next).map(|(place, texts)| (place, parse(&texts))).collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..threads).map(|_| worker(receiver.clone())).collect();
        // The workers alone have it: where all of them are gone, nothing waits for them.
        drop(receiver);
        let sent = send(first, &mut texts, &sender);
        drop(sender);
        let parsed = workers.into_iter().map(|worker| worker.join().map_err(|_| Error::bug("a thread that parses rows broke")));
        let parsed = parsed.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        sent.map(|()| parsed)
    })?;
    parsed.sort_by_key(|(place, _)| *place);
    let mut rows = Vec::with_capacity(parsed.len() * CHUNK);
    for (_, chunk) in parsed {
        rows.append(&mut chunk?);
    }
    Ok(BTreeMap::from_iter(rows))
}

fn send(first: Vec<Text>, texts: &mut impl Iterator<Item = Result<Text>>, to: &mpsc::SyncSender<Chunk>) -> Result<()> {
    let mut next = first;
    for place in 0.. {
        if next.is_empty() {
            break;
        }
        to.send((place, next)).map_err(|_| Error::bug("nobody parses rows any more"))?;
        next = chunk(texts)?;
    }
    Ok(())
}

fn chunk(texts: &mut impl Iterator<Item = Result<Text>>) -> Result<Vec<Text>> {
    texts.take(CHUNK).collect()
}

fn parse(texts: &[Text]) -> Parsed {
    texts.iter().map(|(name, row)| row.parse(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn text(number: usize) -> Text {
        let name = format!("r{number:05}");
        let row = serde_json::json!({
            "name": name, "kind": "value", "role": { "managed": { "provider": "lab" } }, "written": {}, "inputs": {},
            "object": null, "run": "20261122-051522-3fa9", "version": 7,
        });
        (name, RowText { version: 7, body: row.to_string().into_bytes() })
    }

    #[test]
    fn many_rows_are_all_there_and_in_order() {
        let count = 3 * CHUNK + 5;
        let parsed = rows((0..count).map(|number| Ok(text(number)))).expect("parsed");
        assert_eq!(parsed.len(), count);
        assert!(parsed.keys().map(ResourceName::as_str).eq((0..count).map(|number| format!("r{number:05}"))));
    }

    #[test]
    fn one_that_is_damaged_among_many_is_told() {
        let damaged = |number| if number == 2 * CHUNK { ("other".to_owned(), text(number).1) } else { text(number) };
        let error = rows((0..4 * CHUNK).map(|number| Ok(damaged(number)))).expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("`other`"), "{error}");
    }

    #[test]
    fn one_that_cannot_be_read_ends_it() {
        let broken = |number| if number == 2 * CHUNK { Err(Error::invalid("torn")) } else { Ok(text(number)) };
        assert_eq!(rows((0..4 * CHUNK).map(broken)).expect_err("torn").to_string(), "torn");
    }
}
