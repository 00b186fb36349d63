//! Where a density has its humps: places that sources which contradict one another mean.

use core::ops::Range;

/// A valley this much lower than the humps beside it parts them.
const DEEP: f64 = 0.01;

/// One hump of a density.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    /// Its points; those of all humps follow one another and leave nothing out.
    pub(super) points: Range<usize>,
    /// The highest of them.
    pub(super) peak: usize,
}

/// The humps of `values` from left to right: two wherever the valley between them is less than a
/// hundredth of the lower one. None where there are no values.
pub(super) fn modes(values: &[f64]) -> Vec<Mode> {
    let mut found: Vec<Mode> = Vec::new();
    let mut open: Option<Open> = None;
    for (k, value) in values.iter().copied().enumerate() {
        let Some(now) = &mut open else {
            open = Some(Open::at(0, k, value));
            continue;
        };
        if value > now.peak.1 && now.valley.1 >= DEEP * now.peak.1 {
            now.peak = (k, value);
            now.valley = (k, value);
        } else if value < now.valley.1 {
            now.valley = (k, value);
        } else if now.valley.1 < DEEP * value.min(now.peak.1) {
            let next = Open::at(now.valley.0, k, value);
            found.push(now.until(next.from));
            open = Some(next);
        }
    }
    found.extend(open.map(|last| last.until(values.len())));
    found
}

/// A hump whose right end is not seen yet.
struct Open {
    from: usize,
    peak: (usize, f64),
    /// The lowest point since the peak.
    valley: (usize, f64),
}

impl Open {
    const fn at(from: usize, k: usize, value: f64) -> Self {
        Self {
            from,
            peak: (k, value),
            valley: (k, value),
        }
    }

    const fn until(&self, end: usize) -> Mode {
        Mode {
            points: self.from..end,
            peak: self.peak.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(values: &[f64]) -> Vec<usize> {
        modes(values).iter().map(|mode| mode.peak).collect()
    }

    #[test]
    fn one_hump_is_one_mode_whatever_its_slopes() {
        assert_eq!(peaks(&[0.0, 1.0, 5.0, 9.0, 2.0, 0.0]), [3]);
        assert_eq!(peaks(&[3.0, 3.0, 3.0]), [0]);
        assert_eq!(peaks(&[]), [0_usize; 0]);
    }

    #[test]
    fn a_deep_valley_parts_and_a_shallow_one_does_not() {
        assert_eq!(peaks(&[1.0, 9.0, 0.01, 7.0, 1.0]), [1, 3]);
        assert_eq!(peaks(&[1.0, 9.0, 0.2, 7.0, 1.0]), [1]);
        // Of a low hump, too, the lower of both counts.
        assert_eq!(peaks(&[0.1, 0.0001, 9.0, 0.0]), [0, 2]);
        assert_eq!(peaks(&[0.1, 0.01, 9.0, 0.0]), [2]);
    }

    #[test]
    fn modes_leave_no_point_out() {
        let values: Vec<f64> = (0..400)
            .map(|k| (f64::from(k) * 0.1).sin().powi(8))
            .collect();
        let found = modes(&values);
        assert!(found.len() > 5, "{}", found.len());
        let mut next = 0;
        for mode in &found {
            assert_eq!(mode.points.start, next);
            assert!(mode.points.contains(&mode.peak));
            next = mode.points.end;
        }
        assert_eq!(next, values.len());
    }
}
