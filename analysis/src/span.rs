//! Which span: the power profile along a path.
//!
//! The fault lies before the first node, in the direction of the signal, whose *input* lost light
//! while the node before it transmits normally. Amplifier outputs mask a loss, so an output counts
//! only together with its own input. The supervisory channel goes past the amplifiers: where it is
//! lost too, the cable is; where it lives, equipment failed. A node that says nothing is passed
//! over, unless the light it sends the other way shows that it lives.
//!
//! Polls are not aligned: within a second the order of two findings means nothing. A verdict is
//! *settled* only when the node before has been heard of after the light was lost.

use silkline_protocol::time::Timestamp;

use crate::series::dark::Light;

/// One light meter as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// What it sees.
    pub light: Light,
    /// When it last said so.
    pub at: Timestamp,
    /// Since when it is so.
    pub since: Timestamp,
}

/// One node on the way of the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// Light that arrives.
    pub input: Meter,
    /// Light that leaves.
    pub output: Meter,
    /// Supervisory light that arrives.
    pub supervisory: Meter,
    /// Whether the node is silent: its meters tell the past.
    pub silent: bool,
    /// When light that this node sends the other way was last seen by the node before it.
    pub alive: Option<Timestamp>,
}

/// Light that was sent and did not arrive. Numbers are places in the run of stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The last stop that sends normally.
    pub from: usize,
    /// The first stop that sees nothing.
    pub to: usize,
    /// Whether `from` itself failed: it sees light and sends none.
    pub failed: bool,
    /// Supervisory light at `to` after the loss: unknown where none is measured.
    pub supervisory: Light,
    /// Whether polls that are not aligned can still change it.
    pub settled: bool,
    /// Since when.
    pub since: Timestamp,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The glass between two stops.
    Cable,
    /// Hardware: the supervisory channel still arrives, or a stop sees light and sends none.
    Equipment,
}

/// What failed, by all losses of one stretch.
///
/// A stop that sends nothing may have shut its laser down because it lost the other direction:
/// where both directions look like this, and no supervisory light says otherwise, it is the cable.
#[must_use]
pub fn verdict(losses: &[Loss], both_directions: bool) -> Verdict {
    let any = |light| losses.iter().any(|loss| loss.supervisory == light);
    let all_failed = losses.iter().all(|loss| loss.failed);
    let cable = match (any(Light::Dark), any(Light::Lit)) {
        (true, _) => true,
        (false, true) => false,
        (false, false) => both_directions || !all_failed,
    };
    if cable {
        Verdict::Cable
    } else {
        Verdict::Equipment
    }
}

/// How one stop sends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sends {
    Normally,
    /// It sees light and sends none.
    Failed,
    /// It sees none itself: what it sends, if anything, is noise.
    Starved,
    Unknown,
}

/// Every loss along a run of stops, in the order of the signal.
#[must_use]
pub fn losses(stops: &[Stop]) -> Vec<Loss> {
    let dark = |stop: &Stop| stop.input.light == Light::Dark;
    let each = stops
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, stop)| dark(stop));
    each.filter_map(|(to, stop)| loss_before(stops, to, stop))
        .collect()
}

fn loss_before(stops: &[Stop], to: usize, stop: &Stop) -> Option<Loss> {
    let since = stop.input.since;
    for (from, before) in stops.iter().enumerate().take(to).rev() {
        let supervisory = after(stop);
        let loss = |settled| Loss {
            from,
            to,
            failed: false,
            supervisory,
            settled,
            since,
        };
        match sends(before, since) {
            Sends::Normally => {
                let heard = before.input.at.max(before.output.at);
                let alive = before.alive.is_some_and(|at| at >= since);
                let settled = heard >= since || alive;
                return Some(loss(settled));
            }
            Sends::Failed => {
                return Some(Loss {
                    failed: true,
                    ..loss(true)
                });
            }
            Sends::Starved => return None,
            Sends::Unknown if from == 0 => return Some(loss(false)),
            Sends::Unknown => {}
        }
    }
    None
}

