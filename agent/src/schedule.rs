//! When each device behind one connection is polled next. Pure: it owns no clock.
//!
//! A device keeps its phase: a poll that comes late does not move the following ones, and polls that
//! were missed are not made up for. One that does not answer is tried less and less often, up to a
//! cap that is short enough for nobody to wait long once it is back, each time with a jitter so that
//! devices which died together do not come back together.
//!
//! Devices start in small groups, so that the processor wakes once for a group and its samples share a
//! transaction: twenty groups a period. A period of zero means as fast as the device answers.

use core::time::Duration;

use crate::clock::Moment;

/// How far a back-off is moved at random, in thousandths of itself to either side.
const JITTER_PER_MILLE: u64 = 100;
/// Into how many groups a period is divided.
const GROUPS: u32 = 20;
/// The longest time between two groups: nobody waits longer for the first poll of a slow device.
const GROUP_APART: Duration = Duration::from_millis(50);
/// No back-off begins shorter, however fast a device is polled.
const LEAST_BACK_OFF: Duration = Duration::from_millis(10);

/// What became of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device said something, though it may have been an error.
    Answered,
    /// Nobody is there.
    Absent,
}

/// When each of some devices is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    entries: Vec<Entry>,
    cap: Duration,
    random: SplitMix,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    period: Duration,
    /// The next moment of the device's own phase.
    phase: Moment,
    /// When it is polled next, which a back-off moves and the phase does not.
    due: Moment,
    failures: u32,
}

/// Steele, Lea and Flood's SplitMix64: enough to keep back-offs apart, and seeded.
#[derive(Clone, Copy, Debug)]
struct SplitMix(u64);

impl Schedule {
    /// A schedule without devices; no back-off gets longer than `cap`.
    #[must_use]
    pub const fn new(cap: Duration, seed: u64) -> Self {
        Self {
            entries: Vec::new(),
            cap,
            random: SplitMix(seed),
        }
    }

    /// Adds a device that is polled every `period`, first at `start`, and gives its number.
    pub fn add(&mut self, period: Duration, start: Moment) -> usize {
        self.entries.push(Entry {
            period,
            phase: start,
            due: start,
            failures: 0,
        });
        self.entries.len() - 1
    }

    /// Goes on for a device where `before` was with the device `at` of its own: phase, back-off and all.
    pub fn inherit(&mut self, device: usize, before: &Self, at: usize) {
        if let (Some(entry), Some(known)) = (self.entries.get_mut(device), before.entries.get(at))
            && entry.period == known.period
        {
            *entry = *known;
        }
    }

    /// Makes the device due at once; its phase stays.
    pub fn hurry(&mut self, device: usize, now: Moment) {
        if let Some(entry) = self.entries.get_mut(device) {
            entry.due = entry.due.min(now);
        }
    }

    /// Takes the outcome of a poll that ended `now`, and settles when the next one is.
    pub fn done(&mut self, device: usize, outcome: Outcome, now: Moment) {
        let Some(entry) = self.entries.get_mut(device) else {
            return;
        };
        entry.phase = next_of_phase(entry.phase, entry.period, now);
        match outcome {
            Outcome::Answered => {
                entry.failures = 0;
                entry.due = entry.phase;
            }
            Outcome::Absent => {
                let wait = back_off(entry.period, entry.failures, self.cap);
                entry.failures = entry.failures.saturating_add(1);
                entry.due = (now + self.random.near(wait)).max(entry.phase);
            }
        }
    }

    /// The device to poll now: the one that has been due the longest.
    #[must_use]
    pub fn next(&self, now: Moment) -> Option<usize> {
        let due = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.due <= now);
        due.min_by_key(|(_, entry)| entry.due)
            .map(|(device, _)| device)
    }

    /// When the next device is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.entries.iter().map(|entry| entry.due).min()
    }

    /// Whether the device answered its latest poll, or has not been polled.
    #[must_use]
    pub fn answers(&self, device: usize) -> bool {
        self.entries
            .get(device)
            .is_none_or(|entry| entry.failures == 0)
    }
}

/// When device `at` of `of` is first polled: spread over the period in groups, so that a start does not
/// ask everything at once; a moment before `now` for the first group.
#[must_use]
pub fn staggered(at: usize, of: usize, period: Duration, now: Moment) -> Moment {
    let at = u32::try_from(at).unwrap_or(u32::MAX);
    let of = u32::try_from(of).unwrap_or(u32::MAX).max(1);
    let after = period.checked_mul(at).unwrap_or(period) / of;
    let apart = (period / GROUPS).min(GROUP_APART).as_nanos().max(1);
    let since = (now + after).since_start();
    // On a grid of the clock's, so that those of later settings join the groups.
    let over = u64::try_from(since.as_nanos() % apart).unwrap_or(0);
    Moment::after_start(since.saturating_sub(Duration::from_nanos(over)))
}

