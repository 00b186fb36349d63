//! Settings of the collector's own heartbeat, and of whom it misses.

use std::time::Duration;

use silkline_protocol::settings::Section;

/// How the collector says that it lives, and when a channel is silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeatSettings {
    /// How often it says so.
    pub every: Duration,
    /// The address of a dead man's switch that is called each time.
    pub url: Option<String>,
    /// A channel is silent when a notice waits for so long.
    pub patience: Duration,
}

impl BeatSettings {
    /// Often enough that three missed ones are noticed within a few minutes.
    pub const EVERY: Duration = Duration::from_secs(60);
    /// Longer than a mail server's restart, shorter than a repair crew's way.
    pub const PATIENCE: Duration = Duration::from_secs(900);
    /// The commit task steps at least every ten seconds: a shorter beat would miss it.
    const LEAST: Duration = Duration::from_secs(15);
}

impl Default for BeatSettings {
    fn default() -> Self {
        Self {
            every: Self::EVERY,
            url: None,
            patience: Self::PATIENCE,
        }
    }
}

/// Reads `[beat]`.
pub(super) fn beat(top: &mut Section<'_>) -> BeatSettings {
    let default = BeatSettings::default();
    let Some(mut section) = top.section("beat") else {
        return default;
    };
    let every = section.or("every", default.every);
    if every < BeatSettings::LEAST {
        section.wrong("every", "want at least 15s");
    }
    let url = section
        .has("url")
        .then(|| super::channel::url(&mut section, &["http://", "https://"]))
        .flatten();
    BeatSettings {
        every,
        url,
        patience: section.or("patience", default.patience),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read;

    #[test]
    fn a_beat_that_would_miss_the_work_is_refused_and_so_is_no_address() {
        let of = |text: &str| {
            let text = format!("plant = \"p\"\ndata = \"d\"\n[beat]\n{text}\n");
            read("collector.toml", &text, Path::new("/"))
        };
        let good = of("every = \"30s\"\nurl = \"https://x/ping\"\npatience = \"5min\"").unwrap();
        assert_eq!(good.beat.url.as_deref(), Some("https://x/ping"));
        for bad in ["every = \"1s\"", "url = \"x\""] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
