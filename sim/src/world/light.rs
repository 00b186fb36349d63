//! The light on a line: who sends how much, what the spans take, what arrives.
//!
//! Amplifiers keep their output. That is why a cut shows only at the first input behind it: its
//! amplifier goes on sending noise of the usual power, and everything beyond looks well.

use core::time::Duration;

use silkline_protocol::id::{FibreId, LineId, NodeId};
use silkline_protocol::plant::{Direction, Line, Node, NodeKind};
use silkline_protocol::unit::{Db, Dbm};

use super::{Moment, World};
use crate::fault::Fault;

/// A place where light passes an amplifier: a node, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand<'a> {
    /// The line.
    pub line: &'a LineId,
    /// The node on it.
    pub node: &'a NodeId,
    /// Which way the light goes.
    pub direction: Direction,
}

/// What an amplifier's own instruments say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amplifier {
    /// Light that arrives; none where there is no light.
    pub input: Option<Dbm>,
    /// Light that leaves; none from an amplifier that failed.
    pub output: Option<Dbm>,
    /// Supervisory light that arrives.
    pub supervisory: Option<Dbm>,
    /// Current of the pump laser, in milliamperes.
    pub(crate) pump_ma: f64,
    /// Temperature of the pump laser, in degrees Celsius.
    pub(crate) pump_celsius: f64,
    /// Loss of what comes back to the output.
    pub return_loss: Db,
    /// Loss of the span before the input, as two neighbours work it out together.
    pub span_loss: Option<Db>,
}

/// What terminals hand to the first amplifier of a line.
const FROM_TERMINAL: Dbm = Dbm::of(-6.0);
/// What a supervisory laser sends.
const SUPERVISORY: Dbm = Dbm::of(0.0);
/// How much more a span takes of the supervisory colour than of the others.
const SUPERVISORY_EXTRA: Db = Db::of(0.8);
/// The pump current at the end of a laser's life, in milliamperes.
const PUMP_END_MA: f64 = 1_000.0;
/// A pump laser that wears out has lost two thirds of what it will lose after this time.
const PUMP_WEARS: Duration = Duration::from_secs(90);

impl Amplifier {
    /// Gain, where light comes in and leaves.
    #[must_use]
    pub fn gain(&self) -> Option<Db> {
        self.input
            .zip(self.output)
            .map(|(input, output)| output - input)
    }
}

impl World {
    /// What the amplifier at `stand` says; none where the plant has no such place.
    #[must_use]
    pub fn amplifier(&self, stand: Stand<'_>, moment: Moment<'_>) -> Option<Amplifier> {
        let line = self.plant.line(stand.line)?;
        let node = line.node(stand.node)?;
        let span_loss = self.span_loss(line, node, stand.direction, moment);
        let (input, supervisory) = match before(line, node, stand.direction) {
            None => (Some(FROM_TERMINAL), Some(Dbm::of(-3.0))),
            Some(sender) => {
                let sent = self.output(line, sender, stand.direction, moment);
                let lives = has_power(sender, moment);
                let supervisory = span_loss
                    .filter(|_| lives)
                    .map(|loss| SUPERVISORY - (loss + SUPERVISORY_EXTRA));
                (
                    sent.zip(span_loss).map(|(sent, loss)| sent - loss),
                    supervisory,
                )
            }
        };
        let mut flicker = self.flicker(&key("amplifier", line, node, stand.direction), moment.now);
        let mut noisy = |power: Dbm| power + Db::of(flicker.normal(0.03));
        let (input, supervisory) = (input.map(&mut noisy), supervisory.map(&mut noisy));
        let output = self
            .output(line, node, stand.direction, moment)
            .map(&mut noisy);
        let gain = input
            .zip(output)
            .map_or(24.0, |(input, output)| (output - input).get());
        let pump_ma = if output.is_some() {
            self.pump_ma(line, node, stand.direction, (gain, moment))
        } else {
            0.0
        };
        Some(Amplifier {
            input,
            output,
            supervisory,
            pump_ma: (pump_ma + flicker.normal(0.6)).max(0.0),
            pump_celsius: 25.0 + flicker.normal(0.05),
            return_loss: Db::of(34.0 + flicker.normal(0.1)),
            span_loss,
        })
    }

