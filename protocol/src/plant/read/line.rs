//! First pass over `[[line]]` and what stands in it.

use super::super::{
    Coordinates, End, Feed, Landmark, LineKind, Mark, Node, NodeKind, Passes, Post, RoutePoint,
    Section, Toward, View, ViewKind,
};
use super::{
    At, on_earth, optical_m, required_route_m, required_within, required_word, route_m, within,
    word,
};
use crate::id::{FibreId, LineId, NodeId};
use crate::settings::{self, FromSetting, Wrong};
use crate::unit::{Db, GroupIndex, Nanometres, OpticalLength, RouteLength};

/// A line with where everything in it stands.
pub(super) struct LineEntry {
    pub(super) id: LineId,
    pub(super) name: String,
    pub(super) kind: LineKind,
    pub(super) a: End,
    pub(super) b: End,
    pub(super) route: Vec<RoutePoint>,
    pub(super) nodes: Vec<At<Node>>,
    pub(super) landmarks: Vec<At<Landmark>>,
    pub(super) posts: Vec<At<Post>>,
    pub(super) sections: Vec<At<Section>>,
    pub(super) fibres: Vec<At<FibreId>>,
    pub(super) feed: Option<Feed>,
    pub(super) views: Vec<At<View>>,
    pub(super) marks: Vec<At<Mark>>,
}

impl FromSetting for End {
    /// `"SITE"` or `"LINE/NODE"`.
    fn from_setting(setting: &toml::de::DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        let bad = |error: crate::id::BadId| Wrong(error.to_string());
        match text.split_once('/') {
            None => Ok(Self::Site(text.parse().map_err(bad)?)),
            Some((line, node)) => Ok(Self::Branch(
                line.parse().map_err(bad)?,
                node.parse().map_err(bad)?,
            )),
        }
    }
}

/// Every `[[line]]` of the file that could be read.
pub(super) fn lines(top: &mut settings::Section<'_>) -> Vec<At<LineEntry>> {
    let mut lines = Vec::new();
    for mut section in top.sections("line") {
        if let Some(line) = line(&mut section) {
            lines.push(At::new(line, &section));
        }
    }
    if lines.is_empty() && !top.has("line") {
        top.wrong("line", "is missing: a plant has at least one [[line]]");
    }
    lines
}

fn line(section: &mut settings::Section<'_>) -> Option<LineEntry> {
    let id: Option<LineId> = section.required("id");
    let name: Option<String> = section.optional("name");
    let kind = required_word(section, "kind", "submarine, terrestrial");
    let (a, b) = (section.required("a"), section.required("b"));
    let route = route(section);
    let posts = each(section, "post", post);
    let landmarks = each(section, "landmark", |entry| landmark(entry, &posts));
    let nodes = each(section, "node", node);
    let sections = each(section, "section", cable_section);
    let fibres = each(section, "fibre", |entry| entry.required("id"));
    let feed = section
        .section("feed")
        .and_then(|mut entry| feed(&mut entry));
    let views = each(section, "view", view);
    let marks = each(section, "mark", mark);
    let id = id?;
    let name = name.unwrap_or_else(|| id.to_string());
    let (a, b) = (a?, b?);
    // A kind that is wrong is noted; reading goes on, so that what points nowhere is told as well.
    let kind = kind.unwrap_or(LineKind::Terrestrial);
    Some(LineEntry {
        id,
        name,
        kind,
        a,
        b,
        route,
        nodes,
        landmarks,
        posts,
        sections,
        fibres,
        feed,
        views,
        marks,
    })
}

