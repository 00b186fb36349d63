//! Tells the collector which permits hold and which have ended, whoever changed them.
//!
//! Every permit in force is told anew at each start: by its number that is no other permit. The file
//! of one that is over goes only when its end is in the spool.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use silkline_protocol::id::{DeviceId, PermitId};
use silkline_protocol::message::{Body, Event, EventKind};
use silkline_protocol::permit::Permit;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{By, Kept, Now, Shelf, ShelfError, Standing};
use crate::clock::Clock;
use crate::config::Config;
use crate::edge::EdgeHandle;

/// How often the folder is looked at: people at the site change it too.
const LOOK: Duration = Duration::from_secs(2);

/// The loop that tells what becomes of permits.
#[derive(Debug)]
pub struct Watch {
    shelf: Shelf,
    config: watch::Receiver<Arc<Config>>,
    edge: EdgeHandle,
    clock: Clock,
    told: BTreeMap<PermitId, Permit>,
    fault: Option<String>,
}

/// Something to be told of a permit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct News {
    permit: Permit,
    kind: EventKind,
    detail: &'static str,
    /// Whether it is news of a permit that holds.
    holds: bool,
    /// What goes once it has been told.
    over: Option<Kept>,
}

impl Watch {
    /// Watches the permits of the agent of `config`.
    ///
    /// # Errors
    ///
    /// Where their folder can't be made.
    pub fn new(
        config: watch::Receiver<Arc<Config>>,
        edge: EdgeHandle,
        clock: Clock,
    ) -> Result<Self, ShelfError> {
        let shelf = Shelf::of(&config.borrow().data);
        shelf.prepare()?;
        Ok(Self {
            shelf,
            config,
            edge,
            clock,
            told: BTreeMap::new(),
            fault: None,
        })
    }

    /// Tells until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            self.look().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn look(&mut self) {
        let now = Now::by(&self.clock);
        let kept = match self.shelf.read() {
            Ok(kept) => kept,
            Err(error) => {
                let error = error.to_string();
                if self.fault.as_ref() != Some(&error) {
                    tracing::error!(error, "permits can't be read: every shot is blocked");
                }
                self.fault = Some(error);
                return;
            }
        };
        self.fault = None;
        for news in news(&kept, &self.told, &now) {
            if !self.tell(&news, &now).await {
                return;
            }
            if news.holds {
                // Set at the site: the command has seen to it already where it came from the collector.
                self.edge.permitted(&news.permit).await;
            }
            let id = news.permit.id().clone();
            match news.kind {
                EventKind::PermitSet => self.told.insert(id, news.permit),
                _ => self.told.remove(&id),
            };
            if let Some(Err(error)) = news.over.map(|over| self.shelf.clear(&over)) {
                tracing::warn!(%error, "a permit that is over stays");
            }
        }
    }

    /// Whether the spool took it.
    async fn tell(&self, news: &News, now: &Now) -> bool {
        let (permit, kind) = (news.permit.to_string(), news.kind);
        tracing::info!(permit, ?kind, detail = news.detail, "permit");
        let Some(device) = about(&self.config.borrow(), &news.permit) else {
            return true;
        };
        let event = Event {
            at: now.at,
            kind: news.kind,
            point: None,
            detail: format!("{}: {permit}", news.detail),
            permit: Some(news.permit.clone()),
            place: None,
        };
        let lines = vec![news.permit.fields().line.clone()];
        let done = self.edge.append(lines, Body::Event(device, event)).await;
        if let Err(error) = &done {
            tracing::warn!(%error, "what became of a permit is told later");
        }
        done.is_ok()
    }
}

/// The device under which a permit is told: an instrument that it keeps from shooting, else any of the
/// line.
fn about(config: &Config, permit: &Permit) -> Option<DeviceId> {
    let line = &permit.fields().line;
    let sees = |device: &&crate::config::Device| {
        let mut views = device.otdr.iter().flat_map(|otdr| &otdr.views);
        views.any(|view| permit.covers(&view.line, view.fibre.as_ref()))
    };
    let serves = |device: &&crate::config::Device| device.all_lines().any(|served| served == line);
    let mut devices = config.devices.iter();
    let instrument = devices.find(sees);
    let found = instrument.or_else(|| config.devices.iter().find(serves));
    found.map(|device| device.id.clone())
}

