//! What a trace says, as people and programs read it: the object and the table of design §5.1.

mod words;

use std::fmt::Write;

use serde::Serialize;
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::{Db, DbPerKm, GroupIndex, Nanometres, OpticalLength};
use silkline_sor::{KeyEvent, Sor};

use super::analyse::{Analysis, InstrumentFault};
use super::both::BothEnds;
use super::compare::{Change, ChangeKind, Comparison};
use super::end::EndKind;
use super::event::{Event, EventKind};
use super::samples::Trace;
use crate::place::{glass_to_mm, rounded};

/// One line of `trace --json`. Fields without a value are null, never a made-up number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The file's name as the user gave it.
    pub file: String,
    /// The file's format, such as `sor-2.0`.
    pub format: String,
    /// Maker of the instrument.
    pub supplier: String,
    /// Its model.
    pub model: String,
    /// When it was taken by its own clock, RFC 3339.
    pub taken: Option<String>,
    /// Wavelength.
    pub wavelength_nm: Option<Nanometres>,
    /// Pulse width in nanoseconds.
    pub pulse_ns: f64,
    /// The file's group index, by which all positions go.
    pub group_index: GroupIndex,
    /// One-way distance between samples.
    pub sample_spacing_m: OpticalLength,
    /// How many there are.
    pub samples: usize,
    /// Backscatter coefficient at 1 ns.
    pub backscatter_db: Option<Db>,
    /// Level at which signal and receiver noise are equal.
    pub noise_floor_db: Option<Db>,
    /// Where the fibre ends.
    pub end_of_fibre: Option<EndReport>,
    /// Loss from the user offset to the end.
    pub total_loss_db: Option<Db>,
    /// Optical return loss.
    pub orl_db: Option<Db>,
    /// What was found.
    pub events: Vec<EventReport>,
    /// What the instrument found.
    pub instrument_events: Vec<InstrumentEvent>,
    /// What differs from the reference; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<ChangeReport>>,
    /// The place on the route; absent without a plant file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<serde_json::Value>,
    /// The fibre from both its ends; absent without a trace from the other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub both: Option<BothEnds>,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// The end of the fibre.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EndReport {
    /// Where, from the user offset.
    pub at_m: OpticalLength,
    /// Half of the 95 % interval.
    pub plus_minus_m: OpticalLength,
    /// End or break.
    pub kind: EndKind,
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EventReport {
    /// Where, from the user offset.
    pub at_m: OpticalLength,
    /// Where, from the front panel.
    pub from_panel_m: OpticalLength,
    /// Half of the 95 % interval.
    pub plus_minus_m: OpticalLength,
    /// What it is.
    pub kind: EventKind,
    /// Its loss.
    pub loss_db: Option<Db>,
    /// Half of the loss's 95 % interval.
    pub loss_plus_minus_db: Option<Db>,
    /// Its reflectance.
    pub reflectance_db: Option<Db>,
    /// Attenuation of the glass before it.
    pub slope_before_db_per_km: Option<DbPerKm>,
    /// Whether its peak is cut off.
    pub saturated: bool,
}

/// An event of the instrument's own table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InstrumentEvent {
    /// Where, from the user offset.
    pub at_m: OpticalLength,
    /// Its code with the technique, such as `1F9999LS`.
    pub code: String,
    /// Its loss.
    pub loss_db: Db,
    /// Its reflectance.
    pub reflectance_db: Option<Db>,
}

/// One change against the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChangeReport {
    /// What kind.
    pub kind: ChangeKind,
    /// Where, from the user offset.
    pub at_m: OpticalLength,
    /// Half of the 95 % interval.
    pub plus_minus_m: OpticalLength,
    /// By how much.
    pub delta_db: Db,
}

