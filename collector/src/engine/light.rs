//! From light meters to claims: which stretch of the line lost light, and whether that is sure.
//!
//! A [`Run`] is one path in one direction along this line. Every run is judged by the span rule;
//! what both directions and several paths say of the same stretch is one [`Claim`].

use core::time::Duration;
use std::collections::BTreeMap;

use silkline_analysis::series::dark::Light;
use silkline_analysis::series::device_name;
use silkline_analysis::span::{Loss, Meter, Stop, Verdict, losses, verdict};
use silkline_protocol::device::Role;
use silkline_protocol::id::{LineId, NodeId, PathId};
use silkline_protocol::plant::{Direction, Line, Path, Plant, Side};
use silkline_protocol::time::Timestamp;

use super::settings::EngineSettings;
use super::watch::{Point, Watch, Watched, port_key};

/// All runs along a line.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    runs: Vec<Run>,
}

/// One path in one direction.
#[derive(Clone, Debug)]
pub(super) struct Run {
    path: PathId,
    direction: Direction,
    stops: Vec<Ports>,
}

/// One node of a run: its place among the line's nodes, and the ports by device and index.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    pub(super) node: usize,
    pub(super) input: Vec<(String, String)>,
    pub(super) output: Vec<(String, String)>,
}

/// A stretch that lost light.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Claim {
    /// The nodes on both sides, by their place on the line; the same where a node failed.
    pub(super) low: usize,
    pub(super) high: usize,
    pub(super) verdict: Verdict,
    pub(super) losses: Vec<LostLight>,
    /// Whether it is sure enough to be told.
    pub(super) ready: bool,
}

/// One run's part in a claim.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LostLight {
    pub(super) path: PathId,
    pub(super) direction: Direction,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) since: Timestamp,
}

/// A loss with what the merging needs.
struct Found {
    low: usize,
    high: usize,
    loss: Loss,
    light: LostLight,
    turned: Timestamp,
    /// When it may no longer wait for polls.
    patience: Timestamp,
}

/// One run as it stands.
struct Profile {
    stops: Vec<Stop>,
    /// When each stop's input turned, by our clock, and the poll of its device.
    turned: Vec<(Timestamp, Duration)>,
    /// When the last input turned dark, by our clock.
    latest: Timestamp,
}

impl Runs {
    pub(super) fn of(plant: &Plant, line: &Line) -> Self {
        let both = [Direction::AToB, Direction::BToA];
        let runs = plant.paths.iter().flat_map(|path| {
            both.map(|direction| Run::of(plant, line, path, direction))
                .into_iter()
                .flatten()
        });
        Self {
            runs: runs.collect(),
        }
    }

    /// What the meters say at `now`, and when to look again.
    pub(super) fn claims(
        &self,
        line: &Line,
        watch: &Watch,
        settings: &EngineSettings,
        now: Timestamp,
    ) -> (Vec<Claim>, Option<Timestamp>) {
        let alive = self.alive(watch);
        let mut found = Vec::new();
        for run in &self.runs {
            found.extend(run.found(line, watch, (&alive, settings), now));
        }
        let due = found
            .iter()
            .flat_map(|f| [f.turned + settings.join, f.patience])
            .filter(|due| *due > now)
            .min();
        (merged(found, settings, now), due)
    }

    /// The span before the input that a port is, as places of its nodes on the line.
    pub(super) fn span_before(&self, device: &str, index: &str) -> Option<(usize, usize)> {
        let here = |stop: &Ports| stop.input.iter().any(|(d, i)| d == device && i == index);
        let pairs = self
            .runs
            .iter()
            .flat_map(|run| run.stops.iter().zip(run.stops.iter().skip(1)));
        let found = pairs.into_iter().find(|(_, to)| here(to));
        found.map(|(from, to)| (from.node.min(to.node), from.node.max(to.node)))
    }

    /// The ports that send what each port receives, by `device/index`.
    pub(super) fn senders(&self) -> BTreeMap<String, Vec<String>> {
        let mut senders: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let pairs = self
            .runs
            .iter()
            .flat_map(|run| run.stops.iter().zip(run.stops.iter().skip(1)));
        for (from, to) in pairs {
            for (device, index) in &to.input {
                let known = senders.entry(port_key(device, index)).or_default();
                let sends = from.output.iter().map(|(d, i)| port_key(d, i));
                known.extend(sends);
            }
        }
        senders
    }

