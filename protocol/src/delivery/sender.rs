//! The sending half of one stream: which record goes next, and when one goes again.
//!
//! ```text
//!             connected             committed, or 1 s
//!   Down ───────────────▶ Waiting ───────────────────▶ Up ──▶ poll: the next record
//!    ▲                       │                         │
//!    └───────────────────────┴─────────────────────────┘
//!                       disconnected
//! ```
//!
//! The window counts commits, not the broker's acknowledgements: a broker's word is not storage. Half
//! of it is kept for live data, so a week of backlog delays no alarm. Memory is that of the window
//! and of the closed ranges; the records stay in the [`Spool`], which is asked for one at a time.
//!
//! Order: gaps and events, traces (fresh ones, then newest first), live samples, backlog. A record is
//! *live* if it was spooled after the link came up and has not been given up on since; anything else
//! is *late* and says so. Where the receiver has as many ranges as it may, the order is gaps, then
//! oldest first, which closes the holes.

use core::time::Duration;
use std::collections::BTreeMap;

use super::{Limits, Monotonic, Ranges, Seq};

/// Without progress for this long, everything uncommitted is sent again; and so is one record that
/// was sent this long ago while others sent after it have landed.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Patience doubles with every vain attempt up to this.
pub const MOST_PATIENCE: Duration = Duration::from_secs(300);
/// The window is halved with every vain attempt down to this.
pub const LEAST_WINDOW: usize = 16;
/// Live samples that wait behind more windows than this are no longer live: the newest go first.
pub const LIVE_WINDOWS: u64 = 8;
/// After a connection, how long to wait for the state before going on with the one at hand.
pub const STATE_WITHIN: Duration = Duration::from_secs(1);

/// How urgent a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Names numbers that will never come.
    Gap,
    /// An event, or what a device is: what the records behind it mean depends on it.
    Event,
    /// An OTDR trace.
    Trace,
    /// A plain sample.
    Sample,
}

/// A record that a spool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: Seq,
    /// Its size on the wire.
    pub bytes: u64,
}

/// One stream's records as a spool holds them, committed ones included.
pub trait Spool {
    /// Why the spool cannot be read.
    type Error;

    /// The lowest record held in `from..=to`, of one class or of any.
    ///
    /// # Errors
    ///
    /// Where the spool cannot be read.
    fn first(&self, class: Option<Class>, from: Seq, to: Seq)
    -> Result<Option<Entry>, Self::Error>;

    /// The highest record held in `from..=to` of a class.
    ///
    /// # Errors
    ///
    /// Where the spool cannot be read.
    fn last(&self, class: Class, from: Seq, to: Seq) -> Result<Option<Entry>, Self::Error>;
}

/// A record to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// Its number.
    pub seq: Seq,
    /// Whether newer records of its stream may have gone before it.
    pub late: bool,
}

/// The sending half of one stream.
#[derive(Clone, Debug)]
pub struct Sender {
    limits: Limits,
    newest: Option<Seq>,
    committed: Ranges,
    link: Link,
    flight: BTreeMap<Seq, Flight>,
    cursors: Cursors,
    window: usize,
    patience: Duration,
    resend_at: Option<Monotonic>,
    /// When the latest of all records that landed was sent: whatever was sent before was overtaken.
    overtaken: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Down,
    Waiting { until: Monotonic },
    Up,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    bytes: u64,
    half: Half,
    sent: Monotonic,
}

/// The halves of the window. Each always takes one record, so neither can starve the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// May fill the whole window.
    Live,
    /// May fill half of it.
    Late,
}

/// Where each search goes on: what lies behind a cursor is committed, in flight or not held.
#[derive(Clone, Copy, Debug)]
struct Cursors {
    gap: Seq,
    event: Seq,
    fresh_trace: Seq,
    /// Old traces below this are still to be looked at; `None` when there are none.
    old_trace: Option<Seq>,
    /// The first record that is not late.
    live_from: Seq,
    live: Seq,
    backlog: Seq,
    any: Seq,
}

