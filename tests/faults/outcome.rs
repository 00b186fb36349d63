//! One case through everything, and what the operator was told held against what is so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use silkline_analysis::incident::{Incident, Kind as Sort, State};
use silkline_analysis::place::{Candidate, Place, PlaceKind};
use silkline_analysis::series::{Anomaly, device_name};
use silkline_collector::engine::{EngineSettings, Output};
use silkline_protocol::plant::Plant;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use crate::bed::{Bed, Central, Ground, clock};
use crate::case::{Case, Cause, Kind, What};
use crate::mistake::Mistake;

/// What came of a case.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    pub(crate) told: Vec<Told>,
    /// Incidents there ever were, and those that no cause has.
    pub(crate) incidents: usize,
    pub(crate) strangers: Vec<String>,
    pub(crate) alarms: usize,
    /// Alarms that stand in the incident of a true cause.
    pub(crate) folded: usize,
    pub(crate) trace_cpu: Vec<Duration>,
    /// How often people were told, and whether that is too often.
    pub(crate) notices: usize,
    pub(crate) noisy: bool,
    /// Each incident as people read it, and the alarms that stand in none of a true cause.
    pub(crate) read: Vec<String>,
}

/// What was told of one cause.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) cause: Cause,
    pub(crate) headline: Option<String>,
    pub(crate) right_cause: bool,
    pub(crate) right_span: bool,
    pub(crate) place: Option<Place>,
    /// From the fault to the first word of the right span or node, and to a place by a trace.
    pub(crate) span_after: Option<Duration>,
    pub(crate) place_after: Option<Duration>,
    /// Each sighting: which view, where along its glass, and how far off that is.
    pub(crate) sightings: Vec<Sighting>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) view: silkline_protocol::id::ViewId,
    pub(crate) optical_m: f64,
    pub(crate) error_m: f64,
    pub(crate) stated_sd_m: f64,
}

/// What is wrong before a fault has been so for this long.
const LONG_BEFORE: Duration = Duration::from_secs(200);

/// Runs `case` from `ground`.
pub(crate) fn run(ground: &Ground, plant: &Plant, case: &Case) -> Outcome {
    let made = |mistake: &Mistake| mistake.made(plant);
    let central = Central {
        plant: Arc::new(case.mistake.as_ref().map_or_else(|| plant.clone(), made)),
        settings: EngineSettings {
            planned: case.planned.clone(),
            ..EngineSettings::default()
        },
    };
    let with = (&central, &case.wire);
    let known = (case.hush.as_slice(), case.views.as_slice());
    let mut bed = match case.past {
        None => ground.bed(with, case.seed),
        Some(seconds) => ground.fresh(with, case.seed, known, seconds),
    };
    bed.disturb(case.noise);
    prepare(&mut bed, case);
    bed.said.clear();
    bed.trace_cpu.clear();
    let start = bed.now;
    for (at, fault, worn) in &case.faults {
        bed.inflict(start + *at, fault.clone(), *worn);
    }
    for (at, fault) in &case.mends {
        bed.mend(start + *at, fault.clone());
    }
    if let Some(away) = case.away {
        bed.leave(away.map(|at| start + at));
    }
    if let Some((view, at, late)) = &case.stray {
        bed.lay_about(view, (start + *at, *late));
    }
    bed.run(case.run);
    judge(&bed, plant, case, start)
}

/// What was so long before the fault.
fn prepare(bed: &mut Bed, case: &Case) {
    for fault in &case.before {
        bed.inflict(bed.now, fault.clone(), Duration::ZERO);
    }
    for site in &case.gone {
        bed.lose(site);
    }
    if !case.before.is_empty() || !case.gone.is_empty() {
        bed.run(LONG_BEFORE);
    }
}

