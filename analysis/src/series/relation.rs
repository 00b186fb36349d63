//! Relations between points: what two values say together that neither says alone.
//!
//! - *Amplifier*: the output fell and the gain fell, so it is not the input. An amplifier that
//!   holds its gain lets its output follow the input; one that holds its output raises its gain.
//! - *Pump*: more current for the same light, which is how a pump laser ages.
//! - *Supervisory*: the signal fell and the supervisory light on the same glass did not, or the
//!   other way round: not the cable.
//! - *Span*: what one end sends less what the other receives. See [`Span`].

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::device::Role;
use silkline_protocol::time::Timestamp;

use super::onset::{Bad, Onset};
use super::past::{Past, Reach, thousandths, whole};
use super::rules;
use super::step::{Rule, Step};
use super::{Change, Severity};

/// Values of two ends belong together where they were read within this time.
const TOGETHER: Duration = Duration::from_secs(60);

/// An output that moved more than this between two readings is being changed.
const STEADY: i64 = 500;

/// An amplifier without light shows its own noise, at this many dBm or less; light that a span has
/// lost so many decibels more of than it ever did is gone.
pub const FAINT: f64 = -28.0;
const PARTED: f64 = 12.0;

/// Readings in a row that raise a relation: two ends are never polled at one moment.
const IN_A_ROW: u8 = 3;

/// What one poll of one port of an amplifier brought, in thousandths; dark is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// Light that arrives.
    pub input: Option<i64>,
    /// Light that leaves.
    pub output: Option<i64>,
    /// Supervisory light that arrives.
    pub supervisory: Option<i64>,
    /// Current of the pump.
    pub pump: Option<i64>,
}

/// The relations within one port of an amplifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relations {
    input: Past,
    output: Past,
    gain: Past,
    pump: Past,
    supervisory: Past,
    amplifier: Onset,
    ageing: Onset,
    apart: Onset,
}

/// A span as both its ends see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    sent: Option<(i64, Timestamp)>,
    step: Step,
}

impl Relations {
    /// Takes a poll of `at`; what is found of the amplifier, its pump, the supervisory light.
    pub fn reading(&mut self, port: Port, at: Timestamp) -> [Option<Change>; 3] {
        let gain = port.output.zip(port.input).map(|(out, into)| out - into);
        let fall = |past: &Past, value: Option<i64>| Some(past.usual()?.0 - value?);
        let (input, output) = (
            fall(&self.input, port.input),
            fall(&self.output, port.output),
        );
        let less_gain = fall(&self.gain, gain);
        let supervisory = fall(&self.supervisory, port.supervisory);
        let weak = output.zip(less_gain).map(|(out, gain)| out.min(gain));
        let noise = [&self.output, &self.gain].map(|past| past.usual().map_or(0, |(_, s)| 5 * s));
        let found = [
            amplifier(&mut self.amplifier, weak, noise, at),
            ageing(
                &mut self.ageing,
                (&self.pump, port.pump),
                [input, output],
                at,
            ),
            apart(&mut self.apart, input, supervisory, at),
        ];
        self.learn(port, gain, at);
        found
    }

    /// Whether signal and supervisory light do not fall together.
    #[must_use]
    pub const fn is_apart(&self) -> bool {
        self.apart.is_raised()
    }

    /// Takes in what is well: of what stands or is suspected nothing is learnt.
    fn learn(&mut self, port: Port, gain: Option<i64>, at: Timestamp) {
        let calm = |onset: &Onset| !onset.is_raised() && !onset.is_pending();
        let keep = |past: &mut Past, value: Option<i64>| {
            if let Some(value) = value {
                past.accept(value, at, Reach::DAY);
            }
        };
        if calm(&self.amplifier) && calm(&self.apart) {
            keep(&mut self.input, port.input);
            keep(&mut self.output, port.output);
            keep(&mut self.gain, gain);
            keep(&mut self.supervisory, port.supervisory);
        }
        if calm(&self.ageing) {
            keep(&mut self.pump, port.pump);
        }
    }
}

