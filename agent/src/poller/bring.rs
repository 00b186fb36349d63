//! What is done with the answers of a poll: looked at, shown, told to the edge, and handed to the spool.

use std::sync::Arc;
use std::time::Duration;

use silkline_protocol::device::About;
use silkline_protocol::message::Body;
use silkline_protocol::time::Timestamp;

use super::Unit;
use crate::board::{Board, Poll};
use crate::clock::Clock;
use crate::driver::Readings;
use crate::driver::readings::Compact;
use crate::driver::session::Answers;
use crate::edge::EdgeHandle;

/// A poll that is over, with answers that nobody has looked at.
pub(super) struct Answered {
    /// Which of the units.
    pub(super) unit: usize,
    /// When it said something first.
    pub(super) at: Timestamp,
    /// How long its requests took together.
    pub(super) took: Duration,
    pub(super) answers: Answers,
    /// What was asked besides, of points that are not asked at every poll.
    pub(super) more: Option<Readings>,
    /// What it tells about itself, where that is news.
    pub(super) about: Option<About>,
    /// Why it did not answer, if it did not.
    pub(super) fault: Option<String>,
}

/// Where readings go.
#[derive(Clone, Copy)]
pub(super) struct Outlets<'a> {
    edge: &'a EdgeHandle,
    board: &'a Board,
    late: u64,
    clock: Clock,
}

impl<'a> Outlets<'a> {
    /// These, at a connection that had so many late answers.
    pub(super) const fn of(
        (edge, board): (&'a EdgeHandle, &'a Board),
        late: u64,
        clock: Clock,
    ) -> Self {
        Self {
            edge,
            board,
            late,
            clock,
        }
    }
}

/// Brings what was answered to where it is wanted. The edge first: a shot must not wait for the disk.
pub(super) async fn bring(units: &mut [Unit], answered: Answered, outlets: Outlets<'_>) {
    let Some(unit) = units.get_mut(answered.unit) else {
        return;
    };
    let mut readings = unit.driver.readings(answered.answers);
    if let Some(more) = answered.more {
        readings = readings.with(&more);
    }
    if readings.is_empty() {
        return;
    }
    let sample = Arc::new(readings.sample(answered.at));
    let poll = Poll {
        sample: &sample,
        seldom: unit.seldom.shown(),
        fault: answered.fault.as_deref(),
        took: answered.took,
        late: outlets.late,
    };
    let (id, lines) = (unit.device.id.clone(), unit.device.lines.clone());
    outlets.board.polled(&id, poll);
    let seen = unit.sight.seen(&id, &sample);
    let sample = sifted(unit, sample, outlets);
    if let Some(seen) = seen {
        outlets.edge.observe(seen).await;
    }
    if let Some(about) = answered.about {
        let body = Body::About(id.clone(), about);
        outlets.edge.spool(&lines, body).await;
    }
    if !sample.readings().is_empty() {
        outlets.edge.begin(lines, id, sample).await;
    }
}

/// The sample without what says nothing new, where the settings want that.
fn sifted(unit: &mut Unit, sample: Arc<Compact>, outlets: Outlets<'_>) -> Arc<Compact> {
    if unit.exceptions.are_none() {
        return sample;
    }
    let mut sample = sample.sample();
    let now = outlets.clock.moment();
    let withheld = unit.exceptions.sift(&mut sample.readings, now);
    if withheld > 0 {
        outlets.board.withheld(&unit.device.id, withheld as u64);
    }
    Arc::new(Compact::of(sample))
}
