//! The report: tables a person can read, then one line a figure.

use std::collections::BTreeMap;

use crate::draw::{Kind, Noise, PULSES_NS};
use crate::score::{Outcome, Score};
use crate::tally::{FEW, by_kind, held, middle, most, rms, share, spread};

/// Prints everything.
pub(crate) fn print(scores: &[Score], seed: u64, traces: u64, each: bool) {
    let all: Vec<&Outcome> = scores.iter().flat_map(|score| &score.outcomes).collect();
    println!(
        "accuracy over {} synthetic traces, seed {seed}, {traces} a pulse and noise",
        scores.len()
    );
    println!(
        "noise: quiet = end 12-20 dB over the receiver's noise, fading 0.001-0.003 dB; middle = 7-12 dB,"
    );
    println!(
        "0.003-0.008 dB; noisy = 4-7 dB, 0.008-0.02 dB. z = loss over the best loss estimate's deviation.\n"
    );
    detection(&all);
    false_events(scores, each);
    places(&all);
    losses(&all);
    ends(&all, each);
    figures(scores, &all);
}

/// One line a figure: asked, measured, reached or not.
#[expect(clippy::too_many_lines, reason = "a list of figures")]
fn figures(scores: &[Score], all: &[&Outcome]) {
    println!("\nfigures (splices and other events: z >= 6)");
    let strong: Vec<_> = all
        .iter()
        .filter(|o| !o.kind.is_end() && o.z >= 6.0)
        .collect();
    let percent = |some: usize, all: usize| 100.0 * some as f64 / (all as f64).max(1.0);
    let found = strong.iter().filter(|o| o.place.is_some()).count();
    line(
        "events found, %",
        "99",
        [99.0, 100.0],
        percent(found, strong.len()),
    );
    let within = strong.iter().filter(|o| o.within).count();
    line(
        "the same within a pulse or 3 samples, %",
        "99",
        [99.0, 100.0],
        percent(within, strong.len()),
    );
    let wrong = scores.iter().map(|s| s.false_events.len()).sum::<usize>();
    let a_trace = |wrong: usize| wrong as f64 / (scores.len() as f64).max(1.0);
    line("false events a trace", "0.05", [0.0, 0.05], a_trace(wrong));
    let off = |o: &&Outcome| o.place.is_some() && !o.within;
    let astray = wrong + all.iter().filter(|o| off(o)).count();
    line(
        "the same with those off by more than a pulse",
        "0.05",
        [0.0, 0.05],
        a_trace(astray),
    );
    let steps = strong
        .iter()
        .filter(|o| o.room >= 4.0 && o.kind != Kind::Reflective);
    let bound: Vec<f64> = steps
        .filter_map(|o| Some(o.place?.error_m / o.bound_m))
        .collect();
    line(
        "place of steps over the bound, rms",
        "1.3",
        [0.0, 1.3],
        rms(&bound),
    );
    line("the same, by the median", "1.3", [0.0, 1.3], spread(&bound));
    let inside = |held: &[&&Outcome]| {
        let places: Vec<_> = held.iter().filter_map(|o| o.place).collect();
        let good = places
            .iter()
            .filter(|p| p.error_m.abs() <= p.half_m)
            .count();
        percent(good, places.len())
    };
    line(
        "intervals of events' places, %",
        "92-98",
        [92.0, 98.0],
        inside(&strong),
    );
    let losses: Vec<_> = strong.iter().filter_map(|o| o.loss).collect();
    let good = losses.iter().filter(|v| v.error.abs() <= v.half).count();
    line(
        "intervals of losses, %",
        "92-98",
        [92.0, 98.0],
        percent(good, losses.len()),
    );
    for (kind, name) in Kind::ALL.into_iter().filter(|(kind, _)| kind.is_end()) {
        let own: Vec<_> = all.iter().filter(|o| o.kind == kind).collect();
        let held: Vec<_> = own.iter().filter(|o| o.is_near()).copied().collect();
        line(
            &format!("{name}: found, %"),
            "99",
            [99.0, 100.0],
            percent(held.len(), own.len()),
        );
        line(
            &format!("{name}: intervals, %"),
            "92-98",
            [92.0, 98.0],
            inside(&held),
        );
        let widths: Vec<_> = held
            .iter()
            .filter_map(|o| Some((o.place?.half_m, o.place?.best?.half_m)))
            .collect();
        let sum = |f: fn(&(f64, f64)) -> f64| widths.iter().map(f).sum::<f64>();
        let ratio = sum(|w| w.0) / sum(|w| w.1);
        line(
            &format!("{name}: mean width over the posterior's"),
            "1.5",
            [0.0, 1.5],
            ratio,
        );
    }
}

