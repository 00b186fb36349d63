//! The acceptance report as a table for other programs: one row an event, units in the head.

use silkline_analysis::survey::accept::{Acceptance, JointRow, Judged, Verdict};
use silkline_protocol::unit::{Db, Nanometres};

use super::{Case, file_name};
use crate::csv::quoted;

/// The columns.
const HEAD: &str = "view,wavelength_nm,at_m,plus_minus_m,landmark,kind,loss_from_a_db,loss_from_b_db,loss_db,\
loss_plus_minus_db,loss_limit_db,loss_verdict,reflectance_db,reflectance_limit_db,reflectance_verdict,\
trace_from_a,trace_from_b";

/// The whole table.
pub(super) fn table(case: &Case<'_>) -> String {
    let mut lines = vec![HEAD.to_owned()];
    for acceptance in &case.accepted {
        let of = |row: &JointRow| joint(case, acceptance, row);
        lines.extend(acceptance.joints.iter().map(of));
    }
    lines.extend(case.a.survey.missing.iter().map(|missing| {
        let mut fields = vec![String::new(); HEAD.split(',').count()];
        let known = [
            quoted(case.a.view.id.as_str()),
            String::new(),
            format!("{:.1}", missing.expected.get()),
            format!("{:.1}", missing.plus_minus.get()),
            quoted(&missing.name),
            "not seen".to_owned(),
        ];
        for (field, value) in fields.iter_mut().zip(known) {
            *field = value;
        }
        fields.join(",")
    }));
    lines.push(String::new());
    lines.join("\n")
}

fn joint(case: &Case<'_>, acceptance: &Acceptance, row: &JointRow) -> String {
    let shot = |taken: &[super::Taken], number: Option<usize>| {
        let taken = number.and_then(|number| taken.get(number));
        taken.map_or(String::new(), |taken| quoted(file_name(&taken.name)))
    };
    let number = |value: Option<f64>, digits: usize| {
        value.map_or(String::new(), |value| format!("{value:.digits$}"))
    };
    let db = |value: Option<Db>| number(value.map(Db::get), 3);
    let Judged {
        value,
        plus_minus,
        limit,
        ..
    } = row.loss;
    [
        quoted(case.a.view.id.as_str()),
        number(acceptance.wavelength.map(Nanometres::get), 0),
        number(Some(row.at.get()), 1),
        number(Some(row.plus_minus.get()), 1),
        quoted(row.name.as_deref().unwrap_or_default()),
        if row.reflective {
            "reflective"
        } else {
            "splice"
        }
        .to_owned(),
        db(row.from_a),
        db(row.from_b),
        number(value, 3),
        number(plus_minus, 3),
        number(limit, 2),
        word(row.loss.verdict).to_owned(),
        number(row.reflectance.value, 1),
        number(row.reflectance.limit, 1),
        word(row.reflectance.verdict).to_owned(),
        shot(case.a.taken, Some(acceptance.from_a)),
        shot(case.b, acceptance.from_b),
    ]
    .join(",")
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Near => "near",
        Verdict::Open => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_tells_its_unit() {
        for column in HEAD.split(',') {
            let bare = ["view", "landmark", "kind", "trace_from_a", "trace_from_b"];
            let told = ["_m", "_db", "_nm", "_verdict"]
                .iter()
                .any(|end| column.ends_with(end));
            assert!(told || bare.contains(&column), "{column}");
        }
    }
}
