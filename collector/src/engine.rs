//! One line's detect → locate → incident, and nothing else.
//!
//! ```text
//!   sample ──► watch (detectors) ──findings──► causes ──► incidents, notices
//!                 │                              ▲
//!                 └─► light (span rule) ─claims──┤
//!   trace ──► views (against reference) ─sighting┘──► place (fusion)
//! ```
//!
//! Pure: what happened and `now` go in, what is to be stored and told comes out. Timers run at
//! their own due times inside [`LineEngine::step`], so that replaying the recorded inputs after a
//! snapshot gives the same state bit for bit, however coarsely time was given.

mod causes;
pub mod exchange;
mod light;
mod observe;
mod origin;
pub mod permits;
mod proof;
mod prove;
pub mod settings;
mod tangled;
pub mod together;
mod views;
mod watch;
mod words;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use silkline_analysis::learn::{self, Repair};
use silkline_analysis::series::{Anomaly, AnomalyKind, Severity, device_name};
use silkline_protocol::id::{DeviceId, LineId, SiteId};
use silkline_protocol::message::TraceFile;
use silkline_protocol::plant::{Line, Plant};
use silkline_protocol::time::Timestamp;

use self::causes::{Causes, Scene};
pub use self::exchange::{Action, Input, Notice, Output, Reason};
use self::light::Runs;
pub use self::permits::PermitChange;
use self::permits::Permits;
use self::proof::Proofs;
pub use self::settings::EngineSettings;
use self::views::{Changed, Look, Says, Views};
use self::watch::{Finding, Guide, Watch};

/// The version of the snapshot's form; another one is not read.
const VERSION: u32 = 2;

/// Everything that silkline thinks about one line.
#[derive(Debug)]
pub struct LineEngine {
    /// The plant as its file has it.
    file: Arc<Plant>,
    /// The same with what repairs have taught.
    plant: Arc<Plant>,
    line: Arc<Line>,
    settings: EngineSettings,
    runs: Runs,
    state: State,
    /// Whether the detectors began with a past: what stands by it is to be said at the start.
    warmed: bool,
}

/// What a snapshot holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    version: u32,
    now: Timestamp,
    watch: Watch,
    views: Views,
    causes: Causes,
    /// Broken views: since when, and the anomaly that says so.
    broken: Vec<(silkline_protocol::id::ViewId, Anomaly)>,
    /// Changes of whole fibres that last: view, kind, place, and the anomaly that says so.
    changed: Vec<Standing>,
    /// Views that show each other's fibre, and the anomaly that says so.
    #[serde(default)]
    tangled: Vec<tangled::Tangled>,
    /// When the light is to be looked at again.
    look_again: Option<Timestamp>,
    /// Permits to work that are not over.
    #[serde(default)]
    permits: Permits,
    /// When each view was shot last.
    #[serde(default)]
    proofs: Proofs,
    /// Views that are not shot any more.
    #[serde(default)]
    unshot: Vec<Unshot>,
    /// Repairs that places go by, the newest last.
    #[serde(default)]
    repairs: Vec<Repair>,
}

/// A view of which no trace comes, and the anomaly that says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unshot {
    view: silkline_protocol::id::ViewId,
    site: SiteId,
    device: DeviceId,
    anomaly: Anomaly,
}

/// A change of a fibre that lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Standing {
    view: silkline_protocol::id::ViewId,
    kind: silkline_analysis::trace::ChangeKind,
    at_m: silkline_protocol::unit::OpticalLength,
    anomaly: Anomaly,
}

/// Why a snapshot is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BadSnapshot {
    /// It is not what this program writes.
    #[error("the engine's snapshot cannot be read")]
    Form(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("the engine's snapshot has version {0}, this program reads version {VERSION}")]
    Version(u32),
}

impl LineEngine {
    /// An engine for `line` that knows nothing yet.
    #[must_use]
    pub fn new(plant: Arc<Plant>, line: LineId, settings: EngineSettings) -> Self {
        let state = State {
            version: VERSION,
            now: Timestamp::EPOCH,
            watch: Watch::new(line.clone()),
            views: Views::default(),
            causes: Causes::default(),
            broken: Vec::new(),
            changed: Vec::new(),
            tangled: Vec::new(),
            look_again: None,
            permits: Permits::default(),
            proofs: Proofs::default(),
            unshot: Vec::new(),
            repairs: Vec::new(),
        };
        Self::with(plant, &line, settings, state)
    }

