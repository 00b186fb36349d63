//! One panel: a stretch of the trace with its axes and everything that lies in it.

use silkline_analysis::trace::Trace;
use silkline_analysis::trace::report::EventReport;
use silkline_protocol::unit::OpticalLength;

use super::Picture;
use super::canvas::{Anchor, Canvas, Frame, Point};
use super::curve::thinned;
use super::lanes::Lanes;
use super::scale::Scale;
use super::symbol;

/// How far one lane of flags lies above the next, in pixels.
const LANE_PX: f64 = 17.0;
/// Size of the letters on flags.
const FLAG_SIZE: f64 = 10.5;
/// An interval narrower than this would not be seen.
const LEAST_BAND_PX: f64 = 2.0;

pub(super) const TRACE: &str = "stroke=\"#0b3c6f\" stroke-width=\"1.1\"";
pub(super) const REFERENCE: &str =
    "stroke=\"#c65a00\" stroke-width=\"1.3\" stroke-dasharray=\"7 4\"";
const GRID: &str = "stroke=\"#ddd\" stroke-width=\"0.7\"";
pub(super) const FLOOR: &str = "stroke=\"#555\" stroke-width=\"1\" stroke-dasharray=\"9 3 2 3\"";
pub(super) const BAND: &str = "fill=\"#000\" fill-opacity=\"0.13\"";
const LEADER: &str = "stroke=\"#888\" stroke-width=\"0.7\" stroke-dasharray=\"1.5 2.5\"";
pub(super) const OWN_TICK: &str = "stroke=\"#00724f\" stroke-width=\"2\"";
const CHANGE: &str = "stroke=\"#c00000\" stroke-width=\"2\" stroke-dasharray=\"10 2 2 2 2 2\"";

/// What a panel shows, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Where its plot area is.
    pub(super) frame: Frame,
    /// Metres of glass from the user offset.
    pub(super) range: [f64; 2],
    /// Lanes for flags above it.
    pub(super) lanes: usize,
}

/// A panel being drawn.
pub(super) struct Panel<'a> {
    picture: &'a Picture<'a>,
    frame: Frame,
    lanes: usize,
    x: Scale,
    y: Scale,
}

impl<'a> Panel<'a> {
    /// A panel of `picture` with scales that show its stretch in full height.
    pub(super) fn new(picture: &'a Picture<'a>, view: View) -> Self {
        let View {
            frame,
            range,
            lanes,
        } = view;
        let heights = heights(picture, range);
        Self {
            picture,
            frame,
            lanes,
            // Kilometres across, decibels up.
            x: Scale::new(range.map(|m| m / 1_000.0), [frame.left, frame.right]),
            y: Scale::new(heights, [frame.bottom, frame.top]),
        }
    }

    /// Draws everything; `head` stands above.
    pub(super) fn draw(&self, canvas: &mut Canvas, head: &str) {
        self.axes(canvas, head);
        self.intervals(canvas);
        self.noise_floor(canvas);
        if let Some(reference) = self.picture.reference {
            canvas.polyline(&self.curve(reference), REFERENCE);
        }
        canvas.polyline(&self.curve(self.picture.trace), TRACE);
        self.own_table(canvas);
        self.changes(canvas);
        self.events(canvas);
        canvas.rect(self.frame, "fill=\"none\" stroke=\"#333\"");
    }

    fn axes(&self, canvas: &mut Canvas, head: &str) {
        let frame = self.frame;
        for tick in self.x.ticks(((frame.right - frame.left) / 75.0).max(5.0)) {
            canvas.line([tick.px, frame.top], [tick.px, frame.bottom], GRID);
            let below = [tick.px, frame.bottom + 16.0];
            canvas.text(below, Anchor::Middle, "", &tick.label);
        }
        for tick in self.y.ticks((frame.bottom - frame.top) / 40.0) {
            canvas.line([frame.left, tick.px], [frame.right, tick.px], GRID);
            let beside = [frame.left - 6.0, tick.px + 4.0];
            canvas.text(beside, Anchor::End, "", &tick.label);
        }
        let below = [frame.middle(), frame.bottom + 33.0];
        canvas.text(below, Anchor::Middle, "", "distance along the glass / km");
        let beside = [frame.left - 42.0, f64::midpoint(frame.top, frame.bottom)];
        canvas.upright(beside, "level, one way / dB");
        let above = [frame.left, frame.top - self.lanes as f64 * LANE_PX - 8.0];
        canvas.text(above, Anchor::Start, "font-size=\"12\" fill=\"#333\"", head);
    }