impl Report {
    /// The report on one file.
    #[must_use]
    pub fn new(file: &str, sor: &Sor, trace: &Trace, analysis: &Analysis) -> Self {
        let settings = trace.settings();
        let taken = sor
            .acquisition
            .taken
            .map(|s| Timestamp::from_seconds(s.into()).to_string());
        let table = sor.events.iter().flat_map(|table| &table.events);
        let others = words::other_curves(sor);
        let warnings = sor.warnings.iter().chain(&others);
        let warnings = warnings.chain(&analysis.warnings);
        Self {
            file: file.into(),
            format: sor.format(),
            supplier: sor.supplier.supplier.clone(),
            model: sor.supplier.model.clone(),
            taken,
            wavelength_nm: settings.wavelength,
            pulse_ns: settings.pulse_ns,
            group_index: GroupIndex::of(rounded(settings.group_index.get(), 1e6)),
            sample_spacing_m: OpticalLength::of(rounded(settings.spacing.get(), 1e6)),
            samples: trace.levels().len(),
            backscatter_db: settings.backscatter,
            noise_floor_db: analysis.noise_floor.map(tenth_mdb),
            end_of_fibre: analysis.end.as_ref().map(|end| EndReport {
                at_m: glass_to_mm(end.at),
                plus_minus_m: glass_to_mm(end.plus_minus),
                kind: end.kind,
            }),
            total_loss_db: analysis.total_loss.map(tenth_mdb),
            orl_db: analysis.return_loss.map(tenth_mdb),
            events: analysis
                .events
                .iter()
                .map(|e| EventReport::new(e, settings.launch))
                .collect(),
            instrument_events: table
                .map(|event| InstrumentEvent::new(event, sor))
                .collect(),
            changes: None,
            place: None,
            both: None,
            warnings: warnings.cloned().collect(),
        }
    }

    /// The same with what differs from a reference; a shot that says nothing about the fibre has no
    /// changes, not none.
    #[must_use]
    pub fn with_changes(mut self, found: &Comparison) -> Self {
        if let Some(fault) = found.fault {
            let known = match fault {
                InstrumentFault::OtherFibre => "",
                InstrumentFault::Blank | InstrumentFault::NoLight => {
                    ": nothing is known of the fibre"
                }
            };
            self.warnings
                .push(format!("not compared with the reference{known}"));
            return self;
        }
        let change = |c: &Change| ChangeReport {
            kind: c.kind,
            at_m: glass_to_mm(c.at),
            plus_minus_m: glass_to_mm(c.plus_minus),
            delta_db: tenth_mdb(c.delta),
        };
        let broken = found
            .changes
            .iter()
            .any(|change| change.kind == ChangeKind::Break);
        if let (true, Some(end)) = (broken, &mut self.end_of_fibre) {
            end.kind = EndKind::Break;
        }
        if let Some(loss) = found.launch_loss {
            self.warnings.push(format!(
                "{loss:.1} less light at the launch than in the reference"
            ));
        }
        self.changes = Some(found.changes.iter().map(change).collect());
        self
    }

    /// The report as a table of at most 80 columns.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string can not fail.
        let _ = self.write_table(&mut text);
        text
    }

    fn write_table(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{}", cut(&self.file, 80))?;
        let wavelength = self
            .wavelength_nm
            .map_or_else(|| "?".into(), |nm| format!("{:.0}", nm.get()));
        let maker = format!("{} {}", self.supplier, self.model);
        let taken = self.taken.as_deref().unwrap_or("unknown time");
        writeln!(
            text,
            "  {}  {wavelength} nm  {} ns  {taken}",
            cut(&maker, 36),
            self.pulse_ns
        )?;
        match &self.end_of_fibre {
            Some(end) => {
                let kind = if end.kind == EndKind::Break {
                    "break"
                } else {
                    "end"
                };
                let (at, half) = (end.at_m.get(), end.plus_minus_m.get());
                writeln!(
                    text,
                    "  {kind} at {at:.1} ± {half:.1} m   {}",
                    self.totals()
                )?;
            }
            None => writeln!(text, "  no end seen   {}", self.totals())?,
        }
        writeln!(text, "  {HEAD}")?;
        for event in &self.events {
            writeln!(text, "  {}", event.row())?;
        }
        for change in self.changes.iter().flatten() {
            let (at, half) = (change.at_m.get(), change.plus_minus_m.get());
            let (kind, delta) = (change.kind.words(), change.delta_db.get());
            writeln!(
                text,
                "  changed: {kind:<19} {at:>10.1} ± {half:<7.1} {delta:+.2} dB"
            )?;
        }
        if self.changes.as_ref().is_some_and(Vec::is_empty) {
            writeln!(text, "  nothing changed against the reference")?;
        }
        if let Some(both) = &self.both {
            write_both(both, text)?;
        }
        if let Some(place) = &self.place {
            words::place(place, text)?;
        }
        self.warnings
            .iter()
            .try_for_each(|line| words::warning(line, text))
    }

    fn totals(&self) -> String {
        let db = |value: Option<Db>| {
            value.map_or_else(|| "-".into(), |db| format!("{:.2} dB", db.get()))
        };
        format!(
            "loss {}   return loss {}",
            db(self.total_loss_db),
            db(self.orl_db)
        )
    }
}

