//! The answer on the standard output: the report as comments, the marks as tables of a plant file.

use std::fmt::Write;

use silkline_analysis::survey::accept::{Acceptance, Judged, Verdict};
use silkline_analysis::survey::{Identity, Place};
use silkline_protocol::plant::Mark;
use silkline_protocol::unit::{GroupIndex, Nanometres, OpticalLength};

use super::beyond::beyond;
use super::{Case, End};
use crate::plot::number_or_dash;

/// The whole answer.
pub(super) fn fragment(case: &Case<'_>) -> String {
    let mut text = String::new();
    // Writing to a string can not fail.
    let _ = write(case, &mut text);
    text
}

fn write(case: &Case<'_>, text: &mut String) -> std::fmt::Result {
    for (name, why) in case.unread {
        writeln!(text, "# ! {name}: {why}")?;
    }
    for end in case.ends() {
        places(end, text)?;
    }
    if case.other.is_none() && !case.b.is_empty() {
        writeln!(
            text,
            "# the plant has no view of this fibre from the other end: no marks there"
        )?;
    }
    for acceptance in &case.accepted {
        accepted(case, acceptance, text)?;
    }
    writeln!(text)?;
    writeln!(
        text,
        "# Marks for the plant file, below [[line]] {}:",
        case.line.id
    )?;
    for mark in case.ends().flat_map(|end| &end.survey.marks) {
        writeln!(text, "{}", table(mark))?;
    }
    Ok(())
}

fn places(end: &End<'_>, text: &mut String) -> std::fmt::Result {
    let survey = &end.survey;
    let extra = survey
        .places
        .iter()
        .filter(|it| it.is == Identity::Extra)
        .count();
    writeln!(
        text,
        "# {}: {} found, {} not seen, {} not in the plant",
        end.view.id,
        counted(
            survey.places.iter().filter(|it| is_landmark(it)).count(),
            "closure"
        ),
        survey.missing.len(),
        counted(extra, "event")
    )?;
    for note in &survey.notes {
        writeln!(text, "#   ! {note}")?;
    }
    writeln!(
        text,
        "#       at m    ± m  what                         expected m  off m  sure"
    )?;
    for place in &survey.places {
        writeln!(text, "# {}", row(place))?;
    }
    for missing in &survey.missing {
        let (at, half) = (missing.expected.get(), missing.plus_minus.get());
        let perhaps = missing.perhaps.map_or(String::new(), |(at, off)| {
            format!(
                "; perhaps the event at {:.1} m, {:+.0} m off",
                at.get(),
                off.get()
            )
        });
        let name = &missing.name;
        writeln!(
            text,
            "#   not seen: {name}, expected at {at:.0} ± {half:.0} m{perhaps}"
        )?;
    }
    Ok(())
}

const fn is_landmark(place: &Place) -> bool {
    matches!(place.is, Identity::Landmark { .. })
}

fn row(place: &Place) -> String {
    let (at, half) = (place.at.get(), place.plus_minus.get());
    let start = format!("{at:>10.1} {half:>6.1}");
    match &place.is {
        Identity::Start => format!("{start}  (the connector at the node)"),
        Identity::Extra => format!("{start}  ? not in the plant"),
        Identity::Landmark {
            name,
            probability,
            expected,
            ..
        } => {
            let off = (place.at - *expected).get();
            let percent = (probability * 100.0).min(99.9);
            let doubt = if *probability < 0.95 {
                "  doubtful, no mark"
            } else {
                ""
            };
            format!(
                "{start}  {name:<27} {:>11.1} {off:>6.1} {percent:>5.1}%{doubt}",
                expected.get()
            )
        }
    }
}

fn accepted(case: &Case<'_>, it: &Acceptance, text: &mut String) -> std::fmt::Result {
    let ways = if it.from_b.is_some() {
        "both ends"
    } else {
        "one end"
    };
    let nm = it.wavelength.map_or(0.0, Nanometres::get);
    let [fails, near] = [Verdict::Fail, Verdict::Near].map(|verdict| it.count(verdict));
    writeln!(
        text,
        "# {nm:.0} nm from {ways}: {fails} beyond the limits, {near} too near to tell"
    )?;
    for line in beyond(case, it) {
        writeln!(text, "#   beyond: {line}")?;
    }
    writeln!(text, "#   whole fibre: loss {} dB", judged(&it.total, 3))?;
    for note in &it.notes {
        writeln!(text, "#   ! {note}")?;
    }
    if it.from_b.is_none() && case.b.is_empty() {
        writeln!(
            text,
            "#   ! from one end a splice between unlike glasses feigns loss or gain"
        )?;
    }
    Ok(())
}

/// A count with its noun.
pub(super) fn counted(many: usize, noun: &str) -> String {
    let plural = if many == 1 { "" } else { "s" };
    format!("{many} {noun}{plural}")
}

/// A value with its limit.
pub(super) fn judged(it: &Judged, digits: usize) -> String {
    let value = number_or_dash(it.value, digits);
    let half = it
        .plus_minus
        .map_or(String::new(), |half| format!(" ± {half:.digits$}"));
    let limit = it
        .limit
        .map_or(String::new(), |limit| format!(" (limit {limit:.2})"));
    format!("{value}{half}{limit}")
}

/// What people call a verdict.
pub(super) const fn verdict(it: Verdict) -> &'static str {
    match it {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Near => "near",
        Verdict::Open => "–",
    }
}

/// A mark as the plant file wants it.
pub(super) fn table(mark: &Mark) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let metres = |length: OpticalLength| (length.get() * 10.0).round() / 10.0;
    let mut lines = vec![
        "[[line.mark]]".to_owned(),
        format!("view = {}", quoted(mark.view.as_str())),
        format!("landmark = {}", quoted(&mark.landmark)),
        format!("optical_m = {:.1}", metres(mark.optical)),
        format!("plus_minus_m = {:.1}", metres(mark.plus_minus).max(0.1)),
    ];
    lines.extend(
        mark.group_index
            .map(|index| format!("group_index = {:.5}", GroupIndex::get(index))),
    );
    lines.extend(
        mark.trace
            .iter()
            .map(|trace| format!("trace = {}", quoted(trace))),
    );
    lines.extend(
        mark.valid_from
            .map(|from| format!("valid_from = \"{from}\"")),
    );
    lines.push(String::new());
    lines.join("\n")
}