    fn intervals(&self, canvas: &mut Canvas) {
        for event in self.visible() {
            self.band(canvas, event.at_m, event.plus_minus_m, BAND);
        }
        let changes = self.picture.report.changes.iter().flatten();
        for change in changes.filter(|change| self.shows(change.at_m)) {
            const RED: &str = "fill=\"#c00000\" fill-opacity=\"0.16\"";
            self.band(canvas, change.at_m, change.plus_minus_m, RED);
        }
    }

    fn band(&self, canvas: &mut Canvas, at: OpticalLength, half: OpticalLength, style: &str) {
        let middle = self.px(at);
        let half = self.x.px_of(half.get() / 1_000.0).max(LEAST_BAND_PX / 2.0);
        let Frame {
            left,
            top,
            right,
            bottom,
        } = self.frame;
        let band = Frame {
            left: (middle - half).max(left),
            right: (middle + half).min(right),
            top,
            bottom,
        };
        canvas.rect(band, style);
    }

    fn noise_floor(&self, canvas: &mut Canvas) {
        let Some(floor) = self.picture.report.noise_floor_db else {
            return;
        };
        if self.y.holds(floor.get()) {
            let y = self.y.px(floor.get());
            canvas.line([self.frame.left, y], [self.frame.right, y], FLOOR);
        }
    }

    /// The trace's samples inside the panel, and one on each side.
    fn curve(&self, trace: &Trace) -> Vec<Point> {
        let first = trace.position(0.0).get();
        let step = trace.settings().spacing.get();
        let point = |(i, level): (usize, &f64)| {
            let km = (first + i as f64 * step) / 1_000.0;
            (self.x.holds(km) && level.is_finite()).then(|| [self.x.px(km), self.y.px(*level)])
        };
        thinned(trace.levels().iter().enumerate().filter_map(point))
    }

    /// The instrument's own table: ticks on the axis.
    fn own_table(&self, canvas: &mut Canvas) {
        let bottom = self.frame.bottom;
        for own in &self.picture.report.instrument_events {
            if self.shows(own.at_m) {
                let x = self.px(own.at_m);
                canvas.line([x, bottom], [x, bottom - 11.0], OWN_TICK);
            }
        }
    }

    fn changes(&self, canvas: &mut Canvas) {
        for change in self.picture.report.changes.iter().flatten() {
            if self.shows(change.at_m) {
                let x = self.px(change.at_m);
                canvas.line([x, self.frame.top], [x, self.frame.bottom], CHANGE);
                symbol::change(canvas, [x, self.frame.bottom - 22.0]);
            }
        }
    }

    /// Signs on the trace with a numbered flag each, as far as there is room for flags.
    fn events(&self, canvas: &mut Canvas) {
        let frame = self.frame;
        let mut lanes = Lanes::new(self.lanes, frame.left, frame.right);
        for (number, event) in self.numbered() {
            let x = self.px(event.at_m);
            let level = level_before(self.picture.trace, event.at_m);
            let at = [x, self.y.px(level)];
            let number = number.to_string();
            let texts = [self.picture.label(event), String::new()];
            let berth = texts.iter().find_map(|text| {
                let number = &number;
                let flag = Flag { number, text };
                let berth = lanes.berth(x, flag.width())?;
                Some((flag, berth))
            });
            if let Some((flag, berth)) = berth {
                let bottom = frame.top - 4.0 - berth.lane as f64 * LANE_PX;
                let middle = berth.left + flag.width() / 2.0;
                canvas.line([x, frame.top], at, LEADER);
                canvas.line([middle, bottom], [x, frame.top], LEADER);
                flag.draw(canvas, [berth.left, bottom]);
            }
            symbol::draw(canvas, event.kind, at);
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &EventReport)> {
        let events = self.picture.report.events.iter().enumerate();
        events
            .filter(|(_, event)| self.shows(event.at_m))
            .map(|(k, event)| (k + 1, event))
    }

    fn visible(&self) -> impl Iterator<Item = &EventReport> {
        self.numbered().map(|(_, event)| event)
    }

    fn shows(&self, at: OpticalLength) -> bool {
        self.x.holds(at.get() / 1_000.0)
    }

    fn px(&self, at: OpticalLength) -> f64 {
        self.x.px(at.get() / 1_000.0)
    }
}

/// A board with an event's number, white on black, and what it is.
struct Flag<'a> {
    number: &'a str,
    text: &'a str,
}