impl Cursors {
    const fn after(newest: Option<Seq>) -> Self {
        let live_from = match newest {
            Some(seq) => seq.next(),
            None => Seq::FIRST,
        };
        Self {
            gap: Seq::FIRST,
            event: Seq::FIRST,
            fresh_trace: live_from,
            old_trace: newest,
            live_from,
            live: live_from,
            backlog: Seq::FIRST,
            any: Seq::FIRST,
        }
    }
}

impl Sender {
    /// A sender of the stream whose highest number is `newest`, of which `committed` was the latest
    /// state heard; it has no link yet.
    #[must_use]
    pub const fn new(limits: Limits, newest: Option<Seq>, committed: Ranges) -> Self {
        Self {
            limits,
            newest,
            committed,
            link: Link::Down,
            flight: BTreeMap::new(),
            cursors: Cursors::after(newest),
            window: limits.messages,
            patience: PATIENCE,
            resend_at: None,
            overtaken: None,
        }
    }

    /// A link is there: what was in flight on the old one may be lost and counts as unsent.
    pub fn connected(&mut self, now: Monotonic) {
        self.start_over();
        self.patience = PATIENCE;
        self.link = Link::Waiting {
            until: now + STATE_WITHIN,
        };
    }

    /// The link is gone.
    pub const fn disconnected(&mut self) {
        self.link = Link::Down;
    }

    /// The spool has taken in a record of this number, synced.
    pub fn appended(&mut self, seq: Seq) {
        self.newest = self.newest.max(Some(seq));
    }

    /// The broker will not have this record, whatever the reason: it is not waited for.
    ///
    /// The caller drops it from the spool and names it in a gap.
    pub fn refused(&mut self, seq: Seq) {
        self.flight.remove(&seq);
    }

    /// Takes the latest state of this stream (empty where the state does not mention it) as the truth,
    /// also where it takes numbers back.
    pub fn committed(&mut self, state: &Ranges, now: Monotonic) {
        let grown = state.covers(&self.committed);
        let progress = grown && *state != self.committed;
        self.committed = state.clone();
        if !grown {
            self.rewind();
        }
        let before = self.flight.len();
        let mut overtaken = self.overtaken;
        self.flight.retain(|seq, flight| {
            let lands = state.contains(*seq);
            if lands {
                overtaken = overtaken.max(Some(flight.sent));
            }
            !lands
        });
        self.overtaken = overtaken;
        let landed = before - self.flight.len();
        if let Link::Waiting { .. } = self.link {
            self.link = Link::Up;
        }
        self.patience = PATIENCE;
        let again = now + self.patience;
        if progress || landed > 0 {
            self.window = (self.window + landed).min(self.limits.messages);
            self.resend_at = Some(again);
        } else {
            self.resend_at = self.resend_at.map(|at| at.min(again));
        }
        if self.flight.is_empty() {
            self.resend_at = None;
        }
    }

    /// The record to send now, if any; it then counts as in flight.
    ///
    /// # Errors
    ///
    /// Where the spool cannot be read; nothing has changed then but how far was looked.
    pub fn poll<S: Spool>(
        &mut self,
        now: Monotonic,
        spool: &S,
    ) -> Result<Option<Dispatch>, S::Error> {
        match self.link {
            Link::Down => return Ok(None),
            Link::Waiting { until } if now < until => return Ok(None),
            Link::Waiting { .. } => self.link = Link::Up,
            Link::Up => {}
        }
        if self.resend_at.is_some_and(|at| at <= now) {
            self.give_up_waiting();
        }
        if self.lost_at().is_some_and(|at| at <= now) {
            self.give_up_overtaken(now);
        }
        let Some((entry, half)) = self.choose(spool)? else {
            return Ok(None);
        };
        self.flight.insert(
            entry.seq,
            Flight {
                bytes: entry.bytes,
                half,
                sent: now,
            },
        );
        self.resend_at.get_or_insert(now + self.patience);
        Ok(Some(Dispatch {
            seq: entry.seq,
            late: self.is_late(entry.seq),
        }))
    }

