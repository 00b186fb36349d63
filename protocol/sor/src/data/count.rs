//! Which of a file's sample counts to believe.

use crate::read::ReadError;

use super::FEWEST_SAMPLES;

/// Samples that a file may lack at its end and still be worth reading: some makers count one or two
/// more than they write.
const MOST_MISSING: usize = 8;

/// The counts of samples in a file, and how many there can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    /// In the header of the part itself.
    pub(super) own: u32,
    /// In `FxdParams`.
    pub(super) stated: u32,
    /// In the header of `DataPts`, for all parts.
    pub(super) total: u32,
    /// In the bytes of the block, by the map.
    pub(super) in_block: usize,
    /// In the bytes to the end of the file.
    pub(super) in_file: usize,
}

impl Counts {
    /// Which count to believe, and whether the file holds as many.
    pub(super) fn believed(self, warnings: &mut Vec<String>) -> Result<usize, ReadError> {
        let chosen = self.chosen();
        if self.own != self.stated {
            warnings.push(format!(
                "DataPts: {} samples, FxdParams: {}; took {chosen}",
                self.own, self.stated
            ));
        }
        if chosen < FEWEST_SAMPLES {
            let wanted = "at least 10";
            let found = chosen.to_string();
            return Err(ReadError::implausible("sample count", found, wanted));
        }
        if chosen > self.in_block && chosen <= self.in_file {
            warnings.push("DataPts: larger than the map says".into());
        }
        let missing = chosen.saturating_sub(self.in_file);
        if missing > 0 && missing <= MOST_MISSING && self.in_file >= FEWEST_SAMPLES {
            warnings.push(format!("DataPts: the last {missing} samples are missing"));
            return Ok(self.in_file);
        }
        if missing > 0 && self.own != self.stated {
            let wanted = "no more samples than the file holds";
            let found = chosen.to_string();
            return Err(ReadError::implausible("sample count", found, wanted));
        }
        if missing > 0 {
            return Err(ReadError::Truncated {
                block: "DataPts",
                missing: Some(missing),
            });
        }
        Ok(chosen)
    }

    fn chosen(self) -> usize {
        let [own, stated, total] = [self.own, self.stated, self.total]
            .map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let sound = |count: usize, room: usize| (FEWEST_SAMPLES..=room).contains(&count);
        // Two counts that agree are believed before the map, the map before a count alone.
        if sound(own, self.in_block) || (own == stated && sound(own, self.in_file)) {
            return own;
        }
        let by_map = [stated, total].into_iter();
        let by_file = [own, stated, total].into_iter();
        by_map
            .map(|count| (count, self.in_block))
            .chain(by_file.map(|count| (count, self.in_file)))
            .find(|&(count, room)| sound(count, room))
            .map_or(own, |(count, _)| count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(own: u32, stated: u32, total: u32) -> Counts {
        Counts {
            own,
            stated,
            total,
            in_block: 100,
            in_file: 140,
        }
    }

    fn believed(counts: Counts) -> Option<usize> {
        counts.believed(&mut Vec::new()).ok()
    }

    #[test]
    fn a_count_that_the_block_holds_is_believed() {
        assert_eq!(believed(counts(100, 100, 100)), Some(100));
        assert_eq!(believed(counts(90, 100, 100)), Some(90));
        assert_eq!(believed(counts(101, 100, 101)), Some(100));
        assert_eq!(believed(counts(0, 0, 98)), Some(98));
    }

    #[test]
    fn two_counts_that_agree_are_believed_before_the_map() {
        assert_eq!(believed(counts(130, 130, 0)), Some(130));
        assert_eq!(believed(counts(130, 99, 0)), Some(99));
    }

    #[test]
    fn no_more_is_read_than_the_file_holds() {
        assert_eq!(believed(counts(148, 148, 148)), Some(140));
        assert_eq!(believed(counts(149, 149, 149)), None);
        assert_eq!(believed(counts(u32::MAX, 149, 150)), None);
    }

    #[test]
    fn a_handful_of_samples_is_no_trace() {
        let error = counts(9, 9, 9).believed(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("sample count"), "{error}");
    }
}