fn sends(stop: &Stop, since: Timestamp) -> Sends {
    if stop.silent {
        let alive = stop.alive.is_some_and(|at| at >= since);
        return if alive {
            Sends::Normally
        } else {
            Sends::Unknown
        };
    }
    match (stop.input.light, stop.output.light) {
        (Light::Dark, _) => Sends::Starved,
        (Light::Lit, Light::Dark) => Sends::Failed,
        (_, Light::Lit) | (Light::Lit, Light::Unknown) => Sends::Normally,
        (Light::Unknown, Light::Dark) => Sends::Failed,
        (Light::Unknown, Light::Unknown) => Sends::Unknown,
    }
}

/// The supervisory light as it is since the signal is gone.
fn after(stop: &Stop) -> Light {
    match stop.supervisory.light {
        Light::Lit if stop.supervisory.at < stop.input.since => Light::Unknown,
        light => light,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(light: Light, at: i64) -> Meter {
        let at = Timestamp::from_seconds(at);
        Meter {
            light,
            at,
            since: at,
        }
    }

    /// A stop that sees and sends as told, last heard of at `at`.
    fn stop(input: Light, output: Light, at: i64) -> Stop {
        Stop {
            input: meter(input, at),
            output: meter(output, at),
            ..Stop::default()
        }
    }

    fn supervised(stop: Stop, light: Light, at: i64) -> Stop {
        Stop {
            supervisory: meter(light, at),
            ..stop
        }
    }

    use Light::{Dark, Lit, Unknown};

    #[test]
    fn the_first_dark_input_behind_a_sender_tells_the_span() {
        // Outputs mask the loss: the third stop still sends noise, the fourth sees it.
        let stops = [
            stop(Lit, Lit, 10),
            stop(Lit, Lit, 10),
            stop(Dark, Lit, 9),
            stop(Lit, Lit, 10),
        ];
        let found = losses(&stops);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from, found[0].to), (1, 2));
        assert_eq!(verdict(&found, false), Verdict::Cable);
        assert!(found[0].settled);
    }

    #[test]
    fn what_follows_from_a_loss_is_no_second_loss() {
        let stops = [
            stop(Unknown, Lit, 9),
            stop(Dark, Dark, 9),
            stop(Dark, Dark, 9),
        ];
        let found = losses(&stops);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from, found[0].to), (0, 1));
    }

    #[test]
    fn a_sender_last_heard_of_before_the_loss_settles_nothing() {
        let stops = [stop(Lit, Lit, 8), stop(Dark, Lit, 9)];
        assert!(!losses(&stops)[0].settled);
    }

    #[test]
    fn a_living_supervisory_channel_means_equipment() {
        let dark = stop(Dark, Lit, 9);
        let found = |light| {
            verdict(
                &losses(&[stop(Lit, Lit, 10), supervised(dark, light, 9)]),
                true,
            )
        };
        assert_eq!(found(Lit), Verdict::Equipment);
        assert_eq!(found(Dark), Verdict::Cable);
        assert_eq!(found(Unknown), Verdict::Cable);
    }

    #[test]
    fn a_stop_that_sees_light_and_sends_none_has_failed() {
        let found = losses(&[stop(Lit, Lit, 9), stop(Lit, Dark, 9), stop(Dark, Lit, 9)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].failed && found[0].from == 1);
        assert_eq!(verdict(&found, false), Verdict::Equipment);
        assert_eq!(
            verdict(&found, true),
            Verdict::Cable,
            "lasers that shut each other down"
        );
    }

    #[test]
    fn a_silent_stop_is_passed_over_unless_its_light_shows_that_it_lives() {
        let silent = Stop {
            silent: true,
            ..stop(Lit, Lit, 5)
        };
        let around = |silent| losses(&[stop(Lit, Lit, 10), silent, stop(Dark, Lit, 9)])[0];
        assert_eq!((around(silent).from, around(silent).to), (0, 2));
        let living = Stop {
            alive: Some(Timestamp::from_seconds(10)),
            ..silent
        };
        assert_eq!((around(living).from, around(living).to), (1, 2));
    }

    #[test]
    fn light_lost_before_the_first_stop_is_not_on_this_line() {
        assert!(losses(&[stop(Dark, Dark, 9), stop(Dark, Dark, 9)]).is_empty());
    }
}