fn line(what: &str, asked: &str, [low, high]: [f64; 2], measured: f64) {
    let verdict = if (low..=high).contains(&measured) {
        "pass"
    } else {
        "short"
    };
    println!("{what:<52} asked {asked:>6}  measured {measured:>8.2}  {verdict}");
}

/// Share found by loss/noise ratio.
fn detection(all: &[&Outcome]) {
    println!("detection by loss/noise ratio z (events before the end)");
    println!(
        "{:>10} {:>22} {:>22} {:>22} {:>22}",
        "z", "splice", "gain", "bend", "reflective"
    );
    let bounds = [
        0.0,
        2.0,
        3.0,
        4.0,
        5.0,
        6.0,
        8.0,
        12.0,
        20.0,
        50.0,
        f64::INFINITY,
    ];
    for pair in bounds.windows(2) {
        print!("{:>4}-{:<5}", pair[0], pair[1]);
        for kind in [Kind::Splice, Kind::Gain, Kind::Bend, Kind::Reflective] {
            let here: Vec<_> = all
                .iter()
                .filter(|o| o.kind == kind && o.z >= pair[0] && o.z < pair[1])
                .collect();
            let found = here.iter().filter(|o| o.place.is_some()).count();
            print!(" {:>22}", share(found, here.len()));
        }
        println!();
    }
    println!("\nz >= 6, found, by pulse and noise");
    by_pulse(|pulse, noise| {
        let here: Vec<_> = all
            .iter()
            .filter(|o| !o.kind.is_end() && o.z >= 6.0 && o.pulse_ns == pulse && o.noise == noise)
            .collect();
        share(
            here.iter().filter(|o| o.place.is_some()).count(),
            here.len(),
        )
    });
    println!("\nz >= 6, found, by size and distance to the nearest other event");
    let sizes = [0.0, 0.025, 0.05, 0.1, 0.3, 1.0, 6.0];
    let rooms = [0.0, 2.0, 4.0, 8.0, 16.0, f64::INFINITY];
    print!("{:>12}", "dB");
    for room in rooms.windows(2) {
        print!(" {:>18}", format!("{}-{} pulses", room[0], room[1]));
    }
    println!();
    for size in sizes.windows(2) {
        print!("{:>12}", format!("{}-{}", size[0], size[1]));
        for room in rooms.windows(2) {
            let here: Vec<_> = all
                .iter()
                .filter(|o| !o.kind.is_end() && o.z >= 6.0)
                .filter(|o| o.step_db.abs() >= size[0] && o.step_db.abs() < size[1])
                .filter(|o| o.room >= room[0] && o.room < room[1])
                .collect();
            print!(
                " {:>18}",
                share(
                    here.iter().filter(|o| o.place.is_some()).count(),
                    here.len()
                )
            );
        }
        println!();
    }
}

/// One row a pulse, one column a noise.
fn by_pulse(cell: impl Fn(u16, Noise) -> String) {
    print!("{:>10}", "pulse ns");
    for (_, name) in Noise::ALL {
        print!(" {name:>34}");
    }
    println!();
    for pulse in PULSES_NS {
        print!("{pulse:>10}");
        for (noise, _) in Noise::ALL {
            print!(" {:>34}", cell(pulse, noise));
        }
        println!();
    }
}

