//! `permit add`, `permit list`, `permit revoke`: permits to work, set by somebody at the site. They
//! hold from the moment the command ends, with the agent running or not.

use core::fmt::Write as _;
use core::time::Duration;

use silkline_protocol::id::{FibreId, LineId, PermitId};
use silkline_protocol::permit::{Fields, Permit};
use silkline_protocol::time::Timestamp;

use crate::clock::Clock;
use crate::config::{Config, Device};
use crate::permit::{By, Kept, Now, Shelf, ShelfError, Standing};

use super::{Exit, Said};

/// What `permit add` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its number; one is made up where absent.
    pub id: Option<PermitId>,
    /// Who works.
    pub person: String,
    /// How they are reached.
    pub contact: String,
    /// The line.
    pub line: LineId,
    /// The fibres; none for all of the line.
    pub fibres: Vec<FibreId>,
    /// From when on; now where absent.
    pub from: Option<Timestamp>,
    /// How it ends.
    pub end: End,
}

/// When a permit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a time.
    At(Timestamp),
    /// So long after it begins.
    After(Duration),
}

/// Keeps a permit.
#[must_use]
pub fn add(config: &Config, wanted: Wanted, clock: &Clock) -> Said {
    if !config.lines().contains(&wanted.line) {
        let lines: Vec<String> = config.lines().iter().map(ToString::to_string).collect();
        let known = lines.join(", ");
        let said = format!("line {} is not served here, known are {known}", wanted.line);
        return Said::failed(said, Exit::Usage);
    }
    let now = Now::by(clock);
    let permit = match permit(wanted, now.at) {
        Ok(permit) => permit,
        Err(said) => return Said::failed(said, Exit::Usage),
    };
    let kept = Kept::taken(permit, By::Site, &now);
    let shelf = Shelf::of(&config.data);
    if let Err(error) = shelf.prepare().and_then(|()| shelf.put(&kept)) {
        return failed(&error);
    }
    let mut text = line_of(&kept, &now);
    let views = config.devices.iter().flat_map(Device::views);
    let covered: Vec<&str> = views
        .filter(|view| kept.permit.covers(&view.line, view.fibre.as_ref()))
        .map(|view| view.view.as_str())
        .collect();
    // Writing into a String does not fail.
    let _ = match covered.as_slice() {
        [] => writeln!(text, "no instrument here sees these fibres"),
        names => writeln!(
            text,
            "no new shot of {}; a shot that runs already ends by itself: watch the instrument",
            names.join(", ")
        ),
    };
    Said::out(text, Exit::Done)
}

/// Every permit, with where it is in its life.
#[must_use]
pub fn list(config: &Config, clock: &Clock) -> Said {
    let shelf = Shelf::of(&config.data);
    match shelf.prepare().and_then(|()| shelf.read()) {
        Ok(kept) if kept.is_empty() => Said::out("no permits\n".to_owned(), Exit::Done),
        Ok(kept) => {
            let now = Now::by(clock);
            let lines = kept.iter().map(|kept| line_of(kept, &now));
            Said::out(lines.collect(), Exit::Done)
        }
        Err(error) => failed(&error),
    }
}

/// Takes a permit back.
#[must_use]
pub fn revoke(config: &Config, id: &PermitId, clock: &Clock) -> Said {
    match Shelf::of(&config.data).revoke(id, clock.now()) {
        Ok(kept) => Said::out(line_of(&kept, &Now::by(clock)), Exit::Done),
        Err(error) => failed(&error),
    }
}

fn permit(wanted: Wanted, now: Timestamp) -> Result<Permit, String> {
    let from = wanted.from.unwrap_or(now);
    let until = match wanted.end {
        End::At(until) => until,
        End::After(length) => from + length,
    };
    if until <= now {
        return Err(format!("it would end at {until}, and it is {now}"));
    }
    let id = match wanted.id {
        Some(id) => id,
        None => format!("site-{}", now.nanos() / 1_000_000)
            .parse()
            .map_err(|error| format!("{error}"))?,
    };
    let fields = Fields {
        id,
        person: wanted.person,
        contact: wanted.contact,
        line: wanted.line,
        fibres: wanted.fibres,
        from,
        until,
    };
    Permit::new(fields).map_err(|error| error.to_string())
}

