//! One file's content.

use crate::checksum::Checksum;
use crate::data::Curve;
use crate::events::KeyEvents;
use crate::link::Landmark;
use crate::map::BlockEntry;
use crate::params::{Acquisition, General, Supplier};
use crate::quantity::OneWayTime;

/// An OTDR trace with everything its file says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sor {
    /// Format version times a hundred: 100 to 199 for version 1, 200 and up for version 2.
    pub version: u16,
    /// The fibre and the people.
    pub general: General,
    /// The instrument.
    pub supplier: Supplier,
    /// The settings.
    pub acquisition: Acquisition,
    /// The samples of the first pulse width: the trace.
    pub curve: Curve,
    /// Curves of further pulse widths, in the order of [`Acquisition::other_pulses`].
    pub other_curves: Vec<Curve>,
    /// The instrument's event table, where the file has one.
    pub events: Option<KeyEvents>,
    /// Landmarks of the link.
    pub landmarks: Vec<Landmark>,
    /// Makers' own blocks, untouched.
    pub vendor_blocks: Vec<VendorBlock>,
    /// What the checksum says.
    pub checksum: Checksum,
    /// The file's map; [`write()`](crate::write()) makes a new one.
    pub blocks: Vec<BlockEntry>,
    /// What was odd or lost, one line each.
    pub warnings: Vec<String>,
}

/// A block only its maker understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorBlock {
    /// Its name.
    pub name: String,
    /// Its version times a hundred.
    pub version: u16,
    /// What follows the name.
    pub bytes: Vec<u8>,
}

impl Sor {
    /// A trace with these settings and samples and nothing else.
    #[must_use]
    pub fn new(acquisition: Acquisition, curve: Curve) -> Self {
        Self {
            version: 200,
            general: General::default(),
            supplier: Supplier::default(),
            acquisition,
            curve,
            other_curves: Vec::new(),
            events: None,
            landmarks: Vec::new(),
            vendor_blocks: Vec::new(),
            checksum: Checksum::Absent,
            blocks: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The length of glass behind a time of this file, in metres, by its own group index.
    #[must_use]
    pub fn metres(&self, time: OneWayTime) -> f64 {
        time.metres(self.acquisition.group_index)
    }

    /// Where sample `index` lies, in metres from the user offset.
    #[must_use]
    pub fn sample_m(&self, index: usize) -> f64 {
        self.first_sample_m() + index as f64 * self.acquisition.spacing_m()
    }

    /// Where the first sample lies, in metres from the user offset, the event table's zero.
    #[must_use]
    pub fn first_sample_m(&self) -> f64 {
        self.first_sample_from_panel_m() - self.user_offset_m()
    }

    /// Where the first sample lies, in metres from the front panel.
    ///
    /// It is the acquisition offset, or minus the front-panel offset where that is 0: without the
    /// second rule the traces of some makers shift by up to a kilometre.
    #[must_use]
    pub fn first_sample_from_panel_m(&self) -> f64 {
        let settings = &self.acquisition;
        if settings.acquisition_offset == OneWayTime::default() {
            return -self.metres(settings.front_panel_offset);
        }
        self.metres(settings.acquisition_offset)
    }

    /// The user offset in metres: the length of the launch fibre.
    #[must_use]
    pub fn user_offset_m(&self) -> f64 {
        self.metres(self.general.user_offset)
    }

    /// The wavelength in nanometres: the measured one, else the nominal one if that makes sense.
    #[must_use]
    pub fn wavelength_nm(&self) -> Option<f64> {
        let nominal = f64::from(self.general.nominal_nm);
        self.acquisition
            .wavelength_nm
            .or_else(|| crate::params::wavelength_nm(nominal))
    }

    /// The format as people name it, such as `sor-2.0`.
    #[must_use]
    pub fn format(&self) -> String {
        format!("sor-{}.{}", self.version / 100, self.version % 100 / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Pulse;
    use crate::quantity::GroupIndex;

    fn trace() -> Sor {
        let spacing = OneWayTime::from_metres(2.0, GroupIndex::STANDARD_1550);
        let pulse = Pulse {
            width_ns: 100,
            spacing,
        };
        let settings = Acquisition::new(pulse, GroupIndex::STANDARD_1550, 1_550.0);
        Sor::new(
            settings,
            Curve {
                scale: 1_000,
                raw: vec![0; 100],
            },
        )
    }

    fn near(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() < 0.02
    }

    #[test]
    fn the_front_panel_offset_counts_only_without_an_acquisition_offset() {
        let index = GroupIndex::STANDARD_1550;
        let mut sor = trace();
        sor.acquisition.front_panel_offset = OneWayTime::from_metres(1_071.0, index);
        assert!(near(sor.first_sample_m(), -1_071.0));
        sor.acquisition.acquisition_offset = OneWayTime::from_metres(-30.0, index);
        assert!(near(sor.first_sample_m(), -30.0));
    }

    #[test]
    fn the_user_offset_is_the_zero() {
        let mut sor = trace();
        sor.general.user_offset = OneWayTime::from_metres(1_000.0, GroupIndex::STANDARD_1550);
        assert!(near(sor.sample_m(0), -1_000.0));
        assert!(near(sor.sample_m(510), 20.0));
        assert!(near(sor.first_sample_from_panel_m(), 0.0));
    }

    #[test]
    fn the_nominal_wavelength_stands_in_for_junk() {
        let mut sor = trace();
        sor.acquisition.wavelength_nm = None;
        assert_eq!(sor.wavelength_nm(), None);
        sor.general.nominal_nm = 1_625;
        assert_eq!(sor.wavelength_nm(), Some(1_625.0));
    }

    #[test]
    fn the_format_is_named_as_people_do() {
        let mut sor = trace();
        assert_eq!(sor.format(), "sor-2.0");
        sor.version = 110;
        assert_eq!(sor.format(), "sor-1.1");
    }
}
