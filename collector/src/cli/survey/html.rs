//! The acceptance report as one printable page: no script, nothing from outside, pictures inside.

mod style;

use std::fmt::Write;

use silkline_analysis::survey::accept::{
    Acceptance, JointRow, Judged, Limits, SectionRow, Verdict,
};
use silkline_analysis::survey::{Identity, Place};
use silkline_analysis::trace::report::Report;
use silkline_protocol::unit::{Db, DbPerKm, Nanometres, OpticalLength};

use super::beyond::beyond;
use super::text::{counted, verdict};
use super::{Case, End, Taken, file_name};
use crate::plot::{Form, Picture, escaped, number_or_dash};

/// The whole page.
pub(super) fn page(case: &Case<'_>) -> String {
    let title = format!("Fibre acceptance: {}", case.a.view.id);
    let mut body = String::new();
    head(case, &mut body);
    summary(case, &mut body);
    for acceptance in &case.accepted {
        wavelength(case, acceptance, &mut body);
    }
    for end in case.ends() {
        closures(end, &mut body);
    }
    method(case, &mut body);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\n\
         <style>{}</style></head>\n<body>\n{body}</body></html>\n",
        escaped(&title),
        style::SHEET
    )
}

fn head(case: &Case<'_>, body: &mut String) {
    let view = case.a.view;
    let until = view
        .until
        .as_ref()
        .map_or("the line's end", |node| node.as_str());
    let length = case.a.survey.end.map_or_else(
        || "no end seen".into(),
        |(at, half)| format!("{:.1} ± {:.1} m of glass", at.get(), half.get()),
    );
    let first = case.a.taken.first().map(|taken| &taken.report);
    let maker = first.map_or(String::new(), |it| format!("{} {}", it.supplier, it.model));
    let taken = first.and_then(|it| it.taken.clone());
    let index = case
        .a
        .survey
        .group_index
        .map_or(String::new(), |it| format!("{:.5}", it.get()));
    let facts = [
        ("Line", case.line.name.clone()),
        ("Fibre", view.fibre.to_string()),
        ("From", format!("{} towards {until}", view.node)),
        ("View", view.id.to_string()),
        ("Length", length),
        ("Group index", index),
        ("Measured", taken.unwrap_or_else(|| "time unknown".into())),
        ("Instrument", maker.trim().to_owned()),
        ("Traces from A", names(case.a.taken)),
        ("Traces from B", names(case.b)),
        ("Plant file", case.plant.revision.chars().take(16).collect()),
    ];
    let line = escaped(&case.line.name);
    put(
        body,
        &format!(
            "<h1>Fibre acceptance <span>{line}, {}</span></h1><dl>",
            escaped(view.id.as_str())
        ),
    );
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        put(
            body,
            &format!("<div><dt>{name}</dt><dd>{}</dd></div>", escaped(value)),
        );
    }
    put(body, "</dl>");
}

fn names(taken: &[Taken]) -> String {
    let names: Vec<&str> = taken.iter().map(|taken| file_name(&taken.name)).collect();
    names.join(", ")
}

fn summary(case: &Case<'_>, body: &mut String) {
    let count = |verdict| {
        case.accepted
            .iter()
            .map(|it| it.count(verdict))
            .sum::<usize>()
    };
    let (fail, near, pass) = (
        count(Verdict::Fail),
        count(Verdict::Near),
        count(Verdict::Pass),
    );
    let (class, word) = match (fail, near, pass) {
        (0, 0, 0) => ("open", "NOTHING JUDGED"),
        (0, 0, _) => ("pass", "PASS"),
        (0, ..) => ("near", "NOT DECIDED"),
        _ => ("fail", "FAIL"),
    };
    let missing = counted(case.a.survey.missing.len(), "closure");
    let extra = case
        .a
        .survey
        .places
        .iter()
        .filter(|it| it.is == Identity::Extra)
        .count();
    let extra = counted(extra, "event");
    put(
        body,
        &format!(
            "<div class=\"verdict {class}\"><b>{word}</b><p>{pass} values within the limits, {fail} beyond, \
         {near} too near to tell.<br>{missing} not seen, {extra} not in the plant.</p></div>"
        ),
    );
    beyond_limits(case, body);
    for note in case.ends().flat_map(|end| &end.survey.notes) {
        put(body, &format!("<p class=\"note\">{}</p>", escaped(note)));
    }
    for (name, why) in case.unread {
        put(
            body,
            &format!("<p class=\"note\">{}: {}</p>", escaped(name), escaped(why)),
        );
    }
    if case.b.is_empty() {
        put(
            body,
            "<p class=\"note\">Measured from one end alone: a splice between glasses that scatter \
                   differently shows too much loss or a gain. Measure from both ends for its loss.</p>",
        );
    }
}

