//! What can go wrong with the simulated plant, and what is wrong at the moment.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use silkline_protocol::id::{DeviceId, FibreId, LineId, NodeId, SiteId};
use silkline_protocol::plant::{Direction, Plant};
use silkline_protocol::unit::{Db, RouteLength};

use crate::truth::Damage;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// A cable is cut through, or one strand of it.
    Cut {
        /// Which cable.
        line: LineId,
        /// Where, on the ground.
        at: RouteLength,
        /// The only strand concerned; none for the whole cable.
        fibre: Option<FibreId>,
    },
    /// A cable is bent or pressed, or one strand of it.
    Bend {
        /// Which cable.
        line: LineId,
        /// Where, on the ground.
        at: RouteLength,
        /// What is lost there, one way.
        loss: Db,
        /// The only strand concerned; none for the whole cable.
        fibre: Option<FibreId>,
    },
    /// The pump lasers of a node wear out: their current climbs within minutes, then light is lost.
    Pump {
        /// On which line.
        line: LineId,
        /// Which node.
        node: NodeId,
    },
    /// An amplifier sends no light any more; its supervisory channel lives.
    Amplifier {
        /// On which line.
        line: LineId,
        /// At which node.
        node: NodeId,
        /// The only direction concerned; none for both.
        direction: Option<Direction>,
    },
    /// A site has no power at all: it sends no light, and nothing there answers.
    Hut {
        /// Which site.
        site: SiteId,
    },
    /// A device does not answer.
    Dead {
        /// Where it stands.
        site: SiteId,
        /// Which it is.
        device: DeviceId,
    },
    /// The power conductor of a submarine cable touches the sea; traffic goes on.
    Feed {
        /// Which cable.
        line: LineId,
        /// Where.
        at: RouteLength,
    },
    /// A site has lost the mains and lives on its battery.
    Battery {
        /// Which site.
        site: SiteId,
    },
}

/// A fault that names what does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plant has no {0}")]
pub struct NoSuch(pub String);

impl Fault {
    /// Makes sure that everything the fault names is in `plant`.
    ///
    /// # Errors
    ///
    /// [`NoSuch`] with the first name that is not.
    pub fn check(&self, plant: &Plant) -> Result<(), NoSuch> {
        let line_at = |line: &LineId, at: &RouteLength| {
            let known = plant
                .line(line)
                .ok_or_else(|| NoSuch(format!("line {line}")))?;
            let inside = at.get() > 0.0 && *at < known.length();
            let km = known.length().km();
            let outside = || {
                NoSuch(format!(
                    "km {} on {line}, which is {km:.1} km long",
                    at.km()
                ))
            };
            if inside { Ok(known) } else { Err(outside()) }
        };
        match self {
            Self::Cut { line, at, fibre }
            | Self::Bend {
                line, at, fibre, ..
            } => {
                let known = line_at(line, at)?;
                let strange = fibre.iter().find(|fibre| !known.fibres.contains(fibre));
                strange.map_or(Ok(()), |fibre| {
                    Err(NoSuch(format!("fibre {fibre} on {line}")))
                })
            }
            Self::Feed { line, at } => {
                let fed = line_at(line, at)?.feed.is_some();
                if fed {
                    Ok(())
                } else {
                    Err(NoSuch(format!("power feed on {line}")))
                }
            }
            Self::Pump { line, node } | Self::Amplifier { line, node, .. } => {
                let known = plant
                    .line(line)
                    .ok_or_else(|| NoSuch(format!("line {line}")))?;
                let found = known.node(node).map(|_| ());
                found.ok_or_else(|| NoSuch(format!("node {node} on {line}")))
            }
            Self::Dead { site, device } => {
                let found = plant.device(site, device).map(|_| ());
                found.ok_or_else(|| NoSuch(format!("device {device} at {site}")))
            }
            Self::Battery { site } | Self::Hut { site } => plant
                .site(site)
                .map(|_| ())
                .ok_or_else(|| NoSuch(format!("site {site}"))),
        }
    }
}

/// What is wrong, and since when on the simulation's clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// In the order in which it happened.
    pub standing: Vec<Standing>,
}

/// A fault that stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// What.
    #[serde(flatten)]
    pub fault: Fault,
    /// Since when.
    pub since: Duration,
}

impl Scene {
    /// Lets `fault` happen at `now`; one that stands already does not happen again.
    pub fn inflict(&mut self, fault: Fault, now: Duration) {
        if !self.standing.iter().any(|standing| standing.fault == fault) {
            self.standing.push(Standing { fault, since: now });
        }
    }

    /// Mends everything.
    pub fn repair(&mut self) {
        self.standing.clear();
    }

    /// What was done to a strand of a cable.
    #[must_use]
    pub fn damage(&self, line: &LineId, fibre: &FibreId) -> Vec<Damage> {
        let hit = |only: &Option<FibreId>| only.as_ref().is_none_or(|only| only == fibre);
        let one = |standing: &Standing| match &standing.fault {
            Fault::Cut {
                line: cut,
                at,
                fibre,
            } if cut == line && hit(fibre) => Some(Damage::Break { at: *at }),
            Fault::Bend {
                line: bent,
                at,
                loss,
                fibre,
            } if bent == line && hit(fibre) => Some(Damage::Bend {
                at: *at,
                loss: *loss,
            }),
            _ => None,
        };
        self.standing.iter().filter_map(one).collect()
    }

