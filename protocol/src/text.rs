//! Things that travel as a text: read from it without a copy of it.

use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// What the text in `from` says.
///
/// # Errors
///
/// Where there is no text, or it does not say a `T`.
pub(crate) fn parsed<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err: fmt::Display>,
    D: Deserializer<'de>,
{
    from.deserialize_str(Text(PhantomData))
}

struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::id::SiteId;

    #[test]
    fn what_is_no_text_or_says_something_else_is_told() {
        let said = |json: &str| {
            serde_json::from_str::<SiteId>(json)
                .unwrap_err()
                .to_string()
        };
        assert!(said("7").contains("expected a string"), "{}", said("7"));
        assert!(said("\"A\"").contains("an id"), "{}", said("\"A\""));
        // A text with an escape in it is not the bytes of the JSON.
        let site: SiteId = serde_json::from_str("\"b\\u0061ku\"").unwrap();
        assert_eq!(site.as_str(), "baku");
    }
}