impl Flag<'_> {
    fn number_width(&self) -> f64 {
        super::canvas::width_of(self.number, FLAG_SIZE) + 6.0
    }

    fn width(&self) -> f64 {
        let text = super::canvas::width_of(self.text, FLAG_SIZE);
        self.number_width() + if text > 0.0 { text + 6.0 } else { 0.0 }
    }

    /// Draws it upwards and to the right of a point.
    fn draw(&self, canvas: &mut Canvas, [left, bottom]: Point) {
        let board = |from: f64, to: f64| Frame {
            left: left + from,
            right: left + to,
            top: bottom - 14.0,
            bottom,
        };
        let (number, whole) = (board(0.0, self.number_width()), board(0.0, self.width()));
        canvas.rect(whole, "fill=\"#fff\" stroke=\"#333\" stroke-width=\"0.8\"");
        canvas.rect(number, "fill=\"#333\"");
        let white = "font-size=\"10.5\" fill=\"#fff\"";
        let base = bottom - 3.5;
        canvas.text([number.middle(), base], Anchor::Middle, white, self.number);
        let middle = f64::midpoint(number.right, whole.right);
        canvas.text(
            [middle, base],
            Anchor::Middle,
            "font-size=\"10.5\"",
            self.text,
        );
    }
}

/// The lowest and highest level to show: everything lit, and a little of the noise below.
fn heights(picture: &Picture<'_>, range: [f64; 2]) -> [f64; 2] {
    /// How far below the noise floor a picture reaches, in decibels.
    const BELOW_FLOOR: f64 = 2.5;
    let both = [Some(picture.trace), picture.reference];
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for trace in both.into_iter().flatten() {
        for level in stretch(trace, range).filter(|level| !trace.is_dark(*level)) {
            low = low.min(level);
            high = high.max(level);
        }
    }
    if low > high {
        return [-1.0, 0.0];
    }
    let floor = picture.report.noise_floor_db;
    let lowest = floor.map_or(low, |floor| low.max(floor.get() - BELOW_FLOOR));
    let air = (high - lowest).max(0.2) * 0.06;
    [lowest - air, high + air]
}

/// The levels of a stretch.
fn stretch(trace: &Trace, [from, to]: [f64; 2]) -> impl Iterator<Item = f64> {
    let first = trace.position(0.0).get();
    let step = trace.settings().spacing.get();
    let inside = move |(i, _): &(usize, &f64)| {
        let at = first + *i as f64 * step;
        from <= at && at <= to
    };
    trace
        .levels()
        .iter()
        .enumerate()
        .filter(inside)
        .map(|(_, level)| *level)
}

/// The level just before a place: the median of the samples in half a pulse.
fn level_before(trace: &Trace, at: OpticalLength) -> f64 {
    let half = (trace.pulse().get() / 2.0).max(3.0 * trace.settings().spacing.get());
    let mut levels: Vec<f64> = stretch(trace, [at.get() - half, at.get()]).collect();
    levels.sort_by(f64::total_cmp);
    let last = trace.levels().last().copied().unwrap_or_default();
    levels.get(levels.len() / 2).copied().unwrap_or(last)
}