    /// Each of them.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// How many runs are watched: paths times directions.
    pub(super) const fn count(&self) -> usize {
        self.runs.len()
    }

    /// When light from node `.0` last arrived at node `.1`, its neighbour.
    fn alive(&self, watch: &Watch) -> BTreeMap<(usize, usize), Timestamp> {
        let mut alive: BTreeMap<(usize, usize), Timestamp> = BTreeMap::new();
        for run in &self.runs {
            for (from, to) in run.stops.iter().zip(run.stops.iter().skip(1)) {
                let input = meter(watch, &to.input, Role::LightIn).0;
                if input.light == Light::Lit {
                    let at = alive.entry((from.node, to.node)).or_default();
                    *at = input.at.max(*at);
                }
            }
        }
        alive
    }
}

impl Run {
    /// The run of `path` in `direction`, where any device port stands on it.
    fn of(plant: &Plant, line: &Line, path: &Path, direction: Direction) -> Option<Self> {
        let mut nodes: Vec<usize> = Vec::new();
        for hop in path.hops.iter().filter(|hop| hop.line == line.id) {
            let place = |id: &NodeId| line.nodes.iter().position(|node| node.id == *id);
            let (from, to) = (place(&hop.from)?, place(&hop.to)?);
            nodes.extend(from.min(to)..=from.max(to));
        }
        nodes.sort_unstable();
        nodes.dedup();
        if direction == Direction::BToA {
            nodes.reverse();
        }
        let stop = |node: usize| {
            let id = &line.nodes.get(node)?.id;
            let ports = |side: Side| ports(plant, &line.id, (path, id), (direction, side));
            Some(Ports {
                node,
                input: ports(Side::In),
                output: ports(Side::Out),
            })
        };
        let stops: Vec<Ports> = nodes.into_iter().filter_map(stop).collect();
        let watched = stops.iter().any(|stop| !stop.input.is_empty());
        watched.then(|| Self {
            path: path.id.clone(),
            direction,
            stops,
        })
    }

    /// Its nodes in the direction of the light.
    pub(super) fn stops(&self) -> &[Ports] {
        &self.stops
    }

    fn found(
        &self,
        line: &Line,
        watch: &Watch,
        (alive, settings): (&BTreeMap<(usize, usize), Timestamp>, &EngineSettings),
        now: Timestamp,
    ) -> Vec<Found> {
        let profile = self.profile(watch, alive, settings, now);
        let made = losses(&profile.stops).into_iter().filter_map(|loss| {
            let (from, to) = (self.stops.get(loss.from)?, self.stops.get(loss.to)?);
            let id = |stop: &Ports| line.nodes.get(stop.node).map(|node| node.id.clone());
            let (turned, its_poll) = *profile.turned.get(loss.to)?;
            let (returned, poll) = *profile.turned.get(loss.from)?;
            // Light that came back to the sender has to reach the next meter and be polled there.
            let lit = |stop: &Stop| stop.input.light == Light::Lit;
            let is_back = profile.stops.get(loss.from).is_some_and(lit) && returned > turned;
            let patience = if is_back {
                returned + patience(settings, its_poll).max(settings.settle)
            } else {
                profile.latest + patience(settings, poll)
            };
            let settled = loss.settled && !(is_back && now < patience);
            Some(Found {
                low: from.node.min(to.node),
                high: from.node.max(to.node),
                light: LostLight {
                    path: self.path.clone(),
                    direction: self.direction,
                    from: id(from)?,
                    to: id(to)?,
                    since: loss.since,
                },
                turned,
                patience,
                loss: Loss { settled, ..loss },
            })
        });
        made.collect()
    }

