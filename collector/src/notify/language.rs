//! The words of notices, in the languages of the corridor.
//!
//! One file a language in `collector/languages/`, all with the same keys; an operator may bring a
//! file of its own. What an engine says in free words (causes, details, notes) stays English: a
//! number or a name translated by rote would be worth less than none.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::api::incidents::Severity;

/// A language that notices are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Azerbaijani.
    Az,
    /// Russian.
    Ru,
    /// Turkish.
    Tr,
    /// Georgian.
    Ka,
    /// Kazakh.
    Kk,
}

/// The name of the language that the engines speak.
pub const ENGLISH: &str = "English";

/// Every language there is, for those who choose one.
pub const LANGUAGES: &str = "en, az, ru, tr, ka, kk";

/// A file of words that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It has not the keys that notices want.
    #[error("{name}: {problem}")]
    Words {
        /// The file.
        name: String,
        /// What was found and what was wanted.
        problem: String,
    },
}

impl Language {
    /// The file of words that comes with the program.
    const fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::En => ("en.toml", include_str!("../../languages/en.toml")),
            Self::Az => ("az.toml", include_str!("../../languages/az.toml")),
            Self::Ru => ("ru.toml", include_str!("../../languages/ru.toml")),
            Self::Tr => ("tr.toml", include_str!("../../languages/tr.toml")),
            Self::Ka => ("ka.toml", include_str!("../../languages/ka.toml")),
            Self::Kk => ("kk.toml", include_str!("../../languages/kk.toml")),
        }
    }

    /// Its words.
    ///
    /// # Errors
    ///
    /// Where the file that comes with the program is not whole; a test holds that it is.
    pub fn words(self) -> Result<Words, WordsError> {
        let (name, text) = self.file();
        Words::parse(name, text)
    }
}

/// The words and sentences of one language; `{…}` are filled in by [`fill`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// The language's own name.
    pub name: String,
    severity: SeverityWords,
    reason: ReasonWords,
    kind: KindWords,
    /// Headings.
    pub heading: HeadingWords,
    /// Names in front of values.
    pub label: LabelWords,
    /// Sentences.
    pub text: Sentences,
    /// What everybody who opens a closure must have read.
    pub safety: Safety,
}

/// Declares words of which all must be there.
macro_rules! words {
    ($(#[$about:meta])* $name:ident: $($(#[$key:meta])* $field:ident),+ $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$key])* #[expect(missing_docs, reason = "the English file shows each")] pub $field: String),+
        }
    };
}

words!(
    /// How bad it is.
    SeverityWords: critical, major, minor, warning
);
words!(
    /// Why people are told.
    ReasonWords: opened, located, worse, cleared, reopened, waiting, test
);
words!(
    /// What kind of cause.
    KindWords: #[serde(rename = "break")] broken, degradation, equipment, power_feed, environment, agent
);
words!(
    /// Headings.
    HeadingWords: place, distance, what, safety
);
words!(
    /// Names in front of values.
    LabelWords: line, span, at, route, likeliest, landmarks, post, coordinates, depth, fibres, possible,
    beware, note, kind, cause, affected, seen, last_word, at_work
);
words!(
    /// Sentences.
    Sentences: told, opened, over, km, metres, kilometres, interval, half, unlocated, past, before, dark,
    weight, contradict, glass, glass_from, index, page, ids, at_work, all_fibres, test
);

/// Lines about light and high voltage.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Safety {
    /// About light.
    pub light: Vec<String>,
    /// About a cable that may carry power for repeaters.
    pub high_voltage: Vec<String>,
}

impl Words {
    /// The words in the file at `path`.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or has not the keys and placeholders that the English file has.
    pub fn read(path: &Path) -> Result<Self, WordsError> {
        let text = std::fs::read_to_string(path).map_err(|source| WordsError::File {
            path: path.to_path_buf(),
            source,
        })?;
        let name = path.display().to_string();
        let words = Self::parse(&name, &text)?;
        let english = Language::En.words()?;
        for ((mine, theirs), key) in words.sentences().zip(english.sentences()).zip(SENTENCES) {
            if places(mine) != places(theirs) {
                let (found, wanted) = (places(mine).join(" "), places(theirs).join(" "));
                let problem = format!("text.{key}: found {found:?}, want {wanted:?}");
                return Err(WordsError::Words { name, problem });
            }
        }
        Ok(words)
    }

    fn parse(name: &str, text: &str) -> Result<Self, WordsError> {
        toml::from_str(text).map_err(|error| WordsError::Words {
            name: name.to_owned(),
            problem: error.to_string().trim_end().to_owned(),
        })
    }

    /// How bad it is, loud.
    #[must_use]
    pub fn severity(&self, severity: Severity) -> &str {
        match severity {
            Severity::Critical => &self.severity.critical,
            Severity::Major => &self.severity.major,
            Severity::Minor => &self.severity.minor,
            Severity::Warning => &self.severity.warning,
        }
    }

