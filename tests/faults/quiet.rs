//! Days on which nothing happens: whatever is told then is false.

use std::sync::Arc;
use std::time::Duration;

use silkline_collector::engine::Output;
use silkline_protocol::message::Trigger;
use silkline_protocol::plant::Plant;

use crate::bed::{Ground, Noise, Shots};

/// What was told on quiet days.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    pub(crate) line_days: f64,
    pub(crate) samples: u64,
    pub(crate) shots: u64,
    pub(crate) incidents: Vec<String>,
    pub(crate) alarms: usize,
}

/// `days` of all lines, polled every `poll`, every view shot `shots` times a day.
pub(crate) fn days(plant: &Plant, seed: u64, days: u32, (poll, shots): (Duration, u32)) -> Quiet {
    let how = Shots {
        pulse_ns: 1_000,
        average_s: 10,
    };
    let ground = Ground::new(plant, seed, how, poll);
    let mut bed = ground.bed(&Arc::new(plant.clone()), seed);
    bed.disturb(Noise {
        lost: 0.01,
        bad: 0.01,
        delay_ms: 300.0,
        meter_db: 0.1,
    });
    let mut quiet = Quiet {
        line_days: f64::from(days) * plant.lines.len() as f64,
        ..Quiet::default()
    };
    for _ in 0..days {
        for _ in 0..shots.max(1) {
            bed.run(Duration::from_secs(86_400) / shots.max(1));
            let views = plant.lines.iter().flat_map(|line| &line.views);
            for view in views.filter(|_| shots > 0) {
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
    pub(crate) fn add(&mut self, other: Self) {
        self.line_days += other.line_days;
        self.samples += other.samples;
        self.shots += other.shots;
        self.incidents.extend(other.incidents);
        self.alarms += other.alarms;
    }

    pub(crate) fn tell(&self) {
        let years = self.line_days / 365.25;
        // With none seen, a rate above 3 over the time has a probability below 5 %.
        println!(
            "\nquiet: {:.0} line-days, {} samples, {} shots: {} false incidents, {} false alarms; \
             {:.2} a line and year, with 95 % below {:.0}",
            self.line_days,
            self.samples,
            self.shots,
            self.incidents.len(),
            self.alarms,
            self.incidents.len() as f64 / years,
            (self.incidents.len() as f64 + 3.0) / years
        );
        for headline in &self.incidents {
            println!("  false: {headline}");
        }
    }
}