    /// Whether a device answers.
    #[must_use]
    pub fn answers(&self, site: &SiteId, device: &DeviceId) -> bool {
        let is_it = |dead: &Fault| matches!(dead, Fault::Dead { site: s, device: d } if s == site && d == device);
        let alone = !self.standing.iter().any(|standing| is_it(&standing.fault));
        alone && self.has_power(site)
    }

    /// Whether a site has any power.
    #[must_use]
    pub fn has_power(&self, site: &SiteId) -> bool {
        let is_it = |dead: &Fault| matches!(dead, Fault::Hut { site: s } if s == site);
        self.since(is_it).is_none()
    }

    /// Whether an amplifier that has power sends light.
    #[must_use]
    pub fn sends(&self, line: &LineId, node: &NodeId, way: Direction) -> bool {
        let failed = |fault: &Fault| match fault {
            Fault::Amplifier {
                line: l,
                node: n,
                direction,
            } => l == line && n == node && direction.is_none_or(|only| only == way),
            _ => false,
        };
        self.since(failed).is_none()
    }

    /// Since when a fault that `is_it` recognises stands.
    pub(crate) fn since(&self, is_it: impl Fn(&Fault) -> bool) -> Option<Duration> {
        self.standing
            .iter()
            .find(|standing| is_it(&standing.fault))
            .map(|standing| standing.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id<T: core::str::FromStr>(text: &str) -> T
    where
        T::Err: core::fmt::Debug,
    {
        text.parse().unwrap()
    }

    fn cut(fibre: Option<&str>) -> Fault {
        let at = RouteLength::of(90_000.0);
        Fault::Cut {
            line: id("baku-poti"),
            at,
            fibre: fibre.map(id),
        }
    }

    #[test]
    fn a_cut_hits_every_strand_of_its_line_unless_one_is_named() {
        let mut scene = Scene::default();
        scene.inflict(cut(None), Duration::ZERO);
        assert_eq!(scene.damage(&id("baku-poti"), &id("f1")).len(), 1);
        assert!(scene.damage(&id("baku-sumgait"), &id("f1")).is_empty());
        scene.repair();
        scene.inflict(cut(Some("f2")), Duration::ZERO);
        assert!(scene.damage(&id("baku-poti"), &id("f1")).is_empty());
        assert_eq!(scene.damage(&id("baku-poti"), &id("f2")).len(), 1);
    }

    #[test]
    fn a_fault_stands_once_and_since_it_began() {
        let mut scene = Scene::default();
        scene.inflict(cut(None), Duration::from_secs(1));
        scene.inflict(cut(None), Duration::from_secs(2));
        assert_eq!(
            scene.since(|fault| *fault == cut(None)),
            Some(Duration::from_secs(1))
        );
        assert_eq!(scene.standing.len(), 1);
    }

    #[test]
    fn a_site_without_power_answers_nothing_and_an_amplifier_fails_one_way_or_both() {
        let mut scene = Scene::default();
        scene.inflict(Fault::Hut { site: id("gori") }, Duration::ZERO);
        assert!(!scene.answers(&id("gori"), &id("edfa-1")));
        assert!(scene.answers(&id("alat"), &id("edfa-1")));
        let failed = Fault::Amplifier {
            line: id("baku-poti"),
            node: id("alat"),
            direction: Some(Direction::AToB),
        };
        scene.inflict(failed, Duration::ZERO);
        let sends = |way| scene.sends(&id("baku-poti"), &id("alat"), way);
        assert!(!sends(Direction::AToB) && sends(Direction::BToA));
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let text = crate::corridor::plant_toml();
        let plant = silkline_protocol::plant::read("plant.toml", &text)
            .unwrap()
            .plant;
        assert_eq!(cut(Some("f1")).check(&plant), Ok(()));
        let km = |line: &str, km: f64| Fault::Feed {
            line: id(line),
            at: RouteLength::of(km * 1e3),
        };
        for (fault, wanted) in [
            (cut(Some("f9")), "fibre f9"),
            (km("baku-poti", 900.0), "844.0 km long"),
            (km("baku-poti", 100.0), "power feed on baku-poti"),
            (
                Fault::Pump {
                    line: id("baku-poti"),
                    node: id("rep-1"),
                },
                "node rep-1",
            ),
            (
                Fault::Dead {
                    site: id("alat"),
                    device: id("edfa-9"),
                },
                "edfa-9 at alat",
            ),
            (Fault::Battery { site: id("paris") }, "site paris"),
        ] {
            let said = fault.check(&plant).unwrap_err().to_string();
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn a_fault_crosses_the_control_line_unchanged() {
        let json = serde_json::to_string(&cut(Some("f1"))).unwrap();
        assert!(json.contains(r#""fault":"cut""#), "{json}");
        assert_eq!(
            serde_json::from_str::<Fault>(&json).unwrap(),
            cut(Some("f1"))
        );
    }
}
