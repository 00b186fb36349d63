//! What operators do, proof shots, and views that are not shot any more.

use silkline_analysis::series::{Anomaly, AnomalyKind, Severity, device_name};
use silkline_protocol::id::{DeviceId, IncidentId, SiteId, ViewId};
use silkline_protocol::plant::View;
use silkline_protocol::time::Timestamp;

use super::proof::Due;
use super::{Action, LineEngine, Output, trace_finding};

impl LineEngine {
    /// Does what an operator asked for; a place that a crew found is learnt from.
    pub(super) fn operate(
        &mut self,
        incident: &IncidentId,
        (who, action): (&str, Action),
        out: &mut Vec<Output>,
    ) {
        let now = self.state.now;
        let accepted = self.state.causes.operate(now, incident, (who, action));
        if let Some(repair) = self.state.causes.repair(incident) {
            self.learn(repair);
        }
        let found = self.state.watch.accept(&accepted, now);
        self.find(found, out);
    }

    /// A device has shown itself: its views are to be proven from now on.
    pub(super) fn instrument(&mut self, site: &SiteId, device: &DeviceId) {
        let every = self.settings.shot_every;
        if every.is_zero() {
            return;
        }
        let here = |view: &&View| {
            let node = self.line.node(&view.node);
            view.device.as_ref() == Some(device)
                && node.is_some_and(|node| node.site.as_ref() == Some(site))
        };
        let views = self
            .line
            .views
            .iter()
            .filter(here)
            .map(|view| view.id.clone());
        self.state.proofs.instrument(views, (every, self.state.now));
    }

    /// A trace of `view` came: whatever it shows, the view is shot.
    pub(super) fn shot(&mut self, view: &ViewId, out: &mut Vec<Output>) {
        let every = self.settings.shot_every;
        if every.is_zero() {
            return;
        }
        self.state.proofs.shot(view, every, self.state.now);
        let unshot = core::mem::take(&mut self.state.unshot);
        let (over, lasting): (Vec<_>, Vec<_>) = unshot.into_iter().partition(|it| it.view == *view);
        self.state.unshot = lasting;
        for mut it in over {
            it.anomaly.to = Some(self.state.now);
            let at = (&it.site, &it.device);
            let finding = trace_finding(it.anomaly.clone(), at, self.state.now);
            self.find(vec![finding], out);
        }
    }

    /// Asks for the proof shots that are due.
    pub(super) fn prove(&mut self, out: &mut Vec<Output>) {
        let every = self.settings.shot_every;
        if every.is_zero() {
            return;
        }
        let around = (&*self.plant, &*self.line);
        let when = (every, self.state.now);
        let due = self.state.proofs.expire(around, &self.state.permits, when);
        for due in due {
            match due {
                Due::Shoot(site, view) => out.push(Output::Shoot { site, view }),
                Due::Silent(site, view, since) => self.silent(site, view, since, out),
            }
        }
    }

    fn silent(&mut self, site: SiteId, view: ViewId, since: Timestamp, out: &mut Vec<Output>) {
        let known = self.line.view(&view);
        let Some(device) = known.and_then(|view| view.device.clone()) else {
            return;
        };
        let name = device_name(&site, &device);
        let anomaly = Anomaly {
            id: format!("{name}/{view}/unshot/{}", self.state.now.nanos()),
            line: self.line.id.clone(),
            device: name,
            point: None,
            kind: AnomalyKind::Silent,
            from: since,
            to: None,
            raised: self.state.now,
            severity: Severity::Minor,
            detail: format!("no trace of view {view} since {since}, though shots were asked for"),
        };
        let finding = trace_finding(anomaly.clone(), (&site, &device), self.state.now);
        self.state.unshot.push(super::Unshot {
            view,
            site,
            device,
            anomaly,
        });
        self.find(vec![finding], out);
    }
}