    /// The engine of `line` as [`LineEngine::snapshot`] left it.
    ///
    /// # Errors
    ///
    /// [`BadSnapshot`] for bytes that this program did not write.
    pub fn restore(
        plant: Arc<Plant>,
        line: LineId,
        settings: EngineSettings,
        snapshot: &[u8],
    ) -> Result<Self, BadSnapshot> {
        let state: State = serde_json::from_slice(snapshot)?;
        if state.version != VERSION {
            return Err(BadSnapshot::Version(state.version));
        }
        Ok(Self::with(plant, &line, settings, state))
    }

    fn with(plant: Arc<Plant>, line: &LineId, settings: EngineSettings, state: State) -> Self {
        let file = plant;
        let plant = taught(&file, &state.repairs);
        let own = plant.line(line).cloned().unwrap_or_else(|| bare(line));
        let runs = Runs::of(&plant, &own);
        let mut engine = Self {
            file,
            plant,
            line: Arc::new(own),
            settings,
            runs,
            state,
            warmed: false,
        };
        let guide = Guide::of(&engine.plant, &engine.line, &engine.runs, &engine.settings);
        engine.state.watch.guided(guide);
        engine
    }

    /// Shows the detectors their past, oldest first, without any consequence: what stands by it
    /// is said with [`Input::Started`].
    pub fn warm(&mut self, past: impl IntoIterator<Item = Input>) {
        for input in past {
            match input {
                Input::About {
                    site,
                    device,
                    about,
                } => self
                    .state
                    .watch
                    .about((&site, &device), about, Timestamp::EPOCH),
                Input::Sample {
                    site,
                    device,
                    sample,
                    ..
                } => {
                    let watch = &mut self.state.watch;
                    watch.sample((&site, &device), (&sample, true), sample.at);
                    self.warmed = true;
                }
                Input::Started
                | Input::Event { .. }
                | Input::Trace { .. }
                | Input::AgentStatus { .. }
                | Input::Operator { .. }
                | Input::Permit(_)
                | Input::Elsewhere(_)
                | Input::Tick => {}
            }
        }
    }

    /// Goes by `repairs` of before, the newest last: for an engine that begins anew.
    pub fn remember(&mut self, repairs: Vec<Repair>) {
        for repair in repairs {
            self.learn(repair);
        }
    }

    /// Takes a repair in: places are found by it from its date on.
    fn learn(&mut self, repair: Repair) {
        if repair.line != self.line.id {
            return;
        }
        let known = &mut self.state.repairs;
        known.retain(|it| it.incident != repair.incident);
        known.push(repair);
        let old = known.len().saturating_sub(learn::KEPT);
        known.drain(..old);
        self.plant = taught(&self.file, &self.state.repairs);
        if let Some(line) = self.plant.line(&self.line.id) {
            self.line = Arc::new(line.clone());
        }
    }

