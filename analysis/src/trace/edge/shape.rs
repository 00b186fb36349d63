//! What a receiver makes of a pulse at the edge of glass.

/// Where a filter is taken to sample what it averages.
const FILTER_PARTS: [f64; 6] = [0.083, 0.25, 0.417, 0.583, 0.75, 0.917];

/// A pulse seen through a receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The pulse's length.
    pub(crate) pulse: f64,
    /// The receiver's time constant, as a length.
    pub(crate) constant: f64,
}

impl Shape {
    /// The same relative to glass whose light falls by `fade` a metre (natural logarithm, both
    /// ways): a long pulse fills glass that is brighter behind than in front.
    ///
    /// # Source
    ///
    /// The answer of one pole to `(exp(fade·(L-u)) - 1) / (exp(fade·L) - 1)`, over the line.
    pub(super) fn in_glass(&self, u: f64, fade: f64) -> (f64, f64) {
        let (fall, rise) = self.at(u);
        let (pulse, constant) = (self.pulse, self.constant);
        if u <= 0.0 || fade * pulse < 1e-4 {
            return (fall, rise);
        }
        let (slow, back) = (fade * constant, (fade * u).exp());
        let share = (fade * pulse).exp_m1().recip();
        let fall = if u <= pulse {
            1.0 + share - share * back * (1.0 - slow + slow * (-u / constant).exp())
        } else {
            let left = share * slow * -(-pulse / constant).exp_m1();
            left * back * (-(u - pulse) / constant).exp()
        };
        (fall, rise * back)
    }

    /// The same behind a filter that averages over `length`.
    pub(super) fn filtered(&self, u: f64, fade: f64, length: f64) -> (f64, f64) {
        if length <= 0.0 || u <= 0.0 {
            return self.in_glass(u, fade);
        }
        let all = FILTER_PARTS.map(|part| self.in_glass(u - part * length, fade));
        let sum = |f: fn(&(f64, f64)) -> f64| all.iter().map(f).sum::<f64>();
        let count = FILTER_PARTS.len() as f64;
        (sum(|one| one.0) / count, sum(|one| one.1) / count)
    }

    /// The smoothed ramp, from 1 to 0, and the box at `u` past the edge.
    pub(crate) fn at(&self, u: f64) -> (f64, f64) {
        if u <= 0.0 {
            return (1.0, 0.0);
        }
        let inside = u.min(self.pulse);
        let rise = 1.0 - (-inside / self.constant).exp();
        let fall = 1.0 - (inside - self.constant * rise) / self.pulse;
        if u <= self.pulse {
            return (fall, rise);
        }
        let decay = (-(u - self.pulse) / self.constant).exp();
        (fall * decay, rise * decay)
    }
}
