//! A month as a table for a spreadsheet: lines, services and incidents, each a row.

use super::{Availability, IncidentMonth, MonthReport, Repairs};
use crate::csv::{number, quoted};

/// The columns; those that say nothing of a kind of row are empty there.
const HEAD: &str = "what,id,name,availability_percent,availability_without_planned_percent,outages,\
unavailable_s,planned_s,period_s,faults,planned_faults,repaired,mean_to_repair_s,\
mean_to_acknowledge_s,mean_between_outages_s,from,to,lasted_s,planned,severity,kind,affected";

pub(super) fn csv(report: &MonthReport) -> String {
    let lines = report.lines.iter().map(|line| {
        let head = ["line", line.line.as_str(), &line.name].map(quoted);
        let repairs = repairs(Some(&line.repairs));
        [
            &head[..],
            &available(&line.availability),
            &repairs,
            &none::<7>(),
        ]
        .concat()
    });
    let services = report.services.iter().map(|service| {
        let head = ["service", &service.service, &service.customer].map(quoted);
        let repairs = repairs(None);
        [
            &head[..],
            &available(&service.availability),
            &repairs,
            &none::<7>(),
        ]
        .concat()
    });
    let incidents = report.incidents.iter().map(incident);
    let rows = lines.chain(services).chain(incidents);
    let rows = rows.map(|fields| fields.join(","));
    let mut all: Vec<String> = core::iter::once(HEAD.to_owned()).chain(rows).collect();
    all.push(String::new());
    all.join("\n")
}

fn incident(of: &IncidentMonth) -> Vec<String> {
    let head = ["incident", of.id.as_str(), &of.headline].map(quoted);
    let severity = serde_json::to_value(of.severity).ok();
    let severity = severity.as_ref().and_then(|word| word.as_str());
    let tail = [
        of.from.to_string(),
        of.to.map(|to| to.to_string()).unwrap_or_default(),
        number(of.lasted_s, 0),
        of.planned.to_string(),
        severity.unwrap_or_default().to_owned(),
        quoted(&of.kind),
        quoted(&of.affected.join(" ")),
    ];
    [&head[..], &none::<12>(), &tail].concat()
}

fn available(of: &Availability) -> [String; 6] {
    let percent = |share: Option<f64>| number(share.map(|share| share * 100.0), 5);
    [
        percent(of.share),
        percent(of.share_without_planned),
        of.outages.to_string(),
        number(Some(of.unavailable_s), 0),
        number(Some(of.planned_s), 0),
        number(Some(of.period_s), 0),
    ]
}

fn repairs(of: Option<&Repairs>) -> [String; 6] {
    let Some(of) = of else { return none() };
    [
        of.faults.to_string(),
        of.planned.to_string(),
        of.repaired.to_string(),
        number(of.mean_to_repair_s, 0),
        number(of.mean_to_acknowledge_s, 0),
        number(of.mean_between_outages_s, 0),
    ]
}

/// Fields with nothing in them.
fn none<const N: usize>() -> [String; N] {
    [const { String::new() }; N]
}
