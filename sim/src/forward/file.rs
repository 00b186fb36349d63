//! A finished acquisition as the SOR file its instrument would write.

use silkline_sor::{
    Acquisition, Curve, General, GroupIndex, MilliDb, OneWayTime, Pulse, Sor, Supplier, Thresholds,
};

use super::otdr::{ASSUMED_BACKSCATTER_DB, Trace};

/// What is written on a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The cable.
    pub cable: String,
    /// The strand.
    pub fibre: String,
    /// Where the instrument stands.
    pub from: String,
    /// Where the fibre leads.
    pub to: String,
    /// The instrument's serial number.
    pub serial: String,
}

impl Trace {
    /// The file, byte for byte.
    #[must_use]
    pub fn sor(&self, labels: &Labels) -> Vec<u8> {
        let shot = &self.shot;
        let index = GroupIndex::new(shot.group_index.get());
        let time = |metres: f64| OneWayTime::from_metres(metres, index);
        let pulse = Pulse {
            width_ns: shot.pulse_ns,
            spacing: time(shot.spacing.get()),
        };
        let seconds = shot.taken.nanos() / 1_000_000_000;
        let acquisition = Acquisition {
            taken: u32::try_from(seconds).ok().filter(|seconds| *seconds > 0),
            backscatter: Some(MilliDb::from_db(ASSUMED_BACKSCATTER_DB)),
            averages: u32::from(shot.average_s).saturating_mul(self.pulses_a_second()),
            averaging_time: shot.average_s.saturating_mul(10),
            range: time(shot.range.get()),
            noise_floor: Some(MilliDb::from_db(self.floor.get())),
            thresholds: Thresholds {
                loss: Some(MilliDb(50)),
                reflectance: Some(MilliDb(-65_000)),
                end: Some(MilliDb(5_000)),
            },
            ..Acquisition::new(pulse, index, shot.wavelength.get())
        };
        let curve = Curve {
            scale: 1_000,
            raw: self.raw.clone(),
        };
        let mut sor = Sor::new(acquisition, curve);
        sor.general = General {
            cable: labels.cable.clone(),
            fibre: labels.fibre.clone(),
            location_a: labels.from.clone(),
            location_b: labels.to.clone(),
            nominal_nm: nanometres(shot.wavelength.get()),
            build_condition: "CC".into(),
            user_offset: time(shot.launch.get()),
            ..General::default()
        };
        sor.supplier = Supplier {
            supplier: "silkline".into(),
            model: "reference OTDR".into(),
            serial: labels.serial.clone(),
            software: env!("CARGO_PKG_VERSION").into(),
            ..Supplier::default()
        };
        silkline_sor::write(&sor)
    }

    /// One pulse is on its way at a time.
    fn pulses_a_second(&self) -> u32 {
        let index = self.shot.group_index.get();
        let round_trip_s =
            2.0 * self.shot.range.get() * index / silkline_protocol::unit::LIGHT_M_PER_S;
        let rate = 1.0 / round_trip_s.max(1e-6);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and a million by the line above"
        )]
        let whole = rate as u32;
        whole
    }
}

fn nanometres(wavelength: f64) -> u16 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates; a wavelength is positive"
    )]
    let whole = wavelength.round() as u16;
    whole
}

#[cfg(test)]
mod tests {
    use super::super::{Fibre, Instrument, Joint, Part, Shot, shoot};
    use super::*;
    use silkline_protocol::time::Timestamp;
    use silkline_protocol::unit::{Db, OpticalLength};

    #[test]
    fn a_reader_finds_settings_and_samples_again() {
        let end = Joint::reflecting(Db::of(0.0), Db::of(-40.0));
        let fibre = Fibre {
            panel: Joint::default(),
            parts: vec![Part::standard(OpticalLength::of(30_000.0), end)],
        };
        let shot = Shot {
            launch: OpticalLength::of(1_000.0),
            taken: Timestamp::from_seconds(1_790_000_000),
            ..Shot::of(fibre.length(), 300, 15)
        };
        let trace = shoot(&fibre, &Instrument::default(), &shot);
        let labels = Labels {
            cable: "baku-poti".into(),
            fibre: "f3".into(),
            ..Labels::default()
        };
        let sor = silkline_sor::read(&trace.sor(&labels)).unwrap();
        assert_eq!(sor.curve.raw, trace.raw);
        assert_eq!(sor.acquisition.taken, Some(1_790_000_000));
        assert_eq!(sor.acquisition.pulse.width_ns, 300);
        assert_eq!(
            (sor.general.cable.as_str(), sor.general.fibre.as_str()),
            ("baku-poti", "f3")
        );
        // Sample 0 lies at the panel, a launch fibre before the zero; times are kept to 0.1 ns.
        assert!((sor.first_sample_m() + 1_000.0).abs() < 0.02);
        let last = sor.sample_m(trace.raw.len() - 1) + 1_000.0;
        let wanted = shot.spacing.get() * (trace.raw.len() - 1) as f64;
        assert!((last - wanted).abs() < 0.1, "{last} {wanted}");
        assert_eq!(sor.warnings, Vec::<String>::new());
    }
}
