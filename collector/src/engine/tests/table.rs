//! What must be raised at each node and what must not, fault by fault.
//!
//! | fault | dark | one incident |
//! |---|---|---|
//! | cut, both fibres, n1-n2 | in and supervisory of n2 from A, of n1 from B | break n1..n2 |
//! | the same, lasers shut down | outputs of n1 and n2 towards the cut too | break n1..n2 |
//! | cut of the fibre A to B alone | in and supervisory of n2 from A | break n1..n2 |
//! | the same, lasers shut down | output of n2 and in of n1 towards A too; supervisory lives there | break n1..n2 |
//! | amplifier A to B of n2 | output of n2, in of n3; supervisory lives | equipment n2 |
//! | power of hut n2 | in and supervisory of both neighbours; n2 is silent | equipment n2 |
//!
//! Everything else stays quiet, and what is raised belongs to the one incident.

use std::collections::BTreeSet;

use silkline_analysis::incident::Kind;
use silkline_analysis::series::{AnomalyKind, Severity};

use super::PHASES;
use super::world::{Fault, World};
use crate::engine::Output;

struct Row {
    fault: Fault,
    shutdown: bool,
    dark: &'static [&'static str],
    kind: Kind,
    span: Option<&'static str>,
    node: Option<&'static str>,
    severity: Severity,
}

const TABLE: [Row; 6] = [
    Row {
        fault: Fault::Cut(121_237.0),
        shutdown: false,
        dark: &[
            "s1 in_power.2",
            "s1 osc_in_power.2",
            "s2 in_power.1",
            "s2 osc_in_power.1",
        ],
        kind: Kind::Break,
        span: Some("n1..n2"),
        node: None,
        severity: Severity::Critical,
    },
    Row {
        fault: Fault::Cut(121_237.0),
        shutdown: true,
        dark: &[
            "s1 in_power.2",
            "s1 osc_in_power.2",
            "s1 out_power.1",
            "s2 in_power.1",
            "s2 osc_in_power.1",
            "s2 out_power.2",
        ],
        kind: Kind::Break,
        span: Some("n1..n2"),
        node: None,
        severity: Severity::Critical,
    },
    Row {
        fault: Fault::HalfCut(121_237.0),
        shutdown: false,
        dark: &["s2 in_power.1", "s2 osc_in_power.1"],
        kind: Kind::Break,
        span: Some("n1..n2"),
        node: None,
        severity: Severity::Major,
    },
    Row {
        fault: Fault::HalfCut(121_237.0),
        shutdown: true,
        dark: &[
            "s1 in_power.2",
            "s2 in_power.1",
            "s2 osc_in_power.1",
            "s2 out_power.2",
        ],
        kind: Kind::Break,
        span: Some("n1..n2"),
        node: None,
        severity: Severity::Critical,
    },
    Row {
        fault: Fault::Amplifier(2),
        shutdown: false,
        dark: &["s2 out_power.1", "s3 in_power.1"],
        kind: Kind::Equipment,
        span: None,
        node: Some("n2"),
        severity: Severity::Major,
    },
    Row {
        fault: Fault::Hut(2),
        shutdown: false,
        dark: &[
            "s1 in_power.2",
            "s1 osc_in_power.2",
            "s3 in_power.1",
            "s3 osc_in_power.1",
        ],
        kind: Kind::Equipment,
        span: None,
        node: Some("n2"),
        severity: Severity::Critical,
    },
];

#[test]
fn each_fault_raises_what_it_must_and_nothing_else() {
    for row in &TABLE {
        for seed in 0..6_u64 {
            let phases = core::array::from_fn(|k| (seed * 7919 + k as u64 * 104_729) % 1000);
            judge(row, if seed == 0 { PHASES } else { phases });
        }
    }
}

fn judge(row: &Row, phases: [u64; 5]) {
    let mut world = World::new(phases);
    world.shutdown = row.shutdown;
    world.run(2000);
    world.faults = vec![row.fault];
    world.run(20_000);
    let what = (row.fault, row.shutdown, phases);
    let incident = world.only();
    assert_eq!(incident.kind, row.kind, "{what:?} {}", incident.headline);
    assert_eq!(incident.place.span.as_deref(), row.span, "{what:?}");
    let node = incident.place.node.as_ref().map(|node| node.as_str());
    assert_eq!(node, row.node, "{what:?}");
    assert_eq!(incident.severity, row.severity, "{what:?}");
    let raised: Vec<_> = world
        .said
        .iter()
        .filter_map(|output| match output {
            Output::Anomaly(anomaly) => Some(anomaly),
            _ => None,
        })
        .collect();
    let dark: BTreeSet<String> = raised
        .iter()
        .filter(|anomaly| anomaly.kind == AnomalyKind::Dark)
        .map(|anomaly| {
            let site = anomaly.device.split('.').next().unwrap();
            format!("{site} {}", anomaly.point.as_ref().unwrap())
        })
        .collect();
    let wanted: BTreeSet<String> = row.dark.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(dark, wanted, "{what:?}");
    for anomaly in raised {
        let known = incident.anomalies.iter().any(|own| own.id == anomaly.id);
        assert!(known, "{what:?}: {anomaly:?} is no part of the incident");
        let fits = matches!(
            anomaly.kind,
            AnomalyKind::Dark | AnomalyKind::Alarm | AnomalyKind::Silent
        );
        assert!(fits, "{what:?}: {anomaly:?}");
    }
    let told = world.notices.iter().map(|n| n.reason).collect::<Vec<_>>();
    assert_eq!(
        told.iter().filter(|r| r.word() == "opened").count(),
        1,
        "{what:?} {told:?}"
    );
}
