//! The list of events below the panels.

use silkline_analysis::trace::report::EventReport;
use silkline_protocol::unit::{Db, DbPerKm};

use super::Picture;
use super::canvas::{Anchor, Canvas};
use super::symbol;

/// Height of a row, in pixels.
const ROW_PX: f64 = 16.0;
/// Rows side by side from this many events on.
const ONE_COLUMN: usize = 6;
/// Most events that are listed: what is on paper must fit on it.
const MOST_ROWS: usize = 80;
/// Width of one of the two lists.
const LIST_PX: f64 = 610.0;

/// Where each column's text ends, from the list's left.
const COLUMNS: [f64; 7] = [22.0, 140.0, 195.0, 275.0, 345.0, 455.0, 560.0];
const HEADS: [&str; 7] = [
    "",
    "at / km",
    "± / m",
    "kind",
    "loss / dB",
    "reflectance / dB",
    "dB/km before",
];

/// How much room the list of `events` takes, in pixels.
pub(super) fn height(events: usize) -> f64 {
    let rows = rows(events) as f64;
    let note = if events > MOST_ROWS { 1.0 } else { 0.0 };
    (rows + 2.0 + note) * ROW_PX
}

fn rows(events: usize) -> usize {
    let listed = events.min(MOST_ROWS);
    if listed > ONE_COLUMN {
        listed.div_ceil(2)
    } else {
        listed
    }
}

/// Draws the list from `top` down.
pub(super) fn draw(canvas: &mut Canvas, picture: &Picture<'_>, left: f64, top: f64) {
    let events = &picture.report.events;
    let rows = rows(events.len()).max(1);
    for (k, event) in events.iter().take(MOST_ROWS).enumerate() {
        let left = left + (k / rows) as f64 * LIST_PX;
        if k % rows == 0 {
            heads(canvas, left, top);
        }
        let y = top + ((k % rows) as f64 + 1.35) * ROW_PX;
        row(canvas, (k + 1, event), [left, y]);
    }
    if events.len() > MOST_ROWS {
        let note = format!("and {} more, not listed here", events.len() - MOST_ROWS);
        let y = top + (rows as f64 + 1.5) * ROW_PX;
        canvas.text([left, y], Anchor::Start, "font-size=\"11\"", &note);
    }
}

fn heads(canvas: &mut Canvas, left: f64, top: f64) {
    for (column, head) in COLUMNS.iter().zip(HEADS) {
        let style = "font-size=\"11\" fill=\"#555\"";
        canvas.text([left + column, top], Anchor::End, style, head);
    }
    let y = top + 5.0;
    canvas.line([left, y], [left + 565.0, y], "stroke=\"#999\"");
}

fn row(canvas: &mut Canvas, (number, event): (usize, &EventReport), [left, y]: [f64; 2]) {
    let more = |value: String| {
        if event.saturated {
            format!("> {value}")
        } else {
            value
        }
    };
    let cells = [
        number.to_string(),
        format!("{:.4}", event.at_m.get() / 1_000.0),
        format!("{:.1}", event.plus_minus_m.get()),
        symbol::word(event.kind).to_owned(),
        number_or_dash(event.loss_db.map(Db::get), 3),
        event
            .reflectance_db
            .map_or_else(|| "–".into(), |it| more(format!("{:.1}", it.get()))),
        number_or_dash(event.slope_before_db_per_km.map(DbPerKm::get), 3),
    ];
    for (column, cell) in COLUMNS.iter().zip(&cells) {
        canvas.text([left + column, y], Anchor::End, "font-size=\"11\"", cell);
    }
    symbol::draw(canvas, event.kind, [left + 40.0, y - 4.0]);
}

/// A number, or a dash where there is none.
pub(crate) fn number_or_dash(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.digits$}"))
}
