//! Second pass: what can be judged only when everything has been read.

use std::collections::BTreeSet;

use super::super::{
    Device, End, Hop, Line, LineKind, Node, NodeKind, Passes, Path, Plant, RoutePoint, Service,
    Shared, Site, Toward,
};
use super::At;
use super::line::LineEntry;
use crate::id::{FibreId, LineId, NodeId, SiteId};
use crate::settings::Notes;
use crate::unit::RouteLength;

/// How much longer or shorter than its chainage a line's geometry may be without a word.
const GEOMETRY_MISMATCH: f64 = 0.02;

/// Everything that the first pass read.
pub(super) struct Entries {
    pub(super) sites: Vec<At<Site>>,
    pub(super) lines: Vec<At<LineEntry>>,
    pub(super) paths: Vec<At<Path>>,
    pub(super) devices: Vec<At<Device>>,
    pub(super) shared: Vec<At<Shared>>,
    pub(super) services: Vec<At<Service>>,
}

fn note<T>(notes: &Notes, at: &At<T>, problem: impl Into<String>) {
    notes.note(at.place, at.key.clone(), problem);
}

/// Notes every entry whose name another one has already.
fn unique<T, K: Ord + ToString>(entries: &[At<T>], key: impl Fn(&T) -> K, notes: &Notes) {
    let mut seen = BTreeSet::new();
    for entry in entries {
        let name = key(&entry.it);
        let said = name.to_string();
        if !seen.insert(name) {
            note(notes, entry, format!("{said} is there twice"));
        }
    }
}

/// Notes every entry that stands before the one above it.
fn rising<T>(entries: &[At<T>], chainage: impl Fn(&T) -> RouteLength, notes: &Notes) {
    for (above, entry) in entries.iter().zip(entries.iter().skip(1)) {
        let (before, here) = (chainage(&above.it), chainage(&entry.it));
        if here < before {
            let (here, before) = (here.get(), before.get());
            note(
                notes,
                entry,
                format!("{here} m stands after {before} m: want rising chainage"),
            );
        }
    }
}

/// Notes every entry that lies beyond `end`.
fn stays_within<T>(
    entries: &[At<T>],
    chainage: impl Fn(&T) -> RouteLength,
    end: RouteLength,
    notes: &Notes,
) {
    for entry in entries {
        let at = chainage(&entry.it);
        if at > end {
            let (at, end) = (at.get(), end.get());
            note(
                notes,
                entry,
                format!("{at} m lies beyond the line's end at {end} m"),
            );
        }
    }
}

impl Entries {
    /// The plant, with every mistake of reference noted.
    pub(super) fn check(self, notes: &Notes, warnings: &mut Vec<String>) -> Plant {
        unique(&self.sites, |site| site.id.clone(), notes);
        unique(&self.lines, |line| line.id.clone(), notes);
        unique(&self.paths, |path| path.id.clone(), notes);
        unique(
            &self.devices,
            |device| format!("{}.{}", device.site, device.id),
            notes,
        );
        unique(&self.services, |service| service.id.clone(), notes);
        self.check_views_are_unique(notes);
        let sites = take(self.sites);
        let mut lines: Vec<Line> = Vec::new();
        for entry in self.lines {
            lines.push(
                LineCheck {
                    sites: &sites,
                    notes,
                }
                .line(entry, warnings),
            );
        }
        let plant = Plant {
            sites,
            lines,
            ..Plant::default()
        };
        let check = Network {
            plant: &plant,
            notes,
        };
        self.paths.iter().for_each(|path| check.path(path));
        let path_ids: BTreeSet<_> = self.paths.iter().map(|path| &path.it.id).collect();
        for device in &self.devices {
            check.device(device);
            for port in device
                .it
                .ports
                .iter()
                .filter(|port| !path_ids.contains(&port.path))
            {
                note(
                    notes,
                    device,
                    format!("port {:?}: no path is called {}", port.index, port.path),
                );
            }
        }
        self.shared.iter().for_each(|shared| check.shared(shared));
        for service in &self.services {
            for path in service
                .it
                .paths
                .iter()
                .filter(|path| !path_ids.contains(path))
            {
                note(notes, service, format!("no path is called {path}"));
            }
        }
        let (paths, devices) = (take(self.paths), take(self.devices));
        Plant {
            paths,
            devices,
            shared: take(self.shared),
            services: take(self.services),
            ..plant
        }
    }

    fn check_views_are_unique(&self, notes: &Notes) {
        let mut seen = BTreeSet::new();
        for view in self.lines.iter().flat_map(|line| &line.it.views) {
            if !seen.insert(&view.it.id) {
                note(notes, view, format!("view {} is there twice", view.it.id));
            }
        }
    }
}

fn take<T>(entries: Vec<At<T>>) -> Vec<T> {
    entries.into_iter().map(|entry| entry.it).collect()
}

struct LineCheck<'a> {
    sites: &'a [Site],
    notes: &'a Notes,
}