    fn profile(
        &self,
        watch: &Watch,
        alive: &BTreeMap<(usize, usize), Timestamp>,
        settings: &EngineSettings,
        now: Timestamp,
    ) -> Profile {
        let inputs: Vec<_> = self
            .stops
            .iter()
            .map(|s| meter(watch, &s.input, Role::LightIn))
            .collect();
        let latest = inputs
            .iter()
            .filter(|(input, ..)| input.light == Light::Dark)
            .filter_map(|(_, point, _)| point.map(|p| p.turned))
            .max();
        let mut profile = Profile {
            stops: Vec::new(),
            turned: Vec::new(),
            latest: latest.unwrap_or(Timestamp::EPOCH),
        };
        let mut before: Option<usize> = None;
        for (ports, (input, point, device)) in self.stops.iter().zip(inputs) {
            let (output, sender, other) = meter(watch, &ports.output, Role::LightOut);
            let poll = device.or(other).map_or(Duration::ZERO, Watched::poll);
            let heard = point.into_iter().chain(sender).map(|p| p.heard).max();
            let stale = latest.zip(heard).is_some_and(|(turned, heard)| {
                heard < turned && now >= turned + patience(settings, poll)
            });
            let gone = device.or(other).is_some_and(Watched::is_silent);
            profile.stops.push(Stop {
                input,
                output,
                supervisory: meter(watch, &ports.input, Role::SupervisoryIn).0,
                silent: stale || gone,
                alive: before.and_then(|before| alive.get(&(ports.node, before)).copied()),
            });
            let turned = point.map_or(Timestamp::EPOCH, |point| point.turned);
            profile.turned.push((turned, poll));
            before = Some(ports.node);
        }
        profile
    }
}

/// How long polls may leave a loss unsettled.
fn patience(settings: &EngineSettings, poll: Duration) -> Duration {
    settings.hold.max(poll * 3 / 2)
}

/// The ports of a path at a node, as device and index.
fn ports(
    plant: &Plant,
    line: &LineId,
    (path, node): (&Path, &NodeId),
    (direction, side): (Direction, Side),
) -> Vec<(String, String)> {
    let devices = plant
        .devices
        .iter()
        .filter(|device| device.lines.contains(line));
    let of = devices.flat_map(|device| {
        let fits = |port: &&silkline_protocol::plant::Port| {
            port.path == path.id
                && port.node == *node
                && port.direction == direction
                && port.side == side
        };
        let name = device_name(&device.site, &device.id);
        device
            .ports
            .iter()
            .filter(fits)
            .map(move |port| (name.clone(), port.index.clone()))
    });
    of.collect()
}

/// The meter of a role among ports: of several the one that was heard of last.
pub(super) fn meter<'a>(
    watch: &'a Watch,
    ports: &[(String, String)],
    role: Role,
) -> (Meter, Option<&'a Point>, Option<&'a Watched>) {
    let mut best: Option<(&Point, &Watched)> = None;
    for (name, index) in ports {
        let Some(device) = watch.get(name) else {
            continue;
        };
        let fits = |(point, watched): &(&silkline_protocol::id::PointName, &Point)| {
            watched.role == role && point.index().unwrap_or("") == index
        };
        for (_, point) in device.points().iter().filter(fits) {
            if best.is_none_or(|(known, _)| known.heard <= point.heard) {
                best = Some((point, device));
            }
        }
    }
    let Some((point, device)) = best else {
        return (Meter::default(), None, None);
    };
    let dark = &point.dark;
    let meter = Meter {
        light: dark.light(),
        at: dark.at(),
        since: dark.since(),
    };
    (meter, Some(point), Some(device))
}

/// One claim for each stretch that any run lost light on.
fn merged(found: Vec<Found>, settings: &EngineSettings, now: Timestamp) -> Vec<Claim> {
    let mut groups: Vec<(usize, usize, Vec<Found>)> = Vec::new();
    let mut sorted = found;
    // Narrow ones first: a wide one that holds a narrow one means the same.
    sorted.sort_by_key(|f| (f.loss.failed, f.high - f.low));
    for one in sorted {
        // A laser that is shut down because its node lost the other direction has not failed.
        let same = groups.iter_mut().find(|(low, high, group)| {
            let opposite = group
                .iter()
                .any(|g| g.light.direction != one.light.direction);
            let held = one.low <= *low && *high <= one.high;
            let same = !one.loss.failed || opposite || group.iter().all(|g| g.loss.failed);
            (held && same) || is_crossing(&one, (*low, *high), group)
        });
        match same {
            Some((low, high, group)) => {
                // One cause of both directions is where both are lost.
                (*low, *high) = ((*low).max(one.low), (*high).min(one.high));
                group.push(one);
            }
            None => groups.push((one.low, one.high, vec![one])),
        }
    }
    groups
        .into_iter()
        .map(|(low, high, group)| claim((low, high), group, settings, now))
        .collect()
}

