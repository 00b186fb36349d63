//! `quarantine`: what was set aside because it could not be understood, and taking it once more.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::json;

use super::{Exit, say};
use crate::commit::again::{self, Again};
use crate::commit::core::{Also, Core, Now, Work};
use crate::config::Settings;
use crate::run::{RunError, STORE_FILE, read_plant};
use crate::store::owner::Owner;
use crate::store::rows::QuarantineRow;
use crate::store::{Reader, StoreError, Writer};

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

/// Takes messages once more that were set aside: those with these numbers, all where none is named.
/// The collector must not be running.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn replay(
    settings: &Settings,
    ids: &[i64],
    now: Now,
    out: &mut impl Write,
) -> io::Result<Exit> {
    match retaken(settings, ids, now) {
        Ok(all) if all.is_empty() => {
            say(out, "nothing of that was set aside")?;
            Ok(Exit::Done)
        }
        Ok(all) => {
            for (id, again) in &all {
                say(out, format!("{id:>6}  {}", said(again)))?;
            }
            let settled = all.iter().all(|(_, again)| again.is_settled());
            Ok(if settled { Exit::Done } else { Exit::NotWell })
        }
        Err(error) => {
            writeln!(io::stderr(), "{error}")?;
            Ok(Exit::of(&error))
        }
    }
}

fn said(again: &Again) -> String {
    match again {
        Again::Stored => "stored".to_owned(),
        Again::There => "was stored before".to_owned(),
        Again::Unreadable(why) => format!("still not understood: {why}"),
        Again::Shed => "kept: its stream has too many holes to take it now".to_owned(),
        Again::Cut => "kept: only its beginning is there".to_owned(),
    }
}

