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

#[cfg(test)]
mod tests {
    use silkline_protocol::time::Timestamp;

    use super::*;
    use crate::commit::example;
    use crate::store::Writer;
    use crate::store::write::Rubbish;

    fn said(ask: impl FnOnce(&mut Vec<u8>) -> io::Result<Exit>) -> (Exit, String) {
        let mut out = Vec::new();
        let exit = ask(&mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_was_set_aside_is_listed_and_shown() {
        let folder = tempfile::tempdir().unwrap();
        let settings = example::settings(folder.path(), "");
        assert_eq!(
            said(|out| list(&settings, false, out)).0,
            Exit::Unavailable,
            "no store yet"
        );
        let file = settings.data.join(STORE_FILE);
        let mut writer = Writer::open(&file, &"store-1".parse().unwrap()).unwrap();
        assert_eq!(
            said(|out| list(&settings, false, out)).1,
            "nothing was set aside\n"
        );

        let mut tx = writer.begin(Timestamp::from_seconds(7)).unwrap();
        let properties = [("v".to_owned(), "9".to_owned())];
        let rubbish = Rubbish {
            topic: "silkline/1/a/b/c/sample",
            kind: "version",
            reason: "message version 9 is newer",
            properties: &properties,
            payload: b"{}",
        };
        tx.quarantine(&rubbish).unwrap();
        tx.commit(false).unwrap();
        let (exit, text) = said(|out| list(&settings, false, out));
        assert_eq!(exit, Exit::Done);
        assert!(
            text.contains("version") && text.contains("is newer"),
            "{text}"
        );
        let (_, text) = said(|out| list(&settings, true, out));
        let row: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&row["bytes"], &row["properties"][0][1]),
            (&json!(2), &json!("9"))
        );
        assert_eq!(
            said(|out| show(&settings, 1, out)),
            (Exit::Done, "{}".to_owned())
        );
        assert_eq!(said(|out| show(&settings, 2, out)).0, Exit::BadData);
    }
}