    /// When to call [`poll`](Self::poll) again, if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Monotonic> {
        match self.link {
            Link::Down => None,
            Link::Waiting { until } => Some(until),
            Link::Up => self.resend_at.into_iter().chain(self.lost_at()).min(),
        }
    }

    /// How many records are sent and not committed.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flight.len()
    }

    /// The latest state that was heard.
    #[must_use]
    pub const fn state(&self) -> &Ranges {
        &self.committed
    }

    fn give_up_waiting(&mut self) {
        self.start_over();
        self.window = (self.window / 2).max(LEAST_WINDOW.min(self.limits.messages));
        self.patience = (self.patience * 2).min(MOST_PATIENCE);
    }

    /// When the first record in flight that others have overtaken counts as lost.
    ///
    /// Without this a record that a dying broker or collector took along would wait for ever while
    /// live data land around it: progress of others is no progress of its own.
    fn lost_at(&self) -> Option<Monotonic> {
        let overtaken = self.overtaken?;
        let sent = self.flight.values().map(|flight| flight.sent);
        let earliest = sent.filter(|sent| *sent < overtaken).min()?;
        Some(earliest + PATIENCE)
    }

    fn give_up_overtaken(&mut self, now: Monotonic) {
        let overtaken = self.overtaken;
        self.flight.retain(|_, flight| {
            let lost = Some(flight.sent) < overtaken && flight.sent + PATIENCE <= now;
            !lost
        });
        self.rewind();
    }

    fn start_over(&mut self) {
        self.flight.clear();
        self.overtaken = None;
        self.resend_at = None;
        self.cursors = Cursors::after(self.newest);
    }

    /// Looks at everything again without giving up what is in flight.
    const fn rewind(&mut self) {
        self.cursors = Cursors::after(self.cursors.live_from.previous());
    }

    fn choose<S: Spool>(&mut self, spool: &S) -> Result<Option<(Entry, Half)>, S::Error> {
        let Some(newest) = self.newest else {
            return Ok(None);
        };
        if self.flight.len() >= self.window {
            return Ok(None);
        }
        self.keep_up(newest);
        let crowded = self.limits.is_crowded(&self.committed);
        let mut late_is_full = false;
        for &want in if crowded {
            &Want::CROWDED[..]
        } else {
            &Want::ORDER[..]
        } {
            if late_is_full && want.is_always_late() {
                continue;
            }
            let Some(entry) = self.search(want, spool, newest)? else {
                continue;
            };
            let late = if crowded {
                want.is_always_late()
            } else {
                self.is_late(entry.seq)
            };
            let half = if late { Half::Late } else { Half::Live };
            match (half, self.fits(entry.bytes, half)) {
                (_, true) => return Ok(Some((entry, half))),
                (Half::Live, false) => return Ok(None),
                (Half::Late, false) => late_is_full = true,
            }
        }
        Ok(None)
    }

    /// Where live samples pile up faster than they leave, lets go of all but the newest.
    const fn keep_up(&mut self, newest: Seq) {
        let waiting = newest.get().saturating_sub(self.cursors.live.get());
        if waiting > LIVE_WINDOWS * self.limits.messages as u64 {
            self.cursors.live_from = newest;
            self.cursors.live = newest;
        }
    }

    fn is_late(&self, seq: Seq) -> bool {
        seq < self.cursors.live_from
    }

    /// Whether the window takes `bytes` more.
    fn fits(&self, bytes: u64, half: Half) -> bool {
        let mut all = bytes;
        let (mut alike, mut count) = (bytes, 0);
        for flight in self.flight.values() {
            all = all.saturating_add(flight.bytes);
            if flight.half == half {
                alike = alike.saturating_add(flight.bytes);
                count += 1;
            }
        }
        let most = self.limits.bytes * self.window as u64 / self.limits.messages.max(1) as u64;
        let share = half == Half::Live || (count < self.window / 2 && alike <= most / 2);
        count == 0 || (share && all <= most)
    }

    fn search<S: Spool>(
        &mut self,
        want: Want,
        spool: &S,
        newest: Seq,
    ) -> Result<Option<Entry>, S::Error> {
        let Want::Up(search) = want else {
            return self.search_down(spool);
        };
        let to = match search {
            Search::Backlog => self.cursors.live_from.previous(),
            _ => Some(newest),
        };
        let Some(to) = to else { return Ok(None) };
        let from = *self.cursors.of(search);
        let (found, reached) = self.scan(spool, search.class(), from, to)?;
        *self.cursors.of(search) = reached;
        Ok(found)
    }

    /// The lowest record from `from` that is neither committed nor in flight, and how far was looked.
    fn scan<S: Spool>(
        &self,
        spool: &S,
        class: Option<Class>,
        mut from: Seq,
        to: Seq,
    ) -> Result<(Option<Entry>, Seq), S::Error> {
        loop {
            if let Some((_, hi)) = self.committed.around(from) {
                from = hi.next();
            }
            if from > to {
                return Ok((None, from));
            }
            let Some(entry) = spool.first(class, from, to)? else {
                return Ok((None, to.next()));
            };
            from = entry.seq;
            if self.flight.contains_key(&from) {
                from = from.next();
            } else if !self.committed.contains(from) {
                return Ok((Some(entry), from));
            }
        }
    }

    /// The newest old trace that is neither committed nor in flight.
    fn search_down<S: Spool>(&mut self, spool: &S) -> Result<Option<Entry>, S::Error> {
        while let Some(to) = self.cursors.old_trace {
            if let Some((lo, _)) = self.committed.around(to) {
                self.cursors.old_trace = lo.previous();
                continue;
            }
            let Some(entry) = spool.last(Class::Trace, Seq::FIRST, to)? else {
                self.cursors.old_trace = None;
                return Ok(None);
            };
            self.cursors.old_trace = Some(entry.seq);
            if self.flight.contains_key(&entry.seq) {
                self.cursors.old_trace = entry.seq.previous();
            } else if !self.committed.contains(entry.seq) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

/// What is looked for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// The lowest of its kind.
    Up(Search),
    /// The newest of the traces that are late.
    OldTrace,
}

/// A search for the lowest record that is neither committed nor in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    Gap,
    Event,
    FreshTrace,
    Live,
    Backlog,
    Any,
}

