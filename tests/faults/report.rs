//! The figures of a campaign as tables.

use std::time::Duration;

use silkline_protocol::plant::Plant;

use crate::case::{Kind, mix};
use crate::outcome::{Outcome, Told};
use crate::posterior::{Cables, quantile};

/// Sums up shares.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    pub(crate) of: usize,
    pub(crate) yes: usize,
}

impl Share {
    pub(crate) fn of(all: impl Iterator<Item = bool>) -> Self {
        let mut share = Self::default();
        for yes in all {
            share.of += 1;
            share.yes += usize::from(yes);
        }
        share
    }

    pub(crate) fn ratio(self) -> f64 {
        self.yes as f64 / self.of.max(1) as f64
    }

    fn text(self) -> String {
        if self.of == 0 {
            "-".to_owned()
        } else {
            format!("{:.1} %", 100.0 * self.ratio())
        }
    }
}

/// Every cause of these outcomes.
pub(crate) fn told<'a>(all: impl Iterator<Item = &'a Outcome>) -> impl Iterator<Item = &'a Told> {
    all.flat_map(|outcome| &outcome.told)
}

/// What was asked and what was told, kind by kind and as a whole.
pub(crate) fn causes(all: &[Outcome]) {
    println!(
        "\nkind of fault                  cases  right cause  right span  incidents/cause  folded"
    );
    let row = |name: &str, of: &[&Outcome]| {
        let each = || told(of.iter().copied());
        let count = each().count();
        let incidents: usize = of.iter().map(|o| o.incidents).sum();
        let (alarms, folded) = (
            of.iter().map(|o| o.alarms).sum::<usize>(),
            of.iter().map(|o| o.folded).sum::<usize>(),
        );
        println!(
            "{name:<30} {count:>5}  {:>11}  {:>10}  {:>15.3}  {:>6}",
            Share::of(each().map(|t| t.right_cause)).text(),
            Share::of(each().map(|t| t.right_span)).text(),
            incidents as f64 / count.max(1) as f64,
            Share {
                of: alarms,
                yes: folded
            }
            .text(),
        );
    };
    for (kind, _) in mix() {
        let of: Vec<&Outcome> = all.iter().filter(|o| o.kind == kind).collect();
        if !of.is_empty() {
            row(kind.words(), &of);
        }
    }
    row("all", &all.iter().collect::<Vec<_>>());
}

/// Where it was told to be, kind by kind.
pub(crate) fn places(name: &str, all: &[Outcome], plant: &Plant, cables: &Cables) {
    println!(
        "\nplace, {name:<22} places  glass 1σ  error median / 95 %  inside  width  / posterior"
    );
    for (kind, _) in mix().filter(|(kind, _)| kind.is_placed()) {
        let of: Vec<&Told> = told(all.iter().filter(|o| o.kind == kind)).collect();
        let placed: Vec<&Told> = of
            .iter()
            .copied()
            .filter(|t| !t.sightings.is_empty())
            .collect();
        if placed.is_empty() {
            continue;
        }
        let glass = glass_sd(&placed);
        let mut errors: Vec<f64> = placed.iter().filter_map(|t| t.error_m()).collect();
        errors.sort_by(f64::total_cmp);
        let intervals: Vec<(f64, bool)> = placed.iter().filter_map(|t| t.interval()).collect();
        let width = mean(intervals.iter().map(|(width, _)| *width));
        let best = mean(
            placed
                .iter()
                .filter_map(|t| cables.width_m(plant, &t.cause.line, &t.sightings, glass)),
        );
        println!(
            "{:<30} {:>5}  {glass:>7.2} m  {:>6.1} m / {:>6.1} m  {:>6}  {width:>5.1}  {:>6.2}",
            kind.words(),
            placed.len(),
            quantile(&errors, 0.5),
            quantile(&errors, 0.95),
            Share::of(intervals.iter().map(|(_, inside)| *inside)).text(),
            width / best,
        );
    }
}

/// Of cables torn at two places of one span, how many were told to be.
pub(crate) fn torn(all: &[Outcome]) {
    let both = Share::of(told(all.iter()).filter_map(Told::shows_both));
    println!(
        "\ntorn at two places of one span: both shown {}",
        both.text()
    );
    for told in told(all.iter()).filter(|t| t.shows_both() == Some(false)) {
        let at = [told.cause.at, told.cause.also].map(|at| at.map_or(f64::NAN, |at| at.get()));
        println!("  at {at:?}, told {:?}", told.headline);
    }
}

