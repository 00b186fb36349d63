//! A fibre switch on its way to a port: pure, for every protocol.
//!
//! ```text
//!   Looking ─ elsewhere ─▶ Turning ─▶ Confirming ─ it is there ─▶ Settling ─▶ Over(Ok)
//!      └───── there already ──────────────┼───────────────────────────────────▲
//!                                         └ never: Over(Err), which names both ports
//! ```
//!
//! Only a switch that has said itself that it stands where it was sent counts as there.

use std::collections::BTreeMap;
use std::time::Duration;

use silkline_protocol::id::PointName;

use super::Fault;
use super::fetch::{Answer, Request, Step};
use crate::clock::Moment;
use crate::profile::SwitchMap;

/// How often a switch is asked where it stands while it turns.
const EVERY: Duration = Duration::from_millis(100);
/// How often it is asked before it is turned.
const TRIES: u32 = 3;

/// One turn of a switch.
#[derive(Clone, Debug)]
pub struct Turn {
    map: SwitchMap,
    port: u16,
    state: State,
    until: Moment,
    not_before: Moment,
    tries: u32,
    /// What it said last of where it stands, or why it said nothing.
    last: Option<Result<f64, Fault>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Looking,
    Turning,
    Confirming,
    Settling,
    Over(Result<(), Fault>),
}

impl Turn {
    /// The turn of a switch of this `map` to `port`.
    #[must_use]
    pub fn new(map: &SwitchMap, port: u16, now: Moment) -> Self {
        let state = if map.number(port).is_some() {
            State::Looking
        } else {
            let ports = map.ports;
            let fault = Fault::NotSupported(format!("the switch has no port {port} of {ports}"));
            State::Over(Err(fault))
        };
        Self {
            map: map.clone(),
            port,
            state,
            until: now + map.within,
            not_before: now,
            tries: 0,
            last: None,
        }
    }

    /// What is to be done at `now`.
    pub fn step(&mut self, now: Moment) -> Step<Result<(), Fault>> {
        match &self.state {
            State::Over(ended) => return Step::Over(ended.clone()),
            State::Settling if now >= self.not_before => self.state = State::Over(Ok(())),
            State::Looking | State::Turning | State::Confirming if now >= self.until => {
                self.state = State::Over(Err(self.unconfirmed()));
            }
            State::Settling | State::Looking | State::Turning | State::Confirming => {
                if now < self.not_before {
                    return Step::Wait(self.not_before);
                }
                let position = vec![self.map.position.clone()];
                return Step::Ask(match self.state {
                    State::Turning => Request::Turn(self.port),
                    _ => Request::Points(position),
                });
            }
        }
        self.step(now)
    }

    /// Takes what came of the request that [`step`](Self::step) gave.
    pub fn answered(&mut self, outcome: Result<Answer, Fault>, now: Moment) {
        let is_looking = self.state == State::Looking;
        match (&self.state, outcome) {
            (State::Looking | State::Confirming, Ok(Answer::Points(values))) => {
                let stands = stands_at(&values, &self.map.position);
                self.last = stands.map(Ok);
                if stands == Some(f64::from(self.port)) {
                    // Where it is there already, whoever turned it has waited.
                    let settle = if is_looking {
                        Duration::ZERO
                    } else {
                        self.map.settle
                    };
                    self.not_before = now + settle;
                    self.state = State::Settling;
                } else if is_looking {
                    self.state = State::Turning;
                } else {
                    self.not_before = now + EVERY;
                }
            }
            (State::Turning, Ok(Answer::Done)) => {
                self.not_before = now + EVERY.min(self.map.within / 10);
                self.until = now + self.map.within;
                self.state = State::Confirming;
            }
            (State::Turning, Err(fault)) => self.state = State::Over(Err(fault)),
            (State::Looking | State::Confirming, Err(fault)) => {
                self.tries += 1;
                self.not_before = now + EVERY;
                if is_looking && self.tries >= TRIES {
                    self.state = State::Over(Err(fault));
                } else {
                    self.last = Some(Err(fault));
                }
            }
            (State::Settling | State::Over(_), _) => {}
            (State::Looking | State::Turning | State::Confirming, Ok(_)) => {
                let fault = Fault::Garbled("an answer to something else".to_owned());
                self.state = State::Over(Err(fault));
            }
        }
    }

    fn unconfirmed(&self) -> Fault {
        let (port, within) = (self.port, self.map.within);
        Fault::Refused(match &self.last {
            Some(Ok(stands)) => {
                format!("the switch stands at port {stands}, want {port}, after {within:?}")
            }
            Some(Err(fault)) => {
                format!("the switch does not confirm port {port} within {within:?}: {fault}")
            }
            None => format!("the switch does not say where it stands within {within:?}"),
        })
    }
}