    /// Why people are told; a word that this language does not have stays as it is.
    #[must_use]
    pub fn reason<'a>(&'a self, word: &'a str) -> &'a str {
        match word {
            "opened" => &self.reason.opened,
            "located" => &self.reason.located,
            "worse" => &self.reason.worse,
            "cleared" => &self.reason.cleared,
            "reopened" => &self.reason.reopened,
            "waiting" => &self.reason.waiting,
            "test" => &self.reason.test,
            other => other,
        }
    }

    /// What kind of cause; a word that this language does not have stays as it is.
    #[must_use]
    pub fn kind<'a>(&'a self, word: &'a str) -> &'a str {
        match word {
            "break" => &self.kind.broken,
            "degradation" => &self.kind.degradation,
            "equipment" => &self.kind.equipment,
            "power_feed" => &self.kind.power_feed,
            "environment" => &self.kind.environment,
            "agent" => &self.kind.agent,
            other => other,
        }
    }

    fn sentences(&self) -> impl Iterator<Item = &str> {
        let t = &self.text;
        [
            &t.told,
            &t.opened,
            &t.over,
            &t.km,
            &t.metres,
            &t.kilometres,
            &t.interval,
            &t.half,
            &t.past,
            &t.before,
            &t.dark,
            &t.weight,
            &t.glass,
            &t.glass_from,
            &t.index,
            &t.page,
            &t.ids,
            &t.at_work,
        ]
        .into_iter()
        .map(String::as_str)
    }
}

/// The keys of the sentences that have places to fill, in the order of [`Words::sentences`].
const SENTENCES: [&str; 18] = [
    "told",
    "opened",
    "over",
    "km",
    "metres",
    "kilometres",
    "interval",
    "half",
    "past",
    "before",
    "dark",
    "weight",
    "glass",
    "glass_from",
    "index",
    "page",
    "ids",
    "at_work",
];

/// The places of a sentence, sorted: each language has an order of its own.
fn places(sentence: &str) -> Vec<&str> {
    let mut found: Vec<&str> = sentence
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .collect();
    found.sort_unstable();
    found
}

/// Fills the places of a sentence. A value is put in as it is: braces in it mean nothing; braces
/// around anything but a known name stay.
#[must_use]
pub fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(sentence.len() + 32);
    let mut rest = sentence;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let place = behind.split_once('}').and_then(|(name, after)| {
            let value = values.iter().find(|(key, _)| *key == name)?;
            Some((value.1, after))
        });
        match place {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Language; 6] = [
        Language::En,
        Language::Az,
        Language::Ru,
        Language::Tr,
        Language::Ka,
        Language::Kk,
    ];

    #[test]
    fn every_language_has_all_words_and_fills_the_same_places() {
        let english = Language::En.words().unwrap();
        for language in ALL {
            let words = language.words().unwrap();
            for ((mine, theirs), key) in words.sentences().zip(english.sentences()).zip(SENTENCES) {
                assert_eq!(places(mine), places(theirs), "{language:?} {key}");
            }
            assert!(!words.safety.light.is_empty() && !words.safety.high_voltage.is_empty());
        }
    }

    #[test]
    fn every_language_has_its_own_words() {
        let told = |language: Language| language.words().unwrap().heading.safety;
        let mut all: Vec<String> = ALL.map(told).to_vec();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), ALL.len());
    }

    #[test]
    fn lines_fit_a_terminal_and_labels_their_column() {
        for language in ALL {
            let words = language.words().unwrap();
            let lines = words.safety.light.iter().chain(&words.safety.high_voltage);
            for line in lines {
                assert!(line.chars().count() <= 84, "{language:?} {line}");
            }
        }
    }

    #[test]
    fn values_with_braces_are_values() {
        let filled = fill("{a} and {b}", &[("a", "{b}"), ("b", "x")]);
        assert_eq!(filled, "{b} and x");
        assert_eq!(fill("{c} {", &[]), "{c} {");
    }

    #[test]
    fn a_file_of_ones_own_is_checked_against_the_english_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("own.toml");
        assert!(matches!(Words::read(&file), Err(WordsError::File { .. })));
        let english = include_str!("../../languages/en.toml");
        std::fs::write(&file, english.replace("over since {time}", "over")).unwrap();
        let refused = Words::read(&file).unwrap_err().to_string();
        assert!(
            refused.contains("text.over") && refused.contains("time"),
            "{refused}"
        );
        std::fs::write(&file, english.replace("post = ", "pole = ")).unwrap();
        let refused = Words::read(&file).unwrap_err().to_string();
        assert!(refused.contains("pole"), "{refused}");
        std::fs::write(&file, english).unwrap();
        assert_eq!(Words::read(&file).unwrap(), Language::En.words().unwrap());
    }
}
