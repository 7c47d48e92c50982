//! Work on many things, shared by the processors.

use std::num::NonZero;
use std::{panic, thread};

/// How many things, each of which takes some microseconds, are worth a thread.
const SHARE: usize = 4096;

/// What a function makes of parts of a slice, in their order; it is told at which place its part begins. There is a
/// part for each processor, or fewer so that there are about as many things in each as are worth a thread.
pub(crate) fn parts<T: Sync, U: Send>(all: &[T], work: impl Fn(usize, &[T]) -> U + Sync) -> Vec<U> {
    let most = all.len() / SHARE;
    let threads = if most > 1 { thread::available_parallelism().map_or(1, NonZero::get).min(most) } else { 1 };
    let size = all.len().div_ceil(threads);
    let (own, others) = all.split_at(size);
    thread::scope(|scope| {
        let work = &work;
        let begin = |(number, part)| scope.spawn(move || work(size * (number + 1), part));
        let others: Vec<_> = others.chunks(size.max(1)).enumerate().map(begin).collect();
        let own = work(0, own);
        let others = others.into_iter().map(|other| other.join().unwrap_or_else(|broken| panic::resume_unwind(broken)));
        std::iter::once(own).chain(others).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thing_is_worked_on_once_in_its_place() {
        for count in [0, 1, SHARE, 2 * SHARE - 1, 2 * SHARE, 2 * SHARE + 1, 10 * SHARE + 7] {
            let all: Vec<_> = (0..count).collect();
            let seen = parts(&all, |first, part| (first..).zip(part.iter().copied()).collect::<Vec<_>>());
            let seen: Vec<_> = seen.into_iter().flatten().collect();
            assert_eq!(seen, all.iter().map(|number| (*number, *number)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn little_work_is_not_shared() {
        assert_eq!(parts(&[(); 2 * SHARE - 1], |first, part| (first, part.len())), [(0, 2 * SHARE - 1)]);
    }
}