/// What both ends say together, a joint a row.
fn write_both(both: &BothEnds, text: &mut String) -> std::fmt::Result {
    let db = |value: Option<Db>| words::number(value.map(Db::get), 3);
    let (length, half) = (both.length_m.get(), both.length_plus_minus_m.get());
    writeln!(
        text,
        "  from both ends: {length:.1} ± {half:.1} m, loss {} ± {} dB",
        db(both.total_loss_db),
        db(both.total_loss_plus_minus_db)
    )?;
    words::closure(&both.closure, text)?;
    writeln!(
        text,
        "      at m     ± m   from A dB  from B dB    loss dB      ±"
    )?;
    for joint in &both.joints {
        writeln!(
            text,
            "{:>10.1} {:>7.1}  {:>10} {:>10} {:>10} {:>6}",
            joint.at_m.get(),
            joint.plus_minus_m.get(),
            db(joint.from_a.map(|way| way.loss_db)),
            db(joint.from_b.map(|way| way.loss_db)),
            db(joint.loss_db),
            db(joint.loss_plus_minus_db),
        )?;
    }
    both.notes
        .iter()
        .try_for_each(|note| words::warning(note, text))
}

/// Head of the table's rows.
const HEAD: &str = "      at m     ± m  kind         loss dB      ±    refl dB   dB/km before";

impl EventReport {
    fn new(event: &Event, launch: OpticalLength) -> Self {
        Self {
            at_m: glass_to_mm(event.at),
            from_panel_m: glass_to_mm(event.at + launch),
            plus_minus_m: glass_to_mm(event.plus_minus),
            kind: event.kind,
            loss_db: event.loss.map(tenth_mdb),
            loss_plus_minus_db: event.loss_plus_minus.map(tenth_mdb),
            reflectance_db: event.reflectance.map(tenth_mdb),
            slope_before_db_per_km: event
                .slope_before
                .map(|slope| DbPerKm::of(rounded(slope.get(), 1e5))),
            saturated: event.saturated,
        }
    }

    fn row(&self) -> String {
        let number = words::number;
        let kind = format!("{:?}", self.kind).to_lowercase();
        let reflectance = number(self.reflectance_db.map(Db::get), 1);
        format!(
            "{:>10.1} {:>7.1}  {kind:<11} {:>8} {:>6} {:>9}{} {:>10}",
            self.at_m.get(),
            self.plus_minus_m.get(),
            number(self.loss_db.map(Db::get), 3),
            number(self.loss_plus_minus_db.map(Db::get), 3),
            reflectance,
            if self.saturated { ">" } else { " " },
            number(self.slope_before_db_per_km.map(DbPerKm::get), 3),
        )
    }
}

impl InstrumentEvent {
    fn new(event: &KeyEvent, sor: &Sor) -> Self {
        Self {
            at_m: glass_to_mm(OpticalLength::of(sor.metres(event.time))),
            code: format!("{}{}", event.code, event.technique),
            loss_db: Db::of(event.loss.db()),
            reflectance_db: event
                .reflectance
                .map(|reflectance| Db::of(reflectance.db())),
        }
    }
}

