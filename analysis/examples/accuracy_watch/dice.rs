//! A seeded source of numbers: SplitMix64, normals by Box and Muller.

/// The source.
pub(crate) struct Dice {
    state: u64,
    spare: Option<f64>,
}

impl Dice {
    /// Always the same numbers for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self {
            state: seed ^ 0x5DEE_CE66_D1CE_4E5B,
            spare: None,
        };
        // Neighbouring seeds must not share a stream: the first draw is the new state.
        dice.state = dice.bits().wrapping_mul(0xD6E8_FEB8_6659_FD93);
        dice
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly between two numbers.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.bits() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// One time in two.
    pub(crate) fn coin(&mut self) -> bool {
        self.bits() >> 63 == 1
    }

    /// Normal with mean 0 and deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * self.between(1e-300, 1.0).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.between(0.0, 1.0)).sin_cos();
        self.spare = Some(radius * sin);
        radius * cos
    }
}
