//! Which findings have one cause, and what kind of cause it is.

use serde::{Deserialize, Serialize};
use silkline_analysis::incident::Kind;
use silkline_analysis::series::AnomalyKind;
use silkline_protocol::device::Role;
use silkline_protocol::id::{DeviceId, NodeId, PointName, SiteId};

use crate::engine::watch::Finding;

/// What findings of one cause have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::engine) enum Key {
    /// The cable between two nodes, by rising chainage.
    Span(NodeId, NodeId),
    /// The equipment of a node.
    Node(NodeId),
    /// One device.
    Device(SiteId, DeviceId),
    /// The pumps of a device.
    Pumps(SiteId, DeviceId),
    /// One point of a device that is getting worse.
    Point(SiteId, DeviceId, PointName),
    /// A span that loses more light than it did, by rising chainage.
    Fade(NodeId, NodeId),
    /// What one receiver gets: device and index of its points.
    Signal(SiteId, DeviceId, String),
    /// Light of devices whose path the plant does not tell: lost, or getting worse.
    Unplaced(Light),
    /// The agent of a site, or all that it polls.
    Agent(SiteId),
    /// The disk of a site's agent.
    Spool(SiteId),
    /// Mains and battery of a site.
    Supply(SiteId),
    /// Heat, water and doors of a site.
    Room(SiteId),
    /// Submarine power feeding.
    Feed,
}

/// What became of light that nobody can place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::engine) enum Light {
    /// It is gone.
    Lost,
    /// It is getting worse.
    Worse,
}

impl Key {
    /// The cause that a finding has by itself, where nothing else explains it.
    pub(in crate::engine) fn of(finding: &Finding) -> Self {
        let site = finding.site.clone();
        let Some(device) = finding.device.clone() else {
            return match finding.anomaly.kind {
                AnomalyKind::Alarm => Self::Spool(site),
                _ => Self::Agent(site),
            };
        };
        let by_role = finding.role.unwrap_or(Role::Other);
        match finding.anomaly.kind {
            AnomalyKind::Offline => return Self::Agent(site),
            AnomalyKind::Silent | AnomalyKind::Dark | AnomalyKind::Trace | AnomalyKind::Stuck => {
                return Self::Device(site, device);
            }
            AnomalyKind::Limit
            | AnomalyKind::Alarm
            | AnomalyKind::Step
            | AnomalyKind::Drift
            | AnomalyKind::Relation => {}
        }
        match by_role {
            Role::FeedVoltage | Role::FeedCurrent => Self::Feed,
            Role::BatteryVoltage | Role::BatteryCharge | Role::MainsVoltage => Self::Supply(site),
            Role::Temperature | Role::Humidity | Role::Door => Self::Room(site),
            Role::PumpBias | Role::PumpTemperature => Self::Pumps(site, device),
            Role::Gain
            | Role::SpanLoss
            | Role::ReturnLoss
            | Role::LightIn
            | Role::LightOut
            | Role::SupervisoryIn => match finding.anomaly.point.clone() {
                Some(point) => Self::Point(site, device, point),
                None => Self::Device(site, device),
            },
            Role::Ber | Role::Osnr => {
                let point = finding.anomaly.point.as_ref();
                let index = point.and_then(|point| point.index()).unwrap_or("");
                Self::Signal(site, device, index.to_owned())
            }
            Role::DeviceAlarm | Role::State | Role::Other => Self::Device(site, device),
        }
    }

    /// What kind of cause it is.
    pub(in crate::engine) const fn kind(&self) -> Kind {
        match self {
            Self::Span(..) | Self::Unplaced(Light::Lost) => Kind::Break,
            Self::Node(_) | Self::Device(..) => Kind::Equipment,
            Self::Pumps(..)
            | Self::Point(..)
            | Self::Fade(..)
            | Self::Signal(..)
            | Self::Unplaced(Light::Worse) => Kind::Degradation,
            Self::Agent(_) | Self::Spool(_) => Kind::Agent,
            Self::Supply(_) | Self::Room(_) => Kind::Environment,
            Self::Feed => Kind::PowerFeed,
        }
    }

    /// The site it is at, where it is at one.
    pub(in crate::engine) const fn site(&self) -> Option<&SiteId> {
        match self {
            Self::Device(site, _)
            | Self::Pumps(site, _)
            | Self::Point(site, ..)
            | Self::Signal(site, ..)
            | Self::Agent(site)
            | Self::Spool(site)
            | Self::Supply(site)
            | Self::Room(site) => Some(site),
            Self::Span(..) | Self::Node(_) | Self::Fade(..) | Self::Unplaced(_) | Self::Feed => {
                None
            }
        }
    }
}

/// Whether a finding says that a span loses more light than it did.
pub(in crate::engine) fn is_fading(finding: &Finding) -> bool {
    let role = finding.role.unwrap_or(Role::Other);
    match finding.anomaly.kind {
        AnomalyKind::Step | AnomalyKind::Drift | AnomalyKind::Limit => {
            matches!(role, Role::LightIn | Role::SupervisoryIn | Role::SpanLoss)
        }
        AnomalyKind::Relation => role == Role::SpanLoss,
        _ => false,
    }
}

/// Whether a lost light may well be the reason for a finding.
pub(in crate::engine) fn follows_light(finding: &Finding) -> bool {
    let role = finding.role.unwrap_or(Role::Other);
    match finding.anomaly.kind {
        AnomalyKind::Dark => true,
        AnomalyKind::Alarm => matches!(role, Role::DeviceAlarm | Role::Ber | Role::Osnr),
        AnomalyKind::Limit | AnomalyKind::Step | AnomalyKind::Drift | AnomalyKind::Relation => {
            is_of_light(role)
        }
        AnomalyKind::Silent | AnomalyKind::Offline | AnomalyKind::Trace | AnomalyKind::Stuck => {
            false
        }
    }
}

/// Whether a role measures light or what is made of it.
pub(in crate::engine) const fn is_of_light(role: Role) -> bool {
    matches!(
        role,
        Role::LightIn
            | Role::LightOut
            | Role::SupervisoryIn
            | Role::Gain
            | Role::SpanLoss
            | Role::ReturnLoss
            | Role::PumpBias
            | Role::Ber
            | Role::Osnr
    )
}
