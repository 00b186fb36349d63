//! The writer thread: one transaction after another, each with all that waits.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use silkline_protocol::delivery::{Epoch, Ranges, Seq};
use silkline_protocol::id::LineId;
use silkline_protocol::message::Body;
use silkline_protocol::time::Timestamp;
use tokio::sync::{mpsc, watch};

use super::account::Counts;
use super::disk::{self, Letter, Slot};
use super::hurry::Wanted;
use super::ledger::{Ledger, Row};
use super::outage::Outage;
use super::recent::{Recent, Written};
use super::refuge::Refuge;
use super::room::{Causes, TIDY_EVERY};
use super::template::Templates;
use super::{
    Bounds, Dropped, Order, QUEUE, SpoolError, SpoolSettings, SpoolStatus, StreamId, Task, WINDOW,
    file,
};
use crate::clock::{Clock, Moment};
use crate::pulse::Pulse;

/// A transaction that takes longer is stuck: longer than any disk sleeps.
const STUCK_AFTER: Duration = Duration::from_secs(60);

impl Order {
    /// Tells whoever waits what came of it; where nobody does, a loss is told in the log.
    pub(super) fn settle(self, result: &Result<(), SpoolError>) {
        match (self.done, self.task, result) {
            (Some(done), _, _) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(result.clone());
            }
            (None, Task::Sample(_, device, _), Err(error)) => {
                let device = device.as_str();
                tracing::error!(device, %error, "a record is lost");
            }
            (None, _, _) => {}
        }
    }
}

/// What owns the file.
pub(super) struct Writer {
    pub(super) settings: SpoolSettings,
    pub(super) file: Connection,
    pub(super) ledger: Ledger,
    /// What the gap records held speak of; `None` when it has to be read again.
    pub(super) named: Option<BTreeMap<StreamId, Ranges>>,
    pub(super) causes: Causes,
    pub(super) dropped: Dropped,
    /// Whether the last tidying stopped before it was through.
    pub(super) has_more: bool,
    /// How far each stream has been looked through for what can be sealed.
    pub(super) sealed_to: BTreeMap<StreamId, Seq>,
    pub(super) clock: Clock,
    epoch: Epoch,
    tidied: Moment,
    pulse: Pulse,
    failures: u64,
    pub(super) refused: Counts,
    /// Why the last transaction failed, if it did.
    pub(super) fault: Option<SpoolError>,
    pub(super) templates: Templates,
    pub(super) written: Written,
    pub(super) recent: Recent,
    /// What the disk would not take.
    pub(super) refuge: Refuge,
    /// Set while the disk takes nothing.
    pub(super) outage: Option<Outage>,
}

impl Writer {
    /// Takes over an open file and begins a new epoch.
    pub(super) fn new(
        settings: SpoolSettings,
        clock: Clock,
        file: Connection,
    ) -> Result<Self, SpoolError> {
        let ledger = disk::load(&file)?;
        Ok(Self {
            settings,
            file,
            ledger,
            named: None,
            causes: Causes::default(),
            dropped: Dropped::default(),
            has_more: false,
            sealed_to: BTreeMap::new(),
            clock,
            epoch: Epoch::from_bytes(*uuid::Uuid::now_v7().as_bytes()),
            tidied: Moment::START,
            pulse: Pulse::default(),
            failures: 0,
            refused: Counts::default(),
            fault: None,
            templates: Templates::default(),
            written: Written::default(),
            recent: Recent::default(),
            refuge: Refuge::default(),
            outage: None,
        })
    }

