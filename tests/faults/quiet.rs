//! Days on which nothing happens: whatever is told then is false.

use std::sync::Arc;
use std::time::Duration;

use silkline_collector::engine::{EngineSettings, Output};
use silkline_protocol::message::Trigger;
use silkline_protocol::plant::Plant;

use crate::bed::{Central, Ground, Noise, Shots, Wire};

/// What was told on quiet days.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    pub(crate) line_days: f64,
    pub(crate) poll: Duration,
    pub(crate) samples: u64,
    pub(crate) shots: u64,
    pub(crate) incidents: Vec<String>,
    pub(crate) alarms: usize,
}

/// How quiet time is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) hours: u64,
    pub(crate) poll: Duration,
    /// Hours between two shots of every view; none where zero.
    pub(crate) shots_every: u64,
}

impl Look {
    /// Every few minutes for four months: what comes and goes with days and weather.
    pub(crate) const MONTHS: Self = Self {
        hours: 122 * 24,
        poll: Duration::from_secs(300),
        shots_every: 96,
    };

    /// Every minute for four days, shots daily: what comes by chance of single readings.
    pub(crate) const DAYS: Self = Self {
        hours: 96,
        poll: Duration::from_secs(60),
        shots_every: 24,
    };

    /// Every second, as the agents poll.
    pub(crate) const SECONDS: Self = Self {
        hours: 2,
        poll: Duration::from_secs(1),
        shots_every: 0,
    };
}

/// Quiet time of all lines.
pub(crate) fn quiet(plant: &Plant, seed: u64, look: Look) -> Quiet {
    let how = Shots {
        pulse_ns: 1_000,
        average_s: 10,
    };
    let ground = Ground::new(plant, seed, how, look.poll);
    let central = Central {
        plant: Arc::new(plant.clone()),
        settings: EngineSettings {
            // Proof shots are told here.
            shot_every: Duration::ZERO,
            ..EngineSettings::default()
        },
    };
    let mut bed = ground.bed((&central, &Wire::default()), seed);
    bed.disturb(Noise {
        lost: 0.01,
        bad: 0.01,
        delay_ms: 300.0,
        meter_db: 0.1,
    });
    let mut quiet = Quiet {
        line_days: look.hours as f64 / 24.0 * plant.lines.len() as f64,
        poll: look.poll,
        ..Quiet::default()
    };
    let views = || plant.lines.iter().flat_map(|line| &line.views);
    for hour in 1..=look.hours {
        bed.run(Duration::from_secs(3_600));
        if look.shots_every > 0 && hour.is_multiple_of(look.shots_every) {
            for view in views() {
                bed.shoot(&view.id, Trigger::Schedule);
                quiet.shots += 1;
            }
        }
    }
    let mut ids = std::collections::BTreeSet::new();
    for (_, output) in &bed.said {
        match output {
            Output::Incident(incident) if ids.insert(incident.id.to_string()) => {
                quiet.incidents.push(incident.headline.clone());
            }
            Output::Anomaly(anomaly) if anomaly.to.is_none() => quiet.alarms += 1,
            _ => {}
        }
    }
    quiet.samples = bed.samples;
    quiet
}

impl Quiet {
    pub(crate) fn tell(&self) {
        let years = self.line_days / 365.25;
        let [low, high] = poisson_95(self.incidents.len()).map(|count| count / years);
        println!(
            "quiet, a poll every {:>3} s: {:.1} line-days, {} samples, {} shots: {} false incidents, {} false alarms; \
             {:.2} incidents a line and year, 95 % between {low:.2} and {high:.2}",
            self.poll.as_secs(),
            self.line_days,
            self.samples,
            self.shots,
            self.incidents.len(),
            self.alarms,
            self.incidents.len() as f64 / years,
        );
        for headline in &self.incidents {
            println!("  false: {headline}");
        }
    }
}

/// The exact 95 % interval of a Poisson mean of which `count` were seen; one-sided for none.
pub(crate) fn poisson_95(count: usize) -> [f64; 2] {
    let at_most = |most: usize, mean: f64| {
        let mut term = (-mean).exp();
        let mut sum = term;
        for k in 1..=most {
            term *= mean / k as f64;
            sum += term;
        }
        sum
    };
    let solve = |wanted: &dyn Fn(f64) -> bool| {
        let (mut low, mut high) = (0.0, 10.0 + 3.0 * count as f64);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if wanted(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    };
    if count == 0 {
        return [0.0, solve(&|mean| at_most(0, mean) > 0.05)];
    }
    [
        solve(&|mean| 1.0 - at_most(count - 1, mean) < 0.025),
        solve(&|mean| at_most(count, mean) > 0.025),
    ]
}
