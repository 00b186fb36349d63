//! What is known of a case: levels, noise, the best loss estimate there can be, and the bound of
//! a step's place.

use crate::draw::{Case, Mark};

/// Natural logarithm of ten over five: relative power a one-way decibel.
pub(crate) const POWER_A_DB: f64 = core::f64::consts::LN_10 / 5.0;

/// What the file rounds to, in decibels, as a standard deviation.
const ROUNDING_DB: f64 = 0.001 * 0.288_675;

/// Reflections are followed until they leave this share of the backscatter.
const NEGLIGIBLE: f64 = 0.01;

/// Levels and noise of a case.
pub(crate) struct Physics<'a> {
    pub(crate) case: &'a Case,
    /// Receiver's time constant as a length.
    pub(crate) reach_m: f64,
    /// Noise of a sample, in the receiver's limit.
    pub(crate) sigma_power: f64,
    /// How much of the fading one sample shares with the next.
    pub(crate) keep: f64,
}

impl<'a> Physics<'a> {
    pub(crate) fn of(case: &'a Case) -> Self {
        let headroom = case.instrument.headroom.get();
        Self {
            case,
            reach_m: case.pulse_m / (core::f64::consts::TAU * case.instrument.bandwidth),
            sigma_power: 10_f64.powf(-(case.range_db + headroom) / 5.0),
            keep: (-case.shot.spacing.get() / (case.pulse_m / 3.0)).exp(),
        }
    }

    fn step_m(&self) -> f64 {
        self.case.shot.spacing.get()
    }

    /// What the glass loses, in dB/km.
    pub(crate) fn slope(&self) -> f64 {
        self.case
            .fibre
            .parts
            .first()
            .map_or(0.2, |part| part.attenuation.get())
    }

    /// One-way level of the glass at `at_m`, below the receiver's limit.
    pub(crate) fn level(&self, at_m: f64) -> f64 {
        let slope = self.slope();
        let before = self
            .case
            .marks
            .iter()
            .filter(|mark| mark.at_m <= at_m && !mark.kind.is_end());
        let steps: f64 = before.map(|mark| mark.step_db).sum();
        -self.case.instrument.headroom.get() - slope * at_m / 1_000.0 - steps
    }

    /// Standard deviation of a sample at `at_m` without the fading, in decibels.
    pub(crate) fn white_db(&self, at_m: f64) -> f64 {
        let power = 10_f64.powf(self.level(at_m) / 5.0);
        (self.sigma_power / power / POWER_A_DB).hypot(ROUNDING_DB)
    }

    pub(crate) fn fading_db(&self) -> f64 {
        self.case.instrument.fading.get()
    }

    /// Over how many samples fading counts as one.
    fn fading_samples(&self) -> f64 {
        (1.0 + self.keep) / (1.0 - self.keep)
    }

    /// Where behind a mark the glass shows undisturbed.
    pub(crate) fn clear_behind(&self, mark: &Mark) -> f64 {
        let case = self.case;
        let settled = case.pulse_m + 4.0 * self.reach_m;
        let Some(reflectance) = mark.reflectance_db else {
            return mark.at_m + settled;
        };
        let pulse_ns = f64::from(case.shot.pulse_ns);
        let height = 10_f64.powf((reflectance + 81.5) / 10.0) / pulse_ns;
        let behind = |share: f64, reach: f64| reach * (height * share / NEGLIGIBLE).max(1.0).ln();
        let tail = behind(case.instrument.tail, 6.0 * case.pulse_m);
        mark.at_m + case.pulse_m + behind(1.0, self.reach_m).max(4.0 * self.reach_m).max(tail)
    }

    /// Standard deviation of a mark's step by lines fitted to the glass on both sides up to its
    /// neighbours; infinite where one side is too short.
    pub(crate) fn loss_sigma(&self, index: usize) -> f64 {
        let marks = &self.case.marks;
        let Some(mark) = marks.get(index) else {
            return f64::INFINITY;
        };
        let launch = self.case.pulse_m * 3.0;
        let from = index
            .checked_sub(1)
            .and_then(|k| marks.get(k))
            .map_or(launch, |previous| self.clear_behind(previous));
        let to = marks.get(index + 1).map_or(mark.at_m, |next| next.at_m);
        let sides = [[from, mark.at_m], [self.clear_behind(mark), to]];
        let variance = sides
            .iter()
            .map(|side| self.line_variance(*side, mark.at_m))
            .sum::<f64>();
        variance.sqrt()
    }

    /// Variance of a line over `[from, to]`, led to `at_m`.
    fn line_variance(&self, [from, to]: [f64; 2], at_m: f64) -> f64 {
        let step = self.step_m();
        let count = ((to - from) / step).floor();
        if count < 3.0 || to - from < 0.5 * self.case.pulse_m {
            return f64::INFINITY;
        }
        let group = (count / 400.0).ceil().max(1.0);
        let points = (count / group).floor();
        let (mut w, mut x, mut xx) = (0.0, 0.0, 0.0);
        let mut k = 0.0;
        while k < points {
            let at = from + (k + 0.5) * group * step;
            let fading = self.fading_db().powi(2) * self.fading_samples().min(count);
            let weight = group / (self.white_db(at).powi(2) + fading);
            let off = (at - at_m) / 1_000.0;
            w += weight;
            x += weight * off;
            xx += weight * off * off;
            k += 1.0;
        }
        xx / (w * xx - x * x)
    }

    /// The bound of a step's place, one standard deviation in metres (science: `(σ/|S|)·√(L·dz)`,
    /// noise correlated over a length counts by it).
    pub(crate) fn place_bound(&self, mark: &Mark) -> f64 {
        let white = self.white_db(mark.at_m + self.case.pulse_m / 2.0).powi(2);
        let fading = self.fading_db().powi(2) * self.fading_samples();
        (white + fading).sqrt() / mark.step_db.abs() * (self.case.pulse_m * self.step_m()).sqrt()
    }

    /// Deviation of where a step faint beside the noise seems to be, in metres: longer than a pulse
    /// where noise makes it climb anywhere.
    ///
    /// # Source
    ///
    /// Yao (1987), the variance of a change point in white noise: 26·(σ/S)⁴ square samples.
    pub(crate) fn change_point(&self, mark: &Mark) -> f64 {
        // σ²·dz/S², with what neighbours share, is the square of the bound over the pulse.
        let bound = self.place_bound(mark);
        26_f64.sqrt() * bound * bound / self.case.pulse_m
    }
}
