//! One cause over several lines: where lines lie in one trench, one digger is one incident.
//!
//! ```text
//!   engine of A ──incident a──┐                       ┌──▶ a with lines A and B
//!   engine of B ──incident b──┴─▶ same stretch, soon ─┤    (b is told by nobody)
//!                                 elsewhere, or late ─┴──▶ a, b
//!   another collector ──incident c, retained──▶ related = [c]
//! ```
//!
//! Every engine goes on with its own incident; here the second one is folded into the first, and
//! unfolded when its place turns out to be elsewhere. A break takes in light that gets less, never the
//! other way round. One that was told already, and only later turns
//! out to be a break of the same stretch, is closed as part of the other: people who follow it find
//! where it went on. What operators do to the first is done to all.
//! Pure and ordered, so that a replay gives the same incidents bit for bit.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use silkline_analysis::incident::{Entry, Incident, Kind, State};
use silkline_analysis::series::AnomalyKind;
use silkline_protocol::id::{IncidentId, LineId};
use silkline_protocol::plant::{Plant, Shared};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use super::exchange::{Notice, Output, Reason};

/// Two lines that lose light within this time where they lie together have one cause: an agent
/// polls every few seconds, and a digger needs a moment for the second cable.
const SOON: Duration = Duration::from_secs(300);
/// How far outside a shared stretch a place may seem to be.
const BESIDE_M: f64 = 100.0;
/// Incidents of other collectors that are remembered.
const MOST_ELSEWHERE: usize = 512;

/// The incidents of lines that lie together somewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Together {
    /// As the engines say them.
    known: BTreeMap<IncidentId, Incident>,
    /// Into which other incident one is folded.
    folded: BTreeMap<IncidentId, Fold>,
    /// What other collectors say of lines that lie beside ours.
    elsewhere: BTreeMap<IncidentId, Elsewhere>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fold {
    into: IncidentId,
    /// Where both lie together.
    shared: String,
    at: Timestamp,
}

/// An incident that another collector keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Its id.
    pub id: IncidentId,
    /// Its line.
    pub line: LineId,
    /// When it was opened.
    pub opened: Timestamp,
    /// The stretch of its line; none once it is over.
    pub stretch: Option<[RouteLength; 2]>,
}

impl Elsewhere {
    /// What there is to know of `incident`, kept by another collector on `line`.
    #[must_use]
    pub fn of(plant: &Plant, line: &LineId, incident: &Incident) -> Self {
        let active = incident.state.is_active();
        Self {
            id: incident.id.clone(),
            line: line.clone(),
            opened: incident.opened,
            stretch: stretch_of(plant, incident).filter(|_| active),
        }
    }
}

impl Together {
    /// Takes what the engine of a line says; gives what is to be said.
    pub fn take(&mut self, plant: &Plant, output: Output) -> Vec<Output> {
        if plant.shared.is_empty() {
            return vec![output];
        }
        match output {
            Output::Incident(incident) => self.incident(plant, *incident),
            Output::Notice(notice) => self.notice(notice).into_iter().collect(),
            other => vec![other],
        }
    }

    /// Takes what another collector says of a line beside ours.
    pub fn hear(&mut self, plant: &Plant, news: Elsewhere) -> Vec<Output> {
        let over = news.stretch.is_none();
        if over {
            self.elsewhere.remove(&news.id);
        } else if self.elsewhere.len() < MOST_ELSEWHERE || self.elsewhere.contains_key(&news.id) {
            self.elsewhere.insert(news.id.clone(), news);
        }
        let tops = self
            .known
            .keys()
            .filter(|id| !self.folded.contains_key(*id));
        let mut out = Vec::new();
        for id in tops.cloned().collect::<Vec<_>>() {
            let related = self.related(plant, &id);
            let Some(known) = self.known.get_mut(&id) else {
                continue;
            };
            if known.related != related {
                known.related = related;
                out.extend(self.said(plant, &id));
            }
        }
        out
    }