/// A ratio to a tenth of a thousandth of a decibel: no instrument tells more.
fn tenth_mdb(value: Db) -> Db {
    Db::of(rounded(value.get(), 1e4))
}

/// The first characters of a text, with a sign where some are left out.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::synth::{Feature, Plan};
    use crate::trace::{Reference, analyse, compare};

    fn sor() -> Sor {
        use silkline_sor::{Acquisition, Curve, OneWayTime, Pulse};
        let index = silkline_sor::GroupIndex::STANDARD_1550;
        let pulse = Pulse {
            width_ns: 500,
            spacing: OneWayTime::from_metres(5.0, index),
        };
        let trace = Plan {
            features: vec![Feature {
                at_m: 7_000.0,
                loss_db: 0.4,
                reflectance_db: Some(-45.0),
            }],
            end_reflectance_db: Some(-20.0),
            ..Plan::default()
        }
        .trace();
        let raw = trace
            .levels()
            .iter()
            .map(|level| level_code(*level))
            .collect();
        let mut sor = Sor::new(
            Acquisition::new(pulse, index, 1_550.0),
            Curve { scale: 1_000, raw },
        );
        sor.acquisition.taken = Some(1_700_000_000);
        sor.supplier.model = "A model with quite a long name that goes on and on".into();
        sor
    }

    fn level_code(level: f64) -> u16 {
        u16::try_from(super::super::samples::whole(-level * 1_000.0)).unwrap_or(u16::MAX)
    }

    fn report(sor: &Sor) -> Report {
        let trace = Trace::from_sor(sor).unwrap();
        let analysis = analyse(&trace);
        let reference = Reference {
            analysis: analyse(&Plan::default().trace()),
        };
        let changes = compare(&analysis, &reference);
        Report::new("some/file.sor", sor, &trace, &analysis).with_changes(&changes)
    }

    #[test]
    fn the_object_has_the_names_of_the_contract() {
        let value = serde_json::to_value(report(&sor())).unwrap();
        for name in [
            "file",
            "format",
            "supplier",
            "model",
            "taken",
            "wavelength_nm",
            "pulse_ns",
            "group_index",
            "sample_spacing_m",
            "samples",
            "backscatter_db",
            "noise_floor_db",
            "end_of_fibre",
            "total_loss_db",
            "orl_db",
            "events",
            "instrument_events",
            "changes",
            "warnings",
        ] {
            assert!(value.get(name).is_some(), "{name}");
        }
        assert_eq!(value["format"], "sor-2.0");
        assert_eq!(value["taken"], "2023-11-14T22:13:20Z");
        assert_eq!(value["end_of_fibre"]["kind"], "end");
        assert_eq!(value["events"][0]["kind"], "reflective");
        assert_eq!(value["events"][1]["kind"], "end");
        assert_eq!(value["backscatter_db"], serde_json::Value::Null);
        assert!(value.get("place").is_none());
    }

    #[test]
    fn a_blank_shot_is_not_said_to_show_no_change() {
        let mut sor = sor();
        sor.curve.raw.fill(0);
        let trace = Trace::from_sor(&sor).unwrap();
        let analysis = analyse(&trace);
        let reference = Reference {
            analysis: analyse(&Plan::default().trace()),
        };
        let changes = compare(&analysis, &reference);
        let report = Report::new("blank.sor", &sor, &trace, &analysis).with_changes(&changes);
        assert_eq!(report.changes, None);
        let table = report.table();
        assert!(!table.contains("nothing changed"), "{table}");
        assert!(table.contains("not compared with the reference"), "{table}");
    }

    #[test]
    fn the_table_fits_80_columns() {
        let mut report = report(&sor());
        report.warnings.push("w".repeat(200));
        let table = report.table();
        assert!(
            table.lines().all(|line| line.chars().count() <= 80),
            "{table}"
        );
        assert!(
            table.contains("reflective") && table.contains("end at"),
            "{table}"
        );
    }
}
