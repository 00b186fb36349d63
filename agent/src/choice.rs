//! A setting that is one of a few words, with all that are allowed in the mistake.

use silkline_protocol::settings::{FromSetting, Wrong};
use toml::de::DeValue;

/// The value that stands beside `setting`'s word in `table`.
///
/// # Errors
///
/// The words that are allowed.
pub(crate) fn one_of<T: Copy>(setting: &DeValue<'_>, table: &[(&str, T)]) -> Result<T, Wrong> {
    let text = String::from_setting(setting)?;
    let found = table.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = table.iter().map(|(word, _)| format!("{word:?}")).collect();
        Wrong::new(format!("{text:?}"), format!("one of {}", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_nobody_knows_is_told_with_those_that_are() {
        let read =
            |text: &'static str| one_of(&DeValue::String(text.into()), &[("on", 1), ("off", 0)]);
        assert_eq!(read("on").ok(), Some(1));
        let Err(Wrong(said)) = read("maybe") else {
            panic!("taken")
        };
        assert!(said.contains("one of \"on\", \"off\""), "{said}");
    }
}
