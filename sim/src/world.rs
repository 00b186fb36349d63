//! The simulated plant at a moment: a pure function of the true plant, what is wrong, and the time.
//!
//! Nothing here has a state of its own: asked twice for the same moment it answers the same, so any
//! number of instruments may look at it at once.

mod feed;
mod hut;
mod light;

pub(crate) use hut::Hut;
pub use light::{Amplifier, Stand};

use core::time::Duration;

use silkline_protocol::id::{DeviceId, SiteId, ViewId};
use silkline_protocol::plant::{Line, Plant, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{GroupIndex, Nanometres};

use crate::chance::{Chance, Seed};
use crate::fault::Scene;
use crate::forward::{Instrument, Labels, Shot, shoot};
use crate::truth::Truth;

/// Everything that does not change while the simulation runs.
#[derive(Debug)]
pub struct World {
    pub(crate) plant: Plant,
    pub(crate) truth: Truth,
    seed: Seed,
}

/// What is wrong, and how late it is on the simulation's clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// What is wrong.
    pub scene: &'a Scene,
    /// Time since the simulation began.
    pub now: Duration,
}

/// What an OTDR is told for one shot.
#[derive(Clone, Copy, Debug)]
pub struct ShotOrder {
    /// Pulse width in nanoseconds.
    pub pulse_ns: u16,
    /// Averaging time in seconds.
    pub average_s: u16,
    /// When the shot ends, by the instrument's clock.
    pub taken: Timestamp,
}

impl World {
    /// A world in which `plant` is the operator's file.
    #[must_use]
    pub fn new(plant: Plant, seed: Seed) -> Self {
        let truth = Truth::of(&plant, seed);
        Self { plant, truth, seed }
    }

    /// The plant as the operator's file has it.
    #[must_use]
    pub const fn plant(&self) -> &Plant {
        &self.plant
    }

    /// The plant as it really is.
    #[must_use]
    pub const fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The view behind a port of an OTDR.
    #[must_use]
    pub fn view_of(&self, site: &SiteId, device: &DeviceId, port: u16) -> Option<(&Line, &View)> {
        let here = |line: &Line, view: &View| {
            let stands = line.node(&view.node).and_then(|node| node.site.as_ref());
            stands == Some(site) && view.device.as_ref() == Some(device) && view.port == Some(port)
        };
        let lines = self.plant.lines.iter();
        let mut views = lines.flat_map(|line| line.views.iter().map(move |view| (line, view)));
        views.find(|(line, view)| here(line, view))
    }

    /// A shot into `view`: the SOR file its instrument writes, or none where the plant has no such
    /// view.
    #[must_use]
    pub fn shoot(&self, view: &ViewId, order: ShotOrder, scene: &Scene) -> Option<Vec<u8>> {
        let (line, view) = self.plant.view(view)?;
        let strand = self.truth.cable(&line.id)?.strand(&view.fibre);
        let whole = strand.seen(view, &[])?;
        let fibre = strand.seen(view, &scene.damage(&line.id, &view.fibre))?;
        let nanos = order.taken.nanos().unsigned_abs();
        let shot = Shot {
            launch: view.launch,
            group_index: group_index(line, view),
            wavelength: view.wavelength,
            taken: order.taken,
            noise: Seed(self.seed.0 ^ nanos),
            grain: Seed(self.seed.hash(view.id.as_str().bytes())),
            ..Shot::of(whole.length(), order.pulse_ns, order.average_s)
        };
        let until = view.until.as_ref().map(ToString::to_string);
        let labels = Labels {
            cable: line.id.to_string(),
            fibre: view.fibre.to_string(),
            from: view.node.to_string(),
            to: until.unwrap_or_default(),
            serial: format!("SIM-{}", view.node),
        };
        Some(shoot(&fibre, &Instrument::default(), &shot).sor(&labels))
    }

    /// Draws that hold for a fifth of a second: as fast as any instrument here measures.
    fn flicker(&self, what: &str, now: Duration) -> Chance {
        let tick = u64::try_from(now.as_millis() / 200).unwrap_or(u64::MAX);
        self.seed.draws_at(what, tick)
    }
}

/// What the operator has set the instrument to: the file's index of the section it looks into.
fn group_index(line: &Line, view: &View) -> GroupIndex {
    let node = line
        .node(&view.node)
        .map(|node| node.chainage)
        .unwrap_or_default();
    let section = line
        .sections
        .iter()
        .find(|section| section.from <= node && node <= section.to);
    let indices = section.iter().flat_map(|section| &section.group_index);
    let same = |nm: &Nanometres| (nm.get() - view.wavelength.get()).abs() < 1.0;
    let mut stated = indices.filter(|(nm, _)| same(nm)).map(|(_, index)| *index);
    stated.next().unwrap_or(GroupIndex::AT_1550)
}

#[cfg(test)]
mod tests;
