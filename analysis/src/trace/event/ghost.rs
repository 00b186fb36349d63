//! Images of reflections: light that went to and fro between reflectors.
//!
//! A reflector at `i` and two behind it at `j` and `k` (or one, twice) make an image at `j + k - i`;
//! the panel is a reflector too. An image loses nothing, for nothing is there, and it is as high as
//! three reflectances and the glass passed make it: where either does not fit, it is no image.

use silkline_protocol::unit::OpticalLength;

use super::{Event, EventKind, USUAL_SLOPE};
use crate::trace::reflect::STRONGEST_DB;
use crate::trace::samples::Trace;

/// An image loses less than this, in decibels, whatever the noise.
const LEAST_LOSS_DB: f64 = 0.08;

/// Three reflectances, each to a decibel or two, tell the image's to this, in decibels.
const DOUBT_DB: f64 = 5.0;

/// What a panel reflects: polished at an angle, or open.
const PANEL_DB: [f64; 2] = [-65.0, -14.0];

/// Instruments have joints of their own so far before their panel, in metres: images of the end by these
/// lie as much farther than the panel's.
const INSIDE_M: f64 = 50.0;

/// A reflector's light is looked for so many pulses before its event and behind it; it rises most over
/// this part of a pulse, by so many decibels at the least. What rises within a part of a pulse of the
/// event, and a sample, rises there.
const EARLY: f64 = 0.3;
const LATE: f64 = 1.5;
const RISES_IN: f64 = 0.25;
const LEAST_RISE_DB: f64 = 1.0;
const SAME: f64 = 0.25;

/// A reflector: its place from the panel, the bounds of its reflectance, the one-way loss up to it
/// and behind it, all in metres and decibels.
#[derive(Clone, Copy, Debug)]
struct Mirror {
    at: f64,
    /// Where its light rises: what is told together with a step or a fainter reflector before it is
    /// told there.
    foot: f64,
    /// Half of the place's interval.
    doubt: f64,
    reflectance: [f64; 2],
    to: f64,
    behind: f64,
}

/// Marks reflective events that lose nothing, where and as high as an image would be.
pub(crate) fn mark(trace: &Trace, events: &mut [Event]) {
    mark_from(trace, events, 0);
}

/// The same from one event on: those before it have been judged.
pub(crate) fn mark_from(trace: &Trace, events: &mut [Event], first: usize) {
    let mirrors = mirrors(trace, events);
    let image = |event: &Event| {
        event.kind == EventKind::Reflective && path(trace, &mirrors, (events, event)).is_some()
    };
    let images: Vec<bool> = events.iter().skip(first).map(image).collect();
    for (event, is_image) in events.iter_mut().skip(first).zip(images) {
        if is_image {
            event.kind = EventKind::Ghost;
        }
    }
}

/// The reflectors whose image an event is, the near one first, from the panel (before it where it is
/// inside the instrument); none where it is no ghost.
pub(crate) fn parents(
    trace: &Trace,
    events: &[Event],
    event: &Event,
) -> Option<[OpticalLength; 3]> {
    if event.kind != EventKind::Ghost {
        return None;
    }
    Some(path(trace, &mirrors(trace, events), (events, event))?.map(OpticalLength::of))
}

/// The images that reflections before the end make, from the panel: those that may reflect as much as
/// what instruments can see.
pub(super) fn expected(trace: &Trace, events: &[Event]) -> Vec<Expected> {
    let mut events = events.to_vec();
    mark(trace, &mut events);
    events.retain(|event| event.kind != EventKind::Ghost);
    let mirrors = mirrors(trace, &events);
    let lost = Lost::of(trace, &events);
    let mut images = Vec::new();
    for (i, first) in mirrors.iter().enumerate() {
        for (j, one) in mirrors.iter().enumerate().skip(i + 1) {
            for two in mirrors.iter().skip(j) {
                let at = one.foot + two.foot - first.foot;
                let Image { reflectance, .. } = Image::of([first, one, two], lost.to(at));
                let half = if one.at < two.at {
                    one.doubt.hypot(two.doubt)
                } else {
                    2.0 * one.doubt
                };
                images.push(Expected {
                    at,
                    sigma: half.hypot(first.doubt) / 1.96,
                    reflectance,
                });
            }
        }
    }
    images
}

