//! Many files at once, one answer after the other.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Answers that may wait for an earlier one, a core: bounds what is in memory.
const AHEAD: usize = 4;

/// Does `work` for every item on all cores, and `then` with every answer in the items' order.
pub(in crate::cli) fn in_order<T: Sync, R: Send + Sync>(
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut then: impl FnMut(R) -> io::Result<()>,
) -> io::Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for batch in items.chunks(cores * AHEAD) {
        let answers: Vec<OnceLock<R>> = batch.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let take = || {
            let number = next.fetch_add(1, Ordering::Relaxed);
            batch.get(number).zip(answers.get(number))
        };
        let worker = || {
            while let Some((item, answer)) = take() {
                // Each number is taken once, so the place is empty.
                let _ = answer.set(work(item));
            }
        };
        thread::scope(|scope| {
            for _ in 0..cores.min(batch.len()) {
                scope.spawn(worker);
            }
        });
        for answer in answers.into_iter().filter_map(OnceLock::into_inner) {
            then(answer)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_answered_once_and_in_order() {
        let items: Vec<u64> = (0..1_000).collect();
        let mut answers = Vec::new();
        // Early items take longest.
        let slow = |item: &u64| {
            let wasted: u64 = (0..(1_000 - item) * 50).map(|k| k % 7).sum();
            item + wasted - wasted
        };
        in_order(&items, slow, |answer| {
            answers.push(answer);
            Ok(())
        })
        .unwrap();
        assert_eq!(answers, items);
    }

    #[test]
    fn a_reader_that_has_gone_ends_it() {
        let items: Vec<u32> = (0..500).collect();
        let mut told = 0;
        let result = in_order(
            &items,
            |item| *item,
            |_| {
                told += 1;
                Err(io::ErrorKind::BrokenPipe.into())
            },
        );
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(told, 1);
    }
}
