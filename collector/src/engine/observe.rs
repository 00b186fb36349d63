//! What sites tell of themselves: samples, what devices are, events, agents that come and go.

use super::watch::Stands;
use super::{Input, LineEngine, Output};

impl LineEngine {
    /// Takes what a site told into the watch; whether anything came of it.
    pub(super) fn observe(&mut self, input: Input, out: &mut Vec<Output>) -> bool {
        let now = self.state.now;
        match input {
            Input::Sample {
                site,
                device,
                late,
                sample,
            } => {
                let found = self
                    .state
                    .watch
                    .sample((&site, &device), (&sample, late), now);
                // A reading that changes nothing can still settle a loss.
                self.news(found, out) || self.state.look_again.is_some()
            }
            Input::About {
                site,
                device,
                about,
            } => {
                self.state.watch.about((&site, &device), about, now);
                self.instrument(&site, &device);
                false
            }
            Input::Event {
                site,
                device,
                late,
                event,
            } => {
                let found = self
                    .state
                    .watch
                    .event((&site, &device), (&event, late), now);
                self.news(found, out)
            }
            Input::AgentStatus {
                site,
                agent,
                online,
                metered,
                spool_fault,
            } => {
                let stands = Stands { online, metered };
                let watch = &mut self.state.watch;
                let mut found = watch.agent((&site, &agent), stands, now);
                if online {
                    // One that is gone tells nothing new of its disk.
                    found.extend(watch.spool((&site, &agent), spool_fault.as_deref(), now));
                }
                self.news(found, out)
            }
            Input::Started
            | Input::Tick
            | Input::Elsewhere(_)
            | Input::Trace { .. }
            | Input::Permit(_)
            | Input::Operator { .. } => false,
        }
    }
}
