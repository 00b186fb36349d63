//! Fields of tables for spreadsheets.

/// A field that may hold anything, as RFC 4180 wants it; never a formula to a spreadsheet.
#[must_use]
pub fn quoted(text: &str) -> String {
    let safe = if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if safe.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", safe.replace('"', "\"\""));
    }
    safe
}

/// A number with so many digits behind the point, empty where nobody knows.
#[must_use]
pub fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(String::new, |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_a_row_or_become_formulas() {
        assert_eq!(quoted("closure 7"), "closure 7");
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn what_is_not_known_is_empty() {
        assert_eq!(number(Some(0.12345), 3), "0.123");
        assert_eq!(number(None, 3), "");
    }
}
