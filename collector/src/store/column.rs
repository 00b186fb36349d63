//! Columns ⇄ the types of silkline.

use core::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;
use silkline_protocol::time::Timestamp;

/// What reading a column gives.
pub(super) type Column<T> = rusqlite::Result<T>;

/// A time of nanoseconds.
pub(super) fn time(row: &Row<'_>, at: usize) -> Column<Timestamp> {
    row.get(at).map(Timestamp::from_nanos)
}

/// A count that is never negative.
pub(super) fn number(row: &Row<'_>, at: usize) -> Column<u64> {
    let number: i64 = row.get(at)?;
    Ok(u64::try_from(number).unwrap_or(0))
}

/// A count of things that fit into memory.
pub(super) fn many(row: &Row<'_>, at: usize) -> Column<usize> {
    Ok(usize::try_from(number(row, at)?).unwrap_or(usize::MAX))
}

/// A count as SQLite wants it.
pub(super) fn number_of(many: usize) -> i64 {
    i64::try_from(many).unwrap_or(i64::MAX)
}

/// An id or anything else that is written as text.
pub(super) fn text<T>(row: &Row<'_>, at: usize) -> Column<T>
where
    T: FromStr,
    T::Err: core::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(at)?;
    text.parse().map_err(|error| broken(at, error))
}

/// An id that may be absent.
pub(super) fn optional_text<T>(row: &Row<'_>, at: usize) -> Column<Option<T>>
where
    T: FromStr,
    T::Err: core::error::Error + Send + Sync + 'static,
{
    let text: Option<String> = row.get(at)?;
    text.map(|text| text.parse().map_err(|error| broken(at, error)))
        .transpose()
}

/// A message kept as JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Column<T> {
    let text: String = row.get(at)?;
    serde_json::from_str(&text).map_err(|error| broken(at, error))
}

/// A message kept as JSON, which may be absent.
pub(super) fn json_or_none<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> Column<Option<T>> {
    let text: Option<String> = row.get(at)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| broken(at, error)))
        .transpose()
}

fn broken(at: usize, error: impl core::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error))
}