    /// Everything that [`LineEngine::restore`] needs.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        serde_json::to_vec(&self.state).unwrap_or_default()
    }

    /// Takes what happened at `now`, after all timers that were due before.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Vec<Output> {
        let mut out = Vec::new();
        let now = now.max(self.state.now);
        if matches!(input, Input::Started) {
            self.state.watch.excuse(now);
        }
        let mut last = None;
        while let Some(due) = self.due(now) {
            // A timer that does not move on would hold up the line for ever; it is due again at
            // the next step instead.
            if last.replace(due) == Some(due) {
                break;
            }
            self.state.now = due.max(self.state.now);
            let found = self.state.watch.expire(self.state.now);
            self.find(found, &mut out);
            self.prove(&mut out);
            self.conclude(&mut out);
        }
        self.state.now = now;
        if self.take(input, &mut out) {
            self.conclude(&mut out);
        }
        out
    }

    /// When to step again at the latest, with [`Input::Tick`] if nothing else.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.soonest(self.state.watch.deadline())
    }

    /// The first timer that is due at `now`.
    fn due(&mut self, now: Timestamp) -> Option<Timestamp> {
        let silent = self.state.watch.due(now);
        self.soonest(silent).filter(|due| *due <= now)
    }

    /// The first of all timers, that of the devices given.
    fn soonest(&self, silent: Option<Timestamp>) -> Option<Timestamp> {
        let causes = self.state.causes.deadline(&self.settings);
        silent
            .into_iter()
            .chain(causes)
            .chain(self.state.look_again)
            .chain(self.state.permits.deadline(self.state.now))
            .chain(self.state.proofs.deadline())
            .min()
    }

    /// Takes one input; whether anything came of it.
    fn take(&mut self, input: Input, out: &mut Vec<Output>) -> bool {
        match input {
            Input::Started => {
                if core::mem::take(&mut self.warmed) {
                    let standing = self.state.watch.standing();
                    self.find(standing, out);
                }
                true
            }
            Input::Tick | Input::Elsewhere(_) => true,
            Input::Trace {
                id,
                site,
                device,
                late,
                file,
            } => {
                self.trace(id, (&site, &device), (&file, late), out);
                true
            }
            Input::Permit(change) => {
                self.state.permits.take(change);
                true
            }
            Input::Operator {
                incident,
                who,
                action,
            } => {
                self.operate(&incident, (&who, action), out);
                true
            }
            told @ (Input::Sample { .. }
            | Input::About { .. }
            | Input::Event { .. }
            | Input::AgentStatus { .. }) => self.observe(told, out),
        }
    }

    /// Whether anything was found, which is taken in.
    fn news(&mut self, found: Vec<Finding>, out: &mut Vec<Output>) -> bool {
        let news = !found.is_empty();
        self.find(found, out);
        news
    }

    fn find(&mut self, found: Vec<Finding>, out: &mut Vec<Output>) {
        out.extend(
            found
                .iter()
                .map(|finding| Output::Anomaly(finding.anomaly.clone())),
        );
        let mut causes = core::mem::take(&mut self.state.causes);
        causes.find(&self.scene(), found);
        self.state.causes = causes;
    }

    /// Looks at the light, lets the causes settle, and says what is new.
    fn conclude(&mut self, out: &mut Vec<Output>) {
        self.state.permits.expire(self.state.now);
        let mut causes = core::mem::take(&mut self.state.causes);
        let scene = self.scene();
        let (claims, again) = self.runs.claims(
            &self.line,
            &self.state.watch,
            &self.settings,
            self.state.now,
        );
        causes.claim(&scene, claims);
        causes.expire(&scene);
        causes.guard(&scene);
        out.extend(causes.news(&scene));
        self.state.causes = causes;
        self.state.look_again = again;
    }

    fn trace(
        &mut self,
        id: i64,
        (site, device): (&SiteId, &DeviceId),
        (file, late): (&TraceFile, bool),
        out: &mut Vec<Output>,
    ) {
        let Look {
            view,
            named,
            tangle,
            says,
            changed,
            json,
        } = self.state.views.look(&self.line, device, (file, late));
        out.push(Output::TraceResult { id, json });
        self.state.watch.word_of(site, self.state.now);
        let (Some(view), Some(named)) = (view, named) else {
            return;
        };
        self.shot(&named, out);
        if let Some(tangle) = tangle {
            self.tangled((site, device), (&named, tangle), (file.at, out));
        }
        if let Some(changed) = changed {
            self.changed(id, (site, device), (&view, changed), (file.at, out));
        }
        let known = self
            .state
            .broken
            .iter()
            .position(|(broken, _)| *broken == view);
        match (says, known) {
            (Says::Nothing, _) => {}
            (Says::Fades, _) => {
                let mut causes = core::mem::take(&mut self.state.causes);
                causes.fades(&self.scene(), &view);
                self.state.causes = causes;
            }
            (Says::Whole, known) => {
                if let Some(k) = known {
                    let (_, mut anomaly) = self.state.broken.remove(k);
                    anomaly.to = Some(file.at);
                    let finding = trace_finding(anomaly, (site, device), self.state.now);
                    self.find(vec![finding], out);
                }
                let mut causes = core::mem::take(&mut self.state.causes);
                causes.whole(&self.scene(), &view);
                self.state.causes = causes;
            }
            (Says::Faint(sighting), _) => {
                let mut causes = core::mem::take(&mut self.state.causes);
                if causes.is_dark_at(&self.scene(), &sighting, file.at) {
                    causes.sight(&self.scene(), (id, None), sighting, file.at);
                }
                self.state.causes = causes;
            }
            (Says::Broken(sighting), known) => {
                let fresh = known.is_none().then(|| {
                    let what = format!("{view}/trace/{}", file.at.nanos());
                    let detail = format!("view {view} ends at {:.1}", sighting.optical_m);
                    let told = (Severity::Critical, detail);
                    let anomaly = self.shot_anomaly((site, device), &what, told, file.at);
                    out.push(Output::Anomaly(anomaly.clone()));
                    self.state.broken.push((view.clone(), anomaly.clone()));
                    trace_finding(anomaly, (site, device), self.state.now)
                });
                let mut causes = core::mem::take(&mut self.state.causes);
                causes.sight(&self.scene(), (id, fresh), sighting, file.at);
                self.state.causes = causes;
            }
        }
    }

    /// Takes what changed on a whole fibre: what is new opens or joins, what is gone ends.
    fn changed(
        &mut self,
        id: i64,
        (site, device): (&SiteId, &DeviceId),
        (view, changed): (&silkline_protocol::id::ViewId, Vec<Changed>),
        (at, out): (Timestamp, &mut Vec<Output>),
    ) {
        let gone = |it: &Standing| {
            it.view == *view && !changed.iter().any(|change| change.is(it.kind, it.at_m))
        };
        let standing = core::mem::take(&mut self.state.changed);
        let (over, lasting): (Vec<_>, Vec<_>) = standing.into_iter().partition(gone);
        self.state.changed = lasting;
        for Standing { mut anomaly, .. } in over {
            anomaly.to = Some(at);
            let finding = trace_finding(anomaly, (site, device), self.state.now);
            self.find(vec![finding], out);
        }
        let mut ask = false;
        for change in changed {
            // What light meters say of the same span is as good as a second shot.
            let faded = || {
                let causes = &self.state.causes;
                causes.is_faded_at(&self.scene(), &change.sighting, at)
            };
            if !change.sure && !faded() {
                ask |= !change.again;
                continue;
            }
            let known = self.state.changed.iter();
            let known = known
                .filter(|it| it.view == *view)
                .any(|it| change.is(it.kind, it.at_m));
            let fresh = (!known).then(|| {
                let place = change.sighting.optical_m.get();
                let what = format!("{view}/trace/{}/{place}", at.nanos());
                let told = (change.severity(), change.said());
                let anomaly = self.shot_anomaly((site, device), &what, told, at);
                out.push(Output::Anomaly(anomaly.clone()));
                self.state.changed.push(Standing {
                    view: view.clone(),
                    kind: change.kind,
                    at_m: change.sighting.optical_m,
                    anomaly: anomaly.clone(),
                });
                trace_finding(anomaly, (site, device), self.state.now)
            });
            let mut causes = core::mem::take(&mut self.state.causes);
            causes.sight_change(&self.scene(), (id, fresh), change.sighting, at);
            self.state.causes = causes;
        }
        if ask {
            let (site, view) = (site.clone(), self.state.views.named(view).clone());
            out.push(Output::Shoot { site, view });
        }
    }

    /// What shots of an instrument have shown since `at`; `what` tells it from all others of it.
    fn shot_anomaly(
        &self,
        (site, device): (&SiteId, &DeviceId),
        what: &str,
        (severity, detail): (Severity, String),
        at: Timestamp,
    ) -> Anomaly {
        let device = device_name(site, device);
        Anomaly {
            id: format!("{device}/{what}"),
            line: self.line.id.clone(),
            device,
            point: None,
            kind: AnomalyKind::Trace,
            from: at,
            to: None,
            raised: self.state.now,
            severity,
            detail,
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            plant: &self.plant,
            line: &self.line,
            settings: &self.settings,
            runs: &self.runs,
            watch: &self.state.watch,
            views: &self.state.views,
            permits: &self.state.permits,
            now: self.state.now,
        }
    }
}