/// An image that is to be expected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// Metres from the panel, and the deviation.
    pub(super) at: f64,
    pub(super) sigma: f64,
    /// The least and the most that a reflector there would have to reflect to show as high, in decibels.
    pub(super) reflectance: [f64; 2],
}

/// What light loses on its way: metres from the panel, decibels up to there and those a kilometre behind.
struct Lost(Vec<[f64; 3]>);

impl Lost {
    fn of(trace: &Trace, events: &[Event]) -> Self {
        let launch = trace.settings().launch.get();
        let slope = |event: &Event| event.slope_before.map_or(USUAL_SLOPE, |slope| slope.get());
        let first = events.first().map_or(USUAL_SLOPE, slope);
        let mut all = vec![[0.0, 0.0, first]];
        let behind = events.iter().skip(1).map(slope).chain([first]);
        let (mut last, mut lost, mut a_km) = (0.0, 0.0, first);
        for (event, behind) in events.iter().zip(behind) {
            let at = event.at.get() + launch;
            lost += a_km * (at - last) / 1_000.0 + event.loss.map_or(0.0, |loss| loss.get());
            (last, a_km) = (at, behind);
            all.push([at, lost, behind]);
        }
        Self(all)
    }

    /// Decibels one way up to a place.
    fn to(&self, at: f64) -> f64 {
        let last = self.0.iter().rev().find(|[from, ..]| *from <= at);
        last.map_or(0.0, |[from, lost, a_km]| {
            lost + a_km * (at - from) / 1_000.0
        })
    }
}

/// The panel and every reflective event, in order.
fn mirrors(trace: &Trace, events: &[Event]) -> Vec<Mirror> {
    let launch = trace.settings().launch.get();
    let mut mirrors = vec![Mirror {
        at: 0.0,
        foot: 0.0,
        doubt: 0.0,
        reflectance: PANEL_DB,
        to: 0.0,
        behind: 0.0,
    }];
    let (mut last, mut lost) = (0.0, 0.0);
    for event in events {
        let at = event.at.get() + launch;
        let slope = event.slope_before.map_or(USUAL_SLOPE, |slope| slope.get());
        let to = lost + slope * (at - last) / 1_000.0;
        (last, lost) = (at, to + event.loss.map_or(0.0, |loss| loss.get()));
        let strong = match (event.reflectance, event.saturated) {
            (Some(own), true) => Some([own.get(), STRONGEST_DB.max(own.get())]),
            (Some(own), false) => Some([own.get(); 2]),
            // It reflects, and nothing says how much.
            (None, _) => (event.kind == EventKind::Reflective).then_some(PANEL_DB),
        };
        mirrors.extend(strong.map(|reflectance| Mirror {
            at,
            foot: foot(trace, event) + launch,
            doubt: event.plus_minus.get(),
            reflectance,
            to,
            behind: lost,
        }));
    }
    mirrors
}

/// Where the light of a reflector rises most, behind where its event is told.
fn foot(trace: &Trace, event: &Event) -> f64 {
    let (at, pulse) = (event.at.get(), trace.pulse().get());
    let early = trace.index_of(at - EARLY * pulse);
    let levels = trace.stretch(early, trace.index_of(at + LATE * pulse) + 2);
    let lag = trace.samples_in(RISES_IN * pulse).max(1);
    let rises = levels.iter().zip(levels.iter().skip(lag)).enumerate();
    let rises = rises.map(|(i, (low, high))| (i, high - low));
    let steepest = rises.reduce(|a, b| if b.1 > a.1 { b } else { a });
    let last = steepest.filter(|(_, rise)| *rise > LEAST_RISE_DB);
    let foot = last.map(|(i, _)| trace.position((early + i) as f64 + 0.5).get());
    let late = foot.filter(|foot| *foot > at + SAME * pulse + trace.step_m());
    late.unwrap_or(at)
}

