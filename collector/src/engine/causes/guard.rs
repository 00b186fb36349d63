//! Who works at the fibres of a cause: told with it for as long as their permit holds.

use silkline_analysis::incident::State;
use silkline_protocol::id::PathId;

use super::{Causes, SELF, Scene};

impl Causes {
    /// Writes the permits that hold now into every incident that is not closed.
    pub(in crate::engine) fn guard(&mut self, scene: &Scene<'_>) {
        for cause in &mut self.causes {
            if cause.incident.state == State::Closed {
                continue;
            }
            let site = cause.key.site();
            let here = scene.plant.devices.iter();
            let here = here.filter(|device| Some(&device.site) == site);
            let ports = here.flat_map(|device| device.ports.iter().map(|port| &port.path));
            let lost = cause.lost.iter().map(|lost| &lost.path);
            let paths: Vec<&PathId> = lost.chain(ports).collect();
            let around = (scene.plant, &scene.line.id);
            let concerned = (cause.incident.kind, paths.as_slice());
            let found = scene.permits.beside(around, concerned, scene.now);
            if found == cause.incident.permits {
                continue;
            }
            let known = core::mem::take(&mut cause.incident.permits);
            for permit in found.iter().filter(|it| !known.contains(it)) {
                let said = format!("somebody works at these fibres: {permit}");
                cause.incident.note(SELF, &said, scene.now);
            }
            let over = |id| !found.iter().any(|it| it.id() == id);
            for permit in known.iter().filter(|it| over(it.id())) {
                let said = format!("permit {} is over", permit.id());
                cause.incident.note(SELF, &said, scene.now);
            }
            cause.incident.permits = found;
            cause.news.changed = true;
        }
    }
}