fn next_of_phase(phase: Moment, period: Duration, now: Moment) -> Moment {
    if phase > now {
        return phase;
    }
    if period.is_zero() {
        return now;
    }
    let steps = (now - phase).as_nanos() / period.as_nanos().max(1) + 1;
    let nanos = period.as_nanos().saturating_mul(steps);
    phase + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The first failure costs nothing but the poll: a packet may get lost.
fn back_off(period: Duration, failures: u32, cap: Duration) -> Duration {
    let first = period.max(LEAST_BACK_OFF);
    let doubled = first.saturating_mul(2u32.saturating_pow(failures.min(31)));
    doubled.min(cap.max(period))
}

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A time within the jitter of `span`.
    fn near(&mut self, span: Duration) -> Duration {
        let per_mille = 1000 - JITTER_PER_MILLE + self.next() % (2 * JITTER_PER_MILLE + 1);
        let per_mille = u32::try_from(per_mille).unwrap_or(1000);
        span.saturating_mul(per_mille) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Moment {
        Moment::after_start(Duration::from_millis(millis))
    }

    fn schedule() -> Schedule {
        Schedule::new(Duration::from_secs(30), 7)
    }

    #[test]
    fn a_device_keeps_its_phase_and_makes_nothing_up() {
        let mut schedule = schedule();
        let device = schedule.add(SECOND, at(200));
        assert_eq!(schedule.next(at(100)), None);
        assert_eq!(schedule.next(at(200)), Some(device));
        schedule.done(device, Outcome::Answered, at(250));
        assert_eq!(schedule.deadline(), Some(at(1200)));
        schedule.done(device, Outcome::Answered, at(5_700));
        assert_eq!(schedule.deadline(), Some(at(6_200)));
    }

    #[test]
    fn a_dead_device_is_tried_less_often_up_to_the_cap_and_at_once_in_phase_when_back() {
        let mut schedule = schedule();
        let device = schedule.add(SECOND, at(0));
        let mut now = at(0);
        let mut longest = Duration::ZERO;
        for _ in 0..40 {
            schedule.done(device, Outcome::Absent, now);
            let due = schedule.deadline().unwrap();
            longest = longest.max(due - now);
            now = due;
        }
        assert!(
            longest > Duration::from_secs(26) && longest <= Duration::from_secs(34),
            "{longest:?}"
        );
        assert!(!schedule.answers(device));
        schedule.done(device, Outcome::Answered, now);
        assert!(schedule.answers(device));
        assert!(schedule.deadline().unwrap() - now <= SECOND);
    }

    #[test]
    fn the_first_lost_packet_delays_nothing() {
        let mut schedule = schedule();
        let device = schedule.add(SECOND, at(0));
        schedule.done(device, Outcome::Absent, at(10));
        assert!(schedule.deadline().unwrap() <= at(1_110));
    }

    #[test]
    fn a_dead_device_starves_no_other_behind_the_same_connection() {
        // A poll of a dead unit takes a whole timeout of the connection they share.
        let mut schedule = schedule();
        let dead: Vec<usize> = (0..3).map(|_| schedule.add(SECOND, at(0))).collect();
        let alive = schedule.add(SECOND, at(0));
        let (mut now, mut polls) = (at(0), 0);
        while now < at(120_000) {
            let Some(device) = schedule.next(now) else {
                now = schedule.deadline().unwrap();
                continue;
            };
            let dead = dead.contains(&device);
            now = now
                + if dead {
                    SECOND
                } else {
                    Duration::from_millis(5)
                };
            polls += usize::from(device == alive);
            schedule.done(
                device,
                if dead {
                    Outcome::Absent
                } else {
                    Outcome::Answered
                },
                now,
            );
        }
        assert!(polls >= 100, "{polls} of 120");
    }

    #[test]
    fn two_that_died_together_do_not_come_back_together() {
        let mut schedule = schedule();
        let (one, other) = (schedule.add(SECOND, at(0)), schedule.add(SECOND, at(0)));
        for device in [one, other] {
            for _ in 0..9 {
                schedule.done(device, Outcome::Absent, at(0));
            }
        }
        assert_ne!(schedule.entries[one].due, schedule.entries[other].due);
    }

    #[test]
    fn a_reread_is_at_once() {
        let mut schedule = schedule();
        let device = schedule.add(Duration::from_secs(600), at(500_000));
        schedule.hurry(device, at(10));
        assert_eq!(schedule.next(at(10)), Some(device));
        schedule.done(device, Outcome::Answered, at(20));
        assert_eq!(schedule.deadline(), Some(at(500_000)));
    }

    #[test]
    fn a_start_is_spread_over_the_period() {
        let starts: Vec<Moment> = (0..4).map(|n| staggered(n, 4, SECOND, at(0))).collect();
        assert_eq!(starts, [at(0), at(250), at(500), at(750)]);
    }

    #[test]
    fn many_start_in_groups_whenever_they_start() {
        let starts: Vec<Moment> = (0..200).map(|n| staggered(n, 200, SECOND, at(0))).collect();
        assert_eq!(
            (starts[9], starts[10], starts[199]),
            (at(0), at(50), at(950))
        );
        assert_eq!(staggered(3, 4, SECOND, at(1_234)), at(1_950));
        assert_eq!(staggered(1, 2, Duration::from_millis(40), at(7)), at(26));
        assert_eq!(staggered(1, 2, Duration::ZERO, at(7)), at(7));
    }

    #[test]
    fn devices_at_full_speed_take_turns_and_a_dead_one_is_let_go_of() {
        let mut schedule = schedule();
        let devices: Vec<usize> = (0..2)
            .map(|_| schedule.add(Duration::ZERO, at(0)))
            .collect();
        let (mut now, mut polls) = (at(0), [0, 0]);
        for _ in 0..100 {
            let device = schedule.next(now).unwrap();
            polls[device] += 1;
            now = now + Duration::from_millis(1);
            schedule.done(device, Outcome::Answered, now);
        }
        assert_eq!(polls, [50, 50]);
        for _ in 0..9 {
            now = now + Duration::from_millis(1);
            schedule.done(devices[1], Outcome::Absent, now);
        }
        schedule.done(devices[0], Outcome::Answered, now);
        assert_eq!(schedule.next(now), Some(devices[0]));
        assert!(schedule.entries[devices[1]].due > now + SECOND);
    }
}