    /// Works until the last handle is gone.
    pub(super) fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        told: &watch::Sender<SpoolStatus>,
        wanted: &Wanted,
    ) {
        let mut batch = Vec::new();
        while let Some(first) = orders.blocking_recv() {
            self.pulse.expect_by(self.clock.moment() + STUCK_AFTER);
            batch.push(first);
            wanted.wait(&self.clock, self.clock.moment() + WINDOW);
            while batch.len() < QUEUE
                && let Ok(order) = orders.try_recv()
            {
                batch.push(order);
            }
            let settled = self.take(&mut batch);
            told.send_replace(self.status());
            for (order, result) in settled {
                order.settle(&result);
            }
            self.pulse.rest();
        }
    }

    /// Carries out all tasks or none.
    pub(super) fn transact<'a>(
        &mut self,
        tasks: impl IntoIterator<Item = &'a Task>,
    ) -> Result<(), SpoolError> {
        let before = (self.dropped, self.causes.clone());
        let done = self.on_disk(tasks);
        let written = core::mem::take(&mut self.written);
        let Err(error) = done else {
            self.ledger.keep();
            self.recent.synced(written);
            self.recovered();
            return Ok(());
        };
        tracing::debug!(%error, "the spool did not take records");
        self.failures += 1;
        if let SpoolError::Damaged(_) = error {
            file::suspect(&self.settings.path);
        }
        // It fails where none was begun.
        let _ = self.file.execute_batch("ROLLBACK");
        self.ledger.undo();
        (self.dropped, self.causes) = before;
        self.named = None;
        self.templates = Templates::default();
        self.sealed_to.clear();
        Err(error)
    }

    fn on_disk<'a>(&mut self, tasks: impl IntoIterator<Item = &'a Task>) -> Result<(), SpoolError> {
        disk::say(&self.file, "BEGIN IMMEDIATE")?;
        self.ledger.begin();
        self.carry_out(tasks)?;
        Ok(disk::say(&self.file, "COMMIT")?)
    }

    /// Writes a record of a line into its current stream.
    pub(super) fn put(
        &mut self,
        line: &LineId,
        body: &Body,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let letter = Letter::new(line, &self.settings.site, body);
        let is_about = matches!(body, Body::About(..));
        self.post(line, letter, is_about, now)
    }

    fn post(
        &mut self,
        line: &LineId,
        letter: Letter,
        is_about: bool,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let stream = self.current(line, now)?;
        let packed = self.templates.pack(&self.file, &letter)?;
        let bytes = packed
            .as_ref()
            .map_or_else(|| letter.bytes(), |packed| packed.bytes());
        let Some(seq) = self.ledger.next(stream, letter.class, bytes) else {
            return Ok(());
        };
        let slot = Slot {
            stream,
            seq,
            last: seq,
            at: now,
            bytes,
        };
        match &packed {
            Some(packed) => {
                disk::put_packed(
                    &self.file,
                    &slot,
                    &letter,
                    (packed.template, &packed.numbers),
                )?;
            }
            None => disk::put(&self.file, &slot, &letter)?,
        }
        if is_about {
            disk::put_about(&self.file, &slot, self.epoch, &letter)?;
        }
        self.written.put(stream, seq, bytes, letter);
        Ok(())
    }

    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    pub(super) fn recent(&self) -> Recent {
        self.recent.clone()
    }

    pub(super) fn refuge(&self) -> Refuge {
        self.refuge.clone()
    }

    pub(super) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn status(&self) -> SpoolStatus {
        SpoolStatus {
            max_bytes: self.settings.max_bytes,
            failures: self.failures,
            refused: self.refused,
            unsynced: self.refuge.counts(),
            fault: self.fault.clone(),
            ..self.ledger.status(self.epoch, self.dropped)
        }
    }

    /// The streams as they are now, to be walked while they change.
    pub(super) fn rows(&self) -> Vec<(StreamId, Row)> {
        self.ledger
            .rows()
            .map(|(id, row)| (id, row.clone()))
            .collect()
    }

    fn carry_out<'a>(
        &mut self,
        tasks: impl IntoIterator<Item = &'a Task>,
    ) -> Result<(), SpoolError> {
        let (now, moment) = (self.clock.now(), self.clock.moment());
        if !self.refuge.is_empty() {
            self.flush()?;
        }
        for task in tasks {
            match task {
                Task::Append(outgoing) => {
                    for line in &outgoing.lines {
                        self.put(line, &outgoing.body, now)?;
                    }
                }
                Task::Sample(lines, device, sample) => {
                    for line in lines {
                        let whose = (line, &self.settings.site, device);
                        let letter = Letter::of_sample(whose, sample.payload());
                        self.post(line, letter, false, now)?;
                    }
                }
                Task::Committed(line, state) => self.ledger.believe(line, state),
                Task::Drop(stream, seq, why) => self.give_up(*stream, *seq, why)?,
                Task::Rebound(bounds) => self.rebound(*bounds),
                Task::Sync => {}
            }
        }
        if self.has_more || moment - self.tidied >= TIDY_EVERY {
            self.has_more = false;
            self.tidied = moment;
            self.tidy(now)?;
        }
        self.make_room()?;
        self.account(now)?;
        disk::save(&self.file, &mut self.ledger)?;
        Ok(())
    }

    /// Holds to other bounds from now on.
    pub(super) const fn rebound(&mut self, bounds: Bounds) {
        self.settings.max_bytes = bounds.max_bytes;
        self.settings.keep = bounds.keep;
        self.settings.max_age = bounds.max_age;
    }

    fn current(&mut self, line: &LineId, now: Timestamp) -> Result<StreamId, SpoolError> {
        if let Some(id) = self.ledger.find(line, self.epoch) {
            return Ok(id);
        }
        let row = Row {
            line: line.clone(),
            epoch: self.epoch,
            newest: None,
            committed: Ranges::new(),
            gone: Ranges::new(),
            bytes: 0,
            born: now,
            kinds: super::account::Kinds::default(),
        };
        let id = disk::add_stream(&self.file, &row)?;
        self.recent.begins(id);
        self.ledger.insert(id, row);
        Ok(id)
    }
}
