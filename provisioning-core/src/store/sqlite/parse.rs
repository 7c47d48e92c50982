//! Parsing what a store keeps, on as many threads as there are processors where there is much of it.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use crate::error::{Error, Result};

/// How many texts are parsed at a time.
const CHUNK: usize = 2048;
/// How many chunks wait for each thread at most: the texts are as long as all that is kept.
const AHEAD: usize = 2;

/// Texts to parse, with their place among the others.
type Chunk<T> = (usize, Vec<T>);
type Queue<T> = Arc<Mutex<mpsc::Receiver<Chunk<T>>>>;

/// How many threads parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    /// The one that asks: the other processors have something else to do.
    One,
    /// As many as there are processors.
    Many,
}

/// What texts say, in their order.
pub(super) fn all<T: Send, U: Send>(
    mut texts: impl Iterator<Item = Result<T>>,
    parse: impl Fn(T) -> Result<U> + Sync,
    threads: Threads,
) -> Result<Vec<U>> {
    if threads == Threads::One {
        return texts.map(|text| parse(text?)).collect();
    }
    let parse = |texts: Vec<T>| texts.into_iter().map(&parse).collect::<Result<Vec<U>>>();
    let first = chunk(&mut texts)?;
    if first.len() < CHUNK {
        return parse(first);
    }
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let (sender, receiver) = mpsc::sync_channel(threads * AHEAD);
    let receiver = Arc::new(Mutex::new(receiver));
    let mut parsed: Vec<(usize, Result<Vec<U>>)> = thread::scope(|scope| {
        let worker = |receiver: Queue<T>| {
            scope.spawn(move || {
                let next = || receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
                std::iter::from_fn(next).map(|(place, texts)| (place, parse(texts))).collect::<Vec<_>>()
            })
        };
        let workers: Vec<_> = (0..threads).map(|_| worker(receiver.clone())).collect();
        // The workers alone have it: where all of them are gone, nothing waits for them.
        drop(receiver);
        let sent = send(first, &mut texts, &sender);
        drop(sender);
        let parsed = workers.into_iter().map(|worker| worker.join().map_err(|_| Error::bug("a thread that parses broke")));
        let parsed = parsed.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        sent.map(|()| parsed)
    })?;
    parsed.sort_by_key(|(place, _)| *place);
    let mut all = Vec::with_capacity(parsed.len() * CHUNK);
    for (_, chunk) in parsed {
        all.append(&mut chunk?);
    }
    Ok(all)
}

fn send<T>(first: Vec<T>, texts: &mut impl Iterator<Item = Result<T>>, to: &mpsc::SyncSender<Chunk<T>>) -> Result<()> {
    let mut next = first;
    for place in 0.. {
        if next.is_empty() {
            break;
        }
        to.send((place, next)).map_err(|_| Error::bug("nobody parses any more"))?;
        next = chunk(texts)?;
    }
    Ok(())
}

fn chunk<T>(texts: &mut impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    texts.take(CHUNK).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: String) -> Result<usize> {
        text.parse().map_err(|_| Error::invalid(text))
    }

    #[test]
    fn many_are_all_there_and_in_order() {
        let count = 3 * CHUNK + 5;
        let parsed = all((0..count).map(|number| Ok(number.to_string())), number, Threads::Many).expect("parsed");
        assert!(parsed.into_iter().eq(0..count));
    }

    #[test]
    fn one_that_is_damaged_among_many_is_told() {
        let damaged = |number: usize| if number == 2 * CHUNK { "odd".to_owned() } else { number.to_string() };
        assert_eq!(
            all((0..4 * CHUNK).map(|number| Ok(damaged(number))), number, Threads::Many).expect_err("damaged").to_string(),
            "odd"
        );
    }

    #[test]
    fn one_that_cannot_be_read_ends_it() {
        let broken = |number: usize| if number == 2 * CHUNK { Err(Error::invalid("torn")) } else { Ok(number.to_string()) };
        assert_eq!(all((0..4 * CHUNK).map(broken), number, Threads::Many).expect_err("torn").to_string(), "torn");
    }
}
