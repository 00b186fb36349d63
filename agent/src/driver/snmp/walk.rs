//! A walk over the columns of a table, step by step.
//!
//! ```text
//!             step(answer): rows taken, columns not at their end
//!    Walk ──▶ Some(Bulk) ──▶ … ──▶ None: finish() gives the values
//!                         └──▶ the agent ran in circles: a fault
//! ```

use std::collections::BTreeMap;

use crate::driver::Fault;
use crate::profile::Oid;

use super::SnmpValue;

/// Columns asked for in one request; a response with more may not fit a packet.
const COLUMNS_AT_ONCE: usize = 8;

/// One GETBULK request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// What each column is asked to go on after.
    pub after: Vec<Oid>,
    /// How many rows are wanted.
    pub repetitions: u16,
}

/// How much of a table one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many rows.
    pub rows: u16,
    /// How many columns.
    pub columns: usize,
}

impl Size {
    /// So many rows of as many columns as fit a packet.
    #[must_use]
    pub fn of(rows: u16) -> Self {
        Self {
            rows: rows.max(1),
            columns: COLUMNS_AT_ONCE,
        }
    }
}

/// The state of a walk.
#[derive(Clone, Debug, PartialEq)]
pub struct Walk {
    columns: Vec<Column>,
    max_rows: u16,
    size: Size,
    values: BTreeMap<Oid, SnmpValue>,
}

#[derive(Clone, Debug, PartialEq)]
struct Column {
    top: Oid,
    after: Oid,
    rows: u16,
    open: bool,
}

impl Walk {
    /// A walk over `columns` that takes at most `max_rows` of each.
    #[must_use]
    pub fn new(columns: Vec<Oid>, max_rows: u16, size: Size) -> Self {
        let column = |top: Oid| Column {
            after: top.clone(),
            top,
            rows: 0,
            open: true,
        };
        let columns = columns.into_iter().map(column).collect();
        Self {
            columns,
            max_rows,
            size,
            values: BTreeMap::new(),
        }
    }

    /// The next request; `None` when every column has ended.
    #[must_use]
    pub fn next(&self) -> Option<Bulk> {
        let open = self
            .columns
            .iter()
            .filter(|column| column.open)
            .take(self.size.columns);
        let after: Vec<Oid> = open.map(|column| column.after.clone()).collect();
        let left = |column: &Column| self.max_rows.saturating_sub(column.rows);
        let most = self
            .columns
            .iter()
            .filter(|column| column.open)
            .map(left)
            .max()?;
        // One more than the rows that are left, so that the end of the column is seen too.
        let repetitions = self.size.rows.min(most.saturating_add(1)).max(1);
        Some(Bulk { after, repetitions })
    }

    /// Takes the answer to [`next`](Self::next): the values row by row, each row in the order of
    /// the columns asked for.
    ///
    /// # Errors
    ///
    /// [`Fault::Garbled`] where the answer is empty or does not move forward.
    pub fn step(&mut self, answer: Vec<(Oid, SnmpValue)>) -> Result<(), Fault> {
        let asked: Vec<usize> = (0..self.columns.len())
            .filter(|at| self.columns.get(*at).is_some_and(|column| column.open))
            .take(self.size.columns)
            .collect();
        if answer.is_empty() {
            return Err(Fault::Garbled(
                "a walk was answered with nothing".to_owned(),
            ));
        }
        for (at, (oid, value)) in asked.iter().cycle().zip(answer) {
            let Some(column) = self.columns.get_mut(*at).filter(|column| column.open) else {
                continue;
            };
            if value == SnmpValue::Absent || column.top.suffix_of(&oid).is_none() {
                column.open = false;
                continue;
            }
            if oid <= column.after {
                let said = format!("the walk went from {} back to {oid}", column.after);
                return Err(Fault::Garbled(said));
            }
            column.rows = column.rows.saturating_add(1);
            column.open = column.rows < self.max_rows;
            column.after = oid.clone();
            self.values.insert(oid, value);
        }
        Ok(())
    }

