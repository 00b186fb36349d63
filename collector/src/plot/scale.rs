//! From values to pixels and back to round numbers on an axis.

/// A straight scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from_px: f64,
    to_px: f64,
}

/// One mark of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Where, in pixels.
    pub(super) px: f64,
    /// What to write there.
    pub(super) label: String,
}

impl Scale {
    /// Maps `low..high` to `from_px..to_px`; a range without width gets one.
    pub(super) fn new(values: [f64; 2], pixels: [f64; 2]) -> Self {
        let [low, high] = values;
        let high = if high - low > 1e-9 { high } else { low + 1.0 };
        let [from_px, to_px] = pixels;
        Self {
            low,
            high,
            from_px,
            to_px,
        }
    }

    /// The pixel of a value, held inside the scale.
    pub(super) fn px(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        share.mul_add(self.to_px - self.from_px, self.from_px)
    }

    /// Whether a value lies on the scale.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// How many pixels a length of the axis takes.
    pub(super) fn px_of(&self, length: f64) -> f64 {
        (length / (self.high - self.low) * (self.to_px - self.from_px)).abs()
    }

    /// Round numbers along the scale, at most about `many`.
    pub(super) fn ticks(&self, many: f64) -> Vec<Tick> {
        let step = round_step((self.high - self.low) / many.max(1.0));
        let digits = digits(step);
        let first = (self.low / step).ceil();
        (0_u32..200)
            .map(|k| (first + f64::from(k)) * step)
            .take_while(|value| *value <= self.high + 1e-9 * step)
            .map(|value| Tick {
                px: self.px(value),
                // No "-0".
                label: format!(
                    "{:.digits$}",
                    if value.abs() < step / 2.0 { 0.0 } else { value }
                ),
            })
            .collect()
    }
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.max(1e-9).log10().floor());
    let of_power = rough / power;
    let round = [1.0, 2.0, 5.0].into_iter().find(|step| of_power <= *step);
    round.unwrap_or(10.0) * power
}

/// Decimals that tell one step from the next.
fn digits(step: f64) -> usize {
    let mut step = step;
    let mut digits = 0;
    while step < 0.999 && digits < 6 {
        step *= 10.0;
        digits += 1;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_land_between_the_ends() {
        let scale = Scale::new([-30.0, -10.0], [400.0, 0.0]);
        assert!((scale.px(-20.0) - 200.0).abs() < 1e-9);
        assert!((scale.px(5.0) - 0.0).abs() < 1e-9);
        assert!((scale.px(-99.0) - 400.0).abs() < 1e-9);
        assert!(scale.holds(-10.0) && !scale.holds(-9.9));
        assert!((scale.px_of(2.0) - 40.0).abs() < 1e-9);
    }

    #[test]
    fn ticks_are_round_rising_and_told_apart() {
        for (low, high) in [
            (0.0, 81.3),
            (-0.03, 0.07),
            (23.451, 23.463),
            (-61.0, -3.0),
            (0.0, 3e-4),
        ] {
            let ticks = Scale::new([low, high], [0.0, 800.0]).ticks(8.0);
            assert!((3..=10).contains(&ticks.len()), "{low} {high}: {ticks:?}");
            assert!(ticks.windows(2).all(|pair| pair[0].px < pair[1].px));
            assert!(
                ticks.windows(2).all(|pair| pair[0].label != pair[1].label),
                "{ticks:?}"
            );
            assert!(ticks.iter().all(|tick| tick.label != "-0"), "{ticks:?}");
        }
    }

    #[test]
    fn a_range_without_width_gets_one() {
        let scale = Scale::new([5.0, 5.0], [0.0, 100.0]);
        assert!(scale.px(5.0).is_finite() && !scale.ticks(5.0).is_empty());
    }
}