    /// The incidents into which what is done to `id` goes on.
    #[must_use]
    pub fn folded_into(&self, id: &IncidentId) -> Vec<(LineId, IncidentId)> {
        let own = self.folded.iter().filter(|(_, fold)| fold.into == *id);
        own.filter_map(|(id, _)| Some((self.known.get(id)?.place.line.clone(), id.clone())))
            .collect()
    }

    fn incident(&mut self, plant: &Plant, incident: Incident) -> Vec<Output> {
        let id = incident.id.clone();
        let was_told = self.known.contains_key(&id);
        let mut incident = incident;
        let before = self.known.get(&id).map(|known| known.related.clone());
        incident.related = before.unwrap_or_default();
        self.known.insert(id.clone(), incident);
        if let Some(fold) = self.folded.get(&id).cloned() {
            if self.outranks(&id, &fold.into) {
                self.folded.remove(&id);
                let mut out = self.lead(plant, &id, fold);
                out.extend(self.opened(&id));
                return out;
            }
            return self.refold(plant, &id, &fold);
        }
        if let Some(fold) = self.partner(plant, &id) {
            if self.outranks(&id, &fold.into) {
                return self.lead(plant, &id, fold);
            }
            return self.fold(plant, id, (fold, was_told));
        }
        let related = self.related(plant, &id);
        if let Some(known) = self.known.get_mut(&id) {
            known.related = related;
        }
        let said = self.said(plant, &id);
        self.forget(&id);
        said
    }

    /// Folds an incident, with all that is in it, into another one.
    fn fold(
        &mut self,
        plant: &Plant,
        id: IncidentId,
        (fold, was_told): (Fold, bool),
    ) -> Vec<Output> {
        let into = fold.into.clone();
        for below in self.folded.values_mut().filter(|below| below.into == id) {
            below.into.clone_from(&into);
        }
        let mut out = Vec::new();
        if was_told && let Some(own) = self.known.get(&id) {
            out.push(Output::Incident(Box::new(ended(own, &fold))));
        }
        self.folded.insert(id, fold);
        out.extend(self.said(plant, &into));
        out
    }

    /// Whether an incident is to stand before another one: nobody is told of a break as a part of
    /// light that got less, which they may have known of and left for the morning.
    fn outranks(&self, id: &IncidentId, other: &IncidentId) -> bool {
        let kind = |id| self.known.get(id).map(|it: &Incident| it.kind);
        kind(id) == Some(Kind::Break) && kind(other) == Some(Kind::Degradation)
    }

    /// Folds the other one of `fold` into `id`, instead of the other way round.
    fn lead(&mut self, plant: &Plant, id: &IncidentId, fold: Fold) -> Vec<Output> {
        let turned = Fold {
            into: id.clone(),
            ..fold
        };
        self.fold(plant, fold.into, (turned, true))
    }

    /// Tells people of an incident that they did not know by itself.
    fn opened(&self, id: &IncidentId) -> Option<Output> {
        let known = self.known.get(id)?;
        Some(Output::Notice(Notice {
            incident: id.clone(),
            reason: Reason::Opened,
            text: known.headline.clone(),
        }))
    }

    /// A folded incident has changed: it stays folded while it may be at the same place.
    fn refold(&mut self, plant: &Plant, id: &IncidentId, fold: &Fold) -> Vec<Output> {
        let beside = |id: &IncidentId| {
            let known = self.known.get(id)?;
            let stretch = stretch_of(plant, known)?;
            let shared = plant.shared.iter().find(|it| it.id == fold.shared)?;
            Some(lies_in(shared, &known.place.line, stretch))
        };
        let apart = beside(id) == Some(false) || beside(&fold.into) == Some(false);
        let active = self.known.get(id).is_some_and(|it| it.state.is_active());
        if !(apart && active) {
            let said = self.said(plant, &fold.into);
            self.forget(&fold.into);
            return said;
        }
        self.folded.remove(id);
        let mut out = self.said(plant, &fold.into);
        out.extend(self.said(plant, id));
        out.extend(self.opened(id));
        out
    }