    /// Makes further requests smaller: half the rows, then half the columns, then without the column
    /// over which the agent stumbles even alone. `false` where nothing is left to be asked for.
    pub fn ask_for_less(&mut self) -> bool {
        if self.size.rows > 1 {
            self.size.rows /= 2;
            return true;
        }
        let open = self.columns.iter().filter(|column| column.open).count();
        let columns = self.size.columns.min(open);
        if columns > 1 {
            self.size.columns = columns / 2;
            return true;
        }
        if let Some(column) = self.columns.iter_mut().find(|column| column.open) {
            column.open = false;
            self.values.insert(column.top.clone(), SnmpValue::Failed);
        }
        self.values.len() > 1 || self.columns.iter().any(|column| column.open)
    }

    /// How much each request asks for now.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// How many columns it goes over.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns.len()
    }

    /// The values that were found.
    #[must_use]
    pub fn finish(self) -> BTreeMap<Oid, SnmpValue> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(text: &str) -> Oid {
        text.parse().unwrap()
    }

    fn value(text: &str, number: i128) -> (Oid, SnmpValue) {
        (oid(text), SnmpValue::Whole(number))
    }

    /// An agent that knows `objects`, answering as GETBULK does.
    fn agent(objects: &[(Oid, SnmpValue)], bulk: &Bulk) -> Vec<(Oid, SnmpValue)> {
        let mut after = bulk.after.clone();
        let mut answer = Vec::new();
        for _ in 0..bulk.repetitions {
            for place in &mut after {
                let next = objects.iter().find(|(oid, _)| oid > place);
                let found = next
                    .cloned()
                    .unwrap_or_else(|| (place.clone(), SnmpValue::Absent));
                *place = found.0.clone();
                answer.push(found);
            }
        }
        answer
    }

    fn walked(mut walk: Walk, objects: &[(Oid, SnmpValue)]) -> (usize, BTreeMap<Oid, SnmpValue>) {
        let mut steps = 0;
        while let Some(bulk) = walk.next() {
            walk.step(agent(objects, &bulk)).unwrap();
            steps += 1;
            assert!(steps < 1000, "endless");
        }
        (steps, walk.finish())
    }

    #[test]
    fn every_row_of_every_column_is_found_and_nothing_else() {
        let mut objects = Vec::new();
        for column in 1..=3 {
            for row in 1..=25 {
                objects.push(value(&format!("1.3.{column}.{row}"), column * 100 + row));
            }
        }
        objects.push(value("1.4.1.1", 9));
        let walk = Walk::new(vec![oid("1.3.1"), oid("1.3.3")], 64, Size::of(10));
        let (steps, found) = walked(walk, &objects);
        assert_eq!(found.len(), 50);
        assert!(
            found
                .keys()
                .all(|at| *at < oid("1.3.2") || *at > oid("1.3.3"))
        );
        assert_eq!(steps, 3);
    }

    #[test]
    fn columns_of_different_length_each_end_for_themselves() {
        let objects = [
            value("1.3.1.1", 1),
            value("1.3.2.1", 1),
            value("1.3.2.2", 2),
        ];
        let walk = Walk::new(
            vec![oid("1.3.1"), oid("1.3.2"), oid("1.3.3")],
            64,
            Size::of(2),
        );
        assert_eq!(walked(walk, &objects).1.len(), 3);
    }

    #[test]
    fn a_table_is_cut_at_its_most_rows() {
        let objects: Vec<_> = (1..=500)
            .map(|row| value(&format!("1.3.1.{row}"), row))
            .collect();
        let (_, found) = walked(Walk::new(vec![oid("1.3.1")], 7, Size::of(10)), &objects);
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn an_agent_that_runs_in_circles_is_found_out() {
        let mut walk = Walk::new(vec![oid("1.3.1")], 64, Size::of(10));
        walk.step(vec![value("1.3.1.5", 1)]).unwrap();
        for back in ["1.3.1.5", "1.3.1.2"] {
            assert!(matches!(
                walk.clone().step(vec![value(back, 1)]),
                Err(Fault::Garbled(_))
            ));
        }
        assert!(matches!(walk.step(Vec::new()), Err(Fault::Garbled(_))));
    }

    #[test]
    fn more_columns_than_fit_one_request_are_walked_in_turn() {
        let mut objects = Vec::new();
        for column in 1..=20 {
            objects.push(value(&format!("1.3.{column}.1"), column));
        }
        let columns = (1..=20)
            .map(|column| oid(&format!("1.3.{column}")))
            .collect();
        assert_eq!(
            walked(Walk::new(columns, 64, Size::of(10)), &objects)
                .1
                .len(),
            20
        );
    }
}
