//! Traces with known truth for this crate's unit tests: small, seeded, and independent of the
//! simulator, with which it shares no code.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "indices made from small positive numbers in tests"
)]

use silkline_protocol::unit::{Db, GroupIndex, Nanometres, OpticalLength};

use super::samples::{Settings, Trace};

/// A seeded source of normal numbers.
pub(crate) struct Dice(u64);

impl Dice {
    /// A source that always gives the same numbers for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .wrapping_add(0xD1B5_4A32_D192_ED03),
        )
    }

    /// Evenly between 0 and 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly between two numbers.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Normal with mean 0 and deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().max(1e-300).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// Something on the fibre, `at_m` metres from the panel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    /// Where.
    pub(crate) at_m: f64,
    /// One-way loss, negative for a gain.
    pub(crate) loss_db: f64,
    /// Reflectance, where it reflects.
    pub(crate) reflectance_db: Option<f64>,
}

/// A fibre and how it is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) end_m: f64,
    pub(crate) end_reflectance_db: Option<f64>,
    pub(crate) features: Vec<Feature>,
    pub(crate) slope_db_per_km: f64,
    pub(crate) pulse_ns: f64,
    pub(crate) step_m: f64,
    pub(crate) range_m: f64,
    /// Deviation of a sample near the launch, in one-way decibels: distance-independent.
    pub(crate) roughness_db: f64,
    /// One-way decibels from the launch level to where receiver noise equals the signal.
    pub(crate) dynamic_db: f64,
    /// Receiver time constant in pulse widths.
    pub(crate) receiver: f64,
    /// How round the pulse is: the deviation of the Gaussian over which its light is spread, in pulses.
    pub(crate) round: f64,
    /// Shares of the light that the receiver shows late, and over how many pulses each dies away.
    pub(crate) tails: Vec<[f64; 2]>,
    /// Where the first sample lies, relative to the panel.
    pub(crate) phase_m: f64,
    pub(crate) wavelength_nm: Option<f64>,
    pub(crate) seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            end_m: 20_000.0,
            end_reflectance_db: None,
            features: Vec::new(),
            slope_db_per_km: 0.2,
            pulse_ns: 500.0,
            step_m: 5.0,
            range_m: 30_000.0,
            roughness_db: 0.01,
            dynamic_db: 18.0,
            receiver: 0.3,
            round: 0.0,
            tails: Vec::new(),
            phase_m: 0.0,
            wavelength_nm: None,
            seed: 1,
        }
    }
}

/// Level of the backscatter at the launch, in file decibels.
const LAUNCH_DB: f64 = -25.0;

/// Backscatter coefficient of the synthetic glass at 1 ns.
const BACKSCATTER_DB: f64 = -82.0;

impl Plan {
    /// Length of the pulse on the trace.
    pub(crate) fn pulse_m(&self) -> f64 {
        self.pulse_ns * 1e-9 * 299_792_458.0 / 2.0 / 1.468_2
    }

    /// The trace the instrument would deliver.
    pub(crate) fn trace(&self) -> Trace {
        let settings = Settings {
            spacing: OpticalLength::of(self.step_m),
            first: OpticalLength::of(self.phase_m),
            launch: OpticalLength::of(0.0),
            pulse_ns: self.pulse_ns,
            group_index: GroupIndex::of(1.468_2),
            wavelength: self.wavelength_nm.map(Nanometres::of),
            backscatter: Some(Db::of(BACKSCATTER_DB)),
            loss_threshold: None,
        };
        let floor = ((LAUNCH_DB - self.dynamic_db - 12.0) * 1_000.0).round() / 1_000.0;
        let levels = self.levels(floor);
        Trace::new(settings, levels, Some(Db::of(floor))).unwrap()
    }

    fn levels(&self, floor: f64) -> Vec<f64> {
        let power = self.received();
        let mut dice = Dice::new(self.seed);
        let receiver_noise = 10_f64.powf(-self.dynamic_db / 5.0);
        let rough = self.roughness_db * std::f64::consts::LN_10 / 5.0;
        let noisy = power
            .iter()
            .map(|power| power * (1.0 + rough * dice.normal()) + receiver_noise * dice.normal());
        noisy
            .map(|power| {
                let db = LAUNCH_DB + 5.0 * power.max(1e-30).log10();
                ((db.max(floor) * 1_000.0).round()) / 1_000.0
            })
            .collect()
    }

