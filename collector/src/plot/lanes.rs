//! Flags above a panel, each over its event, none over another.

/// Flags may stand beside their event by this much, in pixels.
const ASIDE_PX: f64 = 40.0;
/// Air between two flags.
const GAP_PX: f64 = 4.0;

/// Lanes one above the other, each filled from the left.
#[derive(Clone, Debug)]
pub(super) struct Lanes {
    /// Up to where each lane is taken.
    taken: Vec<f64>,
    right: f64,
}

/// Where a flag stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Berth {
    /// The lane, from 0.
    pub(super) lane: usize,
    /// Its left end.
    pub(super) left: f64,
}

impl Lanes {
    /// So many lanes between two pixels.
    pub(super) fn new(many: usize, left: f64, right: f64) -> Self {
        Self {
            taken: vec![left; many],
            right,
        }
    }

    /// A place for a flag `width` wide about `middle`, if a lane has one; flags come from left to
    /// right.
    pub(super) fn berth(&mut self, middle: f64, width: f64) -> Option<Berth> {
        let wanted = (middle - width / 2.0).min(self.right - width);
        let fits = |taken: f64| taken.max(wanted) - wanted <= ASIDE_PX;
        let lane = self.taken.iter().position(|taken| fits(*taken))?;
        let taken = self.taken.get_mut(lane)?;
        let left = taken.max(wanted);
        if left + width > self.right + GAP_PX {
            return None;
        }
        *taken = left + width + GAP_PX;
        Some(Berth { lane, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_never_lie_on_one_another() {
        let mut lanes = Lanes::new(3, 0.0, 800.0);
        let mut placed: Vec<(Berth, f64)> = Vec::new();
        for k in 0..120 {
            let (middle, width) = (f64::from(k) * 6.7, 20.0 + f64::from(k % 5) * 10.0);
            if let Some(berth) = lanes.berth(middle, width) {
                assert!(berth.left >= 0.0 && berth.left + width <= 804.0);
                assert!((berth.left + width / 2.0 - middle).abs() <= ASIDE_PX + width);
                let clash = placed.iter().any(|(other, other_width)| {
                    other.lane == berth.lane
                        && berth.left < other.left + other_width
                        && other.left < berth.left + width
                });
                assert!(!clash, "{berth:?} {placed:?}");
                placed.push((berth, width));
            }
        }
        assert!(placed.len() > 40, "{}", placed.len());
    }

    #[test]
    fn a_flag_at_either_edge_stays_inside() {
        let mut lanes = Lanes::new(1, 50.0, 150.0);
        assert_eq!(lanes.berth(52.0, 30.0).map(|b| b.left), Some(50.0));
        assert_eq!(lanes.berth(149.0, 30.0).map(|b| b.left), Some(120.0));
        assert_eq!(lanes.berth(149.0, 30.0), None);
    }
}