fn each<T>(
    section: &mut settings::Section<'_>,
    key: &str,
    mut reader: impl FnMut(&mut settings::Section<'_>) -> Option<T>,
) -> Vec<At<T>> {
    let mut found = Vec::new();
    for mut entry in section.sections(key) {
        if let Some(it) = reader(&mut entry) {
            found.push(At::new(it, &entry));
        }
    }
    found
}

/// `[[lat, lon], …]`, a third number being the chainage in metres.
fn route(section: &mut settings::Section<'_>) -> Vec<RoutePoint> {
    let points: Vec<Vec<f64>> = section.or("route", Vec::new());
    let mut route = Vec::with_capacity(points.len());
    for (at, point) in points.iter().enumerate() {
        let read = match point.as_slice() {
            [lat, lon] => on_earth(*lat, *lon).map(|place| vertex(place, None)),
            [lat, lon, chainage] => {
                on_earth(*lat, *lon).map(|place| vertex(place, Some(*chainage)))
            }
            other => Err(format!(
                "has {} numbers, want lat, lon and perhaps chainage_m",
                other.len()
            )),
        };
        match read {
            Ok(point) => route.push(point),
            Err(problem) => section.wrong("route", format!("point {at}: {problem}")),
        }
    }
    route
}

fn vertex(at: Coordinates, chainage: Option<f64>) -> RoutePoint {
    RoutePoint {
        at,
        chainage: chainage.map(RouteLength::of),
    }
}

fn node(section: &mut settings::Section<'_>) -> Option<Node> {
    let kinds = "terminal, ila, repeater, branching-unit, ropa, odf, joint";
    let id = section.required("id");
    let kind: Option<NodeKind> = required_word(section, "kind", kinds);
    let chainage = required_route_m(section, "chainage_m");
    let site = section.optional("site");
    let stated: Option<Passes> = word(section, "otdr", "both, AB, BA, none");
    let kind = kind.unwrap_or(NodeKind::Ila);
    let otdr = stated.unwrap_or(match kind {
        NodeKind::Odf | NodeKind::Joint | NodeKind::BranchingUnit => Passes::Both,
        NodeKind::Terminal | NodeKind::Ila | NodeKind::Repeater | NodeKind::Ropa => Passes::Neither,
    });
    Some(Node {
        id: id?,
        kind,
        chainage: chainage?,
        site,
        otdr,
    })
}

/// How well a landmark's place is known where the file does not say: a recreational GPS at 95 %.
const LANDMARK_PLUS_MINUS_M: f64 = 10.0;

fn landmark(section: &mut settings::Section<'_>, posts: &[At<Post>]) -> Option<Landmark> {
    let name = section.required("name");
    let kind = section.or("kind", "closure".to_owned());
    let at = section
        .section("at")
        .and_then(|mut at| landmark_at(&mut at, posts));
    if !section.has("at") {
        section.wrong(
            "at",
            "is missing; such as { chainage_m = 4000 } or { post = \"214+300\" }",
        );
    }
    let plus_minus = route_m(section, "plus_minus_m");
    let slack_before = optical_m(section, "slack_before_m").unwrap_or_default();
    let slack_after = optical_m(section, "slack_after_m").unwrap_or_default();
    let plus_minus = plus_minus.unwrap_or(RouteLength::of(LANDMARK_PLUS_MINUS_M));
    Some(Landmark {
        name: name?,
        kind,
        at: at?,
        plus_minus,
        slack_before,
        slack_after,
    })
}

fn landmark_at(section: &mut settings::Section<'_>, posts: &[At<Post>]) -> Option<RouteLength> {
    if section.has("chainage_m") {
        return required_route_m(section, "chainage_m");
    }
    let Some(text) = section.optional::<String>("post") else {
        section.wrong(
            "",
            "has neither chainage_m nor post, the two ways to place a landmark",
        );
        return None;
    };
    let (post, beyond) = text.split_once('+').unwrap_or((&text, "0"));
    let known = posts.iter().find(|entry| entry.it.name == post);
    match (known, beyond.parse::<f64>()) {
        (Some(entry), Ok(beyond)) if beyond.is_finite() => {
            Some(entry.it.chainage + RouteLength::of(beyond))
        }
        (Some(_), _) => {
            section.wrong(
                "post",
                format!("{beyond:?} is not a number of metres beyond the post"),
            );
            None
        }
        (None, _) => {
            section.wrong("post", format!("{post:?} is no post of this line"));
            None
        }
    }
}

fn post(section: &mut settings::Section<'_>) -> Option<Post> {
    let name = section.required("name");
    Some(Post {
        chainage: required_route_m(section, "chainage_m")?,
        name: name?,
    })
}

/// Excess of loose-tube cable where the file does not say, and how well it is known then.
const EXCESS_PERCENT: (f64, f64) = (1.0, 1.0);
/// How well an excess is known that the file states without saying so, in per cent.
const STATED_EXCESS_PLUS_MINUS: f64 = 0.1;

fn cable_section(section: &mut settings::Section<'_>) -> Option<Section> {
    let from = required_route_m(section, "from_m");
    let to = required_route_m(section, "to_m");
    let group_index = group_indices(section);
    let excess = within(section, "excess_percent", -1.0, 10.0);
    let known = within(section, "excess_plus_minus", 0.0, 10.0);
    let assumed = if excess.is_some() {
        STATED_EXCESS_PLUS_MINUS
    } else {
        EXCESS_PERCENT.1
    };
    let known = known.unwrap_or(assumed);
    let cable = section.optional("cable");
    let laid = word(section, "laid", "buried, duct, aerial, seabed");
    let depth_m = within(section, "depth_m", 0.0, 12_000.0);
    let (from, to) = (from?, to?);
    if to <= from {
        section.wrong(
            "to_m",
            format!("{} is not beyond from_m, {}", to.get(), from.get()),
        );
        return None;
    }
    Some(Section {
        from,
        to,
        group_index,
        excess: excess.unwrap_or(EXCESS_PERCENT.0) / 100.0,
        excess_plus_minus: known / 100.0,
        cable,
        laid,
        depth_m,
    })
}

/// `group_index = { 1550 = 1.4682, 1310 = 1.4677 }`, the keys being nanometres.
fn group_indices(section: &mut settings::Section<'_>) -> Vec<(Nanometres, GroupIndex)> {
    let Some(mut table) = section.section("group_index") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for key in table.keys() {
        let index = required_within(&mut table, &key, 1.3, 1.7);
        match key
            .parse::<f64>()
            .ok()
            .filter(|nm| (600.0..2000.0).contains(nm))
        {
            Some(nm) => found.extend(index.map(|n| (Nanometres::of(nm), GroupIndex::of(n)))),
            None => table.wrong(&key, "is no wavelength in nanometres, such as 1550"),
        }
    }
    found
}

fn feed(section: &mut settings::Section<'_>) -> Option<Feed> {
    let amps = required_within(section, "amps", 0.01, 10.0);
    let volts_a = required_within(section, "volts_a", 0.0, 50_000.0);
    let volts_b = required_within(section, "volts_b", 0.0, 50_000.0);
    let ohm_per_km = required_within(section, "ohm_per_km", 0.01, 100.0);
    let repeater_volts = repeater_volts(section);
    Some(Feed {
        amps: amps?,
        volts_a: volts_a?,
        volts_b: volts_b?,
        ohm_per_km: ohm_per_km?,
        repeater_volts,
    })
}

struct Drops(Vec<[f64; 2]>);

impl FromSetting for Drops {
    /// One number of volts at any current, or a list of `[amps, volts]`.
    fn from_setting(setting: &toml::de::DeValue<'_>) -> Result<Self, Wrong> {
        if let Ok(volts) = f64::from_setting(setting) {
            return Ok(Self(vec![[0.0, volts]]));
        }
        Vec::from_setting(setting)
            .map(Self)
            .map_err(|_| Wrong("is neither a number of volts nor a list of [amps, volts]".into()))
    }
}

fn repeater_volts(section: &mut settings::Section<'_>) -> Vec<[f64; 2]> {
    let drops: Vec<[f64; 2]> = section
        .optional("repeater_volts")
        .map_or(Vec::new(), |Drops(d)| d);
    let rising = drops
        .iter()
        .zip(drops.iter().skip(1))
        .all(|(one, next)| one < next);
    if !rising {
        section.wrong("repeater_volts", "does not rise in amperes");
    }
    drops
}

fn view(section: &mut settings::Section<'_>) -> Option<View> {
    let id = section.required("id");
    let fibre = section.required("fibre");
    let node: Option<NodeId> = section.required("node");
    let toward: Option<Toward> = required_word(section, "toward", "A, B");
    let until = section.optional("until");
    let kind = word(section, "kind", "otdr, cotdr").unwrap_or(ViewKind::Otdr);
    let device = section.optional("device");
    let port = section.optional("port");
    let launch = optical_m(section, "launch_m").unwrap_or_default();
    let wavelength = within(section, "wavelength_nm", 600.0, 2000.0).unwrap_or(1550.0);
    let reach = within(section, "reach_db", 0.0, 80.0).map(Db::of);
    let wavelength = Nanometres::of(wavelength);
    let (id, fibre, node) = (id?, fibre?, node?);
    let toward = toward.unwrap_or(Toward::B);
    Some(View {
        id,
        fibre,
        node,
        toward,
        until,
        kind,
        device,
        port,
        launch,
        wavelength,
        reach,
    })
}

/// How well a mark is known where the file does not say.
const MARK_PLUS_MINUS_M: f64 = 5.0;

fn mark(section: &mut settings::Section<'_>) -> Option<Mark> {
    let view = section.required("view");
    let landmark = section.required("landmark");
    let optical = required_within(section, "optical_m", 0.0, super::FAR_M).map(OpticalLength::of);
    let plus_minus = optical_m(section, "plus_minus_m");
    let group_index = within(section, "group_index", 1.3, 1.7).map(GroupIndex::of);
    let trace = section.optional("trace");
    let valid_from = section.optional("valid_from");
    Some(Mark {
        view: view?,
        landmark: landmark?,
        optical: optical?,
        plus_minus: plus_minus.unwrap_or(OpticalLength::of(MARK_PLUS_MINUS_M)),
        group_index,
        trace,
        valid_from,
    })
}