fn false_events(scores: &[Score], each: bool) {
    println!("\nfalse events a trace (beside a real one, within a pulse | elsewhere)");
    by_pulse(|pulse, noise| {
        let traces = scores
            .iter()
            .filter(|s| {
                s.outcomes
                    .iter()
                    .any(|o| o.pulse_ns == pulse && o.noise == noise)
            })
            .count();
        let here: Vec<_> = scores
            .iter()
            .flat_map(|s| &s.false_events)
            .filter(|f| f.pulse_ns == pulse && f.noise == noise)
            .collect();
        let double = here.iter().filter(|f| f.double).count();
        let traces = (traces as f64).max(1.0);
        format!(
            "{:.2} | {:.2}",
            double as f64 / traces,
            (here.len() - double) as f64 / traces
        )
    });
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for event in scores.iter().flat_map(|s| &s.false_events) {
        let cause = match event.after {
            None => "after the launch",
            Some(mark) if mark.kind.is_end() => "at or behind the end",
            Some(mark) if mark.reflectance_db.is_some() && event.behind < 30.0 => {
                "within 30 pulses behind a reflection"
            }
            Some(_) if event.behind < 4.0 => "within 4 pulses behind a step",
            Some(_) => "elsewhere",
        };
        *causes.entry(cause).or_default() += 1;
        if each {
            println!(
                "  false {:?} {:.3} dB at {:.1} m, {:.1} pulses behind {:?}, {} ns {:?} seed {}",
                event.kind,
                event.loss_db,
                event.at_m,
                event.behind,
                event
                    .after
                    .map(|mark| (mark.kind, mark.step_db, mark.reflectance_db)),
                event.pulse_ns,
                event.noise,
                event.seed
            );
        }
    }
    for (cause, count) in causes {
        println!("  {count:>6} {cause}");
    }
    if each {
        misses(scores);
        strays(scores);
        every(scores);
    }
}

/// Every strong event that was not found.
fn misses(scores: &[Score]) {
    for o in scores.iter().flat_map(|s| &s.outcomes) {
        if o.z >= 6.0 && o.place.is_none() && !o.kind.is_end() {
            println!(
                "  missed {:?} {:.3} dB, z {:.1}, at {:.1} m, room {:.1} pulses, {} ns {:?} {:.1} a pulse seed {}",
                o.kind,
                o.step_db,
                o.z,
                o.at_m,
                o.room,
                o.pulse_ns,
                o.noise,
                o.samples_a_pulse,
                o.seed
            );
        }
    }
}

/// Every event found, its errors and half widths, for other programs.
fn every(scores: &[Score]) {
    for o in scores.iter().flat_map(|s| &s.outcomes) {
        let Some(p) = o.place else { continue };
        let best = p.best.map_or(f64::NAN, |best| best.half_m);
        let v = o
            .loss
            .map_or([f64::NAN; 3], |v| [v.error, v.half, v.best_half]);
        println!(
            "every {:?} {:?} {} {:.2} {:.2} {:.4} {:.6} {:.6} {:.6} {:.6} {:.6} {:.6} {:.6} {:.6} {:.4} {} {:.2} {:.2} {} {:.4}",
            o.kind,
            o.noise,
            o.pulse_ns,
            o.samples_a_pulse,
            o.z,
            o.step_db,
            o.room,
            p.error_m / o.pulse_m,
            p.half_m / o.pulse_m,
            best / o.pulse_m,
            o.bound_m / o.pulse_m,
            v[0],
            v[1],
            v[2],
            o.reflectance_error.unwrap_or(f64::NAN),
            o.seed,
            o.at_m,
            o.reflectance_db.unwrap_or(f64::NAN),
            u8::from(o.told_reflects),
            p.best_error_m / o.pulse_m,
        );
    }
}

/// Every strong event with room whose place is many times the bound off, or outside its interval.
fn strays(scores: &[Score]) {
    for o in scores.iter().flat_map(|s| &s.outcomes) {
        let Some(p) = o.place.filter(|_| o.z >= 6.0 && !o.kind.is_end()) else {
            continue;
        };
        if let Some(v) = o.loss.filter(|v| v.error.abs() > v.half) {
            println!(
                "  loss {:?} {:.3} dB, z {:.1}, at {:.1} m: off {:.4} dB ± {:.4}, best ± {:.4}, place off {:.3} pulses, room {:.1} pulses, {} ns {:?} {:.1} a pulse seed {}",
                o.kind,
                o.step_db,
                o.z,
                o.at_m,
                v.error,
                v.half,
                v.best_half,
                p.error_m / o.pulse_m,
                o.room,
                o.pulse_ns,
                o.noise,
                o.samples_a_pulse,
                o.seed
            );
        }
        let bounds = p.error_m / o.bound_m;
        if p.error_m.abs() > p.half_m || (bounds.abs() > 8.0 && o.room >= 4.0) {
            println!(
                "  stray {:?} {:.3} dB, z {:.1}, at {:.1} m: off {:.2} m ± {:.2}, {:.1} bounds, {:.3} pulses, best ± {:.2}, room {:.1} pulses, {} ns {:?} {:.1} a pulse seed {}",
                o.kind,
                o.step_db,
                o.z,
                o.at_m,
                p.error_m,
                p.half_m,
                bounds,
                p.error_m / o.pulse_m,
                p.best.map_or(f64::NAN, |best| best.half_m),
                o.room,
                o.pulse_ns,
                o.noise,
                o.samples_a_pulse,
                o.seed
            );
        }
    }
}