/// The plant with what `repairs` have taught.
fn taught(file: &Arc<Plant>, repairs: &[Repair]) -> Arc<Plant> {
    if repairs.is_empty() {
        return Arc::clone(file);
    }
    Arc::new(learn::learn(file, repairs))
}

fn trace_finding(
    anomaly: Anomaly,
    (site, device): (&SiteId, &DeviceId),
    now: Timestamp,
) -> Finding {
    let (site, device) = (site.clone(), Some(device.clone()));
    Finding {
        anomaly,
        site,
        device,
        role: None,
        found: now,
        because: None,
    }
}

/// A line of which the plant file tells nothing: nothing can be located on it, devices still can
/// be watched.
fn bare(line: &LineId) -> Line {
    use silkline_protocol::plant::{End, LineKind};
    let nowhere = || End::Branch(line.clone(), unnamed());
    Line {
        id: line.clone(),
        name: line.to_string(),
        kind: LineKind::Terrestrial,
        a: nowhere(),
        b: nowhere(),
        route: Vec::new(),
        nodes: Vec::new(),
        landmarks: Vec::new(),
        posts: Vec::new(),
        sections: Vec::new(),
        fibres: Vec::new(),
        feed: None,
        views: Vec::new(),
        marks: Vec::new(),
    }
}

#[expect(clippy::expect_used, reason = "a constant that is an id")]
fn unnamed() -> silkline_protocol::id::NodeId {
    "unnamed".parse().expect("letters only")
}

#[cfg(test)]
mod tests;