/// Whether light of the one direction is lost on a stretch that overlaps that of the other direction:
/// nodes between that say nothing leave the two of them with different ends.
fn is_crossing(one: &Found, (low, high): (usize, usize), group: &[Found]) -> bool {
    let overlap = one.low < high && low < one.high;
    let apart = |g: &Found| g.light.direction != one.light.direction && !g.loss.failed;
    overlap && !one.loss.failed && group.iter().all(apart)
}

fn claim(
    (low, high): (usize, usize),
    group: Vec<Found>,
    settings: &EngineSettings,
    now: Timestamp,
) -> Claim {
    let crossed = !group.iter().any(|f| (f.low, f.high) == (low, high));
    let exact = |f: &&Found| {
        let one_end = f.low == low || f.high == high;
        (f.low, f.high) == (low, high) || (crossed && one_end)
    };
    let toward = |direction| {
        group
            .iter()
            .filter(exact)
            .any(|f| f.light.direction == direction)
    };
    let both = toward(Direction::AToB) && toward(Direction::BToA);
    let settled = group.iter().filter(exact).any(|f| f.loss.settled);
    let first = group.iter().map(|f| f.turned).min().unwrap_or(now);
    let patience = group
        .iter()
        .filter(exact)
        .map(|f| f.patience)
        .max()
        .unwrap_or(now);
    let narrow = high - low == 1;
    let all: Vec<Loss> = group.iter().map(|f| f.loss).collect();
    let judged = verdict(&all, both);
    let failed = judged == Verdict::Equipment && all.iter().all(|loss| loss.failed);
    let joined = settled && !failed && now >= first + settings.join;
    let ready = (both && narrow) || joined || now >= patience;
    let sender = |f: &Found| {
        if f.light.direction == Direction::AToB {
            f.low
        } else {
            f.high
        }
    };
    let (low, high) = match group.first() {
        Some(first) if failed => (sender(first), sender(first)),
        // Both directions lost around a node that says nothing: the node is gone.
        Some(_) if both && high - low == 2 && !crossed => (low + 1, low + 1),
        _ => (low, high),
    };
    let verdict = if low == high {
        Verdict::Equipment
    } else {
        judged
    };
    Claim {
        low,
        high,
        verdict,
        losses: group.into_iter().map(|f| f.light).collect(),
        ready,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + second)
    }

    /// Light that is lost in a direction between two nodes.
    fn lost(direction: Direction, [low, high]: [usize; 2]) -> Found {
        let node = |k: usize| format!("n{k}").parse().unwrap();
        let (from, to) = match direction {
            Direction::AToB => (low, high),
            Direction::BToA => (high, low),
        };
        Found {
            low,
            high,
            loss: Loss {
                from: 0,
                to: 1,
                failed: false,
                supervisory: Light::Dark,
                settled: true,
                since: second(0),
            },
            light: LostLight {
                path: "p".parse().unwrap(),
                direction,
                from: node(from),
                to: node(to),
                since: second(0),
            },
            turned: second(0),
            patience: second(10),
        }
    }

    fn stretches(found: Vec<Found>) -> Vec<(usize, usize, bool)> {
        let claims = merged(found, &EngineSettings::default(), second(1));
        claims.iter().map(|c| (c.low, c.high, c.ready)).collect()
    }

    #[test]
    fn directions_that_end_at_other_nodes_are_one_cause_where_both_are_lost() {
        let (there, back) = (Direction::AToB, Direction::BToA);
        let both = vec![lost(there, [2, 9]), lost(back, [0, 3])];
        assert_eq!(stretches(both), [(2, 3, true)]);
        let wide = vec![lost(there, [2, 9]), lost(back, [0, 4]), lost(back, [0, 9])];
        assert!(
            matches!(stretches(wide)[..], [(2, 4, _)]),
            "a span, no node"
        );
    }

    #[test]
    fn one_direction_lost_twice_and_stretches_that_only_touch_stay_two() {
        let (there, back) = (Direction::AToB, Direction::BToA);
        for found in [
            vec![lost(there, [1, 3]), lost(there, [2, 4])],
            vec![lost(there, [1, 2]), lost(back, [2, 3])],
            vec![lost(there, [1, 2]), lost(back, [4, 6])],
        ] {
            assert_eq!(stretches(found).len(), 2);
        }
    }
}
