//! What no instrument can see: the middle of a cable that is longer than both ends' light reaches.

use silkline_protocol::plant::{Line, LineKind, Toward, View};
use silkline_protocol::unit::{DbPerKm, RouteLength};

use crate::place::{Place, to_mm};

/// How far a view sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sight {
    /// By its reach, and what a kilometre of such a line usually takes.
    Usual,
    /// As far as the light of its newest shot stood clear of the noise.
    To(RouteLength),
}

/// What a kilometre of installed fibre takes at the wavelengths of watching: over land with its
/// splices, under the sea glass of low loss.
const OVER_LAND: DbPerKm = DbPerKm::of(0.21);
const UNDER_THE_SEA: DbPerKm = DbPerKm::of(0.18);

/// The parts of a stretch that none of `views` can see, by rising chainage. A view that tells no
/// reach is taken to see as far as it looks; nothing where the stretch is seen, or nobody looks.
#[must_use]
pub fn blind<'a>(
    line: &Line,
    [low, high]: [RouteLength; 2],
    views: impl IntoIterator<Item = (&'a View, Sight)>,
) -> Vec<[RouteLength; 2]> {
    let mut seen: Vec<[f64; 2]> = views
        .into_iter()
        .filter_map(|(view, how)| sight(line, view, how))
        .filter(|[from, to]| *from < high.get() && *to > low.get())
        .collect();
    if seen.is_empty() {
        return Vec::new();
    }
    seen.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut at = low.get();
    let mut parts = Vec::new();
    for [from, to] in seen {
        if from > at {
            parts.push([at, from.min(high.get())]);
        }
        at = at.max(to);
    }
    if at < high.get() {
        parts.push([at, high.get()]);
    }
    let place = |metres: f64| to_mm(RouteLength::of(metres));
    parts.into_iter().map(|ends| ends.map(place)).collect()
}

/// Says in a place which parts of its stretch no instrument sees.
pub fn tell_blind(place: &mut Place, parts: Vec<[RouteLength; 2]>) {
    const SAID: &str = "no instrument sees ";
    place.notes.retain(|note| !note.starts_with(SAID));
    let km = |[low, high]: &[RouteLength; 2]| format!("km {:.1} to {:.1}", low.km(), high.km());
    let said: Vec<String> = parts.iter().map(km).collect();
    if !said.is_empty() {
        place.notes.push(format!("{SAID}{}", said.join(" and ")));
    }
    place.unseen_m = parts;
}

/// The stretch of the line that a view can see.
fn sight(line: &Line, view: &View, how: Sight) -> Option<[f64; 2]> {
    let own = line.node(&view.node)?.chainage.get();
    let end = match view.toward {
        Toward::A => 0.0,
        Toward::B => line.length().get(),
    };
    let until = view.until.as_ref().and_then(|id| line.node(id));
    let far = until.map_or(end, |node| node.chainage.get());
    let loss = match line.kind {
        LineKind::Terrestrial => OVER_LAND,
        LineKind::Submarine => UNDER_THE_SEA,
    };
    let told = view.reach;
    let usual = told.map_or(f64::INFINITY, |reach| reach.get() / loss.get() * 1000.0);
    let reach = match how {
        Sight::Usual => usual,
        Sight::To(at) => (at.get() - own).abs(),
    };
    let far = if far >= own {
        far.min(own + reach)
    } else {
        far.max(own - reach)
    };
    Some([own.min(far), own.max(far)])
}

#[cfg(test)]
mod tests {
    use silkline_protocol::plant::{Plant, read};

    use super::super::locate;
    use super::*;
    use crate::place::{Dossier, Evidence, Finding, PlaceKind, Sighting};
    use silkline_protocol::unit::OpticalLength;

    /// An unrepeatered cable of 380 km; both ends look 27 dB far.
    const PLANT: &str = r#"
[[site]]
id = "west"
[[site]]
id = "east"
[[line]]
id = "long"
kind = "submarine"
a = "west"
b = "east"
node = [
  { id = "west", kind = "terminal", chainage_m = 0, site = "west" },
  { id = "east", kind = "terminal", chainage_m = 380000, site = "east" },
]
fibre = [{ id = "f1" }]
view = [
  { id = "west-b", fibre = "f1", node = "west", toward = "B", reach_db = 27 },
  { id = "east-a", fibre = "f1", node = "east", toward = "A", reach_db = 27 },
]
[[path]]
id = "eastward"
system = "pair"
hops = [{ line = "long", fibre = "f1", from = "west", to = "east" }]
"#;

    fn plant() -> Plant {
        read("plant.toml", PLANT).unwrap().plant
    }

    fn place(finding: Vec<Finding>) -> Place {
        let evidence = |finding| Evidence {
            id: String::new(),
            at: None,
            source: String::new(),
            finding,
        };
        let line = "long".parse().unwrap();
        let evidence = finding.into_iter().map(evidence).collect();
        locate(&plant(), &Dossier { line, evidence }).unwrap()
    }

    fn dark() -> Finding {
        Finding::LightLost {
            path: "eastward".parse().unwrap(),
            from: "west".parse().unwrap(),
            to: "east".parse().unwrap(),
        }
    }

    fn shot(optical: f64) -> Finding {
        Finding::Otdr(Sighting {
            view: "west-b".parse().unwrap(),
            optical_m: OpticalLength::of(optical),
            random_m: OpticalLength::of(2.0),
            systematic_m: OpticalLength::of(2.0),
            group_index: None,
            after: None,
        })
    }

    #[test]
    fn in_the_middle_of_380_km_there_is_an_interval_that_nobody_sees_and_no_point() {
        let place = place(vec![dark()]);
        assert_eq!(
            (place.kind, place.span.as_deref()),
            (PlaceKind::Span, Some("west..east"))
        );
        assert_eq!(
            (place.chainage_m, place.lat, place.interval50_m),
            (None, None, None)
        );
        // 27 dB at 0.18 dB/km is 150 km from either end.
        let blind = [150_000.0, 230_000.0].map(RouteLength::of);
        assert_eq!(place.unseen_m, [blind]);
        assert!(
            place.notes.iter().any(|note| note.contains("150.0")),
            "{:?}",
            place.notes
        );
    }

    #[test]
    fn what_one_end_sees_on_its_own_side_is_a_point() {
        let place = place(vec![dark(), shot(60_000.0)]);
        let at = place.chainage_m.unwrap().get();
        assert!((at - 59_580.0).abs() < 500.0, "{at}");
        assert_eq!(place.unseen_m, Vec::<[RouteLength; 2]>::new());
    }

    #[test]
    fn a_stretch_that_is_seen_whole_has_no_blind_part() {
        let plant = plant();
        let line = &plant.lines[0];
        let ends = |from: f64, to: f64| [from, to].map(RouteLength::of);
        let usual = || line.views.iter().map(|view| (view, Sight::Usual));
        assert_eq!(
            blind(line, ends(0.0, 150_000.0), usual()),
            [] as [[RouteLength; 2]; 0]
        );
        let one = blind(line, ends(0.0, 380_000.0), usual().take(1));
        assert_eq!(one, [ends(150_000.0, 380_000.0)]);
        let shown = [120_000.0, 210_000.0].map(|at| Sight::To(RouteLength::of(at)));
        let shown = line.views.iter().zip(shown);
        let both = blind(line, ends(0.0, 380_000.0), shown);
        assert_eq!(both, [ends(120_000.0, 210_000.0)], "a shot tells better");
        assert_eq!(
            blind(line, ends(0.0, 380_000.0), []),
            [] as [[RouteLength; 2]; 0],
            "nobody looks"
        );
    }
}
