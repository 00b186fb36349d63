//! A trace as a picture: what was measured, what was found in it, what differs from the reference.
//!
//! ```text
//! Report + Trace (+ reference) ─▶ svg ─▶ png
//! ```
//!
//! Pure: the same trace gives the same picture on every machine. Readable in black and white and by
//! the colour-blind: every sign differs in shape or line style, never in colour alone. The curve is
//! thinned by lowest and highest sample a pixel, so that no peak is hidden.

mod canvas;
mod curve;
mod lanes;
mod panel;
mod png;
mod scale;
mod symbol;
mod table;

use silkline_analysis::trace::report::{ChangeReport, EventReport, Report};
use silkline_analysis::trace::{EndKind, EventKind, Trace};
use silkline_protocol::unit::{Db, OpticalLength};

use canvas::{Anchor, Canvas, Frame};
use panel::{Panel, View};

pub(crate) use canvas::escaped;
pub use png::{PngError, png};
pub(crate) use table::number_or_dash;

/// Width of a sheet, in pixels of the drawing.
const WIDTH: f64 = 1_280.0;
/// Lanes of flags above the large panel.
const LANES: usize = 3;
/// Top of the panels: below the title and the flags.
const TOP: f64 = 158.0;
/// Height of the panels.
const HEIGHT: f64 = 380.0;
/// The same for a figure among text.
const FIGURE_WIDTH: f64 = 860.0;
const FIGURE_HEIGHT: f64 = 270.0;
/// Left edge of the large panel: axis labels stand before it.
const LEFT: f64 = 66.0;

/// What a picture shows.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// What was found in the trace; the picture shows nothing else.
    pub report: &'a Report,
    /// The samples.
    pub trace: &'a Trace,
    /// A good trace of the same view, drawn dashed.
    pub reference: Option<&'a Trace>,
    /// What stands at events, by place: landmarks.
    pub names: &'a [(OpticalLength, String)],
    /// How much of it is drawn.
    pub form: Form,
}

/// Forms of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A sheet by itself: with a closer look at the end or the change, and the list of events.
    Sheet,
    /// A figure among text: the trace alone, with larger letters for its size.
    Figure,
}