fn judge(bed: &Bed, plant: &Plant, case: &Case, start: Duration) -> Outcome {
    let mut incidents = Courses::new();
    let mut alarms: BTreeMap<String, Anomaly> = BTreeMap::new();
    let mut notices = 0;
    for (at, output) in &bed.said {
        match output {
            Output::Notice(_) => notices += 1,
            Output::Incident(incident) if incident.opened >= clock(start) => {
                let all = incidents.entry(incident.id.to_string()).or_default();
                all.push((at.saturating_sub(start), (**incident).clone()));
            }
            Output::Anomaly(anomaly) => {
                alarms.insert(anomaly.id.clone(), anomaly.clone());
            }
            _ => {}
        }
    }
    // One that was closed again because it is part of another is that one.
    incidents.retain(|_, course| {
        course
            .last()
            .is_some_and(|(_, it)| it.state != State::Closed)
    });
    let mut left: BTreeSet<String> = incidents.keys().cloned().collect();
    let mut folded: BTreeSet<String> = BTreeSet::new();
    let mut told = Vec::new();
    for cause in &case.causes {
        let merit = |id: &&String| {
            let incident = &incidents[*id].last().unwrap().1;
            let own = incident.lines.first() == Some(&cause.line);
            (2 * u8::from(is_cause(cause, incident)) + 3 * u8::from(is_there(cause, incident)))
                * u8::from(own)
        };
        let best = left
            .iter()
            .filter(|id| merit(id) > 0)
            .max_by_key(|id| merit(id))
            .cloned();
        let Some(id) = best else {
            told.push(Told::nothing(cause));
            continue;
        };
        left.remove(&id);
        let course = &incidents[&id];
        let anomalies = &course.last().unwrap().1.anomalies;
        folded.extend(anomalies.iter().map(|anomaly| anomaly.id.clone()));
        told.push(Told::of(bed, plant, cause, course));
    }
    let newest = |id: &String| &incidents[id].last().unwrap().1;
    Outcome {
        seed: case.seed,
        kind: case.kind,
        told,
        incidents: incidents.len(),
        strangers: left.iter().map(|id| words(newest(id))).collect(),
        alarms: alarms.len(),
        folded: alarms.keys().filter(|id| folded.contains(*id)).count(),
        trace_cpu: bed.trace_cpu.clone(),
        notices,
        noisy: case.most_notices.is_some_and(|most| notices > most),
        read: as_read((&incidents, &alarms), &folded, start),
    }
}

type Courses = BTreeMap<String, Vec<(Duration, Incident)>>;

/// Every incident as people read it, and the alarms that stand in none.
fn as_read(
    (incidents, alarms): (&Courses, &BTreeMap<String, Anomaly>),
    folded: &BTreeSet<String>,
    start: Duration,
) -> Vec<String> {
    let last = incidents.values().filter_map(|course| course.last());
    let loose = alarms.values().filter(|alarm| !folded.contains(&alarm.id));
    let loose = loose.map(|alarm| {
        let after = seconds_after(start, alarm.raised);
        format!("loose: {after:8.2} s {} {}", alarm.id, alarm.detail)
    });
    last.map(|(_, incident)| read(incident, start))
        .chain(loose)
        .collect()
}

/// An incident as people read it: its headline, what was seen, and its history since the start.
fn read(incident: &Incident, start: Duration) -> String {
    let place = &incident.place;
    let mut text = format!(
        "{}\n      {:?} {:?} {:?} {:?}",
        words(incident),
        place.span,
        place.chainage_m,
        place.interval95_m,
        place.notes
    );
    for candidate in &place.candidates {
        text += &format!("\n      perhaps {:?}", candidate.chainage_m);
    }
    for entry in &incident.history {
        let after = seconds_after(start, entry.at);
        text += &format!("\n      {after:8.2} s {}: {}", entry.who, entry.what);
    }
    for anomaly in &incident.anomalies {
        let after = seconds_after(start, anomaly.raised);
        text += &format!("\n      {after:8.2} s {} {}", anomaly.id, anomaly.detail);
    }
    text
}

fn seconds_after(start: Duration, at: Timestamp) -> f64 {
    (at.nanos() - clock(start).nanos()) as f64 / 1e9
}

/// An incident that no cause explains, with the sightings that led to it.
fn words(incident: &Incident) -> String {
    let (kind, state) = (incident.kind.word(), incident.state.word());
    let seen = incident.evidence.iter();
    let seen: Vec<String> = seen
        .filter_map(|e| e.finding.sighting())
        .map(|s| format!("{} at {:.0}", s.view, s.optical_m.get()))
        .collect();
    format!("{kind} {state} {} {seen:?}", incident.headline)
}

/// Whether an incident says what kind of cause it is, and of what.
fn is_cause(cause: &Cause, incident: &Incident) -> bool {
    let sort = incident.kind;
    match &cause.what {
        What::Break => sort == Sort::Break,
        What::Fade => sort == Sort::Degradation,
        What::Node(_) => sort == Sort::Equipment,
        What::Pump(_) => matches!(sort, Sort::Equipment | Sort::Degradation),
        What::Feed => sort == Sort::PowerFeed,
        What::Supply(_) => sort == Sort::Environment,
        What::Device(..) => matches!(sort, Sort::Equipment | Sort::Agent),
        What::Drained(_) => matches!(sort, Sort::Equipment | Sort::Environment),
    }
}

