//! `quarantine`: what was set aside because it could not be understood.

use std::io::{self, Write};

use serde_json::json;

use super::{Exit, say};
use crate::config::Settings;
use crate::run::STORE_FILE;
use crate::store::rows::QuarantineRow;
use crate::store::{Reader, StoreError};

/// Lists what was set aside, the newest first.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn list(settings: &Settings, as_json: bool, out: &mut impl Write) -> io::Result<Exit> {
    let most = usize::try_from(settings.store.quarantine_rows).unwrap_or(usize::MAX);
    let rows = match reader(settings).ask(|ask| ask.quarantine(most)) {
        Ok(rows) => rows,
        Err(error) => return failed(&error),
    };
    for row in &rows {
        let text = if as_json {
            json!({
                "id": row.id, "at": row.at, "topic": row.topic, "kind": row.kind,
                "reason": row.reason, "properties": row.properties, "bytes": row.bytes,
            })
            .to_string()
        } else {
            let QuarantineRow {
                id,
                at,
                bytes,
                kind,
                topic,
                reason,
                ..
            } = row;
            format!("{id:>6}  {at}  {bytes:>8} B  {kind:<10}  {topic}\n        {reason}")
        };
        say(out, text)?;
    }
    if rows.is_empty() && !as_json {
        say(out, "nothing was set aside")?;
    }
    Ok(Exit::Done)
}

/// Writes the payload of one message as it came, as far as it was kept.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn show(settings: &Settings, id: i64, out: &mut impl Write) -> io::Result<Exit> {
    match reader(settings).ask(|ask| ask.quarantined(id)) {
        Ok(Some(row)) => {
            out.write_all(&row.payload)?;
            Ok(Exit::Done)
        }
        Ok(None) => {
            tracing::error!(id, "nothing with this number was set aside");
            Ok(Exit::BadData)
        }
        Err(error) => failed(&error),
    }
}

fn reader(settings: &Settings) -> Reader {
    Reader::new(settings.data.join(STORE_FILE))
}

#[expect(clippy::unnecessary_wraps, reason = "stands where an answer would")]
fn failed(error: &StoreError) -> io::Result<Exit> {
    tracing::error!(%error, "quarantine");
    Ok(Exit::Unavailable)
}
