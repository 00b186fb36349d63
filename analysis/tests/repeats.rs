//! Thirty-two real shots of one fibre, read in place where they are at hand: blank shots and a low
//! launch are named, the good ones show no change, and a loss added to one is found.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use silkline_analysis::trace::{InstrumentFault, Settings, Trace, Watch, analyse};
    use silkline_protocol::unit::{GroupIndex, OpticalLength};

    /// The shot whose launch lost about a decibel.
    const LOW: &str = "otdr_2022_11_28_21_14_05.json.gz";

    #[expect(
        clippy::disallowed_types,
        reason = "real shots are files, packed by gzip"
    )]
    fn unpacked(path: &Path) -> Vec<u8> {
        std::process::Command::new("gzip")
            .arg("-dc")
            .arg(path)
            .output()
            .unwrap()
            .stdout
    }

    /// The shots of 10 ns, by name.
    fn shots() -> Vec<(String, Trace)> {
        let folder =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/otdr-repeats");
        let Ok(entries) = std::fs::read_dir(folder) else {
            println!("skipped: no repeated shots here");
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "gz"));
        paths.sort();
        paths.iter().filter_map(|path| shot(path)).collect()
    }

    fn shot(path: &Path) -> Option<(String, Trace)> {
        let value: serde_json::Value = serde_json::from_slice(&unpacked(path)).unwrap();
        if value["params"]["pwidth"] != "10E-09" {
            return None;
        }
        let rows = value["XY"].as_array().unwrap();
        let levels = rows.iter().map(|row| row[1].as_f64().unwrap()).collect();
        let settings = Settings {
            spacing: OpticalLength::of(1.0),
            first: OpticalLength::of(0.0),
            launch: OpticalLength::of(0.0),
            pulse_ns: 10.0,
            group_index: GroupIndex::AT_1310,
            wavelength: None,
            backscatter: None,
            loss_threshold: None,
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Some((name, Trace::new(settings, levels, None).unwrap()))
    }

    fn good() -> Vec<Trace> {
        let lit = |(name, trace): (String, Trace)| {
            (name != LOW && analyse(&trace).fault.is_none()).then_some(trace)
        };
        shots().into_iter().filter_map(lit).collect()
    }

    fn without(shots: &[Trace], left_out: &[usize]) -> Watch {
        let kept = shots
            .iter()
            .enumerate()
            .filter(|(i, _)| !left_out.contains(i));
        Watch::learn(&kept.map(|(_, shot)| shot.clone()).collect::<Vec<_>>()).unwrap()
    }

    fn with_loss(shot: &Trace, at: usize, loss: f64) -> Trace {
        let levels = shot.levels().iter().enumerate();
        let levels = levels.map(|(i, level)| if i >= at { level - loss } else { *level });
        Trace::new(*shot.settings(), levels.collect(), None).unwrap()
    }

    #[test]
    fn the_blank_shots_are_the_instruments_fault() {
        let shots = shots();
        let blank = shots
            .iter()
            .filter(|(_, t)| analyse(t).fault == Some(InstrumentFault::Blank));
        assert!(shots.is_empty() || blank.count() == 2);
    }

    #[test]
    fn good_shots_show_no_change_and_the_low_one_is_its_launch() {
        let good = good();
        for i in 0..good.len() {
            let found = without(&good, &[i]).examine(&good[i..=i]).unwrap();
            assert_eq!(found.changes, [], "shot {i}");
            assert_eq!(found.launch_loss, None, "shot {i}");
        }
        let Some((_, low)) = shots().into_iter().find(|(name, _)| name == LOW) else {
            return;
        };
        let found = without(&good, &[]).examine(&[low]).unwrap();
        assert_eq!(found.changes, []);
        assert!(
            (found.launch_loss.unwrap().get() - 0.96).abs() < 0.1,
            "{found:?}"
        );
    }

    /// How often a loss was found within `metres` of where it was put, of how many tries.
    fn found(loss: f64, shots_a_look: usize, metres: f64) -> (usize, usize) {
        let good = good();
        let (mut near, mut inside, mut all) = (0, 0, 0);
        let mut offs = Vec::new();
        for round in 0..60_usize.min(4 * good.len()) {
            let at = 600 + (round * 613) % 4_100;
            let pick = |k: usize| (round * 5 + k * 3) % good.len();
            let picked: Vec<usize> = (0..shots_a_look).map(pick).collect();
            let shots: Vec<Trace> = picked
                .iter()
                .map(|&i| with_loss(&good[i], at, loss))
                .collect();
            let found = without(&good, &picked).examine(&shots).unwrap();
            all += 1;
            let Some(change) = found.changes.first() else {
                offs.push(f64::INFINITY);
                continue;
            };
            let off = (change.at.get() - at as f64).abs();
            offs.push(off);
            near += usize::from(off < metres);
            inside += usize::from(off <= change.plus_minus.get());
        }
        offs.sort_by(f64::total_cmp);
        let at = |percent: usize| offs.get(percent * all / 100).copied().unwrap_or(0.0);
        println!(
            "repeats: {loss} dB in the mean of {shots_a_look}: {near} of {all} within {metres} m, \
             half within {:.0} m, 95 % within {:.0} m, {inside} in their intervals",
            at(50),
            at(95)
        );
        (near, all)
    }

    #[test]
    fn a_loss_of_0_15_db_is_found_in_one_shot() {
        let (near, all) = found(0.15, 1, 50.0);
        assert!(near * 100 >= all * 95, "{near} of {all} within 50 m");
        found(0.1, 1, 50.0);
    }

    #[test]
    fn a_loss_of_0_05_db_is_found_in_the_mean_of_eight() {
        let (near, all) = found(0.05, 8, 65.0);
        assert!(near * 100 >= all * 95, "{near} of {all} within 65 m");
        found(0.03, 8, 65.0);
    }
}
