//! Parts of the table as people read them.

use std::fmt::Write;

use serde_json::Value;
use silkline_sor::Sor;

use super::super::both::Closure;
use super::super::compare::ChangeKind;

impl ChangeKind {
    /// What people call it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Break => "break",
            Self::NewLoss => "new loss",
            Self::LossChange => "loss changed",
            Self::ReflectanceChange => "reflectance changed",
            Self::EndMoved => "end moved",
            Self::TotalLossChange => "total loss changed",
        }
    }
}

/// A number, or a dash where there is none.
pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

/// What a reader should know, over as many lines as it takes.
pub(super) fn warning(what: &str, text: &mut String) -> std::fmt::Result {
    /// A line with its sign fits 80 columns.
    const WIDTH: usize = 76;
    let mut line = String::new();
    let mut sign = "  ! ";
    for word in what.split_whitespace() {
        let longer = line.chars().count() + 1 + word.chars().count();
        if longer > WIDTH && !line.is_empty() {
            writeln!(text, "{sign}{line}")?;
            sign = "    ";
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&super::cut(word, WIDTH));
    }
    writeln!(text, "{sign}{line}")
}

/// The place on the route: which kilometre, between which landmarks, at which coordinates.
pub(super) fn place(place: &Value, text: &mut String) -> std::fmt::Result {
    let metres = |key: &str| place.get(key).and_then(Value::as_f64);
    let word = |key: &str| place.get(key).and_then(Value::as_str);
    let Some(chainage) = metres("chainage_m") else {
        return writeln!(text, "  place: nobody can tell");
    };
    let interval = place.get("interval95_m").and_then(Value::as_array);
    let ends: Vec<f64> = interval
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    let sure = match ends[..] {
        [low, high] => format!(", 95 % within {:.3} to {:.3}", low / 1e3, high / 1e3),
        _ => String::new(),
    };
    let line = word("line").unwrap_or_default();
    writeln!(text, "  place: {line} km {:.3}{sure}", chainage / 1e3)?;
    let beside = |key: &str| {
        let beside = place.get(key)?;
        let name = beside.get("landmark")?.as_str()?;
        let off = beside.get("offset_m")?.as_f64()?;
        let side = if off < 0.0 { "before" } else { "behind" };
        Some(format!("{:.0} m {side} {name}", off.abs()))
    };
    let sides: Vec<String> = ["before", "after"].into_iter().filter_map(beside).collect();
    if !sides.is_empty() {
        writeln!(text, "         {}", super::cut(&sides.join(", "), 71))?;
    }
    match (metres("lat"), metres("lon")) {
        (Some(lat), Some(lon)) => writeln!(text, "         {lat:.5}, {lon:.5}"),
        _ => Ok(()),
    }
}

/// A gap of so many halves of its 95 % interval is no chance: zeros or lengths are wrong.
const PLAIN_GAP: f64 = 2.0;

/// Whether distances from both ends add up to the fibre's length.
pub(super) fn closure(it: &Closure, text: &mut String) -> std::fmt::Result {
    let Some(gap) = it.gap_m else {
        return Ok(());
    };
    let (gap, half) = (gap.get(), it.plus_minus_m.get());
    if gap.abs() <= PLAIN_GAP * half {
        return writeln!(
            text,
            "  distances from both ends add up: {gap:+.1} ± {half:.1} m, joints in both: {}",
            it.joints
        );
    }
    let than = if gap > 0.0 { "more" } else { "less" };
    warning(
        &format!(
            "distances from both ends add up to {:.1} ± {half:.1} m {than} than the fibre's length",
            gap.abs()
        ),
        text,
    )
}

/// What a file holds beside the curve that is shown.
pub(super) fn other_curves(sor: &Sor) -> Option<String> {
    let count = sor.other_curves.len();
    if count == 0 {
        return None;
    }
    let pulses = sor.acquisition.other_pulses.iter();
    let pulses: Vec<String> = pulses.map(|it| format!("{} ns", it.width_ns)).collect();
    let told = if pulses.len() == count {
        format!(" ({})", pulses.join(", "))
    } else {
        String::new()
    };
    let plural = if count == 1 { "" } else { "s" };
    Some(format!(
        "the file holds {count} more curve{plural}{told}, not shown here"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use silkline_protocol::unit::OpticalLength;

    fn told(what: &str) -> Vec<String> {
        let mut text = String::new();
        warning(what, &mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_long_warning_is_told_whole() {
        let words = "the light fades into the noise before any end of the fibre ".repeat(4);
        let lines = told(&words);
        assert!(lines.len() > 2 && lines.iter().all(|line| line.chars().count() <= 80));
        assert!(lines[0].starts_with("  ! the") && lines[1].starts_with("    "));
        let joined: Vec<&str> = lines
            .iter()
            .flat_map(|line| line.split_whitespace())
            .collect();
        assert_eq!(joined[1..].join(" "), words.trim());
        assert_eq!(told("short"), ["  ! short"]);
    }

    #[test]
    fn distances_that_do_not_add_up_are_said() {
        let told = |gap: Option<f64>| {
            let mut text = String::new();
            let closure = Closure {
                sum_m: None,
                length_m: None,
                gap_m: gap.map(OpticalLength::of),
                plus_minus_m: OpticalLength::of(2.5),
                joints: 9,
            };
            super::closure(&closure, &mut text).unwrap();
            text
        };
        assert_eq!(told(None), "");
        let fits = "  distances from both ends add up: +3.0 ± 2.5 m, joints in both: 9\n";
        assert_eq!(told(Some(3.0)), fits);
        let missing = told(Some(-40.0));
        assert!(missing.starts_with("  ! distances"), "{missing}");
        assert!(missing.contains("40.0 ± 2.5 m less"), "{missing}");
    }

    #[test]
    fn curves_that_are_not_shown_are_told_with_their_pulses() {
        use silkline_sor::{Acquisition, Curve, GroupIndex, OneWayTime, Pulse};
        let pulse = |width_ns| Pulse {
            width_ns,
            spacing: OneWayTime::from_metres(2.0, GroupIndex::STANDARD_1550),
        };
        let settings = Acquisition::new(pulse(100), GroupIndex::STANDARD_1550, 1_550.0);
        let curve = Curve {
            scale: 1_000,
            raw: vec![20_000; 100],
        };
        let mut sor = Sor::new(settings, curve.clone());
        assert_eq!(other_curves(&sor), None);
        sor.other_curves = vec![curve];
        let unknown = other_curves(&sor).unwrap();
        assert_eq!(unknown, "the file holds 1 more curve, not shown here");
        sor.acquisition.other_pulses = vec![pulse(300)];
        let known = other_curves(&sor).unwrap();
        assert_eq!(
            known,
            "the file holds 1 more curve (300 ns), not shown here"
        );
    }

    #[test]
    fn a_place_tells_kilometre_neighbours_and_coordinates() {
        let place_of = |value: Value| {
            let mut text = String::new();
            place(&value, &mut text).unwrap();
            text
        };
        let known = serde_json::json!({"line": "west-east", "chainage_m": 8_000.0,
            "interval95_m": [7_990.0, 8_010.0], "lat": 40.5, "lon": 46.25,
            "before": {"landmark": "C-1", "offset_m": 25.0},
            "after": {"landmark": "C-2", "offset_m": -75.0}});
        assert_eq!(
            place_of(known),
            "  place: west-east km 8.000, 95 % within 7.990 to 8.010\n         \
             25 m behind C-1, 75 m before C-2\n         40.50000, 46.25000\n"
        );
        assert_eq!(place_of(Value::Null), "  place: nobody can tell\n");
    }
}