/// Coverage of intervals of place and their width beside the best.
fn cover(here: &[&&Outcome]) -> String {
    let places: Vec<_> = here.iter().filter_map(|o| o.place).collect();
    let inside = places
        .iter()
        .filter(|p| p.error_m.abs() <= p.half_m)
        .count();
    let with: Vec<_> = places
        .iter()
        .filter_map(|p| Some((p.half_m, p.best?.half_m)))
        .collect();
    let width = |f: fn(&(f64, f64)) -> f64| with.iter().map(f).sum::<f64>();
    let mut ratios: Vec<f64> = with.iter().map(|(own, best)| own / best).collect();
    let ratio = if with.is_empty() {
        "-".into()
    } else {
        format!(
            "{:.2}/{:.1}",
            width(|w| w.0) / width(|w| w.1),
            middle(&mut ratios)
        )
    };
    let few = if places.len() < FEW { "*" } else { "" };
    format!("{}{few}, width {ratio}", share(inside, places.len()))
}

fn places(all: &[&Outcome]) {
    println!(
        "\n95 % intervals of place that hold the truth (z >= 6, at least 4 pulses of room), and mean/median width over the posterior's; * fewer than {FEW}"
    );
    let good = |o: &&&Outcome| o.z >= 6.0 && o.room >= 4.0 && !o.kind.is_end();
    by_pulse(|pulse, noise| {
        let here: Vec<_> = all
            .iter()
            .filter(good)
            .filter(|o| o.pulse_ns == pulse && o.noise == noise)
            .collect();
        cover(&here)
    });
    by_kind(|pulse, kind| {
        let here = all
            .iter()
            .filter(good)
            .filter(|o| o.kind == kind && o.pulse_ns == pulse);
        held(here.filter_map(|o| Some((o.place?.error_m, o.place?.half_m))))
    });
    for (kind, name) in Kind::ALL {
        let here: Vec<_> = all.iter().filter(good).filter(|o| o.kind == kind).collect();
        if kind.is_end() {
            continue;
        }
        println!("{name:>12}: {}", cover(&here));
        let bound: Vec<f64> = here
            .iter()
            .filter_map(|o| Some(o.place?.error_m / o.bound_m))
            .collect();
        let best: Vec<f64> = here
            .iter()
            .filter_map(|o| Some(o.place?.error_m / o.place?.best?.sigma_m))
            .collect();
        let own: Vec<f64> = here
            .iter()
            .filter_map(|o| Some(o.place?.best_error_m / o.place?.best?.sigma_m))
            .collect();
        let own_bound: Vec<f64> = here
            .iter()
            .filter(|o| o.place.is_some_and(|p| p.best.is_some()))
            .filter_map(|o| Some(o.place?.best_error_m / o.bound_m))
            .collect();
        println!(
            "              error over bound: rms {:.2}, of 19 in 20 {:.2}, median {:.2}; over the posterior's deviation: of 19 in 20 {:.2}, median {:.2} (posterior's own: {:.2}, {:.2}; over bound {:.2}, {:.2})",
            rms(&bound),
            most(&bound),
            spread(&bound),
            most(&best),
            spread(&best),
            most(&own),
            spread(&own),
            most(&own_bound),
            spread(&own_bound)
        );
    }
    let here: Vec<_> = all
        .iter()
        .filter(|o| o.z >= 6.0 && o.room < 4.0 && !o.kind.is_end())
        .collect();
    println!("     crowded: {}", cover(&here));
}