/// The path that shows where an event is and as high.
fn path(
    trace: &Trace,
    mirrors: &[Mirror],
    (events, event): (&[Event], &Event),
) -> Option<[f64; 3]> {
    let end = events.iter().find(|event| event.kind == EventKind::End);
    let is_beyond = end.is_some_and(|end| end.at < event.at);
    let launch = trace.settings().launch.get();
    let ended = end.filter(|_| is_beyond).map(|end| end.at.get() + launch);
    let is_end = |mirror: &Mirror| ended.is_some_and(|ended| (mirror.at - ended).abs() < 1e-6);
    // Behind the end there is nothing to lose.
    let loss = match event.loss {
        None if is_beyond => 0.0,
        loss => loss?.get(),
    };
    let own = event.reflectance?.get();
    let doubt = event.loss_plus_minus.map_or(0.0, |half| half.get());
    if loss.abs() > LEAST_LOSS_DB.max(doubt) {
        return None;
    }
    let at = event.at.get() + launch;
    let near = (0.5 * trace.pulse().get()).max(2.0 * trace.step_m());
    let here = mirrors
        .iter()
        .find(|mirror| (mirror.at - at).abs() < 1e-6)?;
    let ahead: Vec<&Mirror> = mirrors
        .iter()
        .filter(|mirror| mirror.at < at - near)
        .collect();
    for (i, first) in ahead.iter().enumerate() {
        for (j, one) in ahead.iter().enumerate().skip(i + 1) {
            for two in ahead.iter().skip(j) {
                let image = Image::of([first, one, two], here.to);
                let [low, high] = image.reflectance;
                // Behind the end nothing else is to be expected: it need only not be too bright.
                let low = if is_beyond { f64::MIN } else { low };
                let fits = (low - DOUBT_DB..=high + DOUBT_DB).contains(&own);
                let doubt = match is_beyond {
                    true => first.doubt + one.doubt + two.doubt,
                    false => 0.0,
                };
                let reach = near + doubt.min(4.0 * near);
                let inside = INSIDE_M * f64::from(first.at <= 0.0 && is_end(one) && is_end(two));
                let off = at - image.at;
                if fits && (-reach..reach + inside).contains(&off) {
                    let before = off * f64::from(off > reach);
                    return Some([first.foot - before, one.foot, two.foot]);
                }
            }
        }
    }
    None
}

/// Where an image shows, and what a reflector there would have to reflect to show as high.
struct Image {
    at: f64,
    reflectance: [f64; 2],
}

impl Image {
    /// Of the near reflector and two behind it, seen past a loss of `to` decibels.
    fn of([near, one, two]: [&Mirror; 3], to: f64) -> Self {
        let glass = 2.0 * (to + near.behind - one.to - two.to);
        // Both orders of two different ones arrive together.
        let orders = if one.foot < two.foot { 3.0 } else { 0.0 };
        let bound = |k: usize| {
            let three = [near, one, two].map(|mirror| mirror.reflectance);
            let sum: f64 = three.iter().filter_map(|bounds| bounds.get(k)).sum();
            sum + glass + orders
        };
        Self {
            at: one.foot + two.foot - near.foot,
            reflectance: [bound(0), bound(1)],
        }
    }
}

#[cfg(test)]
mod tests {
    use silkline_protocol::unit::{Db, DbPerKm};

    use super::*;
    use crate::trace::synth::Plan;

    fn event(at_m: f64, reflectance: f64, loss: f64) -> Event {
        Event {
            at: OpticalLength::of(at_m),
            plus_minus: OpticalLength::of(1.0),
            kind: EventKind::Reflective,
            loss: Some(Db::of(loss)),
            loss_plus_minus: Some(Db::of(0.02)),
            reflectance: Some(Db::of(reflectance)),
            slope_before: Some(DbPerKm::of(0.2)),
            saturated: false,
        }
    }

    fn marked(events: &[Event]) -> Vec<EventKind> {
        let mut events = events.to_vec();
        mark(&Plan::default().trace(), &mut events);
        events.iter().map(|event| event.kind).collect()
    }

    /// Connectors at 4 and 9 km, and something at 14 km: 9 + 9 - 4.
    fn with_third(reflectance: f64, loss: f64) -> Vec<Event> {
        vec![
            event(4_000.0, -25.0, 0.3),
            event(9_000.0, -20.0, 0.3),
            event(14_000.0, reflectance, loss),
        ]
    }

    /// What three reflectances and the glass make of it: -20 - 25 - 20 dB, home past 5 km and a
    /// connector less than the glass at 14 km is.
    const IMAGE_DB: f64 = -65.0 + 2.0 * (3.4 + 1.1 - 2.1 - 2.1);

