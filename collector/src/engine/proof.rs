//! A proof shot of every view each day, and the word that a view is not shot any more.
//!
//! ```text
//!   trace ──► known ──a day without one──► asked ──no answer──► asked again ──► silent: an anomaly
//!               ▲                                                                   │
//!               └───────────────────────────── a trace ─────────────────────────────┘
//! ```
//!
//! A view is proven from the moment its instrument has shown itself. Nothing is shot against a
//! permit to work, nor into a fibre that carries light of a path in the same band: those wait, and
//! nobody calls them silent.

use core::time::Duration;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use silkline_protocol::id::{SiteId, ViewId};
use silkline_protocol::plant::{Line, Plant, View};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::Nanometres;

use super::permits::Permits;

/// An answer to a proof shot takes less than this: half a minute of averaging, a few views before it.
const ANSWER: Duration = Duration::from_secs(3600);
/// Vain shots after which the view is silent.
const TRIES: u32 = 3;
/// Two proof shots of a line are at least this far apart: one instrument may serve many views.
const APART: Duration = Duration::from_secs(300);
/// Light for watching begins here; what carries traffic is below.
const WATCHING: Nanometres = Nanometres::of(1610.0);

/// When each view was shot last, and what was asked since.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Proofs {
    views: BTreeMap<ViewId, Proof>,
    /// When the last proof shot was asked for.
    asked: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Proof {
    /// When the newest trace came, or the instrument showed itself.
    since: Timestamp,
    /// When the next shot is to be asked for.
    due: Timestamp,
    /// Vain shots since.
    tries: u32,
    /// Whether it has been said that it is silent.
    silent: bool,
}

/// What is to be done about a view.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Due {
    /// A shot is wanted.
    Shoot(SiteId, ViewId),
    /// Nothing has come for all shots since this time.
    Silent(SiteId, ViewId, Timestamp),
}

impl Proofs {
    /// An instrument has shown itself: its views are to be proven from now on, spread over a day.
    pub(super) fn instrument(
        &mut self,
        views: impl Iterator<Item = ViewId>,
        (every, now): (Duration, Timestamp),
    ) {
        for view in views {
            let due = now + share(&view, every);
            self.views.entry(view).or_insert(Proof {
                since: now,
                due,
                tries: 0,
                silent: false,
            });
        }
    }

    /// A trace of `view` came; whether the view was silent.
    pub(super) fn shot(&mut self, view: &ViewId, every: Duration, now: Timestamp) -> bool {
        let fresh = Proof {
            since: now,
            due: now + every,
            tries: 0,
            silent: false,
        };
        let before = self.views.insert(view.clone(), fresh);
        before.is_some_and(|before| before.silent)
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let soonest = self.views.values().map(|proof| proof.due).min()?;
        let free = self.asked.map(|asked| asked + APART);
        Some(free.map_or(soonest, |free| free.max(soonest)))
    }

    /// What is due at `now`: at most one view at a time.
    pub(super) fn expire(
        &mut self,
        (plant, line): (&Plant, &Line),
        permits: &Permits,
        (every, now): (Duration, Timestamp),
    ) -> Vec<Due> {
        if self.deadline().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let due = |it: &(&ViewId, &mut Proof)| it.1.due <= now;
        let first = self.views.iter_mut().filter(due);
        let Some((id, proof)) = first.min_by_key(|(id, proof)| (proof.due, (*id).clone())) else {
            return Vec::new();
        };
        let site = |view: &View| line.node(&view.node).and_then(|node| node.site.clone());
        let found = line.view(id);
        let Some((view, site)) = found.and_then(|view| Some((view, site(view)?))) else {
            proof.due = now + every;
            return Vec::new();
        };
        if permits.against(&line.id, view, now).is_some() || is_busy(plant, line, view) {
            proof.due = now + ANSWER;
            return Vec::new();
        }
        let mut out = vec![Due::Shoot(site.clone(), id.clone())];
        if proof.tries == TRIES && !proof.silent {
            proof.silent = true;
            out.push(Due::Silent(site, id.clone(), proof.since));
        }
        proof.tries = proof.tries.saturating_add(1);
        // One that stays silent is asked more and more seldom, but never given up.
        proof.due = now + if proof.silent { every / 4 } else { ANSWER };
        self.asked = Some(now);
        out
    }
}

/// Whether the fibre of a view carries light that a shot in the same band would disturb.
pub(super) fn is_busy(plant: &Plant, line: &Line, view: &View) -> bool {
    let at = |id| line.node(id).map(|node| node.chainage);
    let (Some(own), far) = (at(&view.node), view.until.as_ref().and_then(at)) else {
        return false;
    };
    let end = match view.toward {
        silkline_protocol::plant::Toward::A => silkline_protocol::unit::RouteLength::of(0.0),
        silkline_protocol::plant::Toward::B => line.length(),
    };
    let far = far.unwrap_or(end);
    let (low, high) = if own < far { (own, far) } else { (far, own) };
    let hops = plant.paths.iter().flat_map(|path| &path.hops);
    let mut carries = hops
        .filter(|hop| hop.line == line.id && hop.fibre == view.fibre)
        .filter_map(|hop| at(&hop.from).zip(at(&hop.to)));
    view.wavelength < WATCHING
        && carries.any(|(a, b)| (a < high || b < high) && (a > low || b > low))
}

