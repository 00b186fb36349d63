//! The limits that a device itself keeps: read after it first answered and then now and again, and
//! told when they change.

use std::time::Duration;

use silkline_protocol::device::{About, Limits, PointAbout};
use silkline_protocol::id::PointName;

use crate::clock::{Clock, Moment};
use crate::config::Device;
use crate::driver::Patience;
use crate::driver::session::{Driver, Link};
use crate::profile::limits_in;

/// How often limits are read: people change them, by hand.
const EVERY: Duration = Duration::from_secs(3600);
/// How soon again where the device did not answer.
const AGAIN: Duration = Duration::from_secs(60);

/// The limits of one device.
pub(super) struct Kept {
    driver: Driver,
    due: Moment,
    told: Vec<(PointName, Limits)>,
}

impl Kept {
    /// Those of `device`, where its profile says that it keeps some.
    pub(super) fn of(device: &Device) -> Option<Self> {
        Some(Self {
            driver: Driver::of_limits(device)?,
            due: Moment::START,
            told: Vec::new(),
        })
    }

    /// Reads them where it is time to, and gives the device's description where they have changed.
    pub(super) async fn read(
        &mut self,
        device: &Device,
        link: &mut Link,
        clock: &Clock,
    ) -> Option<About> {
        if clock.moment() < self.due {
            return None;
        }
        let polled = link
            .poll(&mut self.driver, Patience::new(false), clock)
            .await;
        let well = polled
            .requests
            .iter()
            .all(|request| request.fault.is_none());
        self.due = clock.moment() + if well { EVERY } else { AGAIN };
        let stated = |name: &PointName| {
            let point = device.profile.point(name);
            point.map_or_else(Limits::default, |point| point.limits)
        };
        let found = limits_in(&polled.readings, stated);
        if found.is_empty() || found == self.told {
            return None;
        }
        self.told.clone_from(&found);
        Some(about(device, &found))
    }
}

/// What `device` tells about itself, with the limits that it keeps: those of a row stand beside the
/// point's own.
fn about(device: &Device, limits: &[(PointName, Limits)]) -> About {
    let mut about = device.about();
    for (name, limits) in limits {
        if let Some(point) = about.points.iter_mut().find(|point| point.name == *name) {
            point.limits = *limits;
            continue;
        }
        let own = device.profile.point(name);
        about.points.extend(own.map(|point| PointAbout {
            name: name.clone(),
            unit: point.unit,
            role: point.role,
            limits: *limits,
        }));
    }
    about
}
