//! Two configurations on one history: what only one of them says.

use silkline_analysis::series::Anomaly;

use super::history::Said;

/// What both say. Anomalies are small, and as many as people can be bothered with.
#[derive(Clone, Debug, Default)]
pub(super) struct Differ {
    first: Side,
    second: Side,
}

#[derive(Clone, Debug, Default)]
struct Side {
    anomalies: Vec<Anomaly>,
    incidents: u64,
    told: u64,
}

impl Side {
    fn take(&mut self, said: Vec<Said>) {
        for said in said {
            match said {
                Said::Anomaly(anomaly) => self.anomalies.push(*anomaly),
                Said::Incident(_) => self.incidents += 1,
                Said::Told(_) => self.told += 1,
            }
        }
    }

    /// Whether it says the same of the same point at a time in common.
    fn holds(&self, other: &Anomaly) -> bool {
        self.anomalies.iter().any(|own| {
            let same = (&own.device, &own.point, own.kind);
            let begins = |a: &Anomaly, b: &Anomaly| b.to.is_none_or(|to| a.raised < to);
            same == (&other.device, &other.point, other.kind)
                && own.line == other.line
                && begins(own, other)
                && begins(other, own)
        })
    }
}

impl Differ {
    pub(super) fn first(&mut self, said: Vec<Said>) {
        self.first.take(said);
    }

    pub(super) fn second(&mut self, said: Vec<Said>) {
        self.second.take(said);
    }

    /// What only one says, with the option that names it, in the order of time.
    pub(super) fn only(&self) -> Vec<(&'static str, &Anomaly)> {
        let alone = |side: &'_ Side, a: &Anomaly| !side.holds(a);
        let first = self.first.anomalies.iter();
        let second = self.second.anomalies.iter();
        let first = first.filter(|a| alone(&self.second, a));
        let second = second.filter(|a| alone(&self.first, a));
        let mut all: Vec<_> = first
            .map(|a| ("config", a))
            .chain(second.map(|a| ("against", a)))
            .collect();
        all.sort_by_key(|(_, anomaly)| anomaly.raised);
        all
    }

    /// The counts of both for people.
    pub(super) fn said(&self) -> String {
        let of = |name: &str, side: &Side| {
            format!(
                "{name}: {} anomalies, {} incidents, people told {} times",
                side.anomalies.len(),
                side.incidents,
                side.told
            )
        };
        format!(
            "{}\n{}",
            of("config", &self.first),
            of("against", &self.second)
        )
    }
}