impl Want {
    const ORDER: [Self; 6] = [
        Self::Up(Search::Gap),
        Self::Up(Search::Event),
        Self::Up(Search::FreshTrace),
        Self::OldTrace,
        Self::Up(Search::Live),
        Self::Up(Search::Backlog),
    ];
    const CROWDED: [Self; 2] = [Self::Up(Search::Gap), Self::Up(Search::Any)];

    /// Whether it has only the late half of the window, which an odd large record cannot block.
    const fn is_always_late(self) -> bool {
        matches!(
            self,
            Self::OldTrace | Self::Up(Search::Backlog | Search::Any)
        )
    }
}

impl Search {
    const fn class(self) -> Option<Class> {
        match self {
            Self::Gap => Some(Class::Gap),
            Self::Event => Some(Class::Event),
            Self::FreshTrace => Some(Class::Trace),
            Self::Live | Self::Backlog => Some(Class::Sample),
            Self::Any => None,
        }
    }
}

impl Cursors {
    const fn of(&mut self, search: Search) -> &mut Seq {
        match search {
            Search::Gap => &mut self.gap,
            Search::Event => &mut self.event,
            Search::FreshTrace => &mut self.fresh_trace,
            Search::Live => &mut self.live,
            Search::Backlog => &mut self.backlog,
            Search::Any => &mut self.any,
        }
    }
}

#[cfg(test)]
mod tests;