fn losses(all: &[&Outcome]) {
    println!(
        "\n95 % intervals of loss that hold the truth (z >= 6), mean width over the best estimate's"
    );
    let good = |o: &&&Outcome| o.z >= 6.0 && o.loss.is_some();
    let cell = |here: &[&&Outcome]| {
        let values: Vec<_> = here.iter().filter_map(|o| o.loss).collect();
        let inside = values.iter().filter(|v| v.error.abs() <= v.half).count();
        let mut ratios: Vec<f64> = values.iter().map(|v| v.half / v.best_half).collect();
        let mut errors: Vec<f64> = values.iter().map(|v| v.error.abs()).collect();
        let few = if values.len() < FEW { "*" } else { "" };
        format!(
            "{}{few}, width {:.2}, {:.3} dB",
            share(inside, values.len()),
            middle(&mut ratios),
            middle(&mut errors)
        )
    };
    by_pulse(|pulse, noise| {
        let here: Vec<_> = all
            .iter()
            .filter(good)
            .filter(|o| o.pulse_ns == pulse && o.noise == noise)
            .collect();
        cell(&here)
    });
    by_kind(|pulse, kind| {
        let here = all
            .iter()
            .filter(good)
            .filter(|o| o.kind == kind && o.pulse_ns == pulse);
        held(here.filter_map(|o| Some((o.loss?.error, o.loss?.half))))
    });
    for (kind, name) in Kind::ALL {
        let here: Vec<_> = all.iter().filter(good).filter(|o| o.kind == kind).collect();
        if !here.is_empty() {
            println!("{name:>12}: {}", cell(&here));
        }
    }
    let errors: Vec<f64> = all
        .iter()
        .filter(|o| !o.kind.is_end())
        .filter_map(|o| o.reflectance_error)
        .collect();
    let near = errors.iter().filter(|e| e.abs() <= 1.0).count();
    println!(
        "reflectance within 1 dB (not saturated): {}",
        share(near, errors.len())
    );
}

fn ends(all: &[&Outcome], each: bool) {
    println!(
        "\nends: found (within 3 pulses or 5 intervals); intervals that hold the truth; width over the posterior's"
    );
    let cell = |here: &[&&Outcome]| {
        let found: Vec<_> = here.iter().filter(|o| o.is_near()).copied().collect();
        format!("{} {}", share(found.len(), here.len()), cover(&found))
    };
    let ended: Vec<_> = all.iter().filter(|o| o.kind.is_end()).collect();
    for (kind, name) in Kind::ALL {
        if !kind.is_end() {
            continue;
        }
        println!("{name}");
        by_pulse(|pulse, noise| {
            let here: Vec<_> = ended
                .iter()
                .filter(|o| o.kind == kind && o.pulse_ns == pulse && o.noise == noise)
                .copied()
                .collect();
            cell(&here)
        });
        let here: Vec<_> = ended.iter().filter(|o| o.kind == kind).copied().collect();
        println!("       all {}", cell(&here));
        let ratio = |o: &&&Outcome| Some(o.place?.error_m / o.place?.best?.sigma_m);
        let best = |o: &&&Outcome| Some(o.place?.best_error_m / o.place?.best?.sigma_m);
        let (own, best): (Vec<f64>, Vec<f64>) = (
            here.iter().filter_map(ratio).collect(),
            here.iter().filter_map(best).collect(),
        );
        println!(
            "       error over the posterior's deviation: rms {:.2}, median {:.2} (posterior's own {:.2}, {:.2})",
            rms(&own),
            spread(&own),
            rms(&best),
            spread(&best)
        );
    }
    if !each {
        return;
    }
    for o in ended {
        let Some(p) = o.place else {
            println!(
                "  no end: {:?} {} ns {:?} {:.1} a pulse seed {}",
                o.kind, o.pulse_ns, o.noise, o.samples_a_pulse, o.seed
            );
            continue;
        };
        if p.error_m.abs() > p.half_m || p.best.is_some_and(|b| p.half_m > 2.5 * b.half_m) {
            println!(
                "  end {:?} {} ns {:?} {:.1} a pulse: off {:.2} m ± {:.2}, best ± {:.2} off {:.2} (pulse {:.1}), at {:.1} seed {}",
                o.kind,
                o.pulse_ns,
                o.noise,
                o.samples_a_pulse,
                p.error_m,
                p.half_m,
                p.best.map_or(f64::NAN, |b| b.half_m),
                p.best_error_m,
                o.pulse_m,
                o.at_m,
                o.seed
            );
        }
    }
}
