//! A trace as a table for a spreadsheet.

use core::fmt::Write;

use silkline_analysis::trace::Trace;

/// Every sample as a row: metres from the user offset, and the one-way level.
pub(super) fn csv(trace: &Trace) -> String {
    let (first, step) = (trace.settings().first, trace.settings().spacing);
    let mut out = String::from("at_m,level_db\n");
    let mut at = first;
    for (row, level) in (0_u32..).zip(trace.levels()) {
        // Writing to a string can not fail.
        let _ = writeln!(out, "{:.3},{level:.3}", at.get());
        at = first + step * f64::from(row + 1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::look::Looked;
    use super::*;
    use crate::api::example;

    #[test]
    fn a_table_has_a_row_for_each_sample() {
        let looked = Looked::at(&example::sor(20_000.0)).unwrap();
        let table = csv(&looked.trace);
        let rows: Vec<_> = table.lines().collect();
        assert_eq!(rows.len(), looked.trace.levels().len() + 1);
        assert_eq!(rows[0], "at_m,level_db");
        assert!(rows[101].starts_with("200."), "{}", rows[101]);
    }
}