impl LineCheck<'_> {
    fn line(&self, entry: At<LineEntry>, warnings: &mut Vec<String>) -> Line {
        let At {
            it: mut line,
            place,
            key,
        } = entry;
        let wrong = |problem: String| self.notes.note(place, key.clone(), problem);
        self.ends(&line, &wrong);
        if line.nodes.is_empty() {
            match ends_as_nodes(&line) {
                Some(nodes) => {
                    line.nodes = nodes
                        .map(|it| At {
                            it,
                            place,
                            key: key.clone(),
                        })
                        .into()
                }
                None => wrong(
                    "has neither [[line.node]] nor a chainage at the end of its route: \
                               how long is it?"
                        .into(),
                ),
            }
        }
        self.nodes(&line, &wrong);
        rising(&line.landmarks, |landmark| landmark.at, self.notes);
        rising(&line.posts, |post| post.chainage, self.notes);
        rising(&line.sections, |section| section.from, self.notes);
        unique(
            &line.landmarks,
            |landmark| landmark.name.clone(),
            self.notes,
        );
        unique(&line.fibres, Clone::clone, self.notes);
        self.inside(&line);
        self.views(&mut line);
        self.marks(&line);
        warnings.extend(geometry_warning(&line));
        finish(line)
    }

    fn ends(&self, line: &LineEntry, wrong: &impl Fn(String)) {
        for (name, end) in [("a", &line.a), ("b", &line.b)] {
            if let End::Site(site) = end
                && !self.sites.iter().any(|known| known.id == *site)
            {
                wrong(format!("{name}: no site is called {site}"));
            }
        }
        if line.a == line.b {
            wrong("begins where it ends".into());
        }
    }

    fn nodes(&self, line: &LineEntry, wrong: &impl Fn(String)) {
        unique(&line.nodes, |node| node.id.clone(), self.notes);
        rising(&line.nodes, |node| node.chainage, self.notes);
        if line.nodes.len() == 1 {
            wrong("has one node, want at least the two ends".into());
        }
        if let Some(first) = line
            .nodes
            .first()
            .filter(|node| node.it.chainage.get() > 0.0)
        {
            note(
                self.notes,
                first,
                "the first node stands at the A end: want chainage_m = 0",
            );
        }
        for node in &line.nodes {
            if let Some(site) = &node.it.site
                && !self.sites.iter().any(|known| known.id == *site)
            {
                note(self.notes, node, format!("no site is called {site}"));
            }
        }
    }

    /// Whatever has a chainage lies within the line.
    fn inside(&self, line: &LineEntry) {
        let Some(end) = line.nodes.last().map(|node| node.it.chainage) else {
            return;
        };
        stays_within(&line.landmarks, |landmark| landmark.at, end, self.notes);
        stays_within(&line.sections, |section| section.to, end, self.notes);
        stays_within(&line.posts, |post| post.chainage, end, self.notes);
    }

    fn views(&self, line: &mut LineEntry) {
        let stated: BTreeSet<FibreId> = line.fibres.iter().map(|fibre| fibre.it.clone()).collect();
        let chainage = |id: &NodeId| {
            line.nodes
                .iter()
                .find(|node| node.it.id == *id)
                .map(|node| node.it.chainage)
        };
        for view in &line.views {
            let (it, wrong) = (&view.it, |problem: String| note(self.notes, view, problem));
            if !stated.is_empty() && !stated.contains(&it.fibre) {
                wrong(format!("no fibre of this line is called {}", it.fibre));
            }
            let from = chainage(&it.node);
            if from.is_none() {
                wrong(format!("no node of this line is called {}", it.node));
            }
            let Some(until) = &it.until else { continue };
            match (from, chainage(until), it.toward) {
                (_, None, _) => wrong(format!("until: no node of this line is called {until}")),
                (Some(from), Some(to), Toward::B) if to <= from => {
                    wrong(format!("until: {until} does not lie towards B"));
                }
                (Some(from), Some(to), Toward::A) if to >= from => {
                    wrong(format!("until: {until} does not lie towards A"));
                }
                _ => {}
            }
        }
        if stated.is_empty() {
            let named: BTreeSet<FibreId> = line.views.iter().map(|v| v.it.fibre.clone()).collect();
            let fibre = |it| At {
                it,
                place: crate::settings::Place::default(),
                key: String::new(),
            };
            line.fibres = named.into_iter().map(fibre).collect();
        }
    }

    fn marks(&self, line: &LineEntry) {
        let views: BTreeSet<_> = line.views.iter().map(|view| &view.it.id).collect();
        let names: BTreeSet<_> = line
            .landmarks
            .iter()
            .map(|mark| mark.it.name.as_str())
            .collect();
        for mark in &line.marks {
            if !views.contains(&mark.it.view) {
                note(
                    self.notes,
                    mark,
                    format!("no view of this line is called {}", mark.it.view),
                );
            }
            if !names.contains(mark.it.landmark.as_str()) {
                let name = &mark.it.landmark;
                note(
                    self.notes,
                    mark,
                    format!("no landmark of this line is called {name:?}"),
                );
            }
        }
        unique(
            &line.marks,
            |mark| {
                format!(
                    "{} in {} from {:?}",
                    mark.landmark, mark.view, mark.valid_from
                )
            },
            self.notes,
        );
    }
}

