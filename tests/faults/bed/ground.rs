//! A world with engines that know its past: what every case begins with.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use silkline_agent::clock::Moment as AgentMoment;
use silkline_agent::trigger::Triggers;
use silkline_collector::engine::together::Together;
use silkline_collector::engine::{EngineSettings, LineEngine, Output};
use silkline_protocol::id::{LineId, SiteId, ViewId};
use silkline_protocol::message::Trigger;
use silkline_protocol::plant::Plant;
use silkline_sim::Seed;
use silkline_sim::fault::Scene;
use silkline_sim::world::World;

use super::wire::Wire;
use super::{Bed, Ground, Noise, Shots};
use crate::chance::Chance;
use crate::gear;

/// What the collector goes by in a case.
#[derive(Clone, Debug)]
pub(crate) struct Central {
    pub(crate) plant: Arc<Plant>,
    pub(crate) settings: EngineSettings,
}

impl Ground {
    /// A world of `seed` in which `plant` is the operator's file, well for half a day.
    pub(crate) fn new(plant: &Plant, seed: u64, shots: Shots, poll: Duration) -> Self {
        let world = Rc::new(World::new(plant.clone(), Seed(seed)));
        let configs = gear::configs(plant, poll);
        let gear = gear::all(plant, &configs);
        let start = |config| Triggers::new(config, AgentMoment::START);
        let edges = configs
            .iter()
            .map(|(site, config)| (site.clone(), start(config)));
        let mut bed = Bed {
            world: world.clone(),
            shots,
            plant: Arc::new(plant.clone()),
            settings: EngineSettings::default(),
            engines: BTreeMap::new(),
            together: Together::default(),
            wire: Wire::default(),
            backlog: Vec::new(),
            is_away: false,
            gear,
            edges: edges.collect(),
            scene: Scene::default(),
            now: Duration::ZERO,
            agenda: BTreeMap::new(),
            serial: 0,
            mute: BTreeSet::new(),
            noise: Noise::default(),
            chance: Chance::new(seed, "ground"),
            said: Vec::new(),
            trace_cpu: Vec::new(),
            samples: 0,
            traces: 0,
        };
        bed.begin();
        bed.remember();
        bed.start();
        bed.run(Duration::from_secs(8));
        for line in &plant.lines {
            for view in &line.views {
                bed.shoot(&view.id, Trigger::Schedule);
            }
        }
        assert!(
            bed.said
                .iter()
                .all(|(_, output)| !matches!(output, Output::Incident(_)))
        );
        let engines = bed
            .engines
            .iter()
            .map(|(id, engine)| (id.clone(), engine.snapshot()));
        Self {
            world,
            shots,
            engines: engines.collect(),
            gear: bed.gear,
            edges: bed.edges,
            now: bed.now,
        }
    }

    /// A course of events with a collector that has just been started for the first time, and has
    /// never heard of some sites. Every view of `views` has been shot at once.
    pub(crate) fn fresh(
        &self,
        (central, wire): (&Central, &Wire),
        seed: u64,
        (mute, views): (&[SiteId], &[ViewId]),
        seconds: u64,
    ) -> Bed {
        let mut bed = self.bed((central, wire), seed);
        bed.begin();
        bed.mute.extend(mute.iter().cloned());
        bed.introduce();
        for view in views {
            bed.shoot(view, Trigger::Schedule);
        }
        bed.run(Duration::from_secs(seconds));
        bed
    }

    /// A course of events from here on, with the collector's plant file and settings as `central`
    /// has them.
    pub(crate) fn bed(&self, (central, wire): (&Central, &Wire), seed: u64) -> Bed {
        let engine = |(id, state): (&LineId, &Vec<u8>)| {
            let (plant, settings) = (central.plant.clone(), central.settings.clone());
            let made = LineEngine::restore(plant, id.clone(), settings, state);
            (id.clone(), made.unwrap())
        };
        let mut bed = Bed {
            world: self.world.clone(),
            shots: self.shots,
            plant: central.plant.clone(),
            settings: central.settings.clone(),
            engines: self.engines.iter().map(engine).collect(),
            together: Together::default(),
            wire: wire.clone(),
            backlog: Vec::new(),
            is_away: false,
            gear: self.gear.clone(),
            edges: self.edges.clone(),
            scene: Scene::default(),
            now: self.now,
            agenda: BTreeMap::new(),
            serial: 0,
            mute: BTreeSet::new(),
            noise: Noise::default(),
            chance: Chance::new(seed, "bed"),
            said: Vec::new(),
            trace_cpu: Vec::new(),
            samples: 0,
            traces: 1000,
        };
        bed.start();
        bed
    }
}

impl Bed {
    /// Engines that know nothing.
    fn begin(&mut self) {
        for line in &self.plant.lines {
            let (plant, settings) = (self.plant.clone(), self.settings.clone());
            let engine = LineEngine::new(plant, line.id.clone(), settings);
            self.engines.insert(line.id.clone(), engine);
        }
    }
}