/// What has changed since `told`.
fn news(kept: &[Kept], told: &BTreeMap<PermitId, Permit>, now: &Now) -> Vec<News> {
    let mut all = Vec::new();
    for kept in kept {
        let permit = kept.permit.clone();
        if kept.standing(now) == Standing::Over {
            let detail = if kept.revoked.is_some() {
                "taken back"
            } else {
                "run out"
            };
            let (kind, over) = (EventKind::PermitEnded, Some(kept.clone()));
            all.push(News {
                permit,
                kind,
                detail,
                holds: false,
                over,
            });
        } else if told.get(permit.id()) != Some(&permit) {
            let detail = match kept.by {
                By::Collector => "set by the collector",
                By::Site => "set at the site",
            };
            let (kind, over) = (EventKind::PermitSet, None);
            all.push(News {
                permit,
                kind,
                detail,
                holds: kept.standing(now) == Standing::Holds,
                over,
            });
        }
    }
    let gone = told
        .values()
        .filter(|permit| kept.iter().all(|kept| kept.permit.id() != permit.id()));
    all.extend(gone.map(|permit| News {
        permit: permit.clone(),
        kind: EventKind::PermitEnded,
        detail: "its file was taken away",
        holds: false,
        over: None,
    }));
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::{now, permit};
    use super::*;
    use silkline_protocol::message::ClockState::Synchronised;

    #[test]
    fn what_is_set_is_told_once_and_again_when_it_changes() {
        let at = now(150, Synchronised, "a");
        let take = |until| Kept::taken(permit("p", &[], (100, until)), By::Site, &at);
        let kinds = |all: Vec<News>| -> Vec<EventKind> { all.iter().map(|n| n.kind).collect() };
        let first = [take(200)];
        let mut told = BTreeMap::new();
        assert_eq!(kinds(news(&first, &told, &at)), [EventKind::PermitSet]);
        told.insert("p".parse().unwrap(), first[0].permit.clone());
        assert!(news(&first, &told, &at).is_empty());
        assert_eq!(
            kinds(news(&[take(300)], &told, &at)),
            [EventKind::PermitSet]
        );
        assert_eq!(kinds(news(&[], &told, &at)), [EventKind::PermitEnded]);
        let later = now(200, Synchronised, "a");
        let ended = news(&first, &told, &later);
        assert_eq!(ended[0].detail, "run out");
        assert_eq!(ended[0].over.as_ref(), Some(&first[0]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_spool_has_what_became_of_a_permit_before_its_file_goes() {
        let site = crate::rig::Site::start(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\n[[device]]\nid = \"e\"\n\
             profile = \"silkline-edfa\"\naddress = \"127.0.0.1:1\"\npoll = \"24h\"\n",
        );
        let shelf = Shelf::of(&site.config.data);
        let (_, config) = watch::channel(site.config.clone());
        let watch = Watch::new(config, site.edge.clone(), site.clock).unwrap();
        let kept = Kept::taken(
            permit("p", &[], (100, 200)),
            By::Collector,
            &now(150, Synchronised, "a"),
        );
        shelf.put(&kept).unwrap();
        tokio::spawn(watch.run(site.stop()));
        let kinds = |store: &crate::rig::Store| -> Vec<EventKind> {
            store.events("e").iter().map(|event| event.kind).collect()
        };
        let told = |wanted: &'static [EventKind]| {
            move |store: &crate::rig::Store| (kinds(store) == wanted).then_some(())
        };
        site.store
            .wait("the permit", told(&[EventKind::PermitSet]))
            .await;
        shelf.revoke(kept.permit.id(), site.clock.now()).unwrap();
        let both = &[EventKind::PermitSet, EventKind::PermitEnded];
        site.store.wait("its end", told(both)).await;
        let event = &site.store.events("e")[1];
        assert_eq!(event.permit.as_ref(), Some(&kept.permit));
        assert!(event.detail.starts_with("taken back"), "{}", event.detail);
        crate::rig::wait_until("the file to go", || shelf.read().unwrap().is_empty()).await;
    }
}