impl Picture<'_> {
    /// The picture as one self-contained SVG document.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut canvas = Canvas::new();
        self.title(&mut canvas);
        let zoom = self.focus().filter(|_| self.form == Form::Sheet);
        let width = match self.form {
            Form::Sheet => WIDTH,
            Form::Figure => FIGURE_WIDTH,
        };
        let bottom = self.bottom();
        let right = if zoom.is_some() { 900.0 } else { width - 20.0 };
        let large = View {
            frame: self.frame(LEFT, right),
            range: self.range(),
            lanes: LANES,
        };
        Panel::new(self, large).draw(&mut canvas, "");
        if let Some((range, what)) = zoom {
            let small = View {
                frame: self.frame(976.0, width - 20.0),
                range,
                lanes: 1,
            };
            Panel::new(self, small).draw(&mut canvas, &what);
        }
        self.legend(&mut canvas, bottom + 58.0);
        let mut height = bottom + 74.0;
        if self.form == Form::Sheet {
            let list = bottom + 94.0;
            table::draw(&mut canvas, self, 30.0, list);
            height = list + table::height(self.report.events.len());
        }
        let title = format!("OTDR trace {}", self.report.file);
        canvas.finish(width, height.round(), &title)
    }

    const fn bottom(&self) -> f64 {
        match self.form {
            Form::Sheet => TOP + HEIGHT,
            Form::Figure => TOP + FIGURE_HEIGHT,
        }
    }

    /// The plot area between two edges.
    const fn frame(&self, left: f64, right: f64) -> Frame {
        Frame {
            left,
            right,
            top: TOP,
            bottom: self.bottom(),
        }
    }

    fn title(&self, canvas: &mut Canvas) {
        let report = self.report;
        let large = "font-size=\"18\"";
        let name = report.file.rsplit(['/', '\\']).next().unwrap_or_default();
        canvas.text([20.0, 28.0], Anchor::Start, large, &tail(name, 100));
        let grey = "fill=\"#333\" font-size=\"13\"";
        canvas.text([20.0, 50.0], Anchor::Start, grey, &self.settings());
        canvas.text(
            [20.0, 70.0],
            Anchor::Start,
            "font-size=\"13\"",
            &self.findings(),
        );
        if let Some(news) = self.news() {
            let red = "font-size=\"14\" fill=\"#a00000\" stroke=\"#a00000\" stroke-width=\"0.4\"";
            canvas.text([20.0, 90.0], Anchor::Start, red, &news);
        }
    }

    fn settings(&self) -> String {
        let report = self.report;
        let wavelength = report
            .wavelength_nm
            .map_or_else(|| "? nm".into(), |nm| format!("{:.0} nm", nm.get()));
        let pulse = pulse_text(report.pulse_ns);
        let index = report.group_index.get();
        let taken = report.taken.as_deref().unwrap_or("time unknown");
        let maker = format!("{} {}", report.supplier, report.model);
        let maker = tail(maker.trim(), 50);
        format!(
            "{wavelength}   ·   pulse {pulse}   ·   index {index:.5}   ·   {taken}   ·   {maker}"
        )
    }

    fn findings(&self) -> String {
        let report = self.report;
        let end = report.end_of_fibre.map_or_else(
            || "no end seen".into(),
            |end| {
                let kind = self.end_word();
                let (km, half) = (end.at_m.get() / 1_000.0, end.plus_minus_m.get());
                format!("{kind} at {km:.4} km ± {half:.1} m")
            },
        );
        let db = |what: &str, value: Option<Db>| {
            value.map_or_else(String::new, |db| format!("{what} {:.2} dB", db.get()))
        };
        let many = match report.events.len() {
            1 => "1 event".to_owned(),
            many => format!("{many} events"),
        };
        let loss = db("loss", report.total_loss_db);
        joined(&[end, loss, db("return loss", report.orl_db), many])
    }

    /// What changed, most important first, or what is odd, in one line.
    fn news(&self) -> Option<String> {
        let Some(changes) = &self.report.changes else {
            let warning = self.report.warnings.first()?;
            return Some(format!("! {}", tail(warning, 120)));
        };
        let Some((first, others)) = changes.split_first() else {
            return Some("nothing changed against the reference".into());
        };
        let more = match others.len() {
            0 => String::new(),
            more => format!("   (and {more} more)"),
        };
        Some(format!("◆ {}{more}", change_text(first)))
    }

    /// The stretch to show: all that was found, and a little behind it.
    fn range(&self) -> [f64; 2] {
        let trace = self.trace;
        let last = trace.position(trace.levels().len().saturating_sub(1) as f64);
        let (first, last) = (trace.position(0.0).get(), last.get());
        let report = self.report;
        let ends = report.end_of_fibre.iter().map(|end| end.at_m);
        if report.end_of_fibre.is_none() {
            return [first, last];
        }
        let changes = report.changes.iter().flatten().map(|change| change.at_m);
        let own = report.instrument_events.iter().map(|event| event.at_m);
        let events = report.events.iter().map(|event| event.at_m);
        let places = ends.chain(changes).chain(own).chain(events);
        let reach = places.map(OpticalLength::get).fold(0.0, f64::max);
        let pulse = trace.pulse().get();
        // A fibre that was longer in the reference shows as that: lit beyond the trace's end.
        let lit = self
            .reference
            .map_or(0.0, |reference| lit_to(reference, report));
        let behind = reach.max(lit).mul_add(1.08, 6.0 * pulse);
        [
            first,
            behind
                .min(last)
                .max(first + 10.0 * trace.settings().spacing.get()),
        ]
    }

    /// The stretch worth a closer look, and why.
    fn focus(&self) -> Option<([f64; 2], String)> {
        let report = self.report;
        let change = report.changes.iter().flatten().next();
        let (at, half, what) = match (change, &report.end_of_fibre) {
            (Some(change), _) => (change.at_m, change.plus_minus_m, change.kind.words()),
            (None, Some(end)) => (end.at_m, end.plus_minus_m, "end of the fibre"),
            (None, None) => return None,
        };
        let settings = self.trace.settings();
        let around = [
            4.0 * self.trace.pulse().get(),
            5.0 * half.get(),
            15.0 * settings.spacing.get(),
        ];
        let around = around.into_iter().fold(0.0, f64::max);
        let range = [at.get() - around, at.get() + around];
        Some((range, format!("{what}, closer")))
    }

    /// What the flag of an event says.
    fn label(&self, event: &EventReport) -> String {
        let near = |(at, _): &&(OpticalLength, String)| (*at - event.at_m).abs().get() < 0.01;
        if let Some((_, name)) = self.names.iter().find(near) {
            return name.clone();
        }
        match (event.kind, event.loss_db, event.reflectance_db) {
            (EventKind::End, ..) => self.end_word().to_owned(),
            (EventKind::Ghost, ..) => "ghost".to_owned(),
            (_, Some(loss), _) => format!("{:.2} dB", loss.get()),
            (_, None, Some(reflectance)) => format!("R {:.0}", reflectance.get()),
            (_, None, None) => String::new(),
        }
    }

    fn end_word(&self) -> &'static str {
        let end = self.report.end_of_fibre;
        match end.map(|end| end.kind) {
            Some(EndKind::Break) => "break",
            Some(EndKind::End) | None => "end",
        }
    }

    fn legend(&self, canvas: &mut Canvas, y: f64) {
        let mut x = LEFT;
        let mut entry = |canvas: &mut Canvas, width: f64, text: &str| {
            canvas.text([x + width, y], Anchor::Start, "font-size=\"11\"", text);
            let here = x;
            x += width + canvas::width_of(text, 11.0) + 16.0;
            here
        };
        let middle = y - 4.0;
        let at = entry(canvas, 28.0, "trace");
        canvas.line([at, middle], [at + 22.0, middle], panel::TRACE);
        if self.reference.is_some() {
            let at = entry(canvas, 32.0, "reference");
            canvas.line([at, middle], [at + 27.0, middle], panel::REFERENCE);
        }
        if self.report.noise_floor_db.is_some() {
            let at = entry(canvas, 34.0, "noise floor");
            canvas.line([at, middle], [at + 28.0, middle], panel::FLOOR);
        }
        let at = entry(canvas, 16.0, "95 % interval");
        let band = Frame {
            left: at,
            right: at + 11.0,
            top: y - 10.0,
            bottom: y + 2.0,
        };
        canvas.rect(band, panel::BAND);
        for kind in symbol::ALL {
            let at = entry(canvas, 14.0, symbol::word(kind));
            symbol::draw(canvas, kind, [at + 5.0, middle]);
        }
        if self.report.changes.is_some() {
            let at = entry(canvas, 18.0, "change");
            symbol::change(canvas, [at + 7.0, middle]);
        }
        if !self.report.instrument_events.is_empty() {
            let at = entry(canvas, 10.0, "instrument's own table");
            canvas.line([at + 4.0, y - 10.0], [at + 4.0, y + 1.0], panel::OWN_TICK);
        }
    }
}