/// A small plant names no nodes: they are its two ends.
fn ends_as_nodes(line: &LineEntry) -> Option<[Node; 2]> {
    let length = line.route.last()?.chainage?;
    let node = |end: &End, name: &str, chainage| {
        let site = match end {
            End::Site(site) => Some(site.clone()),
            End::Branch(..) => None,
        };
        let id = site.as_ref().map_or(name, SiteId::as_str).parse().ok()?;
        Some(Node {
            id,
            kind: NodeKind::Terminal,
            chainage,
            site,
            otdr: Passes::Neither,
        })
    };
    Some([
        node(&line.a, "a", RouteLength::of(0.0))?,
        node(&line.b, "b", length)?,
    ])
}

fn finish(line: LineEntry) -> Line {
    Line {
        id: line.id,
        name: line.name,
        kind: line.kind,
        a: line.a,
        b: line.b,
        route: line.route,
        nodes: take(line.nodes),
        landmarks: take(line.landmarks),
        posts: take(line.posts),
        sections: take(line.sections),
        fibres: take(line.fibres),
        feed: line.feed,
        views: take(line.views),
        marks: take(line.marks),
    }
}

/// Mean radius of the earth, in metres: good to half a per cent, enough to catch a slip.
const EARTH_M: f64 = 6_371_009.0;

fn great_circle_m(from: &RoutePoint, to: &RoutePoint) -> f64 {
    let (lat1, lat2) = (from.at.lat.to_radians(), to.at.lat.to_radians());
    let dlon = (to.at.lon - from.at.lon).to_radians();
    let half =
        ((lat2 - lat1) / 2.0).sin().powi(2) + lat1.cos() * lat2.cos() * (dlon / 2.0).sin().powi(2);
    2.0 * EARTH_M * half.sqrt().min(1.0).asin()
}

fn geometry_warning(line: &LineEntry) -> Option<String> {
    let length = line.nodes.last()?.it.chainage.get();
    let drawn: f64 = line
        .route
        .windows(2)
        .map(|pair| match pair {
            [from, to] => great_circle_m(from, to),
            _ => 0.0,
        })
        .sum();
    let mismatch = drawn / length - 1.0;
    let odd = line.route.len() > 1 && mismatch.abs() > GEOMETRY_MISMATCH;
    odd.then(|| {
        let what = if line.kind == LineKind::Submarine {
            "cable"
        } else {
            "line"
        };
        format!(
            "{what} {}: its route is drawn {:.1} km long, {:+.1} % off its chainage of {:.1} km; \
             the chainage counts and the drawing is stretched to it",
            line.id,
            drawn / 1000.0,
            mismatch * 100.0,
            length / 1000.0
        )
    })
}

struct Network<'a> {
    plant: &'a Plant,
    notes: &'a Notes,
}

impl Network<'_> {
    fn path(&self, path: &At<Path>) {
        if path.it.hops.is_empty() {
            note(self.notes, path, "has no hops");
        }
        for Hop {
            line,
            fibre,
            from,
            to,
        } in &path.it.hops
        {
            let wrong = |problem: String| note(self.notes, path, problem);
            let Some(known) = self.line(line, &wrong) else {
                continue;
            };
            if !known.fibres.is_empty() && !known.fibres.contains(fibre) {
                wrong(format!("line {line} has no fibre {fibre}"));
            }
            for node in [from, to]
                .into_iter()
                .filter(|node| known.node(node).is_none())
            {
                wrong(format!("line {line} has no node {node}"));
            }
        }
    }

    fn device(&self, device: &At<Device>) {
        let wrong = |problem: String| note(self.notes, device, problem);
        if self.plant.site(&device.it.site).is_none() {
            wrong(format!("no site is called {}", device.it.site));
        }
        for line in &device.it.lines {
            self.line(line, &wrong);
        }
        for port in &device.it.ports {
            let known = self
                .plant
                .lines
                .iter()
                .any(|line| line.node(&port.node).is_some());
            if !known {
                wrong(format!(
                    "port {:?}: no node is called {}",
                    port.index, port.node
                ));
            }
        }
    }

    fn shared(&self, shared: &At<Shared>) {
        let wrong = |problem: String| note(self.notes, shared, problem);
        if shared.it.members.len() < 2 {
            wrong("has fewer than two members: nothing is shared".into());
        }
        for member in &shared.it.members {
            let Some(line) = self.line(&member.line, &wrong) else {
                continue;
            };
            if member.to <= member.from || member.to > line.length() {
                let (from, to) = (member.from.get(), member.to.get());
                let end = line.length().get();
                wrong(format!(
                    "{from}..{to} m is no stretch of {}, 0..{end} m",
                    member.line
                ));
            }
        }
    }

    fn line(&self, id: &LineId, wrong: &impl Fn(String)) -> Option<&Line> {
        let found = self.plant.line(id);
        if found.is_none() {
            wrong(format!("no line is called {id}"));
        }
        found
    }
}
