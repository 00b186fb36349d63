//! Reading settings files so that every mistake is told at once, each with its line and column.
//!
//! A [`Section`] is one table of a TOML file. Asking it for a key gives the value, or notes the
//! mistake and gives `None`; reading goes on either way. When a section is dropped, keys that nobody
//! asked for are mistakes too. [`read`] gives either what was read, without any mistake, or all of
//! them.

use core::fmt;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where in a file something stands: both count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// One thing in a file that is not right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The file as the operator named it.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// The key as the operator wrote it, such as `device[3].poll`; empty for the file as a whole.
    pub key: String,
    /// What is wrong: what was found, and what was wanted.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: ",
            self.file, self.place.line, self.place.column
        )?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

/// Every mistake of a file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Mistakes {}

/// Why a value can't be taken, in words: what was found and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong(pub String);

impl Wrong {
    /// `found` stands where `wanted` should.
    pub fn new(found: impl fmt::Display, wanted: impl fmt::Display) -> Self {
        let found: String = found.to_string().chars().take(120).collect();
        Self(format!("{found} is not {wanted}"))
    }
}

/// A type that a setting can be read into; it cannot hold a wrong value.
pub trait FromSetting: Sized {
    /// The value that `setting` states.
    ///
    /// # Errors
    ///
    /// [`Wrong`] with what was found and what is allowed.
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong>;
}

/// Reads the file `name` with contents `text` by `reader`.
///
/// # Errors
///
/// Every mistake in it: of syntax, in values, in names of keys, and what `reader` noted itself.
pub fn read<T>(
    name: &str,
    text: &str,
    reader: impl FnOnce(&mut Section<'_>) -> Option<T>,
) -> Result<T, Mistakes> {
    let notes = Notes(Rc::new(File {
        name: name.to_owned(),
        line_starts: line_starts(text),
        text: text.to_owned(),
        mistakes: RefCell::default(),
    }));
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = notes.place(error.span().map_or(0, |span| span.start));
        notes.note(place, String::new(), error.message().to_owned());
    }
    let value = {
        let mut section = Section::new(table.get_ref(), String::new(), table.span().start, &notes);
        reader(&mut section)
    };
    let mut mistakes = notes.0.mistakes.take();
    mistakes.sort();
    mistakes.dedup();
    match value {
        Some(value) if mistakes.is_empty() => Ok(value),
        _ if mistakes.is_empty() => {
            let problem = "could not be read".to_owned();
            let (file, place, key) = (name.to_owned(), Place::default(), String::new());
            Err(Mistakes(vec![Mistake {
                file,
                place,
                key,
                problem,
            }]))
        }
        _ => Err(Mistakes(mistakes)),
    }
}

struct File {
    name: String,
    text: String,
    line_starts: Vec<usize>,
    mistakes: RefCell<Vec<Mistake>>,
}

/// Where mistakes of one file are noted; a copy notes into the same list.
#[derive(Clone)]
pub struct Notes(Rc<File>);

impl Notes {
    /// Notes that `key` at `place` is wrong in the way of `problem`.
    pub fn note(&self, place: Place, key: impl Into<String>, problem: impl Into<String>) {
        let file = self.0.name.clone();
        let (key, problem) = (key.into(), problem.into());
        self.0.mistakes.borrow_mut().push(Mistake {
            file,
            place,
            key,
            problem,
        });
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.0.line_starts.partition_point(|start| *start <= offset);
        let start = self
            .0
            .line_starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        let before = self.0.text.get(start..offset).unwrap_or("");
        Place {
            line: line.max(1),
            column: before.chars().count() + 1,
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    core::iter::once(0)
        .chain(after_breaks.map(|(at, _)| at + 1))
        .collect()
}

/// One table of a settings file.
pub struct Section<'a> {
    table: &'a DeTable<'a>,
    path: String,
    offset: usize,
    asked: BTreeSet<String>,
    notes: Notes,
}

impl<'a> Section<'a> {
    fn new(table: &'a DeTable<'a>, path: String, offset: usize, notes: &Notes) -> Self {
        Self {
            table,
            path,
            offset,
            asked: BTreeSet::new(),
            notes: notes.clone(),
        }
    }

    /// The value of `key`; a mistake where it is absent.
    pub fn required<T: FromSetting>(&mut self, key: &str) -> Option<T> {
        if self.find(key).is_none() {
            self.wrong(key, "is missing");
        }
        self.optional(key)
    }

    /// The value of `key`, where there is one.
    pub fn optional<T: FromSetting>(&mut self, key: &str) -> Option<T> {
        let value = self.find(key)?;
        match T::from_setting(value.get_ref()) {
            Ok(value) => Some(value),
            Err(Wrong(problem)) => {
                self.wrong(key, problem);
                None
            }
        }
    }