/// What breaks a limit, before all tables: that is what somebody has to go and mend.
fn beyond_limits(case: &Case<'_>, body: &mut String) {
    let line = |it: &Acceptance| {
        let nm = it.wavelength.map_or(0.0, Nanometres::get);
        let lines = beyond(case, it).into_iter();
        lines
            .map(|line| format!("<li>{nm:.0} nm: {}</li>", escaped(&line)))
            .collect::<Vec<_>>()
    };
    let all: Vec<String> = case.accepted.iter().flat_map(line).collect();
    if !all.is_empty() {
        put(
            body,
            &format!("<ul class=\"beyond\">{}</ul>", all.join("\n")),
        );
    }
}

fn wavelength(case: &Case<'_>, it: &Acceptance, body: &mut String) {
    let nm = it
        .wavelength
        .map_or_else(|| "?".into(), |nm| format!("{:.0}", Nanometres::get(nm)));
    let ways = if it.from_b.is_some() {
        "both ends"
    } else {
        "one end"
    };
    put(body, &format!("<h2>{nm} nm, from {ways}</h2>"));
    let [from_a, from_b] = &it.return_loss;
    let rows = [
        ("Loss of the whole fibre / dB", &it.total, 3),
        ("Return loss from A / dB", from_a, 1),
        ("Return loss from B / dB", from_b, 1),
    ];
    put(
        body,
        "<table class=\"slim\"><tr><th></th><th>measured</th><th>limit</th><th></th></tr>",
    );
    for (name, judged, digits) in rows.iter().filter(|(_, judged, _)| judged.value.is_some()) {
        put(
            body,
            &format!(
                "<tr><td class=\"name\">{name}</td>{}</tr>",
                cells(judged, *digits)
            ),
        );
    }
    put(body, "</table>");
    for note in &it.notes {
        put(body, &format!("<p class=\"note\">{}</p>", escaped(note)));
    }
    picture(case.a.taken.get(it.from_a), Some(&case.a), "from A", body);
    let other = it.from_b.and_then(|number| case.b.get(number));
    picture(other, case.other.as_ref(), "from B", body);
    joints(it, body);
    sections(it, body);
}

fn picture(taken: Option<&Taken>, end: Option<&End<'_>>, way: &str, body: &mut String) {
    let Some(taken) = taken else { return };
    let names = end.map_or_else(Vec::new, |end| labels(&taken.report, &end.survey.places));
    let picture = Picture {
        report: &taken.report,
        trace: &taken.looked.trace,
        reference: None,
        names: &names,
        form: Form::Figure,
    };
    let name = escaped(file_name(&taken.name));
    put(
        body,
        &format!(
            "<figure>{}<figcaption>{way}: {name}</figcaption></figure>",
            picture.svg()
        ),
    );
}

/// The landmark at each event of a report, by the event's own place.
fn labels(report: &Report, places: &[Place]) -> Vec<(OpticalLength, String)> {
    let label = |place: &Place| {
        let Identity::Landmark { name, .. } = &place.is else {
            return None;
        };
        let off = |at: OpticalLength| (at - place.at).abs().get();
        let events = report.events.iter().map(|event| event.at_m);
        let nearest = events.min_by(|a, b| off(*a).total_cmp(&off(*b)))?;
        (off(nearest) < 2.0 * place.plus_minus.get() + 15.0).then(|| (nearest, name.clone()))
    };
    places.iter().filter_map(label).collect()
}

fn joints(it: &Acceptance, body: &mut String) {
    put(
        body,
        "<h3>Splices and connectors</h3><table><tr><th>at<br>m</th><th>±<br>m</th><th class=\"name\">what</th>\
               <th>from A<br>dB</th><th>from B<br>dB</th><th>loss<br>dB</th><th>limit</th><th></th>\
               <th>refl.<br>dB</th><th>limit</th><th></th></tr>",
    );
    for row in &it.joints {
        put(body, &joint(row));
    }
    put(body, "</table>");
}

fn joint(row: &JointRow) -> String {
    let known = row.name.as_deref().map(escaped);
    let name = known.unwrap_or_else(|| "<i>not in the plant</i>".to_owned());
    let db = |value: Option<Db>| number_or_dash(value.map(Db::get), 3);
    let reflectance = if row.reflectance.value.is_some() {
        cells(&row.reflectance, 1)
    } else {
        "<td>–</td><td></td><td></td>".into()
    };
    format!(
        "<tr><td>{:.1}</td><td>{:.1}</td><td class=\"name\">{name}{}</td><td>{}</td><td>{}</td>{}{reflectance}</tr>",
        row.at.get(),
        row.plus_minus.get(),
        if row.reflective { " ▲" } else { "" },
        db(row.from_a),
        db(row.from_b),
        cells(&row.loss, 3),
    )
}