fn amplifier(
    onset: &mut Onset,
    weak: Option<i64>,
    noise: [i64; 2],
    at: Timestamp,
) -> Option<Change> {
    let weak = weak?;
    let limit = noise.into_iter().fold(1000, i64::max);
    let limit = if onset.is_raised() { limit / 2 } else { limit };
    let severity = if weak > 3000 {
        Severity::Minor
    } else {
        Severity::Warning
    };
    let bad = (weak > limit).then_some(Bad {
        severity,
        in_a_row: IN_A_ROW,
    });
    let by = whole(weak);
    onset.take(bad, at, || {
        format!("the amplifier gives {by:.1} dB less than its input explains")
    })
}

fn ageing(
    onset: &mut Onset,
    (past, pump): (&Past, Option<i64>),
    falls: [Option<i64>; 2],
    at: Timestamp,
) -> Option<Change> {
    let (usual, spread) = past.usual()?;
    let (pump, [input, output]) = (pump?, falls);
    // Only for the same light in and out; a provisional past knows no warm-up.
    let same = |fall: Option<i64>| fall.is_some_and(|fall| fall.abs() <= STEADY);
    if !same(output) || input.is_some_and(|fall| fall.abs() > STEADY) || past.is_provisional() {
        return None;
    }
    let more = pump - usual;
    let tenth = (usual / 10).max(5 * spread);
    let limit = if onset.is_raised() { tenth / 2 } else { tenth };
    let severity = if more > 2 * tenth {
        Severity::Minor
    } else {
        Severity::Warning
    };
    let bad = (usual > 0 && more > limit).then_some(Bad {
        severity,
        in_a_row: IN_A_ROW,
    });
    let percent = 100.0 * more as f64 / (usual as f64).max(1.0);
    onset.take(bad, at, || {
        format!("the pump takes {percent:.0} % more current for the same light")
    })
}

fn apart(
    onset: &mut Onset,
    signal: Option<i64>,
    supervisory: Option<i64>,
    at: Timestamp,
) -> Option<Change> {
    let (signal, supervisory) = (signal?, supervisory?);
    let limit = if onset.is_raised() { 1500 } else { 3000 };
    let differ = (signal - supervisory).abs();
    let falls = signal.max(supervisory) > limit && signal.min(supervisory) < limit / 3;
    let bad = (falls && differ > limit).then_some(Bad {
        severity: Severity::Warning,
        in_a_row: IN_A_ROW,
    });
    let (fallen, other, by) = if signal > supervisory {
        ("the signal", "the supervisory light", signal)
    } else {
        ("the supervisory light", "the signal", supervisory)
    };
    let by = whole(by);
    onset.take(bad, at, || {
        format!("{fallen} fell by {by:.1} dB and {other} did not: not the cable")
    })
}

impl Span {
    /// The near end sends this.
    pub fn sent(&mut self, power: f64, at: Timestamp) {
        let power = thousandths(power);
        // One that is being changed is compared with nothing before it rests.
        let rests = self
            .sent
            .is_none_or(|(last, _)| (last - power).abs() <= STEADY);
        self.sent = Some((power, if rests { at } else { Timestamp::EPOCH }));
    }

    /// The near end sends nothing.
    pub const fn dark(&mut self) {
        self.sent = None;
    }

    /// The far end receives this: the loss of the span against its own past.
    pub fn received(&mut self, power: f64, at: Timestamp, rule: &Rule) -> Option<Change> {
        let (sent, then) = self.sent?;
        let apart = (at - then).max(then - at);
        if apart > TOGETHER {
            return None;
        }
        self.step.reading(whole(sent) - power, at, rule)
    }

    /// How many decibels are missed of what the near end sends, where the far end's `power` is as good
    /// as none for it: a switched signal takes what is sent along.
    #[must_use]
    pub fn lost(&self, power: f64, at: Timestamp) -> Option<f64> {
        let (sent, then) = self.sent.filter(|_| power <= FAINT)?;
        let apart = (at - then).max(then - at);
        let more = whole(sent) - power - self.step.usual()?;
        (apart <= TOGETHER && more >= PARTED).then_some(more)
    }

    /// What is now is as it is meant to be.
    pub fn accept(&mut self, at: Timestamp) -> Option<Change> {
        self.step.accept(at)
    }

