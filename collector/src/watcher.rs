//! Watches the collector itself: a channel on which nothing gets through, a second collector on a
//! line of ours. What it says goes to every other channel.
//!
//! Pure: what the outbox and the broker show goes in with `now`, what is to be said comes out. It
//! begins anew with the program: what stands then is said once more.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use silkline_protocol::id::{LineId, SiteId, StoreId};
use silkline_protocol::time::Timestamp;

/// Messages of another store for one site before it is an alarm: what the broker has kept of a store
/// that is gone comes once or twice.
const FOREIGN: u32 = 3;
/// They count together when they come within this time; and the alarm is not said again before.
const TOGETHER: Duration = Duration::from_secs(600);
/// Other stores that are remembered: strangers cannot fill the memory.
const MOST_STORES: usize = 1024;

/// Something to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Why, in a word.
    pub reason: &'static str,
    /// In words.
    pub text: String,
    /// A channel that need not be tried.
    pub except: Option<String>,
}

/// What the outbox shows of a channel: the time at which the oldest of its notices that still waits
/// should have been delivered.
pub type Waiting = BTreeMap<String, Timestamp>;

/// What was found and said so far.
#[derive(Clone, Debug, Default)]
pub struct Watcher {
    patience: Duration,
    silent: BTreeSet<String>,
    foreign: BTreeMap<(LineId, SiteId, StoreId), (u32, Timestamp)>,
    told: BTreeMap<(LineId, StoreId), Timestamp>,
}

impl Watcher {
    /// A watcher that gives a channel `patience`.
    #[must_use]
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            ..Self::default()
        }
    }

    /// Takes what waits in the outbox, for the channels that there are.
    pub fn outbox(&mut self, waiting: &Waiting, now: Timestamp) -> Vec<Word> {
        let late = |since: &Timestamp| now - *since >= self.patience;
        let stuck = waiting.iter().filter(|(_, since)| late(since));
        let stuck: BTreeMap<&String, &Timestamp> = stuck.collect();
        let mut words = Vec::new();
        for (channel, since) in &stuck {
            if self.silent.insert((*channel).clone()) {
                let text = format!(
                    "silkline: nothing gets through on channel {channel}, a notice waits since {since}"
                );
                words.push(word("silent", text, channel));
            }
        }
        let back: Vec<String> = self
            .silent
            .iter()
            .filter(|channel| !stuck.contains_key(channel))
            .cloned()
            .collect();
        for channel in back {
            self.silent.remove(&channel);
            let text = format!("silkline: channel {channel} delivers again");
            words.push(word("back", text, &channel));
        }
        words
    }

    /// A notice for `channel` was given up.
    #[must_use]
    pub fn given_up(channel: &str, headline: &str, error: &str) -> Word {
        let text =
            format!("silkline: a notice was given up on channel {channel}: {headline} ({error})");
        word("given_up", text, channel)
    }

    /// Another store says that it has stored what came for `line` from `site`.
    pub fn another_store(
        &mut self,
        (line, site): (&LineId, &SiteId),
        store: &StoreId,
        now: Timestamp,
    ) -> Option<Word> {
        self.foreign.retain(|_, (_, last)| now - *last < TOGETHER);
        self.told.retain(|_, at| now - *at < TOGETHER);
        let key = (line.clone(), site.clone(), store.clone());
        if self.foreign.len() >= MOST_STORES && !self.foreign.contains_key(&key) {
            return None;
        }
        let (times, last) = self.foreign.entry(key).or_insert((0, now));
        *times += 1;
        *last = now;
        let often = *times >= FOREIGN;
        let known = (line.clone(), store.clone());
        if !often || self.told.contains_key(&known) {
            return None;
        }
        self.told.insert(known, now);
        let text = format!(
            "silkline: two collectors keep line {line}: store {store} commits what comes from {site} \
             as well; stop one of them, or take the line out of its settings"
        );
        Some(Word {
            reason: "two_stores",
            text,
            except: None,
        })
    }
}

fn word(reason: &'static str, text: String, channel: &str) -> Word {
    Word {
        reason,
        text,
        except: Some(channel.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn watcher() -> Watcher {
        Watcher::new(Duration::from_secs(900))
    }

    fn waits(channel: &str, since: i64) -> Waiting {
        [(channel.to_owned(), second(since))].into()
    }

    #[test]
    fn a_channel_is_silent_after_its_patience_and_said_so_once() {
        let mut watcher = watcher();
        let waiting = waits("crew", 100);
        assert_eq!(watcher.outbox(&waiting, second(999)), []);
        let words = watcher.outbox(&waiting, second(1000));
        assert_eq!((words.len(), words[0].reason), (1, "silent"));
        assert_eq!(words[0].except.as_deref(), Some("crew"));
        assert!(words[0].text.contains("channel crew"), "{words:?}");
        assert_eq!(watcher.outbox(&waiting, second(5000)), []);
        let words = watcher.outbox(&Waiting::new(), second(6000));
        assert_eq!((words.len(), words[0].reason), (1, "back"));
        assert_eq!(watcher.outbox(&Waiting::new(), second(6001)), []);
    }

    #[test]
    fn a_fresh_notice_on_a_channel_that_works_is_no_silence() {
        let mut watcher = watcher();
        for at in 0..5000 {
            assert_eq!(watcher.outbox(&waits("crew", at - 60), second(at)), []);
        }
    }

    #[test]
    fn two_stores_that_alternate_are_an_alarm_and_what_a_broker_kept_is_none() {
        let (line, store): (LineId, StoreId) = ("l".parse().unwrap(), "other".parse().unwrap());
        let site = |name: &str| -> SiteId { name.parse().unwrap() };
        let mut watcher = watcher();
        for name in ["a", "b", "c", "d"] {
            assert!(
                watcher
                    .another_store((&line, &site(name)), &store, second(1))
                    .is_none()
            );
        }
        let mut hear = |at| watcher.another_store((&line, &site("a")), &store, second(at));
        assert!(hear(5).is_none());
        let word = hear(6).unwrap();
        assert!(
            word.text.contains("line l") && word.text.contains("store other"),
            "{word:?}"
        );
        assert!((7..600).all(|at| hear(at).is_none()), "said once");
        assert!(
            (600..1300).any(|at| hear(at).is_some()),
            "and again while it lasts"
        );
    }

    #[test]
    fn what_comes_seldom_does_not_add_up() {
        let (line, site) = ("l".parse().unwrap(), "a".parse().unwrap());
        let store = "other".parse().unwrap();
        let mut watcher = watcher();
        let hours = (0..50).map(|hour| second(hour * 3600));
        assert!(
            hours
                .into_iter()
                .all(|at| watcher.another_store((&line, &site), &store, at).is_none())
        );
    }
}