/// Whether an incident says where it is: the span, the node, the device; of a shunt the stretch.
fn is_there(cause: &Cause, incident: &Incident) -> bool {
    let place = &incident.place;
    match &cause.what {
        What::Break | What::Fade => place.span == cause.span && place.kind == PlaceKind::Span,
        What::Node(node) | What::Pump(node) | What::Drained(node) => {
            place.node.as_ref() == Some(node)
        }
        What::Feed => place
            .interval95_m
            .zip(cause.at)
            .is_some_and(|([low, high], at)| low <= at && at <= high),
        What::Supply(site) => {
            let at_site = format!("{site}.");
            incident
                .anomalies
                .iter()
                .any(|a| a.device.starts_with(&at_site))
        }
        What::Device(site, device) => {
            let name = device_name(site, device);
            incident.anomalies.iter().any(|a| a.device == name)
        }
    }
}

impl Told {
    fn nothing(cause: &Cause) -> Self {
        Self {
            cause: cause.clone(),
            headline: None,
            right_cause: false,
            right_span: false,
            place: None,
            span_after: None,
            place_after: None,
            sightings: Vec::new(),
        }
    }

    fn of(bed: &Bed, plant: &Plant, cause: &Cause, course: &[(Duration, Incident)]) -> Self {
        let last = &course.last().unwrap().1;
        let since = |at: Duration| at.saturating_sub(cause.since);
        let there =
            |(_, i): &&(Duration, Incident)| is_there(cause, i) && i.state != State::Suspect;
        let traced = |(_, i): &&(Duration, Incident)| {
            let seen = i.evidence.iter().any(|e| e.finding.sighting().is_some());
            seen && i.place.interval95_m.is_some()
        };
        Self {
            cause: cause.clone(),
            headline: Some(last.headline.clone()),
            right_cause: is_cause(cause, last),
            right_span: is_there(cause, last),
            place: Some(last.place.clone()),
            span_after: course.iter().find(there).map(|(at, _)| since(*at)),
            place_after: course.iter().find(traced).map(|(at, _)| since(*at)),
            sightings: sightings(bed, plant, cause, last),
        }
    }

    /// Whether both places are told of a cable that is torn at two.
    pub(crate) fn shows_both(&self) -> Option<bool> {
        let wanted = [self.cause.at?, self.cause.also?];
        let candidates = self.place.as_ref().map(|place| place.candidates.as_slice());
        let near = |at: &RouteLength| {
            let holds = |c: &Candidate| (c.chainage_m - *at).abs() < RouteLength::of(50.0);
            candidates.unwrap_or_default().iter().any(holds)
        };
        Some(wanted.iter().all(near))
    }

    /// How far off the told place is; nothing where no single place is told.
    pub(crate) fn error_m(&self) -> Option<f64> {
        let at = self.place.as_ref()?.chainage_m?;
        Some((at - self.cause.at?).abs().get())
    }

    /// The 95 % interval, and whether it holds the truth.
    pub(crate) fn interval(&self) -> Option<(f64, bool)> {
        let [low, high] = self.place.as_ref()?.interval95_m?;
        let at = self.cause.at?;
        Some(((high - low).get(), low <= at && at <= high))
    }
}

fn sightings(bed: &Bed, plant: &Plant, cause: &Cause, incident: &Incident) -> Vec<Sighting> {
    let (Some(at), Some(cable)) = (cause.at, bed.world().truth().cable(&cause.line)) else {
        return Vec::new();
    };
    let seen = incident
        .evidence
        .iter()
        .filter_map(|e| e.finding.sighting());
    let of = seen.filter_map(|s| {
        let (_, view) = plant.view(&s.view)?;
        let start = cable.node_glass(&view.node)?;
        let true_m = (cable.glass_at(at) - start).get().abs();
        Some(Sighting {
            view: s.view.clone(),
            optical_m: s.optical_m.get(),
            error_m: s.optical_m.get() - true_m,
            stated_sd_m: s.random_m.get().hypot(s.systematic_m.get()),
        })
    });
    of.collect()
}
