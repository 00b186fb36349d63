//! Limits, and how values stand to them.

use silkline_protocol::unit::{Db, DbPerKm, Nanometres, OpticalLength};

use super::SectionRow;

/// Shorter glass than this tells no slope that could be judged, in metres.
const JUDGED_M: f64 = 1_000.0;

/// What an operator allows.
///
/// # Source
///
/// The defaults are customary in acceptance of new terrestrial cable and no standard's words. For
/// comparison: ITU-T L.12 is commonly quoted for a mean of 0.1 dB a splice, both ways; ITU-T G.652.D
/// allows cabled fibre 0.40 dB/km at 1310 nm and 0.30 at 1550; ITU-T G.957 discrete reflectances up
/// to -27 dB.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Loss of a splice: the mean of both ways.
    pub splice: Db,
    /// The same as one end alone sees it.
    pub splice_one_way: Db,
    /// Loss of a connection that reflects: the mean of both ways, or one way.
    pub connector: Db,
    /// Reflectance of anything on the fibre.
    pub reflectance: Db,
    /// Attenuation of the glass, by wavelength.
    pub slope: Vec<(Nanometres, DbPerKm)>,
    /// Least return loss of the whole fibre.
    pub return_loss: Db,
    /// Loss of the whole fibre; what its glass and joints may lose together where none is given.
    pub total: Option<Db>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            splice: Db::of(0.1),
            splice_one_way: Db::of(0.3),
            connector: Db::of(0.5),
            reflectance: Db::of(-40.0),
            slope: vec![
                (Nanometres::of(1_310.0), DbPerKm::of(0.38)),
                (Nanometres::of(1_550.0), DbPerKm::of(0.25)),
                (Nanometres::of(1_625.0), DbPerKm::of(0.28)),
            ],
            return_loss: Db::of(27.0),
            total: None,
        }
    }
}

/// How a value stands to its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within.
    Pass,
    /// Beyond, by more than it may be off.
    Fail,
    /// So near the limit that the measurement does not decide.
    Near,
    /// Nothing was measured, or nothing is allowed or forbidden.
    Open,
}

/// A value with its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// What was measured.
    pub value: Option<f64>,
    /// Half of its 95 % interval.
    pub plus_minus: Option<f64>,
    /// What is allowed.
    pub limit: Option<f64>,
    /// How the one stands to the other.
    pub verdict: Verdict,
}

impl Judged {
    /// A value that must not be above its limit.
    pub(super) fn at_most(value: Option<f64>, plus_minus: Option<f64>, limit: Option<f64>) -> Self {
        let verdict = match (value, limit) {
            (Some(value), Some(limit)) if value <= limit => Verdict::Pass,
            (Some(value), Some(limit)) if value - plus_minus.unwrap_or(0.0) <= limit => {
                Verdict::Near
            }
            (Some(_), Some(_)) => Verdict::Fail,
            _ => Verdict::Open,
        };
        Self {
            value,
            plus_minus,
            limit,
            verdict,
        }
    }

    /// A value that must not be below its limit.
    pub(super) fn at_least(value: Option<f64>, limit: Option<f64>) -> Self {
        let flipped = Self::at_most(value.map(|v| -v), None, limit.map(|l| -l));
        Self {
            value,
            limit,
            ..flipped
        }
    }
}

/// The limits at one wavelength, as bare decibels.
pub(super) struct Bounds {
    pub(super) splice: f64,
    splice_one_way: f64,
    pub(super) connector: f64,
    pub(super) reflectance: f64,
    pub(super) slope: Option<f64>,
}

impl Bounds {
    pub(super) fn of(limits: &Limits, wavelength: Option<Nanometres>) -> Self {
        let off = |nm: Nanometres| wavelength.map(|own| (own.get() - nm.get()).abs());
        let slope = limits
            .slope
            .iter()
            .find(|(nm, _)| off(*nm).is_some_and(|off| off < 40.0));
        Self {
            splice: limits.splice.get(),
            splice_one_way: limits.splice_one_way.get(),
            connector: limits.connector.get(),
            reflectance: limits.reflectance.get(),
            slope: slope.map(|(_, slope)| slope.get()),
        }
    }

    pub(super) const fn loss(&self, reflective: bool, both: bool) -> f64 {
        match (reflective, both) {
            (true, _) => self.connector,
            (false, true) => self.splice,
            (false, false) => self.splice_one_way,
        }
    }

    pub(super) fn section(
        &self,
        from: OpticalLength,
        to: OpticalLength,
        slope: Option<f64>,
        half: Option<f64>,
    ) -> SectionRow {
        let long = (to - from).get() >= JUDGED_M;
        SectionRow {
            from,
            to,
            slope: Judged::at_most(slope, half, self.slope.filter(|_| long)),
        }
    }
}
