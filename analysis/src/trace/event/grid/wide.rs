//! How the noise of a point goes into that of many.

/// How noise of one point becomes noise of many: a receiver's, which smoothing may spread over
/// neighbours, and beside it the glass's own unevenness, the same in decibels everywhere and smooth
/// over a part of a pulse, so that its mean strays farther than that of the receiver's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Noise {
    /// How much more the mean of many points strays than the noise of one lets it, as a factor.
    pub(crate) factor: f64,
    /// What the glass adds to that, as if each point had so much of its own, in decibels.
    pub(crate) glass: f64,
    /// How much a single point strays, as a factor of its noise.
    pub(crate) single: f64,
}

impl Noise {
    /// White noise alone.
    pub(crate) const WHITE: Self = Self {
        factor: 1.0,
        glass: 0.0,
        single: 1.0,
    };

    /// What a point of noise `sigma` counts in the mean of many.
    pub(crate) fn wide(&self, sigma: f64) -> f64 {
        match self.factor * sigma {
            alone if self.glass <= 0.0 => alone,
            own => own.hypot(self.glass),
        }
    }
}