    /// The rule for the loss of a span, where nobody says otherwise.
    #[must_use]
    pub fn rule() -> Option<Rule> {
        rules::rule(Role::SpanLoss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Port = Port {
        input: Some(-17_000),
        output: Some(3_000),
        supervisory: Some(-20_000),
        pump: Some(420_000),
    };

    /// A day of polls once a minute, then what each of the next five polls of `port` says.
    fn after_a_day(port: Port) -> Vec<(usize, Change)> {
        let mut relations = Relations::default();
        for minute in 0..1440 {
            let said = relations.reading(WELL, Timestamp::from_seconds(60 * minute));
            assert!(said.iter().all(Option::is_none));
        }
        let mut all = Vec::new();
        for minute in 1440..1445 {
            let said = relations.reading(port, Timestamp::from_seconds(60 * minute));
            let numbered = said.into_iter().enumerate();
            all.extend(numbered.filter_map(|(k, change)| change.map(|c| (k, c))));
        }
        all
    }

    #[test]
    fn less_output_for_the_same_input_is_the_amplifier() {
        let said = after_a_day(Port {
            output: Some(1_000),
            ..WELL
        });
        assert!(
            matches!(&said[..], [(0, Change::Began { detail, .. })] if detail.contains("2.0 dB")),
            "{said:?}"
        );
    }

    #[test]
    fn an_input_that_falls_is_not_the_amplifier_in_either_mode() {
        let all_fell = Port {
            input: Some(-21_000),
            supervisory: Some(-24_000),
            ..WELL
        };
        let constant_gain = Port {
            output: Some(-1_000),
            ..all_fell
        };
        assert!(after_a_day(all_fell).is_empty());
        assert!(after_a_day(constant_gain).is_empty());
    }

    #[test]
    fn more_current_for_the_same_light_is_an_ageing_pump() {
        let said = after_a_day(Port {
            pump: Some(480_000),
            ..WELL
        });
        assert!(
            matches!(&said[..], [(1, Change::Began { detail, .. })] if detail.contains("14 %")),
            "{said:?}"
        );
        // More current for more output is as it should be.
        let more = Port {
            pump: Some(480_000),
            output: Some(4_000),
            ..WELL
        };
        assert!(after_a_day(more).is_empty());
    }

    #[test]
    fn a_signal_that_falls_alone_is_not_the_cable() {
        let said = after_a_day(Port {
            input: Some(-21_000),
            ..WELL
        });
        assert!(
            matches!(&said[..], [(2, Change::Began { detail, .. })] if detail.contains("not the cable")),
            "{said:?}"
        );
    }

    #[test]
    fn a_span_loses_more_whatever_the_sender_does() {
        let rule = Span::rule().unwrap();
        let mut span = Span::default();
        let mut said = Vec::new();
        let mut minute = 0;
        let mut run = |span: &mut Span, count: i64, sent: f64, received: f64| {
            for _ in 0..count {
                minute += 1;
                let at = Timestamp::from_seconds(60 * minute);
                span.sent(sent, at);
                said.extend(span.received(received, at + Duration::from_secs(1), &rule));
            }
            said.len()
        };
        assert_eq!(run(&mut span, 100, 3.0, -17.0), 0);
        // The sender is turned down by 6 dB: the input falls, the span loses what it did.
        assert_eq!(run(&mut span, 100, -3.0, -23.0), 0);
        assert_eq!(run(&mut span, 3, -3.0, -24.4), 1);
        assert_eq!(run(&mut span, 3, -3.0, -23.0), 2);
    }

    #[test]
    fn ends_that_were_read_far_apart_say_nothing() {
        let mut span = Span::default();
        let rule = Span::rule().unwrap();
        for minute in 0..50 {
            span.sent(3.0, Timestamp::from_seconds(60 * minute));
            let later = Timestamp::from_seconds(60 * minute + 5);
            assert_eq!(span.received(-17.0, later, &rule), None);
        }
        let late = Timestamp::from_seconds(60 * 50 + 300);
        assert!((0..9).all(|_| span.received(-40.0, late, &rule).is_none()));
    }
}