    /// Whether a supervisory at one of two nodes reaches the other: not past a cut.
    #[must_use]
    pub fn repeater_answers(&self, line: &LineId, ends: [&NodeId; 2], moment: Moment<'_>) -> bool {
        let Some(line) = self.plant.line(line) else {
            return false;
        };
        let [Some(one), Some(other)] = ends.map(|id| line.node(id)) else {
            return false;
        };
        let between = |at| (one.chainage <= at) == (at <= other.chainage);
        let cut_off = |fault: &Fault| match fault {
            Fault::Cut {
                line: cut,
                at,
                fibre: None,
            } => *cut == line.id && between(*at),
            _ => false,
        };
        moment.scene.since(cut_off).is_none()
    }

    /// What leaves an amplifier: always the same, until its pump is worn out or it fails.
    fn output(
        &self,
        line: &Line,
        node: &Node,
        direction: Direction,
        moment: Moment<'_>,
    ) -> Option<Dbm> {
        if !has_power(node, moment) || !moment.scene.sends(&line.id, &node.id, direction) {
            return None;
        }
        let mut own = self.seed.draws(&key("output", line, node, direction));
        let set = Dbm::of(if node.kind == NodeKind::Repeater {
            1.5
        } else {
            3.0
        });
        let worn = self.worn(line, node, moment);
        Some(set + Db::of(own.between(-0.3, 0.3)) - Db::of(3.0 * (worn - 0.8).max(0.0) / 0.2))
    }

    /// How far the pumps of a node are worn, from 0 to 1.
    fn worn(&self, line: &Line, node: &Node, moment: Moment<'_>) -> f64 {
        let is_it = |fault: &Fault| matches!(fault, Fault::Pump { line: l, node: n } if *l == line.id && *n == node.id);
        moment.scene.since(is_it).map_or(0.0, |since| {
            let age = moment.now.saturating_sub(since).as_secs_f64();
            -(-age / PUMP_WEARS.as_secs_f64()).exp_m1()
        })
    }

    fn pump_ma(
        &self,
        line: &Line,
        node: &Node,
        direction: Direction,
        (gain, moment): (f64, Moment<'_>),
    ) -> f64 {
        let mut own = self.seed.draws(&key("pump", line, node, direction));
        let healthy = own.between(380.0, 430.0) + 6.0 * (gain - 18.0);
        let worn = self.worn(line, node, moment);
        (healthy + worn * 1.3 * (PUMP_END_MA - healthy)).clamp(0.0, PUMP_END_MA)
    }

    /// What the span before `node` takes, seen with the light; none where it is broken.
    fn span_loss(
        &self,
        line: &Line,
        node: &Node,
        direction: Direction,
        moment: Moment<'_>,
    ) -> Option<Db> {
        let sender = before(line, node, direction)?;
        let fibre = self.carrier(line, direction)?;
        let damage = moment.scene.damage(&line.id, fibre);
        let strand = self.truth.cable(&line.id)?.strand(fibre);
        strand.loss([&sender.id, &node.id], &damage)
    }

    /// The strand that carries light in `direction`: what a path says, else the line's first.
    fn carrier<'a>(&'a self, line: &'a Line, direction: Direction) -> Option<&'a FibreId> {
        let chainage = |node: &NodeId| line.node(node).map(|node| node.chainage);
        let hops = self.plant.paths.iter().flat_map(|path| &path.hops);
        let mut along = hops.filter(|hop| {
            let forward = chainage(&hop.from) < chainage(&hop.to);
            hop.line == line.id && forward == (direction == Direction::AToB)
        });
        along
            .next()
            .map(|hop| &hop.fibre)
            .or_else(|| line.fibres.first())
    }
}

/// Whether there is power where a node stands; a repeater is fed by its cable.
fn has_power(node: &Node, moment: Moment<'_>) -> bool {
    node.site
        .as_ref()
        .is_none_or(|site| moment.scene.has_power(site))
}

/// The node that sends to `node` in this direction; none at the line's end.
fn before<'a>(line: &'a Line, node: &Node, direction: Direction) -> Option<&'a Node> {
    match direction {
        Direction::AToB => line
            .spans()
            .find(|(_, to)| to.id == node.id)
            .map(|(from, _)| from),
        Direction::BToA => line
            .spans()
            .find(|(from, _)| from.id == node.id)
            .map(|(_, to)| to),
    }
}

fn key(what: &str, line: &Line, node: &Node, direction: Direction) -> String {
    format!("{what} {} {} {direction:?}", line.id, node.id)
}