    /// Linear power at each sample, 1 at the launch: convolved with the pulse and the receiver.
    fn received(&self) -> Vec<f64> {
        // Four sub-steps a sample, so that phases matter.
        let fine = 4;
        let step = self.step_m / f64::from(fine);
        let count = (self.range_m / step) as usize;
        let pulse = (self.pulse_m() / step).max(1.0);
        let mut cumulative = vec![0.0; count + 1];
        let mut level = 0.0;
        let mut features = self.features.clone();
        features.sort_by(|a, b| a.at_m.total_cmp(&b.at_m));
        let mut next = features.iter().peekable();
        for i in 0..count {
            let at = i as f64 * step;
            while let Some(feature) = next.next_if(|feature| feature.at_m <= at) {
                level -= feature.loss_db;
            }
            let glass = if at < self.end_m {
                10_f64.powf(level / 5.0)
            } else {
                0.0
            };
            cumulative[i + 1] = cumulative[i] + glass / pulse;
            level -= self.slope_db_per_km * step / 1_000.0;
        }
        let mut power = vec![0.0; count];
        let look = |at: f64| {
            let index = at.clamp(0.0, count as f64);
            let low = index as usize;
            let next = cumulative[(low + 1).min(count)];
            cumulative[low.min(count)] + (next - cumulative[low.min(count)]) * index.fract()
        };
        for (i, power) in power.iter_mut().enumerate() {
            *power = look(i as f64) - look(i as f64 - pulse);
        }
        self.add_reflections(&mut power, step);
        let keep = (-step / (self.receiver * self.pulse_m()).max(1e-6)).exp();
        let mut state = 0.0;
        for power in &mut power {
            state = keep * state + (1.0 - keep) * *power;
            *power = state;
        }
        self.add_tails(&mut power, step);
        if self.round > 0.0 {
            power = spread(&power, self.round * self.pulse_m() / step);
        }
        let phase = (self.phase_m / step).max(0.0) as usize;
        power
            .into_iter()
            .skip(phase)
            .step_by(fine as usize)
            .collect()
    }

    fn add_tails(&self, power: &mut [f64], step: f64) {
        let late = |[share, pulses]: &[f64; 2]| {
            let keep = (-step / (pulses * self.pulse_m())).exp();
            (*share, keep, 0.0)
        };
        let mut states: Vec<_> = self.tails.iter().map(late).collect();
        for power in power.iter_mut() {
            let now = *power;
            for (share, keep, state) in &mut states {
                *state = *keep * *state + (1.0 - *keep) * now;
                *power += *share * (*state - now);
            }
        }
    }

    fn add_reflections(&self, power: &mut [f64], step: f64) {
        let end = Feature {
            at_m: self.end_m,
            loss_db: 0.0,
            reflectance_db: self.end_reflectance_db,
        };
        for feature in self.features.iter().chain([&end]) {
            let Some(reflectance) = feature.reflectance_db else {
                continue;
            };
            let before: f64 = self
                .features
                .iter()
                .filter(|other| other.at_m < feature.at_m)
                .map(|other| other.loss_db)
                .sum();
            let level = -before - self.slope_db_per_km * feature.at_m / 1_000.0;
            let height = 10_f64
                .powf((reflectance - BACKSCATTER_DB - 10.0 * self.pulse_ns.log10()) / 10.0)
                * 10_f64.powf(level / 5.0);
            let from = (feature.at_m / step).ceil() as usize;
            let to = ((feature.at_m + self.pulse_m()) / step) as usize;
            for power in power.iter_mut().take(to).skip(from) {
                *power += height;
            }
        }
    }
}

/// Light spread over a Gaussian of so many steps.
fn spread(power: &[f64], deviation: f64) -> Vec<f64> {
    let reach = (3.0 * deviation).ceil() as usize;
    let bell = |k: usize| (-0.5 * ((k as f64 - reach as f64) / deviation).powi(2)).exp();
    let bell: Vec<f64> = (0..=2 * reach).map(bell).collect();
    let all: f64 = bell.iter().sum();
    let last = power.len() - 1;
    let mean = |i: usize| {
        let near = |k: usize| power[(i + k).saturating_sub(reach).min(last)];
        let sum: f64 = bell
            .iter()
            .enumerate()
            .map(|(k, bell)| bell * near(k))
            .sum();
        sum / all
    };
    (0..power.len()).map(mean).collect()
}