    /// The standing incident of another line that has the same cause.
    fn partner(&self, plant: &Plant, id: &IncidentId) -> Option<Fold> {
        let own = self.known.get(id).filter(|it| it.state.is_active())?;
        let stretch = stretch_of(plant, own)?;
        let mine = plant.shared.iter();
        for shared in mine.filter(|it| lies_in(it, &own.place.line, stretch)) {
            let same = |it: &&Incident| {
                let (mine, theirs) = (began(own), began(it));
                let soon = mine - theirs < SOON && theirs - mine < SOON;
                let other = it.place.line != own.place.line && it.state.is_active();
                let top = !self.folded.contains_key(&it.id);
                let there = stretch_of(plant, it);
                let here = there.is_some_and(|there| lies_in(shared, &it.place.line, there));
                soon && other && top && here
            };
            let oldest = self.known.values().filter(same);
            if let Some(first) = oldest.min_by_key(|it| (it.opened, it.id.clone())) {
                return Some(Fold {
                    into: first.id.clone(),
                    shared: shared.id.clone(),
                    // Its engine's own time: the same however coarsely a step's was given.
                    at: own.updated,
                });
            }
        }
        None
    }

    /// Incidents of other collectors with the same cause.
    fn related(&self, plant: &Plant, id: &IncidentId) -> Vec<IncidentId> {
        let Some(own) = self.known.get(id) else {
            return Vec::new();
        };
        let Some(stretch) = stretch_of(plant, own).filter(|_| own.state.is_active()) else {
            // What was said stays said.
            return own.related.clone();
        };
        let shared = plant.shared.iter();
        let mine: Vec<&Shared> = shared
            .filter(|it| lies_in(it, &own.place.line, stretch))
            .collect();
        let same = |it: &&Elsewhere| {
            let soon = own.opened - it.opened < SOON && it.opened - own.opened < SOON;
            let there = it.stretch;
            soon && there.is_some_and(|there| mine.iter().any(|s| lies_in(s, &it.line, there)))
        };
        let found = self.elsewhere.values().filter(same).map(|it| &it.id);
        let all: BTreeSet<&IncidentId> = found.chain(&own.related).collect();
        all.into_iter().cloned().collect()
    }

    /// An incident with all that is folded into it.
    fn said(&self, plant: &Plant, id: &IncidentId) -> Vec<Output> {
        let Some(mut whole) = self.known.get(id).cloned() else {
            return Vec::new();
        };
        for (other, fold) in self.folded.iter().filter(|(_, fold)| fold.into == *id) {
            if let Some(other) = self.known.get(other) {
                fold_in(plant, &mut whole, other, fold);
            }
        }
        vec![Output::Incident(Box::new(whole))]
    }

    /// People are told once: of the beginning by the first, of the end by the last.
    fn notice(&self, notice: Notice) -> Option<Output> {
        let fold = self.folded.get(&notice.incident);
        let top = fold.map_or(&notice.incident, |fold| &fold.into).clone();
        let group = self.folded.iter().filter(|(_, fold)| fold.into == top);
        let all = group.map(|(id, _)| id).chain([&top]);
        let active = |id: &IncidentId| self.known.get(id).is_some_and(|it| it.state.is_active());
        let lasts = all.into_iter().any(active);
        let told = match notice.reason {
            Reason::Cleared => !lasts,
            Reason::Opened | Reason::Reopened | Reason::Located | Reason::Worse => fold.is_none(),
        };
        told.then_some(Output::Notice(Notice {
            incident: top,
            ..notice
        }))
    }

    /// Lets go of an incident and all in it once they are closed.
    fn forget(&mut self, top: &IncidentId) {
        let group = self.folded.iter().filter(|(_, fold)| fold.into == *top);
        let mut all: Vec<IncidentId> = group.map(|(id, _)| id.clone()).collect();
        all.push(top.clone());
        let closed = |id: &IncidentId| {
            let known = self.known.get(id);
            known.is_none_or(|it| it.state == State::Closed)
        };
        if all.iter().all(closed) {
            for id in all {
                self.known.remove(&id);
                self.folded.remove(&id);
            }
        }
    }
}

