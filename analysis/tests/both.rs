//! A fibre of glasses that scatter differently, shot by the simulator from both its ends: true
//! losses are found where one way shows gains.

#[cfg(test)]
mod tests {
    use silkline_analysis::trace::both::{BothEnds, BothError, KnownLength, Seen, Side, combine};
    use silkline_analysis::trace::{Trace, analyse};
    use silkline_protocol::unit::{Db, DbPerKm, OpticalLength};
    use silkline_sim::Seed;
    use silkline_sim::forward::{Fibre, Instrument, Joint, Labels, Part, Shot, shoot};

    /// Launch fibres at A and B, in metres.
    const LAUNCH: [f64; 2] = [1_000.0, 700.0];

    /// Numbers between 0 and 1 that look random and are always the same.
    fn draw(seed: u64, k: u64) -> f64 {
        let mut z = (seed * 1_000 + k + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Parts from A to B; the joint behind the last is B's connector, seen by none.
    fn glass(seed: u64) -> Vec<Part> {
        let part = |k: u64| {
            let between = |j: u64, low: f64, high: f64| low + (high - low) * draw(seed, 10 * k + j);
            let loss = between(0, 0.02, 0.4);
            let joint = if draw(seed, 10 * k + 1) < 0.15 {
                Joint::reflecting(Db::of(loss), Db::of(-50.0))
            } else {
                Joint::splice(Db::of(loss))
            };
            Part {
                length: OpticalLength::of(between(2, 1_500.0, 5_000.0)),
                attenuation: DbPerKm::of(between(3, 0.18, 0.22)),
                backscatter: Db::of(between(4, -82.1, -80.9)),
                then: joint,
            }
        };
        (0..6).map(part).collect()
    }

    fn end() -> Joint {
        Joint::reflecting(Db::of(0.0), Db::of(-30.0))
    }

    /// The same glass from B: each joint now follows the part behind it.
    fn reversed(parts: &[Part]) -> Vec<Part> {
        let joints = parts.iter().rev().skip(1).map(|part| part.then);
        let joints = joints.chain([end()]);
        parts
            .iter()
            .rev()
            .zip(joints)
            .map(|(part, then)| Part { then, ..*part })
            .collect()
    }

    fn shot(parts: &[Part], launch: f64, noise: u64) -> Trace {
        let patch = Part::standard(
            OpticalLength::of(launch),
            Joint::reflecting(Db::of(0.25), Db::of(-45.0)),
        );
        let mut all: Vec<Part> = [patch].into_iter().chain(parts.iter().copied()).collect();
        all.last_mut().unwrap().then = end();
        let fibre = Fibre {
            panel: Joint::reflecting(Db::of(0.3), Db::of(-45.0)),
            parts: all,
        };
        let shot = Shot {
            launch: OpticalLength::of(launch),
            noise: Seed(noise),
            grain: Seed(noise + 1),
            ..Shot::of(fibre.length(), 100, 60)
        };
        let file = shoot(&fibre, &Instrument::default(), &shot).sor(&Labels::default());
        Trace::from_sor(&silkline_sor::read(&file).unwrap()).unwrap()
    }

    fn both(parts: &[Part], seed: u64, known: Option<KnownLength>) -> Result<BothEnds, BothError> {
        let [a, b] = [
            shot(parts, LAUNCH[0], 100 + seed),
            shot(&reversed(parts), LAUNCH[1], 10_000 + seed),
        ];
        let (of_a, of_b) = (analyse(&a), analyse(&b));
        combine(
            &Side {
                trace: &a,
                analysis: &of_a,
            },
            &Side {
                trace: &b,
                analysis: &of_b,
            },
            known,
        )
    }

    fn length(parts: &[Part]) -> f64 {
        parts.iter().map(|part| part.length.get()).sum()
    }

    #[test]
    fn true_losses_lie_in_their_intervals_and_gainers_are_resolved() {
        let (mut inside, mut all, mut gainers, mut bias) = (0.0, 0.0, 0, 0.0);
        let mut lone = 0;
        for seed in 0..24 {
            let parts = glass(seed);
            let found = both(&parts, seed, None).unwrap();
            let mut at = 0.0;
            for part in &parts[..parts.len() - 1] {
                at += part.length.get();
                let near =
                    |j: &&silkline_analysis::trace::both::Joint| (j.at_m.get() - at).abs() < 25.0;
                let Some(joint) = found.joints.iter().find(near) else {
                    continue;
                };
                lone += usize::from(joint.seen != Seen::Both);
                gainers += usize::from(joint.gainer);
                if let (Some(loss), Some(half)) = (joint.loss_db, joint.loss_plus_minus_db) {
                    let off = loss.get() - part.then.loss.get();
                    all += 1.0;
                    bias += off;
                    inside += f64::from(u8::from(off.abs() <= half.get()));
                }
            }
        }
        let share = inside / all;
        println!(
            "both ends: {all} losses, {:.1} % inside, bias {:.4} dB, {gainers} gainers, {lone} from one end",
            100.0 * share,
            bias / all
        );
        assert!(all > 80.0, "{all}");
        assert!(gainers > 5 && lone > 0, "{gainers} {lone}");
        assert!((0.90..=0.995).contains(&share), "{share}");
        assert!((bias / all).abs() < 0.01, "{}", bias / all);
    }

    #[test]
    fn lengths_slopes_and_totals_are_those_of_the_fibre() {
        for seed in 30..38 {
            let parts = glass(seed);
            let found = both(&parts, seed, None).unwrap();
            let off = found.length_m.get() - length(&parts);
            assert!(off.abs() < 6.0, "seed {seed}: {off}");
            assert!(found.closure.joints >= 2, "{:?}", found.closure);
            assert!(
                found.closure.gap_m.unwrap().get().abs() < 8.0,
                "{:?}",
                found.closure
            );
            let loss = |part: &Part| (part.attenuation * part.length + part.then.loss).get();
            let last = parts.last().unwrap().then.loss.get();
            let truth = parts.iter().map(loss).sum::<f64>() - last;
            let total = found.total_loss_db.unwrap().get();
            assert!((total - truth).abs() < 0.08, "seed {seed}: {total} {truth}");
            let far = |s: &&silkline_analysis::trace::both::Section| {
                s.to_m.get() - s.from_m.get() > 2_500.0
            };
            for section in found.sections.iter().filter(far) {
                if let (Some(mean), Some(half)) =
                    (section.mean_db_per_km, section.plus_minus_db_per_km)
                {
                    assert!((0.17..0.23).contains(&mean.get()), "{section:?}");
                    assert!(half.get() < 0.05, "{section:?}");
                }
            }
        }
    }

    #[test]
    fn a_cut_fibre_with_glass_missing_says_how_much() {
        let parts = glass(50);
        let whole = length(&parts);
        let known = KnownLength {
            at: OpticalLength::of(whole),
            plus_minus: OpticalLength::of(1.0),
        };
        // Cut inside the third part; 40 m are gone.
        let before: f64 = parts[..2].iter().map(|part| part.length.get()).sum();
        let mut near = parts[..3].to_vec();
        near[2].length = OpticalLength::of(600.0);
        let mut far = reversed(&parts[2..]);
        far.last_mut().unwrap().length = parts[2].length - OpticalLength::of(640.0);
        let (a, b) = (shot(&near, LAUNCH[0], 1), shot(&far, LAUNCH[1], 2));
        let (of_a, of_b) = (analyse(&a), analyse(&b));
        let sides = (
            Side {
                trace: &a,
                analysis: &of_a,
            },
            Side {
                trace: &b,
                analysis: &of_b,
            },
        );
        let found = combine(&sides.0, &sides.1, Some(known)).unwrap();
        let gap = found.closure.gap_m.unwrap().get();
        assert!((gap + 40.0).abs() < 5.0, "{:?}", found.closure);
        assert!(!found.closure.closes());
        assert!(
            found.notes.iter().any(|note| note.contains("cut")),
            "{:?}",
            found.notes
        );
        assert!(
            found.joints.iter().all(|j| j.seen != Seen::Both),
            "{before}: {:?}",
            found.joints
        );
        assert!(matches!(
            combine(&sides.0, &sides.1, None),
            Err(BothError::Lengths { .. })
        ));
    }

    #[test]
    fn two_traces_from_the_same_end_make_no_pair() {
        for seed in 70..76 {
            let parts = glass(seed);
            let [one, two] = [1, 2].map(|noise| shot(&parts, LAUNCH[0], 10 * seed + noise));
            let (of_one, of_two) = (analyse(&one), analyse(&two));
            let side = |trace, analysis| Side { trace, analysis };
            let found = combine(&side(&one, &of_one), &side(&two, &of_two), None);
            let error = found.unwrap_err().to_string();
            assert!(error.contains("from the same end"), "{seed}: {error}");
        }
    }

    /// As long as the other, so that nothing but the joints between can tell them apart.
    #[test]
    fn two_fibres_of_one_length_are_no_shorter_than_that_and_doubted() {
        let mut doubted = 0;
        for seed in 80..88 {
            let mut others = glass(seed + 100);
            let (own, other) = (length(&glass(seed)), length(&others));
            let last = others.last_mut().unwrap();
            if last.length.get() + own - other < 500.0 {
                continue;
            }
            last.length = last.length + OpticalLength::of(own - other);
            let one = shot(&glass(seed), LAUNCH[0], seed);
            let two = shot(&reversed(&others), LAUNCH[1], seed + 1);
            let (of_one, of_two) = (analyse(&one), analyse(&two));
            let side = |trace, analysis| Side { trace, analysis };
            let found = combine(&side(&one, &of_one), &side(&two, &of_two), None).unwrap();
            let off = found.length_m.get() - own;
            assert!(off.abs() < 0.01 * own, "{seed}: {off} m");
            doubted += usize::from(
                found
                    .notes
                    .iter()
                    .any(|it| it.contains("one fibre, or two")),
            );
        }
        assert!(doubted >= 4, "{doubted}");
    }

    #[test]
    fn a_blank_shot_makes_no_pair() {
        let parts = glass(60);
        let good = shot(&parts, LAUNCH[0], 1);
        let blank = Trace::new(*good.settings(), vec![0.0; good.levels().len()], None).unwrap();
        let (of_good, of_blank) = (analyse(&good), analyse(&blank));
        let sides = (
            Side {
                trace: &good,
                analysis: &of_good,
            },
            Side {
                trace: &blank,
                analysis: &of_blank,
            },
        );
        let error = combine(&sides.0, &sides.1, None).unwrap_err();
        assert!(error.to_string().contains("shot from B"), "{error}");
    }
}