/// Where a switch stands, by what its points told.
#[must_use]
pub fn stands_at(values: &BTreeMap<PointName, f64>, position: &PointName) -> Option<f64> {
    values.get(position).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::SwitchSet;

    fn at(milliseconds: u64) -> Moment {
        Moment::after_start(Duration::from_millis(milliseconds))
    }

    fn map() -> SwitchMap {
        SwitchMap {
            set: SwitchSet::Register(10),
            position: "port".parse().unwrap(),
            ports: 8,
            offset: 0,
            within: Duration::from_secs(5),
            settle: Duration::from_millis(300),
        }
    }

    fn stands(port: f64) -> Answer {
        Answer::Points([(map().position, port)].into())
    }

    /// Turns from port 2 to port 5; `answer` is asked with the moment and whether it was told to turn.
    fn turned(
        mut answer: impl FnMut(Moment, bool, &Request) -> Result<Answer, Fault>,
    ) -> (Result<(), Fault>, Moment, usize) {
        let mut turn = Turn::new(&map(), 5, at(0));
        let (mut now, mut told) = (at(0), 0);
        for _ in 0..1_000 {
            match turn.step(now) {
                Step::Over(ended) => return (ended, now, told),
                Step::Wait(until) => {
                    assert!(until > now);
                    now = until;
                }
                Step::Ask(request) => {
                    let outcome = answer(now, told > 0, &request);
                    told += usize::from(request == Request::Turn(5));
                    now = now + Duration::from_millis(10);
                    turn.answered(outcome, now);
                }
            }
        }
        panic!("no end");
    }

    /// A switch that turns in `after` milliseconds.
    fn well(after: u64) -> impl FnMut(Moment, bool, &Request) -> Result<Answer, Fault> {
        let mut since = None;
        move |now, told, request| {
            if matches!(request, Request::Turn(_)) {
                return Ok(Answer::Done);
            }
            let since = told.then(|| *since.get_or_insert(now));
            let there = since.is_some_and(|since| now - since >= Duration::from_millis(after));
            Ok(stands(if there { 5.0 } else { 2.0 }))
        }
    }

    #[test]
    fn it_is_there_when_it_says_so_and_the_light_has_settled() {
        let (ended, now, told) = turned(well(1_000));
        assert_eq!((ended, told), (Ok(()), 1));
        assert!(now >= at(1_300) && now < at(1_700), "{now:?}");
    }

    #[test]
    fn one_that_is_there_already_is_not_turned() {
        let (ended, now, told) = turned(|_, _, _| Ok(stands(5.0)));
        assert_eq!((ended, told), (Ok(()), 0));
        assert!(now < at(100));
    }

    #[test]
    fn one_that_never_gets_there_is_named_with_both_ports() {
        let (ended, now, _) = turned(well(10_000));
        let said = ended.unwrap_err().to_string();
        assert!(said.contains("stands at port 2, want 5"), "{said}");
        assert!(now >= at(5_000) && now < at(6_000));
        // Between two ports is no port.
        let (ended, ..) = turned(|_, _, request| match request {
            Request::Turn(_) => Ok(Answer::Done),
            _ => Ok(stands(4.5)),
        });
        assert!(ended.is_err());
    }

    #[test]
    fn one_that_refuses_or_falls_silent_is_not_there() {
        let silent = || Fault::Timeout(Duration::from_secs(1));
        let (ended, ..) = turned(|_, _, _| Err(silent()));
        assert_eq!(ended, Err(silent()));
        let (ended, ..) = turned(|_, _, request| match request {
            Request::Turn(_) => Err(Fault::Refused("local mode".into())),
            _ => Ok(stands(2.0)),
        });
        assert_eq!(ended, Err(Fault::Refused("local mode".into())));
        let (ended, ..) = turned(|_, told, request| match request {
            Request::Turn(_) => Ok(Answer::Done),
            _ if told => Err(silent()),
            _ => Ok(stands(2.0)),
        });
        let said = ended.unwrap_err().to_string();
        assert!(said.contains("does not confirm port 5"), "{said}");
    }

    #[test]
    fn a_missed_answer_while_it_turns_is_no_failure() {
        let mut switch = well(1_000);
        let mut count = 0;
        let (ended, ..) = turned(|now, told, request| {
            count += 1;
            match request {
                Request::Points(_) if told && count % 2 == 0 => {
                    Err(Fault::Timeout(Duration::from_secs(1)))
                }
                _ => switch(now, told, request),
            }
        });
        assert_eq!(ended, Ok(()));
    }

    #[test]
    fn a_port_it_does_not_have_is_refused_without_a_word_to_it() {
        for port in [0, 9] {
            let mut turn = Turn::new(&map(), port, at(0));
            assert!(matches!(
                turn.step(at(0)),
                Step::Over(Err(Fault::NotSupported(_)))
            ));
        }
    }
}
