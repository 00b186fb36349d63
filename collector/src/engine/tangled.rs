//! What is told of an instrument whose views show each other's fibre: a patch cord on the wrong port.

use serde::{Deserialize, Serialize};
use silkline_analysis::series::{Anomaly, Severity};
use silkline_protocol::id::{DeviceId, SiteId, ViewId};
use silkline_protocol::time::Timestamp;

use super::views::Tangle;
use super::{LineEngine, Output, trace_finding};

/// Two views that show each other's fibre.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tangled {
    views: [ViewId; 2],
    anomaly: Anomaly,
}

impl LineEngine {
    /// Takes what a shot of `named` told of its port.
    pub(super) fn tangled(
        &mut self,
        (site, device): (&SiteId, &DeviceId),
        (named, tangle): (&ViewId, Tangle),
        (at, out): (Timestamp, &mut Vec<Output>),
    ) {
        let view = match tangle {
            Tangle::Suspect(view) | Tangle::Refuted(view) => view,
            Tangle::Crossed(other) => {
                let anomaly = self.crossed((site, device), [named, &other], at);
                self.state.tangled.push(Tangled {
                    views: [named.clone(), other.clone()],
                    anomaly: anomaly.clone(),
                });
                let finding = trace_finding(anomaly, (site, device), self.state.now);
                self.find(vec![finding], out);
                other
            }
            Tangle::Undone(other) => {
                let ours = |it: &Tangled| it.views.contains(named) && it.views.contains(&other);
                let all = core::mem::take(&mut self.state.tangled);
                let (over, left): (Vec<_>, Vec<_>) = all.into_iter().partition(ours);
                self.state.tangled = left;
                for Tangled { mut anomaly, .. } in over {
                    anomaly.to = Some(at);
                    let finding = trace_finding(anomaly, (site, device), self.state.now);
                    self.find(vec![finding], out);
                }
                other
            }
        };
        let site = site.clone();
        out.push(Output::Shoot { site, view });
    }

    fn crossed(
        &self,
        instrument: (&SiteId, &DeviceId),
        [one, other]: [&ViewId; 2],
        at: Timestamp,
    ) -> Anomaly {
        let what = format!("{one}/ports/{}", at.nanos());
        let detail =
            format!("views {one} and {other} show each other's fibre: are its ports swapped?");
        self.shot_anomaly(instrument, &what, (Severity::Minor, detail), at)
    }
}