    #[test]
    fn an_image_has_the_place_the_height_and_no_loss() {
        let ghost = |reflectance, loss| {
            marked(&with_third(reflectance, loss)).last() == Some(&EventKind::Ghost)
        };
        assert!(ghost(IMAGE_DB, 0.0));
        assert!(ghost(IMAGE_DB + 3.0, 0.05));
        assert!(!ghost(IMAGE_DB, 0.3), "what loses is no image");
        assert!(!ghost(IMAGE_DB + 15.0, 0.0), "a real connector is brighter");
        assert!(!ghost(IMAGE_DB - 15.0, 0.0));
    }

    #[test]
    fn an_image_is_expected_where_and_as_high_as_it_shows() {
        let trace = Plan::default().trace();
        let connectors = &with_third(IMAGE_DB, 0.0)[..2];
        let images = expected(&trace, connectors);
        let at_14 = images
            .iter()
            .find(|image| (image.at - 14_000.0).abs() < 1.0);
        let image = at_14.unwrap();
        for told in image.reflectance {
            assert!((told - IMAGE_DB).abs() < 0.01, "{image:?}");
        }
        let doubt = connectors[0].plus_minus.get() / 1.96;
        assert!(
            (image.sigma - 5_f64.sqrt() * doubt).abs() < 1e-9,
            "{image:?}"
        );
        // By the panel: twice 4 km, 4 + 9 km, twice 9 km.
        assert_eq!(images.len(), 4);
    }

    #[test]
    fn its_parents_are_told() {
        let mut events = with_third(IMAGE_DB, 0.0);
        let trace = Plan::default().trace();
        mark(&trace, &mut events);
        let parents = parents(&trace, &events, &events[2]).unwrap();
        assert_eq!(parents, [4_000.0, 9_000.0, 9_000.0].map(OpticalLength::of));
        assert_eq!(super::parents(&trace, &events, &events[1]), None);
    }

    #[test]
    fn the_panel_may_be_the_near_one_within_what_panels_reflect() {
        // At 8 km: twice 4 km. -25 - 25 dB and a panel of -14 to -65 dB.
        let at_8 = |reflectance| {
            let kinds = marked(&[event(4_000.0, -25.0, 0.3), event(8_000.0, reflectance, 0.0)]);
            kinds.last() == Some(&EventKind::Ghost)
        };
        assert!(at_8(-66.0) && at_8(-90.0));
        assert!(!at_8(-50.0), "no panel makes so bright an image");
    }

    #[test]
    fn a_joint_inside_the_instrument_makes_an_image_a_little_farther() {
        let behind_9_km = |at_m| {
            let mut end = event(9_000.0, -14.0, 0.0);
            end.kind = EventKind::End;
            let mut beyond = event(at_m, -70.0, 0.0);
            beyond.loss = None;
            marked(&[end, beyond]).last() == Some(&EventKind::Ghost)
        };
        assert!(behind_9_km(18_000.0) && behind_9_km(18_024.0));
        assert!(!behind_9_km(18_200.0) && !behind_9_km(17_900.0));
    }

    #[test]
    fn a_reflector_told_with_a_step_before_it_is_where_its_light_rises() {
        let feature = |at_m: f64, loss_db, reflectance_db| crate::trace::synth::Feature {
            at_m,
            loss_db,
            reflectance_db,
        };
        let plan = Plan {
            features: vec![
                feature(9_000.0, 0.5, None),
                feature(9_040.0, 0.3, Some(-20.0)),
            ],
            ..Plan::default()
        };
        let trace = plan.trace();
        let both = [
            event(4_000.0, -25.0, 0.3),
            event(9_000.0, -20.0, 0.8),
            event(14_080.0, IMAGE_DB, 0.0),
        ];
        let kinds = |trace: &Trace| {
            let mut events = both.to_vec();
            mark(trace, &mut events);
            events.last().map(|event| event.kind)
        };
        assert_eq!(kinds(&trace), Some(EventKind::Ghost));
        assert_eq!(kinds(&Plan::default().trace()), Some(EventKind::Reflective));
    }

    #[test]
    fn a_parent_that_is_cut_off_makes_it_brighter() {
        let mut events = with_third(IMAGE_DB + 9.0, 0.0);
        assert_eq!(marked(&events).last(), Some(&EventKind::Reflective));
        events[1].saturated = true;
        assert_eq!(marked(&events).last(), Some(&EventKind::Ghost));
    }
}