/// How far sightings are off along the glass: the 68 % quantile, a standard deviation where the
/// errors are normal, whatever the few that saw something else.
pub(crate) fn glass_sd(placed: &[&Told]) -> f64 {
    let errors = placed
        .iter()
        .flat_map(|t| &t.sightings)
        .map(|s| s.error_m.abs());
    let mut errors: Vec<f64> = errors.collect();
    errors.sort_by(f64::total_cmp);
    quantile(&errors, 0.683)
}

/// How long everything took.
pub(crate) fn delays(all: &[Outcome]) {
    let spread = |name: &str, of: Vec<Duration>| {
        let mut seconds: Vec<f64> = of.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        println!(
            "{name:<46} {:>5}  median {:>8.3} s  95 % {:>8.3} s  most {:>8.3} s",
            seconds.len(),
            quantile(&seconds, 0.5),
            quantile(&seconds, 0.95),
            quantile(&seconds, 1.0)
        );
    };
    println!();
    let cuts = || all.iter().filter(|o| o.kind == Kind::Cut);
    let lost = told(cuts()).filter_map(|t| t.span_after);
    spread("light lost to incident with span", lost.collect());
    let noisy = told(all.iter().filter(|o| o.kind == Kind::CutInNoise));
    spread(
        "  the same with noisy polls",
        noisy.filter_map(|t| t.span_after).collect(),
    );
    let placed = told(cuts()).filter_map(|t| t.place_after);
    spread("light lost to place, the shot included", placed.collect());
    let bends = told(
        all.iter()
            .filter(|o| matches!(o.kind, Kind::Bend | Kind::SmallBend)),
    );
    spread(
        "bend to incident with span",
        bends.filter_map(|t| t.span_after).collect(),
    );
    let cpu = all.iter().flat_map(|o| o.trace_cpu.clone());
    spread("trace arrived to place: processor", cpu.collect());
}

/// What was not as it should be, case by case.
pub(crate) fn misses(all: &[Outcome]) {
    for outcome in all {
        let wrong = |t: &&Told| !t.right_cause || !t.right_span;
        for told in outcome.told.iter().filter(wrong) {
            println!(
                "  {} {}: {:?} {:?} at {:?}, told {:?}",
                outcome.kind.words(),
                outcome.seed,
                told.cause.what,
                told.cause.span,
                told.cause.at.map(|at| at.get()),
                told.headline
            );
        }
        if outcome.noisy {
            let (kind, seed, times) = (outcome.kind.words(), outcome.seed, outcome.notices);
            println!("  {kind} {seed}: people were told {times} times");
        }
        for stranger in &outcome.strangers {
            println!(
                "  {} {}: besides: {stranger}",
                outcome.kind.words(),
                outcome.seed
            );
        }
        for told in &outcome.told {
            let Some((width, inside)) = told.interval() else {
                continue;
            };
            let far = told.error_m().is_some_and(|error| error > width);
            if (!inside && far) || (outcome.kind.is_placed() && told.sightings.is_empty()) {
                let seen: Vec<String> = told
                    .sightings
                    .iter()
                    .map(|s| format!("{} {:+.1}±{:.1}", s.view, s.error_m, s.stated_sd_m))
                    .collect();
                println!(
                    "  {} {}: place off by {:?}, interval {width:.1}, seen {seen:?}",
                    outcome.kind.words(),
                    outcome.seed,
                    told.error_m()
                );
            }
        }
        let right = outcome.told.iter().all(|t| t.right_cause && t.right_span);
        let right = right && outcome.strangers.is_empty();
        let wanted = std::env::var("SILKLINE_FAULTS_TELL").ok();
        if wanted.is_some_and(|wanted| wanted == "all" || !right) {
            for cause in outcome.told.iter().map(|t| &t.cause) {
                let at = [cause.at, cause.also].map(|at| at.map(|at| at.get()));
                let (line, what, since) = (&cause.line, &cause.what, cause.since);
                println!(
                    "    truly {line} {what:?} {:?} {at:?} {since:?}",
                    cause.span
                );
            }
            for read in &outcome.read {
                println!("    {read}");
            }
        }
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for value in values {
        sum += value;
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { f64::NAN }
}
