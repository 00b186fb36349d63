//! A small plant for tests: Ganja to Tovuz to Boyuk Kesik, 160 km, a closure every 4 km.

use silkline_protocol::plant::{
    Coordinates, Device, Direction, End, Hop, Landmark, Line, LineKind, Mark, Node, NodeKind,
    Passes, Path, Plant, Port, Post, RoutePoint, Section, Side, Site, SiteKind, System, Toward,
    View, ViewKind,
};
use silkline_protocol::unit::{GroupIndex, Nanometres, OpticalLength, RouteLength};

/// How much longer the glass of the example is than its route, coils apart.
pub(crate) const EXCESS: f64 = 0.01;

/// Glass in coils on each side of every closure.
pub(crate) const SLACK_M: f64 = 15.0;

fn id<T: core::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap()
}

/// The plant: line `dsw`, nodes `ganja`, `tovuz`, `boyuk`; views `ganja-b` and `tovuz-a` see the
/// first span from both ends, with marks.
pub(crate) fn plant() -> Plant {
    let sites = [
        ("ganja", "Ganja", 40.68, 46.36),
        ("tovuz", "Tovuz", 41.0, 45.63),
    ];
    let mut sites: Vec<Site> = sites
        .map(|(key, name, lat, lon)| site(key, name, lat, lon))
        .into();
    sites.push(site("boyuk", "Boyuk Kesik", 41.28, 45.37));
    let devices = ["ganja", "tovuz", "boyuk"].map(device).into();
    Plant {
        sites,
        lines: vec![line()],
        paths: vec![
            path("east", "f1", "ganja", "boyuk"),
            path("west", "f2", "boyuk", "ganja"),
        ],
        devices,
        revision: "test".into(),
        ..Plant::default()
    }
}

fn site(key: &str, name: &str, lat: f64, lon: f64) -> Site {
    Site {
        id: id(key),
        name: name.into(),
        country: None,
        operator: None,
        at: Some(Coordinates { lat, lon }),
        kind: SiteKind::Hut,
    }
}

fn line() -> Line {
    let node = |key: &str, km: f64, kind| Node {
        id: id(key),
        kind,
        chainage: RouteLength::of(km * 1000.0),
        site: Some(id(key)),
        otdr: Passes::Neither,
    };
    let landmarks: Vec<Landmark> = (1..40).filter(|k| *k != 20).map(landmark).collect();
    let marks = landmarks.iter().flat_map(marks_of).collect();
    let vertex = |lat, lon| RoutePoint {
        at: Coordinates { lat, lon },
        chainage: None,
    };
    Line {
        id: id("dsw"),
        name: "Digital Silk Way".into(),
        kind: LineKind::Terrestrial,
        a: End::Site(id("ganja")),
        b: End::Site(id("boyuk")),
        route: vec![
            vertex(40.68, 46.36),
            vertex(40.9, 45.9),
            vertex(41.3, 45.63),
        ],
        nodes: vec![
            node("ganja", 0.0, NodeKind::Terminal),
            node("tovuz", 80.0, NodeKind::Ila),
            node("boyuk", 160.0, NodeKind::Terminal),
        ],
        landmarks,
        posts: (0..160)
            .map(|k| Post {
                name: (380 - k).to_string(),
                chainage: RouteLength::of(f64::from(k) * 1000.0),
            })
            .collect(),
        sections: vec![Section {
            from: RouteLength::of(0.0),
            to: RouteLength::of(160_000.0),
            group_index: vec![(Nanometres::of(1625.0), GroupIndex::of(1.4685))],
            excess: EXCESS,
            excess_plus_minus: 0.002,
            cable: None,
            laid: None,
            depth_m: Some(1.2),
        }],
        fibres: vec![id("f1"), id("f2"), id("f3")],
        feed: None,
        views: vec![
            view("ganja-b", "ganja", Toward::B, "tovuz"),
            view("tovuz-a", "tovuz", Toward::A, "ganja"),
        ],
        marks,
    }
}

fn landmark(k: i32) -> Landmark {
    Landmark {
        name: format!("C-{k}"),
        kind: "closure".into(),
        at: RouteLength::of(f64::from(k) * 4000.0),
        plus_minus: RouteLength::of(9.8),
        slack_before: OpticalLength::of(SLACK_M),
        slack_after: OpticalLength::of(SLACK_M),
    }
}

/// How far along the glass from Ganja a place of the first span is: the example's own truth.
pub(crate) fn glass_from_ganja(chainage: f64) -> f64 {
    let closures = (1..20).map(|k| f64::from(k) * 4000.0);
    let coils: f64 = closures
        .map(|at| {
            if at < chainage {
                2.0 * SLACK_M
            } else if at <= chainage + 1e-9 {
                SLACK_M
            } else {
                0.0
            }
        })
        .sum();
    chainage.mul_add(1.0 + EXCESS, coils)
}

fn marks_of(landmark: &Landmark) -> Vec<Mark> {
    let at = landmark.at.get();
    let whole = glass_from_ganja(80_000.0);
    let mark = |view: &str, optical: f64| Mark {
        view: id(view),
        landmark: landmark.name.clone(),
        optical: OpticalLength::of(optical),
        plus_minus: OpticalLength::of(4.0),
        group_index: Some(GroupIndex::of(1.4685)),
        trace: None,
        valid_from: None,
    };
    if at >= 80_000.0 {
        return Vec::new();
    }
    let from_a = glass_from_ganja(at);
    vec![mark("ganja-b", from_a), mark("tovuz-a", whole - from_a)]
}

fn view(key: &str, node: &str, toward: Toward, until: &str) -> View {
    View {
        id: id(key),
        fibre: id("f3"),
        node: id(node),
        toward,
        until: Some(id(until)),
        kind: ViewKind::Otdr,
        device: Some(id("otdr-1")),
        port: Some(1),
        launch: OpticalLength::of(0.0),
        wavelength: Nanometres::of(1625.0),
        reach: None,
    }
}

fn path(key: &str, fibre: &str, from: &str, to: &str) -> Path {
    let hop = Hop {
        line: id("dsw"),
        fibre: id(fibre),
        from: id(from),
        to: id(to),
    };
    Path {
        id: id(key),
        system: System::Pair,
        protects: None,
        hops: vec![hop],
    }
}

fn device(node: &str) -> Device {
    let port = |index: &str, path: &str, direction, side| Port {
        index: index.into(),
        path: id(path),
        node: id(node),
        direction,
        side,
    };
    let ports = [Side::In, Side::Out].into_iter().flat_map(|side| {
        [
            port("1", "east", Direction::AToB, side),
            port("2", "west", Direction::BToA, side),
        ]
    });
    Device {
        id: id("edfa-1"),
        site: id(node),
        profile: id("silkline-edfa"),
        lines: vec![id("dsw")],
        ports: ports.collect(),
    }
}