    /// The value of `key`, else `default`.
    pub fn or<T: FromSetting>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The table under `key`, where there is one.
    pub fn section(&mut self, key: &str) -> Option<Self> {
        let value = self.find(key)?;
        let path = self.path_of(key);
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Section::new(table, path, value.span().start, &self.notes));
        }
        self.wrong(key, format!("{} is not a table", describe(value.get_ref())));
        None
    }

    /// The tables of the array `[[key]]`, in order; none where it is absent.
    pub fn sections(&mut self, key: &str) -> Vec<Self> {
        let Some(value) = self.find(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            let found = describe(value.get_ref());
            self.wrong(
                key,
                format!("{found} is not a list of tables: write [[{key}]]"),
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let path = format!("{}[{at}]", self.path_of(key));
            let start = item.span().start;
            match item.get_ref() {
                DeValue::Table(table) => {
                    sections.push(Section::new(table, path, start, &self.notes));
                }
                other => {
                    let problem = format!("{} is not a table", describe(other));
                    self.notes.note(self.notes.place(start), path, problem);
                }
            }
        }
        sections
    }

    /// The keys that stand in this table, in the order of their names.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.table
            .keys()
            .map(|key| key.get_ref().to_string())
            .collect()
    }

    /// Whether `key` stands in this table.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the value of `key` stands; where the table begins if it is absent or `""`.
    #[must_use]
    pub fn place(&self, key: &str) -> Place {
        let offset = self
            .table
            .get(key)
            .map_or(self.offset, |value| value.span().start);
        self.notes.place(offset)
    }

    /// The full name of `key`, such as `device[3].poll`; that of the table itself for `""`.
    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }

    /// Notes that `key` is wrong in the way of `problem`.
    pub fn wrong(&self, key: &str, problem: impl Into<String>) {
        self.notes.note(self.place(key), self.path_of(key), problem);
    }

    /// Where mistakes are noted that show only when the whole file has been read.
    #[must_use]
    pub fn notes(&self) -> Notes {
        self.notes.clone()
    }

    fn find(&mut self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.insert(key.to_owned());
        self.table.get(key)
    }
}

impl Drop for Section<'_> {
    /// Whatever nobody asked for has a wrong name.
    fn drop(&mut self) {
        for key in self.table.keys() {
            let name: &Cow<'_, str> = key.get_ref();
            if !self.asked.contains(&**name) {
                let place = self.notes.place(key.span().start);
                let known: Vec<&str> = self.asked.iter().map(String::as_str).collect();
                let problem = format!("is no key here; known are {}", known.join(", "));
                self.notes.note(place, self.path_of(name), problem);
            }
        }
    }
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", text.chars().take(80).collect::<String>()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

impl FromSetting for String {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        match setting {
            DeValue::String(text) => Ok(text.to_string()),
            other => Err(Wrong::new(describe(other), "a text in quotes")),
        }
    }
}

impl FromSetting for bool {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        match setting {
            DeValue::Boolean(yes) => Ok(*yes),
            other => Err(Wrong::new(describe(other), "true or false")),
        }
    }
}

impl FromSetting for f64 {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let number = match setting {
            DeValue::Integer(number) => number.to_string().parse().ok(),
            DeValue::Float(number) => number.to_string().parse().ok(),
            _ => None,
        };
        number
            .filter(|number: &Self| number.is_finite())
            .ok_or_else(|| Wrong::new(describe(setting), "a number"))
    }
}

impl FromSetting for i64 {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let DeValue::Integer(number) = setting else {
            return Err(Wrong::new(describe(setting), "a whole number"));
        };
        Self::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| Wrong::new(describe(setting), "a whole number of at most 64 bits"))
    }
}

macro_rules! whole {
    ($($kind:ty),*) => {$(
        impl FromSetting for $kind {
            fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
                let wanted = || format!("a whole number from {} to {}", Self::MIN, Self::MAX);
                let number = i64::from_setting(setting)
                    .map_err(|_| Wrong::new(describe(setting), wanted()))?;
                Self::try_from(number).map_err(|_| Wrong::new(number, wanted()))
            }
        }
    )*};
}
whole!(u8, u16, u32, u64, usize, i32);

impl FromSetting for Duration {
    /// `"250ms"`, `"5s"`, `"10min"`, `"24h"`, `"30d"`.
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let wanted = "a time such as \"250ms\", \"5s\", \"10min\", \"24h\" or \"30d\"";
        let DeValue::String(text) = setting else {
            return Err(Wrong::new(describe(setting), wanted));
        };
        parse_duration(text).ok_or_else(|| Wrong::new(describe(setting), wanted))
    }
}

