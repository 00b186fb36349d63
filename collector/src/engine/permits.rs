//! Permits to work as a line's engine knows them: into whose fibres nothing is shot, and which of
//! them everybody who reads of a cause has to know.

use serde::{Deserialize, Serialize};
use silkline_analysis::incident::Kind;
use silkline_protocol::id::{FibreId, LineId, PathId, PermitId};
use silkline_protocol::permit::Permit;
use silkline_protocol::plant::{Plant, View};
use silkline_protocol::time::Timestamp;

/// What became of a permit to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermitChange {
    /// It was granted, or granted anew with other words.
    Set(Permit),
    /// It was taken back before its end.
    Revoked {
        /// Which.
        id: PermitId,
        /// Of which line.
        line: LineId,
    },
}

impl PermitChange {
    /// The line that it is about.
    #[must_use]
    pub const fn line(&self) -> &LineId {
        match self {
            Self::Set(permit) => &permit.fields().line,
            Self::Revoked { line, .. } => line,
        }
    }
}

/// The permits of a line that are not over, by number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Permits(Vec<Permit>);

impl Permits {
    pub(super) fn take(&mut self, change: PermitChange) {
        let id = match &change {
            PermitChange::Set(permit) => permit.id(),
            PermitChange::Revoked { id, .. } => id,
        };
        self.0.retain(|known| known.id() != id);
        if let PermitChange::Set(permit) = change {
            self.0.push(permit);
            self.0.sort_by(|a, b| a.id().cmp(b.id()));
        }
    }

    /// Forgets what is over at `now`.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.0.retain(|permit| now < permit.fields().until);
    }

    /// The next moment at which one begins or ends.
    pub(super) fn deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.0.iter().flat_map(|permit| {
            let fields = permit.fields();
            [fields.from, fields.until]
        });
        ends.filter(|at| *at > now).min()
    }

    /// The permit by which nothing may be shot into the fibre of `view`.
    pub(super) fn against(&self, line: &LineId, view: &View, now: Timestamp) -> Option<&Permit> {
        let blocks = |permit: &&Permit| permit.holds(now) && permit.covers(line, Some(&view.fibre));
        self.0.iter().find(blocks)
    }

    /// The permits that whoever reads of a cause has to know: people at a cable that was cut, or
    /// fed, or bent have all of its fibres before them; a device has those of its paths.
    pub(super) fn beside(
        &self,
        (plant, line): (&Plant, &LineId),
        (kind, paths): (Kind, &[&PathId]),
        now: Timestamp,
    ) -> Vec<Permit> {
        let cable = matches!(kind, Kind::Break | Kind::Degradation | Kind::PowerFeed);
        let fibres: Vec<&FibreId> = paths
            .iter()
            .filter_map(|path| plant.path(path))
            .flat_map(|path| &path.hops)
            .filter(|hop| hop.line == *line)
            .map(|hop| &hop.fibre)
            .collect();
        let concerns = |permit: &&Permit| {
            let named = &permit.fields().fibres;
            let all = named.is_empty() || cable;
            permit.holds(now) && (all || named.iter().any(|fibre| fibres.contains(&fibre)))
        };
        self.0.iter().filter(concerns).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use silkline_protocol::permit::Fields;

    use super::*;
    use crate::engine::tests::ground::plant;

    fn permit(id: &str, fibres: &[&str], from: i64, until: i64) -> Permit {
        Permit::new(Fields {
            id: id.parse().unwrap(),
            person: "Aysel".into(),
            contact: String::new(),
            line: "dsw".parse().unwrap(),
            fibres: fibres.iter().map(|fibre| fibre.parse().unwrap()).collect(),
            from: Timestamp::from_seconds(from),
            until: Timestamp::from_seconds(until),
        })
        .unwrap()
    }

    fn of(all: &[Permit]) -> Permits {
        let mut permits = Permits::default();
        for one in all {
            permits.take(PermitChange::Set(one.clone()));
        }
        permits
    }

    #[test]
    fn a_permit_set_again_replaces_itself_and_goes_when_taken_back_or_over() {
        let mut permits = of(&[permit("p-1", &[], 0, 100), permit("p-1", &[], 0, 200)]);
        assert_eq!(permits.0.len(), 1);
        permits.expire(Timestamp::from_seconds(100));
        assert_eq!(permits.0.len(), 1, "it was made longer");
        permits.expire(Timestamp::from_seconds(200));
        assert!(permits.0.is_empty());
        let mut permits = of(&[permit("p-1", &[], 0, 100)]);
        let (id, line) = ("p-1".parse().unwrap(), "dsw".parse().unwrap());
        permits.take(PermitChange::Revoked { id, line });
        assert!(permits.0.is_empty());
    }

    #[test]
    fn both_its_moments_are_deadlines_once() {
        let permits = of(&[permit("p-1", &[], 50, 100)]);
        let mut due = Vec::new();
        let mut now = Timestamp::from_seconds(0);
        while let Some(at) = permits.deadline(now) {
            due.push(at - Timestamp::EPOCH);
            now = at;
        }
        assert_eq!(due, [50, 100].map(Duration::from_secs));
    }

    #[test]
    fn only_fibres_of_the_permit_are_blocked() {
        let plant = plant();
        let line = &plant.lines[0];
        let view = &line.views[0];
        let now = Timestamp::from_seconds(50);
        let named = |fibres: &[&str]| {
            let permits = of(&[permit("p-1", fibres, 0, 100)]);
            permits.against(&line.id, view, now).is_some()
        };
        assert!(named(&[]) && named(&[view.fibre.as_str()]));
        assert!(!named(&["another"]));
        let permits = of(&[permit("p-1", &[], 0, 100)]);
        assert!(
            permits
                .against(&line.id, view, Timestamp::from_seconds(100))
                .is_none()
        );
    }

    #[test]
    fn a_cut_concerns_every_permit_of_the_cable_and_a_device_those_of_its_paths() {
        let plant = plant();
        let line = &plant.lines[0].id;
        let path = &plant.paths[0];
        let fibre = path.hops[0].fibre.as_str();
        let permits = of(&[
            permit("p-1", &["another"], 0, 9),
            permit("p-2", &[fibre], 0, 9),
        ]);
        let beside = |kind, paths: &[&PathId]| -> Vec<String> {
            let found = permits.beside((&plant, line), (kind, paths), Timestamp::from_seconds(5));
            found.iter().map(|it| it.id().to_string()).collect()
        };
        assert_eq!(beside(Kind::Break, &[]), ["p-1", "p-2"]);
        assert_eq!(beside(Kind::Equipment, &[&path.id]), ["p-2"]);
        assert_eq!(beside(Kind::Equipment, &[]), Vec::<String>::new());
    }
}