/// A part of `every` that is the view's own, so that not all are shot at the same time.
fn share(view: &ViewId, every: Duration) -> Duration {
    // FNV-1a: the same on every machine and in every version.
    let hash = view.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    every / 1024 * (hash % 1024)
}

#[cfg(test)]
mod tests {
    use silkline_protocol::permit::{Fields, Permit};

    use super::*;
    use crate::engine::permits::PermitChange;
    use crate::engine::tests::ground::plant;

    const DAY: Duration = Duration::from_secs(86_400);

    fn start() -> Timestamp {
        Timestamp::from_seconds(1_800_000_000)
    }

    fn views() -> Vec<ViewId> {
        let plant = plant();
        plant.lines[0]
            .views
            .iter()
            .map(|view| view.id.clone())
            .collect()
    }

    /// What is due until `hours` after the start, with the hour.
    fn due(proofs: &mut Proofs, permits: &Permits, hours: u64) -> Vec<(u64, Due)> {
        let plant = plant();
        let until = start() + Duration::from_secs(3600 * hours);
        let mut all = Vec::new();
        while let Some(at) = proofs.deadline().filter(|at| *at < until) {
            let found = proofs.expire((&plant, &plant.lines[0]), permits, (DAY, at));
            let hour = (at - start()).as_secs() / 3600;
            all.extend(found.into_iter().map(|due| (hour, due)));
        }
        all
    }

    #[test]
    fn every_view_is_asked_for_once_a_day_at_a_time_of_its_own() {
        let mut proofs = Proofs::default();
        assert_eq!(proofs.deadline(), None, "no instrument, no proof");
        proofs.instrument(views().into_iter(), (DAY, start()));
        let first = proofs.deadline().unwrap();
        let asked = due(&mut proofs, &Permits::default(), 24);
        let shot = |view: &ViewId| {
            let of = |it: &&(u64, Due)| matches!(&it.1, Due::Shoot(_, id) if id == view);
            asked.iter().find(of).map(|it| it.0)
        };
        let hours: Vec<_> = views().iter().map(|view| shot(view).unwrap()).collect();
        assert!(hours[0] != hours[1], "{hours:?}");
        for view in views() {
            proofs.shot(&view, DAY, first);
        }
        assert_eq!(proofs.deadline().map(|at| at - first), Some(DAY));
    }

    #[test]
    fn a_view_that_answers_no_shot_is_silent_until_a_trace_comes() {
        let mut proofs = Proofs::default();
        let view = views()[0].clone();
        proofs.shot(&view, DAY, start());
        let asked = due(&mut proofs, &Permits::default(), 30);
        let shots = asked.iter().filter(|it| matches!(it.1, Due::Shoot(..)));
        assert_eq!(shots.map(|it| it.0).collect::<Vec<_>>(), [24, 25, 26, 27]);
        let said: Vec<_> = asked
            .iter()
            .filter(|it| matches!(it.1, Due::Silent(..)))
            .collect();
        assert!(
            matches!(said[..], [(27, Due::Silent(_, _, since))] if *since == start()),
            "{said:?}"
        );
        assert_eq!(
            due(&mut proofs, &Permits::default(), 60)
                .iter()
                .filter(|it| matches!(it.1, Due::Silent(..)))
                .count(),
            0,
            "said once"
        );
        assert!(proofs.shot(&view, DAY, start()));
        assert!(!proofs.shot(&view, DAY, start()));
    }

    #[test]
    fn nothing_is_shot_against_a_permit_and_nobody_is_silent_for_it() {
        let mut proofs = Proofs::default();
        proofs.instrument(views().into_iter(), (DAY, start()));
        let permit = Permit::new(Fields {
            id: "p-1".parse().unwrap(),
            person: "Aysel".into(),
            contact: String::new(),
            line: "dsw".parse().unwrap(),
            fibres: Vec::new(),
            from: start(),
            until: start() + 3 * DAY,
        });
        let mut permits = Permits::default();
        permits.take(PermitChange::Set(permit.unwrap()));
        assert_eq!(due(&mut proofs, &permits, 72), []);
        assert!(
            !due(&mut proofs, &permits, 74).is_empty(),
            "and soon after it"
        );
    }

    #[test]
    fn two_shots_of_a_line_are_never_asked_for_together() {
        let mut proofs = Proofs::default();
        for view in views() {
            proofs.shot(&view, DAY, start());
        }
        let plant = plant();
        let at = start() + DAY;
        let ask = |proofs: &mut Proofs, at| {
            let permits = Permits::default();
            proofs
                .expire((&plant, &plant.lines[0]), &permits, (DAY, at))
                .len()
        };
        assert_eq!((ask(&mut proofs, at), ask(&mut proofs, at)), (1, 0));
        assert_eq!(ask(&mut proofs, at + APART), 1);
    }

    #[test]
    fn a_fibre_with_traffic_is_busy_unless_it_is_watched_in_another_band() {
        let mut plant = (*plant()).clone();
        let line = plant.lines[0].clone();
        let dark = line.views[0].clone();
        assert!(!is_busy(&plant, &line, &dark));
        let mut lit = View {
            fibre: "f1".parse().unwrap(),
            ..dark
        };
        assert!(is_busy(&plant, &line, &lit));
        lit.wavelength = Nanometres::of(1650.0);
        assert!(!is_busy(&plant, &line, &lit));
        lit.wavelength = Nanometres::of(1550.0);
        plant.paths[0].hops.retain(|hop| hop.fibre != lit.fibre);
        assert!(!is_busy(&plant, &line, &lit));
    }
}