/// The duration written as `text`, as in settings: `250ms`, `5s`, `10min`, `24h`, `30d`.
///
/// # Errors
///
/// What was found and what is wanted.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .ok_or_else(|| format!("{text:?} is not a duration such as 250ms, 5s, 10min, 24h or 30d"))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: u64 = number.parse().ok()?;
    let ms = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(ms)?))
}

impl FromSetting for std::path::PathBuf {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let text = String::from_setting(setting)?;
        if text.is_empty() {
            return Err(Wrong::new("\"\"", "a path"));
        }
        Ok(Self::from(text))
    }
}

impl<T: FromSetting> FromSetting for Vec<T> {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let DeValue::Array(items) = setting else {
            return Err(Wrong::new(describe(setting), "a list in brackets"));
        };
        items
            .iter()
            .map(|item| T::from_setting(item.get_ref()))
            .collect()
    }
}

impl<T: FromSetting + Default + Copy, const N: usize> FromSetting for [T; N] {
    fn from_setting(setting: &DeValue<'_>) -> Result<Self, Wrong> {
        let items = Vec::<T>::from_setting(setting)?;
        let found = items.len();
        Self::try_from(items).map_err(|_| Wrong::new(found, format!("a list of {N}")))
    }
}

/// Reads the settings of a type from its text form, with `wanted` for the error.
#[macro_export]
macro_rules! setting_from_text {
    ($kind:ty) => {
        impl $crate::settings::FromSetting for $kind {
            fn from_setting(
                setting: &::toml::de::DeValue<'_>,
            ) -> Result<Self, $crate::settings::Wrong> {
                let text = <String as $crate::settings::FromSetting>::from_setting(setting)?;
                text.parse::<$kind>()
                    .map_err(|error| $crate::settings::Wrong(error.to_string()))
            }
        }
    };
}

setting_from_text!(crate::id::LineId);
setting_from_text!(crate::id::SiteId);
setting_from_text!(crate::id::DeviceId);
setting_from_text!(crate::id::NodeId);
setting_from_text!(crate::id::FibreId);
setting_from_text!(crate::id::PathId);
setting_from_text!(crate::id::ViewId);
setting_from_text!(crate::id::AgentId);
setting_from_text!(crate::id::ProfileId);
setting_from_text!(crate::id::PointName);
setting_from_text!(crate::time::Timestamp);

/// Reads a setting that is one of a few words, by the names serde knows.
///
/// # Errors
///
/// [`Wrong`] with the words that are allowed.
pub fn word<T: serde::de::DeserializeOwned>(text: &str, allowed: &str) -> Result<T, Wrong> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| Wrong::new(format!("{text:?}"), format!("one of {allowed}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(section: &mut Section<'_>) -> Option<(u16, Duration)> {
        let port = section.required("port");
        let poll = section.or("poll", Duration::from_secs(1));
        Some((port?, poll))
    }

    #[test]
    fn a_right_file_gives_its_values() {
        let read = read("a.toml", "port = 502\npoll = \"250ms\"\n", two);
        assert_eq!(read.unwrap(), (502, Duration::from_millis(250)));
    }

    #[test]
    fn every_mistake_is_told_with_line_and_column() {
        let text = "port = 70000\npoll = \"soon\"\ncolour = 3\n";
        let mistakes = read("a.toml", text, two).unwrap_err();
        let said: Vec<String> = mistakes.0.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(
            said[0].starts_with("a.toml:1:8: port: 70000 is not"),
            "{said:?}"
        );
        assert!(
            said[1].starts_with("a.toml:2:8: poll: \"soon\" is not a time"),
            "{said:?}"
        );
        assert!(
            said[2].starts_with("a.toml:3:1: colour: is no key here"),
            "{said:?}"
        );
    }

    #[test]
    fn a_mistake_of_syntax_does_not_hide_the_others() {
        let mistakes = read("a.toml", "port = \npoll = \"soon\"\n", two).unwrap_err();
        assert!(mistakes.0.iter().any(|mistake| mistake.place.line == 1));
        assert!(mistakes.0.iter().any(|mistake| mistake.place.line == 2));
    }

    #[test]
    fn a_missing_key_is_told_where_its_table_begins() {
        let mistakes = read("a.toml", "\n[[device]]\nid = \"a\"\n", |top| {
            let mut devices = top.sections("device");
            let device = devices.first_mut()?;
            device.optional::<String>("id");
            device.required::<u16>("port")
        });
        let mistakes = mistakes.unwrap_err();
        assert_eq!(mistakes.0[0].key, "device[0].port");
        assert_eq!(mistakes.0[0].place.line, 2);
    }
}