fn line_of(kept: &Kept, now: &Now) -> String {
    let standing = match kept.standing(now) {
        Standing::Waits => "waits",
        Standing::Holds if kept.believes(now) => "holds",
        Standing::Holds => "holds until revoked (the clock can't be trusted)",
        Standing::Over => "over",
    };
    let fields = kept.permit.fields();
    let fibres: Vec<&str> = fields.fibres.iter().map(FibreId::as_str).collect();
    let fibres = if fibres.is_empty() {
        "every fibre".to_owned()
    } else {
        format!("fibres {}", fibres.join(", "))
    };
    let from = fields.from;
    format!(
        "{}, from {from}, {} {fibres}: {standing}\n",
        kept.permit, fields.line
    )
}

fn failed(error: &ShelfError) -> Said {
    let exit = match error {
        ShelfError::Absent(_) => Exit::Usage,
        ShelfError::Garbled { .. } => Exit::BadData,
        ShelfError::Io { .. } | ShelfError::Full => Exit::Unavailable,
    };
    Said::failed(error, exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            id: Some("p-1".parse().unwrap()),
            person: "L. Mammadova".into(),
            contact: "+994".into(),
            line: "baku-poti".parse().unwrap(),
            fibres: vec!["f1".parse().unwrap()],
            from: None,
            end: End::After(Duration::from_secs(3600)),
        }
    }

    fn config(folder: &std::path::Path) -> Config {
        let text = format!(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\ndata = \"{}\"\n[[device]]\nid = \"o\"\n\
             profile = \"silkline-otdr\"\naddress = \"h\"\nfolder = \"/srv\"\n[[device.view]]\n\
             port = 1\nview = \"east\"\n",
            folder.display()
        );
        crate::config::read("agent.toml", &text).unwrap()
    }

    #[tokio::test]
    async fn a_permit_is_added_listed_and_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let (config, clock) = (config(folder.path()), Clock::start());
        assert_eq!(list(&config, &clock).text, "no permits\n");
        let said = add(&config, wanted(), &clock);
        assert_eq!(said.exit, Exit::Done, "{said:?}");
        for part in [
            "p-1 of L. Mammadova (+994) until",
            "fibres f1",
            "shot of east",
        ] {
            assert!(said.text.contains(part), "{}", said.text);
        }
        let listed = list(&config, &clock).text;
        assert!(
            listed.contains("p-1") && listed.contains(": holds"),
            "{listed}"
        );
        let said = revoke(&config, &"p-1".parse().unwrap(), &clock);
        assert!(said.text.ends_with("over\n"), "{said:?}");
        let said = revoke(&config, &"p-2".parse().unwrap(), &clock);
        assert_eq!((said.exit, said.text.as_str()), (Exit::Usage, ""));
    }

    #[tokio::test]
    async fn what_would_be_no_permit_is_wrong_usage() {
        type Spoil = fn(&mut Wanted);
        let folder = tempfile::tempdir().unwrap();
        let (config, clock) = (config(folder.path()), Clock::start());
        let wrong: [(Spoil, &str); 3] = [
            (|w| w.line = "other".parse().unwrap(), "known are baku-poti"),
            (|w| w.end = End::At(Timestamp::EPOCH), "would end at 1970"),
            (|w| w.person = String::new(), "no person"),
        ];
        for (spoil, part) in wrong {
            let mut wanted = wanted();
            spoil(&mut wanted);
            let said = add(&config, wanted, &clock);
            assert_eq!(said.exit, Exit::Usage);
            assert!(said.error.contains(part), "{}", said.error);
        }
        assert_eq!(list(&config, &clock).text, "no permits\n");
    }
}