fn sections(it: &Acceptance, body: &mut String) {
    put(
        body,
        "<h3>Glass between them</h3><table class=\"slim\"><tr><th>from / km</th><th>to / km</th>\
               <th>dB/km</th><th>limit</th><th></th></tr>",
    );
    // No "-0.000" where a connector stands at the node.
    let km = |at: OpticalLength| (at.get() / 1_000.0).max(0.0);
    let row = |part: &SectionRow| {
        let (from, to) = (km(part.from), km(part.to));
        format!(
            "<tr><td>{from:.3}</td><td>{to:.3}</td>{}</tr>",
            cells(&part.slope, 3)
        )
    };
    put(body, &it.sections.iter().map(row).collect::<String>());
    put(body, "</table>");
}

/// Value, limit and verdict.
fn cells(judged: &Judged, digits: usize) -> String {
    let half = judged
        .plus_minus
        .map_or(String::new(), |half| format!(" ± {half:.digits$}"));
    let value = number_or_dash(judged.value, digits);
    let limit = judged
        .limit
        .map_or(String::new(), |limit| format!("{limit:.2}"));
    let class = match judged.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Near => "near",
        Verdict::Open => "open",
    };
    let word = verdict(judged.verdict);
    format!(
        "<td>{value}<small>{half}</small></td><td>{limit}</td><td class=\"{class}\">{word}</td>"
    )
}

fn closures(end: &End<'_>, body: &mut String) {
    put(
        body,
        &format!(
            "<h2>Landmarks as seen from {}</h2><table><tr><th>at / m</th><th>± / m</th><th class=\"name\">what</th>\
         <th>expected / m</th><th>off / m</th><th>sure</th></tr>",
            escaped(end.view.node.as_str())
        ),
    );
    for place in &end.survey.places {
        put(body, &place_row(place));
    }
    for missing in &end.survey.missing {
        let perhaps = missing.perhaps.map_or(String::new(), |(at, off)| {
            format!(
                ": perhaps the event at {:.1} m, {:+.0} m off",
                at.get(),
                off.get()
            )
        });
        put(
            body,
            &format!(
                "<tr class=\"missing\"><td>–</td><td></td><td class=\"name\">{} <i>not seen{perhaps}</i></td>\
             <td>{:.0} <small>± {:.0}</small></td><td></td><td></td></tr>",
                escaped(&missing.name),
                missing.expected.get(),
                missing.plus_minus.get()
            ),
        );
    }
    put(body, "</table>");
}

fn place_row(place: &Place) -> String {
    let start = format!(
        "<tr><td>{:.1}</td><td>{:.1}</td>",
        place.at.get(),
        place.plus_minus.get()
    );
    match &place.is {
        Identity::Start => format!(
            "{start}<td class=\"name\">connector at the node</td><td></td><td></td><td></td></tr>"
        ),
        Identity::Extra => format!(
            "{start}<td class=\"name\"><i>not in the plant</i></td><td></td><td></td><td></td></tr>"
        ),
        Identity::Landmark {
            name,
            probability,
            expected,
            plus_minus,
        } => format!(
            "{start}<td class=\"name\">{}</td><td>{:.1} <small>± {:.0}</small></td><td>{:+.1}</td><td>{:.1} %</td></tr>",
            escaped(name),
            expected.get(),
            plus_minus.get(),
            (place.at - *expected).get(),
            (probability * 100.0).min(99.9)
        ),
    }
}

fn method(case: &Case<'_>, body: &mut String) {
    put(body, "<h2>Limits and method</h2>");
    put(body, &format!("<p>{}</p>", limits_text(case.limits)));
    put(
        body,
        "<p>Distances run along the glass from the view's node, by the group index above; ± is half of a 95 % \
               interval. The loss of a joint measured from both ends is the mean of both ways. <b>near</b>: the \
               limit lies within the measurement's own interval. Sections shorter than 1 km are not judged.</p>",
    );
    put(
        body,
        "<div class=\"sign\"><span>Measured by</span><span>Accepted by</span><span>Date</span></div>",
    );
    put(
        body,
        &format!("<footer>silkline {}</footer>", env!("CARGO_PKG_VERSION")),
    );
}

fn limits_text(limits: &Limits) -> String {
    let slopes: Vec<String> = limits
        .slope
        .iter()
        .map(|(nm, slope)| format!("{:.2} dB/km at {:.0} nm", DbPerKm::get(*slope), nm.get()))
        .collect();
    let total = limits.total.map_or_else(
        || "what its glass and joints may lose together".into(),
        |total| format!("{:.2} dB", total.get()),
    );
    format!(
        "Splice {:.2} dB from both ends, {:.2} dB from one; connection {:.2} dB; reflectance {:.0} dB at most; \
         return loss {:.0} dB at least; glass {}; whole fibre {total}.",
        limits.splice.get(),
        limits.splice_one_way.get(),
        limits.connector.get(),
        limits.reflectance.get(),
        limits.return_loss.get(),
        slopes.join(", ")
    )
}

fn put(body: &mut String, text: &str) {
    // Writing to a string can not fail.
    let _ = writeln!(body, "{text}");
}
