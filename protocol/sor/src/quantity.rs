//! The file's quantities as the integers it holds, each with its meaning in its type.
//!
//! Integers keep a file's values exact through reading and writing; conversions to metres and
//! decibels happen here and nowhere else.

/// Speed of light in vacuum, in metres a second.
pub const SPEED_OF_LIGHT: f64 = 299_792_458.0;

/// A one-way time of flight, in hundredths of a picosecond (1e-14 s), the finest unit of the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OneWayTime(i64);

impl OneWayTime {
    /// Counts of 1e-14 s in one count of 1e-10 s, the unit of event times and offsets.
    const PER_TENTH_NS: i64 = 10_000;

    /// The time of `count` units of 1e-14 s, as sample spacings are stored.
    #[must_use]
    pub const fn from_hundredths_of_ps(count: u32) -> Self {
        Self(count as i64)
    }

    /// The time of `count` units of 1e-10 s, as event times and offsets are stored.
    #[must_use]
    pub const fn from_tenths_of_ns(count: i32) -> Self {
        Self(count as i64 * Self::PER_TENTH_NS)
    }

    /// The one-way time light needs for `metres` of glass, to the nearest 1e-14 s.
    #[must_use]
    pub fn from_metres(metres: f64, index: GroupIndex) -> Self {
        let counts = (metres * index.value() / SPEED_OF_LIGHT * 1e14).round();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates; NaN becomes zero"
        )]
        let counts = counts as i64;
        Self(counts)
    }

    /// This time in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 * 1e-14
    }

    /// The length of glass light passes in this time, in metres.
    #[must_use]
    pub fn metres(self, index: GroupIndex) -> f64 {
        self.seconds() * SPEED_OF_LIGHT / index.value()
    }

    /// This time in whole units of 1e-14 s, for an unsigned field of the file.
    pub(crate) fn hundredths_of_ps(self) -> u32 {
        u32::try_from(self.0.max(0)).unwrap_or(u32::MAX)
    }

    /// This time in units of 1e-10 s, rounded, held to the range of the field.
    pub(crate) fn tenths_of_ns(self) -> i32 {
        let half = Self::PER_TENTH_NS / 2 * self.0.signum();
        let count = self.0.saturating_add(half) / Self::PER_TENTH_NS;
        let limit = if count < 0 { i32::MIN } else { i32::MAX };
        i32::try_from(count).unwrap_or(limit)
    }
}

/// A group index of refraction, in units of 1e-5 as the file holds it; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupIndex(u32);

impl GroupIndex {
    /// Of standard single-mode fibre at 1550 nm.
    pub const STANDARD_1550: Self = Self(146_820);

    /// The index nearest to `value`, held between 1 and 2: light is not faster, glass not denser.
    #[must_use]
    pub fn new(value: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 1e5..=2e5; NaN becomes zero and is raised below"
        )]
        let counts = (value.clamp(1.0, 2.0) * 1e5).round() as u32;
        Self(counts.max(100_000))
    }

    /// The index of a file's field, or nothing for zero.
    pub(crate) const fn from_raw(raw: u32) -> Option<Self> {
        if raw == 0 { None } else { Some(Self(raw)) }
    }

    /// As the file holds it.
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    /// The index as a number, about 1.468.
    #[must_use]
    pub fn value(self) -> f64 {
        f64::from(self.0) * 1e-5
    }
}

/// A level or ratio in thousandths of a decibel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MilliDb(pub i32);

impl MilliDb {
    /// The value in decibels.
    #[must_use]
    pub fn db(self) -> f64 {
        f64::from(self.0) * 1e-3
    }

    /// The nearest value to `db` decibels, held to the range of the type.
    #[must_use]
    pub fn from_db(db: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates; NaN becomes zero"
        )]
        let counts = (db * 1e3).round() as i32;
        Self(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_microsecond_one_way_is_204_metres_at_1_4682() {
        let time = OneWayTime::from_tenths_of_ns(10_000);
        let metres = time.metres(GroupIndex::STANDARD_1550);
        assert!((metres - 204.190_5).abs() < 1e-3, "{metres}");
    }

    #[test]
    fn metres_and_back_agree_to_a_hundredth_of_a_millimetre() {
        for metres in [0.0, 0.127, 51.2, 80_000.0, -1_071.3] {
            let time = OneWayTime::from_metres(metres, GroupIndex::STANDARD_1550);
            assert!((time.metres(GroupIndex::STANDARD_1550) - metres).abs() < 1e-5);
        }
    }

    #[test]
    fn times_round_to_the_field_and_stay_in_it() {
        assert_eq!(OneWayTime(14_999).tenths_of_ns(), 1);
        assert_eq!(OneWayTime(15_000).tenths_of_ns(), 2);
        assert_eq!(OneWayTime(-15_000).tenths_of_ns(), -2);
        assert_eq!(OneWayTime(i64::MAX).tenths_of_ns(), i32::MAX);
        assert_eq!(OneWayTime(i64::MIN).tenths_of_ns(), i32::MIN);
        assert_eq!(OneWayTime(-1).hundredths_of_ps(), 0);
    }

    #[test]
    fn an_index_can_not_be_nonsense() {
        assert_eq!(GroupIndex::new(f64::NAN).raw(), 100_000);
        assert_eq!(GroupIndex::new(-3.0).raw(), 100_000);
        assert_eq!(GroupIndex::new(1.4682), GroupIndex::STANDARD_1550);
        assert!(GroupIndex::from_raw(0).is_none());
    }

    #[test]
    fn milli_decibels_convert_both_ways() {
        assert_eq!(MilliDb::from_db(-52.0004), MilliDb(-52_000));
        assert!((MilliDb(1_234).db() - 1.234).abs() < 1e-12);
    }
}
