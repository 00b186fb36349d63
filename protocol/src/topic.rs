//! Topics and the ids in them.
//!
//! ```text
//! silkline/1/{line}/{site}/{device}/sample|trace|event|about
//! silkline/1/{line}/{site}/gap|committed|command|reply
//! silkline/1/{line}/incident/{id}
//! silkline/1/site/{site}/status/{agent}
//! silkline/1/collector/{store}
//! ```

use core::fmt;
use core::str::FromStr;

use crate::id::{AgentId, BadId, DeviceId, IncidentId, LineId, SiteId, StoreId};

/// The first two levels of every topic: the name, and the version of the layout.
pub const ROOT: &str = "silkline/1";

/// Where a message belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A record of a device.
    Device {
        /// The fault domain it is for.
        line: LineId,
        /// Where it was taken.
        site: SiteId,
        /// The device.
        device: DeviceId,
        /// What is sent.
        what: DeviceTopic,
    },
    /// A message between an agent's site and the collector of a line.
    Site {
        /// The fault domain.
        line: LineId,
        /// The site.
        site: SiteId,
        /// What is sent.
        what: SiteTopic,
    },
    /// An incident as the collector publishes it.
    Incident {
        /// The line it is published under.
        line: LineId,
        /// The incident.
        id: IncidentId,
    },
    /// Whether a collector is there.
    Collector {
        /// Its store.
        store: StoreId,
    },
    /// Whether an agent is there.
    Status {
        /// Where.
        site: SiteId,
        /// Which agent.
        agent: AgentId,
    },
}

/// What a device sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceTopic {
    /// One poll.
    Sample,
    /// One SOR file.
    Trace,
    /// A trap or an edge finding.
    Event,
    /// What it is; retained.
    About,
}

/// What crosses between a site and a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SiteTopic {
    /// Numbers that will never come.
    Gap,
    /// What the collector has stored; retained.
    Committed,
    /// What is asked of the site.
    Command,
    /// What the site answers.
    Reply,
}

/// A topic that is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTopic {
    /// Another name or another version of the layout.
    #[error("topic does not begin with {ROOT}/")]
    Root,
    /// Levels that no topic of ours has.
    #[error("topic has levels that none of ours has: {0:?}")]
    Levels(String),
    /// A level that is not an id.
    #[error("topic level {0}")]
    Id(#[from] BadId),
}

impl Topic {
    /// The line, where the topic belongs to one.
    #[must_use]
    pub const fn line(&self) -> Option<&LineId> {
        match self {
            Self::Device { line, .. } | Self::Site { line, .. } | Self::Incident { line, .. } => {
                Some(line)
            }
            Self::Status { .. } | Self::Collector { .. } => None,
        }
    }
}

impl DeviceTopic {
    const fn word(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Trace => "trace",
            Self::Event => "event",
            Self::About => "about",
        }
    }
}

impl SiteTopic {
    const fn word(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Committed => "committed",
            Self::Command => "command",
            Self::Reply => "reply",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device {
                line,
                site,
                device,
                what,
            } => {
                write!(f, "{ROOT}/{line}/{site}/{device}/{}", what.word())
            }
            Self::Site { line, site, what } => write!(f, "{ROOT}/{line}/{site}/{}", what.word()),
            Self::Incident { line, id } => write!(f, "{ROOT}/{line}/incident/{id}"),
            Self::Collector { store } => write!(f, "{ROOT}/collector/{store}"),
            Self::Status { site, agent } => write!(f, "{ROOT}/site/{site}/status/{agent}"),
        }
    }
}

impl FromStr for Topic {
    type Err = BadTopic;

    fn from_str(text: &str) -> Result<Self, BadTopic> {
        let rest = text
            .strip_prefix(ROOT)
            .and_then(|rest| rest.strip_prefix('/'));
        let levels: Vec<&str> = rest.ok_or(BadTopic::Root)?.split('/').take(6).collect();
        match levels.as_slice() {
            ["site", site, "status", agent] => Ok(Self::Status {
                site: site.parse()?,
                agent: agent.parse()?,
            }),
            ["collector", store] => Ok(Self::Collector {
                store: store.parse()?,
            }),
            [line, "incident", id] => Ok(Self::Incident {
                line: line.parse()?,
                id: id.parse()?,
            }),
            [line, site, what] => {
                let what = site_topic(what).ok_or_else(|| levels_error(text))?;
                Ok(Self::Site {
                    line: line.parse()?,
                    site: site.parse()?,
                    what,
                })
            }
            [line, site, device, what] => {
                let what = device_topic(what).ok_or_else(|| levels_error(text))?;
                let (line, site, device) = (line.parse()?, site.parse()?, device.parse()?);
                Ok(Self::Device {
                    line,
                    site,
                    device,
                    what,
                })
            }
            _ => Err(levels_error(text)),
        }
    }
}

fn levels_error(text: &str) -> BadTopic {
    BadTopic::Levels(text.chars().take(200).collect())
}

fn device_topic(word: &str) -> Option<DeviceTopic> {
    [
        DeviceTopic::Sample,
        DeviceTopic::Trace,
        DeviceTopic::Event,
        DeviceTopic::About,
    ]
    .into_iter()
    .find(|what| what.word() == word)
}

fn site_topic(word: &str) -> Option<SiteTopic> {
    [
        SiteTopic::Gap,
        SiteTopic::Committed,
        SiteTopic::Command,
        SiteTopic::Reply,
    ]
    .into_iter()
    .find(|what| what.word() == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_reads_back() {
        for text in [
            "silkline/1/baku-poti/ganja/edfa-1/sample",
            "silkline/1/baku-poti/ganja/otdr-1/trace",
            "silkline/1/baku-poti/ganja/edfa-1/event",
            "silkline/1/baku-poti/ganja/edfa-1/about",
            "silkline/1/baku-poti/ganja/gap",
            "silkline/1/baku-poti/ganja/committed",
            "silkline/1/baku-poti/ganja/command",
            "silkline/1/baku-poti/ganja/reply",
            "silkline/1/baku-poti/incident/01890a5d",
            "silkline/1/site/ganja/status/main",
            "silkline/1/collector/01890a5d",
        ] {
            assert_eq!(text.parse::<Topic>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn rubbish_is_refused_by_name() {
        for text in [
            "",
            "silkline",
            "silkline/1",
            "silkline/1/",
            "silkline/2/a/b/c/sample",
            "silkline/1/a/b/c/d/e/f/g",
            "silkline/1/A/b/c/sample",
            "silkline/1/a/b/c/poem",
            "silkline/1/site/b/c/sample",
            "silkline/1/a/status/c/sample",
        ] {
            assert!(text.parse::<Topic>().is_err(), "{text}");
        }
    }
}
