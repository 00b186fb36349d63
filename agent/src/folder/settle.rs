//! When a file that somebody else writes is finished: pure, told what the folder holds.
//!
//! Nobody says when a file is whole, so one counts as finished when its size and time of change have
//! stayed for a while. One that can't be read then may still be on its way over a slow link: it is
//! handed out again when it changes, and a last time after it has been still for long.

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use crate::clock::Moment;

/// What shows that a file has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Its size, in bytes.
    pub size: u64,
    /// When it was changed, in nanoseconds of its file system's clock.
    pub changed: u128,
}

/// A file to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Its name.
    pub name: String,
    /// How it was when it was found to be still.
    pub stamp: Stamp,
    /// Whether it has been still for so long that it will not change any more.
    pub last_chance: bool,
}

/// Knows how long each file of a folder has been as it is.
#[derive(Clone, Debug)]
pub struct Settler {
    settle: Duration,
    give_up: Duration,
    files: BTreeMap<String, Still>,
}

#[derive(Clone, Copy, Debug)]
struct Still {
    stamp: Stamp,
    since: Moment,
    handed_out: u8,
}

impl Stamp {
    /// The stamp of a file.
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        let changed = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self {
            size: metadata.len(),
            changed: changed.map_or(0, |since| since.as_nanos()),
        }
    }
}

impl Settler {
    /// Hands a file out when it has been still for `settle`, and a last time after `give_up`.
    #[must_use]
    pub const fn new(settle: Duration, give_up: Duration) -> Self {
        Self {
            settle,
            give_up,
            files: BTreeMap::new(),
        }
    }

    /// Takes the folder's contents and gives the files that are to be looked at, oldest first.
    pub fn observe(&mut self, listing: Vec<(String, Stamp)>, now: Moment) -> Vec<Ready> {
        let mut files = BTreeMap::new();
        let mut ready = Vec::new();
        for (name, stamp) in listing {
            let known = self
                .files
                .remove(&name)
                .filter(|still| still.stamp == stamp);
            let mut still = known.unwrap_or(Still {
                stamp,
                since: now,
                handed_out: 0,
            });
            if let Some(last_chance) = self.due(still, now) {
                still.handed_out = if last_chance { 2 } else { 1 };
                ready.push(Ready {
                    name: name.clone(),
                    stamp,
                    last_chance,
                });
            }
            files.insert(name, still);
        }
        self.files = files;
        ready.sort_by_key(|ready| ready.stamp.changed);
        ready
    }

    /// Hands the file out once more, as one that could not be dealt with for a reason of our own.
    pub fn again(&mut self, name: &str) {
        if let Some(still) = self.files.get_mut(name) {
            still.handed_out = 0;
        }
    }

    /// Whether to hand it out now, and whether for the last time.
    fn due(&self, still: Still, now: Moment) -> Option<bool> {
        let age = now - still.since;
        let last = age >= self.give_up;
        match still.handed_out {
            0 if age >= self.settle => Some(last),
            1 if last => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    fn settler() -> Settler {
        Settler::new(Duration::from_millis(400), Duration::from_secs(10))
    }

    fn listing(size: u64) -> Vec<(String, Stamp)> {
        vec![("a.sor".into(), Stamp { size, changed: 7 })]
    }

    #[test]
    fn a_file_that_grows_is_left_alone() {
        let mut settler = settler();
        for step in 0..50 {
            assert!(settler.observe(listing(step), at(step * 200)).is_empty());
        }
        assert!(settler.observe(listing(49), at(10_100)).is_empty());
        let ready = settler.observe(listing(49), at(10_200));
        assert_eq!(
            (ready.len(), ready[0].last_chance, ready[0].stamp.size),
            (1, false, 49)
        );
    }

    #[test]
    fn it_is_handed_out_once_and_a_last_time() {
        let mut settler = settler();
        settler.observe(listing(1), at(0));
        assert_eq!(settler.observe(listing(1), at(400)).len(), 1);
        assert!(settler.observe(listing(1), at(5_000)).is_empty());
        let last = settler.observe(listing(1), at(10_000));
        assert!(last[0].last_chance);
        assert!(settler.observe(listing(1), at(60_000)).is_empty());
    }

    #[test]
    fn a_change_starts_over() {
        let mut settler = settler();
        settler.observe(listing(1), at(0));
        settler.observe(listing(1), at(400));
        assert!(settler.observe(listing(2), at(9_900)).is_empty());
        let ready = settler.observe(listing(2), at(10_300));
        assert!(!ready[0].last_chance);
    }

    #[test]
    fn what_we_could_not_deal_with_is_handed_out_again() {
        let mut settler = settler();
        settler.observe(listing(1), at(0));
        settler.observe(listing(1), at(400));
        settler.again("a.sor");
        assert_eq!(settler.observe(listing(1), at(600)).len(), 1);
    }

    #[test]
    fn a_name_that_comes_back_starts_over() {
        let mut settler = settler();
        settler.observe(listing(1), at(0));
        settler.observe(Vec::new(), at(200));
        assert!(settler.observe(listing(1), at(500)).is_empty());
    }
}