fn retaken(settings: &Settings, ids: &[i64], now: Now) -> Result<Vec<(i64, Again)>, RunError> {
    let (plant, _, lines) = read_plant(settings)?;
    let file = settings.data.join(STORE_FILE);
    let failed = |source| RunError::Store {
        file: file.clone(),
        source,
    };
    let _owner = Owner::take(&settings.data).map_err(failed)?;
    let most = usize::try_from(settings.store.quarantine_rows).unwrap_or(usize::MAX);
    let rows = reader(settings).ask(|ask| ask.quarantine(most));
    let mut rows = rows.map_err(failed)?;
    rows.retain(|row| ids.is_empty() || ids.contains(&row.id));
    // As they came.
    rows.sort_by_key(|row| row.id);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let writer = Writer::existing(&file).map_err(failed)?;
    let (set_aside, mut all) = again::set_aside(rows, &writer).map_err(failed)?;
    let both = (settings, &settings.engine.clone());
    let mut core = Core::load(writer, &Arc::new(plant), &lines, both, now.mono).map_err(failed)?;
    let work = Work {
        set_aside,
        also: Also::Start,
        ..Work::default()
    };
    let effects = core.step(work, false, now).map_err(failed)?;
    all.extend(effects.again);
    all.sort_by_key(|(id, _)| *id);
    Ok(all)
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
    use crate::commit::example::Sender;
    use crate::store::rows::RowId;
    use crate::store::write::Rubbish;
    use silkline_protocol::codec::Wire;

    fn told(ask: impl FnOnce(&mut Vec<u8>) -> io::Result<Exit>) -> (Exit, String) {
        let mut out = Vec::new();
        let exit = ask(&mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_was_set_aside_is_listed_and_shown() {
        let folder = tempfile::tempdir().unwrap();
        let settings = example::settings(folder.path(), "");
        assert_eq!(
            told(|out| list(&settings, false, out)).0,
            Exit::Unavailable,
            "no store yet"
        );
        let file = settings.data.join(STORE_FILE);
        let mut writer = Writer::open(&file, &"store-1".parse().unwrap()).unwrap();
        assert_eq!(
            told(|out| list(&settings, false, out)).1,
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
        let (exit, text) = told(|out| list(&settings, false, out));
        assert_eq!(exit, Exit::Done);
        assert!(
            text.contains("version") && text.contains("is newer"),
            "{text}"
        );
        let (_, text) = told(|out| list(&settings, true, out));
        let row: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&row["bytes"], &row["properties"][0][1]),
            (&json!(2), &json!("9"))
        );
        assert_eq!(
            told(|out| show(&settings, 1, out)),
            (Exit::Done, "{}".to_owned())
        );
        assert_eq!(told(|out| show(&settings, 2, out)).0, Exit::BadData);
    }

    /// A store in which three samples were spoilt on their way, and one of them set right since.
    fn spoilt(folder: &tempfile::TempDir, settings: &Settings) -> Vec<Wire> {
        let file = settings.data.join(STORE_FILE);
        let writer = Writer::open(&file, &"store-1".parse().unwrap()).unwrap();
        let both = (settings, &settings.engine.clone());
        let lines = [example::line()];
        let plant = example::plant();
        let mono = example::now(0).mono;
        let mut core = Core::load(writer, &plant, &lines, both, mono).unwrap();
        let mut west = Sender::new("west");
        let good: Vec<Wire> = (0..4).map(|n| west.sample(n, Some(-3.0))).collect();
        let messages = good.iter().take(3).map(|wire| {
            let mut wire = wire.clone();
            wire.payload.insert(0, b'!');
            example::delivery(&wire)
        });
        let work = Work {
            messages: messages.collect(),
            also: Also::Start,
            ..Work::default()
        };
        core.step(work, false, example::now(10)).unwrap();
        drop(core);
        // As a later program that understands exclamation marks would see them.
        let db = rusqlite::Connection::open(&file).unwrap();
        let mend = "UPDATE quarantine SET payload = ?1, bytes = length(?1) WHERE id = ?2";
        for (id, wire) in [(1, &good[0]), (3, &good[2])] {
            db.execute(mend, rusqlite::params![wire.payload, id])
                .unwrap();
        }
        assert!(folder.path().exists());
        good
    }

    #[test]
    fn what_can_be_read_now_is_stored_once_however_often_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let settings = example::settings(folder.path(), "");
        spoilt(&folder, &settings);
        let again = |ids: &[i64]| told(|out| replay(&settings, ids, example::now(60_000), out));
        let (exit, text) = again(&[1]);
        assert_eq!((exit, text.trim()), (Exit::Done, "1  stored"));
        let (exit, text) = again(&[]);
        assert_eq!(exit, Exit::NotWell);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert!(
            lines[0].starts_with("2  still not understood: payload"),
            "{text}"
        );
        assert_eq!(lines[1], "3  stored");
        assert_eq!(again(&[1, 3]).1, "nothing of that was set aside\n");
        let reader = reader(&settings);
        let rows = reader.ask(|ask| ask.samples_after(RowId(0), 9)).unwrap();
        let late: Vec<bool> = rows.iter().map(|row| row.late).collect();
        assert_eq!(late, [true, true], "no news to the engines");
    }

    #[test]
    fn what_came_by_another_way_is_not_stored_twice() {
        let folder = tempfile::tempdir().unwrap();
        let settings = example::settings(folder.path(), "");
        spoilt(&folder, &settings);
        let again = |ids: &[i64]| told(|out| replay(&settings, ids, example::now(60_000), out));
        let db = rusqlite::Connection::open(settings.data.join(STORE_FILE)).unwrap();
        let twice = "INSERT INTO quarantine (at, topic, kind, reason, properties, bytes, payload)
            SELECT at, topic, kind, reason, properties, bytes, payload FROM quarantine WHERE id = 3";
        db.execute(twice, []).unwrap();
        assert_eq!(again(&[3]).1.trim(), "3  stored");
        assert_eq!(again(&[4]).1.trim(), "4  was stored before");
        let cut = "UPDATE quarantine SET bytes = bytes + 1 WHERE id = 2";
        db.execute(cut, []).unwrap();
        assert!(again(&[2]).1.contains("only its beginning"));
        let count = reader(&settings).ask(|ask| ask.sample_count()).unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn nothing_is_taken_again_under_a_running_collector() {
        let folder = tempfile::tempdir().unwrap();
        let settings = example::settings(folder.path(), "");
        spoilt(&folder, &settings);
        let _running = Owner::take(&settings.data).unwrap();
        let exit = told(|out| replay(&settings, &[], example::now(60_000), out)).0;
        assert_eq!(exit, Exit::Unavailable);
        let count = reader(&settings).ask(|ask| ask.sample_count()).unwrap();
        assert_eq!(count, 0);
    }
}