/// When an incident last began: one of light that got less begins anew where the light is lost.
fn began(incident: &Incident) -> Timestamp {
    let lost = incident.anomalies.iter();
    let lost = lost.filter(|anomaly| anomaly.kind == AnomalyKind::Dark);
    let newest = lost.map(|anomaly| anomaly.raised).max();
    newest.map_or(incident.opened, |at| at.max(incident.opened))
}

/// An incident that people know, as it ends: it is part of another one.
fn ended(own: &Incident, fold: &Fold) -> Incident {
    let mut own = own.clone();
    let what = format!(
        "the same cause as {}, in {}: see there",
        fold.into, fold.shared
    );
    own.related.push(fold.into.clone());
    own.state = State::Closed;
    own.cleared.get_or_insert(fold.at);
    own.updated = own.updated.max(fold.at);
    own.history.push(Entry {
        at: fold.at,
        who: "silkline".to_owned(),
        what,
    });
    own
}

/// Folds `other` into `whole`: every line, every anomaly, the worst of both.
fn fold_in(plant: &Plant, whole: &mut Incident, other: &Incident, fold: &Fold) {
    let name = |line: &LineId| {
        plant
            .line(line)
            .map_or_else(|| line.to_string(), |it| it.name.clone())
    };
    let line = &other.place.line;
    for line in &other.lines {
        if !whole.lines.contains(line) {
            whole.lines.push(line.clone());
        }
    }
    let said = format!(
        "{} fails with it, where both lie in {}",
        name(line),
        fold.shared
    );
    whole.cause = format!("{}; {said}", whole.cause);
    whole.headline = format!("{}; {} as well", whole.headline, name(line));
    whole.severity = whole.severity.max(other.severity);
    whole.updated = whole.updated.max(other.updated);
    for anomaly in &other.anomalies {
        whole.join(anomaly);
    }
    let affected = other
        .affected
        .iter()
        .filter(|it| !whole.affected.contains(it));
    let affected: Vec<String> = affected.cloned().collect();
    whole.affected.extend(affected);
    let permits = other
        .permits
        .iter()
        .filter(|it| !whole.permits.contains(it));
    let permits: Vec<_> = permits.cloned().collect();
    whole.permits.extend(permits);
    if let Some(at) = other.place.chainage_m {
        let note = format!("{}: km {:.3} of that line", name(line), at.km());
        whole.place.notes.push(note);
    }
    let entry = Entry {
        at: fold.at,
        who: "silkline".to_owned(),
        what: said,
    };
    let place = whole.history.iter().position(|it| it.at > fold.at);
    whole
        .history
        .insert(place.unwrap_or(whole.history.len()), entry);
    match (whole.state.is_active(), other.state.is_active()) {
        (false, true) => {
            (whole.state, whole.cleared) = (other.state, None);
        }
        (false, false) => {
            whole.cleared = whole.cleared.max(other.cleared);
            whole.state = whole.state.min(other.state);
        }
        (true, _) => {}
    }
}

/// The stretch of its line in which an incident is: only what parts or bends a cable has one.
fn stretch_of(plant: &Plant, incident: &Incident) -> Option<[RouteLength; 2]> {
    if !matches!(incident.kind, Kind::Break | Kind::Degradation) {
        return None;
    }
    let place = &incident.place;
    if place.chainage_m.is_some() && place.interval95_m.is_some() {
        return place.interval95_m;
    }
    let (from, to) = place.span.as_ref()?.split_once("..")?;
    let line = plant.line(&place.line)?;
    let at = |id: &str| {
        let node = line.nodes.iter().find(|node| node.id.as_str() == id);
        node.map(|node| node.chainage)
    };
    Some([at(from)?, at(to)?])
}

/// Whether a stretch of `line` touches the part of it that lies in `shared`.
fn lies_in(shared: &Shared, line: &LineId, [low, high]: [RouteLength; 2]) -> bool {
    let members = shared.members.iter().filter(|it| it.line == *line);
    let mut ends = members.map(|it| {
        [
            it.from.get().min(it.to.get()),
            it.from.get().max(it.to.get()),
        ]
    });
    ends.any(|[from, to]| low.get() <= to + BESIDE_M && high.get() >= from - BESIDE_M)
}

#[cfg(test)]
mod tests;