/// Up to where a reference is clearly lit, in metres.
fn lit_to(reference: &Trace, report: &Report) -> f64 {
    let floor = report.noise_floor_db.map_or(f64::NEG_INFINITY, Db::get);
    let lit = |level: &f64| !reference.is_dark(*level) && *level > floor + 6.0;
    let last = reference.levels().iter().rposition(lit);
    last.map_or(0.0, |last| reference.position(last as f64).get())
}

fn change_text(change: &ChangeReport) -> String {
    let (km, half) = (change.at_m.get() / 1_000.0, change.plus_minus_m.get());
    let (word, delta) = (change.kind.words(), change.delta_db.get());
    format!("{word} at {km:.4} km ± {half:.1} m, {delta:+.2} dB")
}

fn pulse_text(pulse_ns: f64) -> String {
    if pulse_ns >= 1_000.0 {
        format!("{} µs", pulse_ns / 1_000.0)
    } else {
        format!("{pulse_ns} ns")
    }
}

/// Facts in one line, with air that SVG does not swallow; empty ones are left out.
fn joined(facts: &[String]) -> String {
    let told: Vec<&str> = facts
        .iter()
        .map(String::as_str)
        .filter(|it| !it.is_empty())
        .collect();
    told.join("\u{a0}\u{a0}·\u{a0}\u{a0}")
}

/// The last characters of a text: of a path the file's name matters most.
fn tail(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.into();
    }
    let kept = text.chars().skip(count - most + 1);
    core::iter::once('…').chain(kept).collect()
}

#[cfg(test)]
mod tests;
