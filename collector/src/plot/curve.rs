//! Thinning a curve to what pixels can show, without losing a peak.

use super::canvas::Point;

/// The points that draw `samples` (in pixels, by rising x) as well as all of them would.
///
/// Of the samples in one column of a pixel the first, the lowest, the highest and the last are kept, in
/// their own order: a peak one sample wide stays as high as it is.
pub(super) fn thinned(samples: impl IntoIterator<Item = Point>) -> Vec<Point> {
    let mut out = Vec::new();
    let mut column: Option<Column> = None;
    for point in samples {
        let number = point[0].floor();
        match &mut column {
            Some(open) if open.number.total_cmp(&number).is_eq() => open.take(point),
            _ => {
                out.extend(column.iter().flat_map(Column::points));
                column = Some(Column::new(number, point));
            }
        }
    }
    out.extend(column.iter().flat_map(Column::points));
    out
}

/// What is kept of one column, each with its number in the column.
struct Column {
    number: f64,
    count: u32,
    first: Point,
    low: (u32, Point),
    high: (u32, Point),
    last: (u32, Point),
}

impl Column {
    const fn new(number: f64, point: Point) -> Self {
        let own = (0, point);
        Self {
            number,
            count: 1,
            first: point,
            low: own,
            high: own,
            last: own,
        }
    }

    fn take(&mut self, point: Point) {
        let own = (self.count, point);
        self.count += 1;
        if point[1] < self.low.1[1] {
            self.low = own;
        }
        if point[1] > self.high.1[1] {
            self.high = own;
        }
        self.last = own;
    }

    fn points(&self) -> impl Iterator<Item = Point> {
        let mut kept = vec![(0, self.first), self.low, self.high, self.last];
        kept.sort_by_key(|(number, _)| *number);
        kept.dedup_by_key(|(number, _)| *number);
        kept.into_iter().map(|(_, point)| point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_peak_is_hidden_and_order_is_kept(
            levels in prop::collection::vec(-60.0..0.0_f64, 1..4_000),
            peak in 0_usize..4_000,
            pixels in 1.0..900.0_f64,
        ) {
            let mut levels = levels;
            let at = peak % levels.len();
            levels[at] = 12.0;
            let step = pixels / levels.len() as f64;
            let points: Vec<Point> = levels.iter().enumerate()
                .map(|(i, level)| [i as f64 * step, *level]).collect();
            let kept = thinned(points.clone());
            prop_assert!(kept.contains(&points[at]));
            prop_assert_eq!(kept.first(), points.first());
            prop_assert_eq!(kept.last(), points.last());
            prop_assert!(kept.windows(2).all(|pair| pair[0][0] <= pair[1][0]));
            prop_assert!(kept.len() as f64 <= 4.0 * (pixels + 2.0));
            // Every pixel keeps its own lowest and highest.
            for point in &points {
                let column = |point: &Point| point[0].floor();
                let own = |other: &&Point| (column(other) - column(point)).abs() < 0.5;
                let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
                for other in kept.iter().filter(own) {
                    low = low.min(other[1]);
                    high = high.max(other[1]);
                }
                prop_assert!(low <= point[1] && point[1] <= high);
            }
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(thinned([]).is_empty());
        assert_eq!(thinned([[1.0, 2.0]]), [[1.0, 2.0]]);
    }
}
