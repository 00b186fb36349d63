//! An OTDR, a switch and an amplifier behind one gateway, from lost light to the trace in the spool.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use silkline_protocol::message::{Event, EventKind};
use silkline_protocol::permit::{Fields, Permit};

use super::*;
use crate::permit::{By, Kept, Now, Shelf};
use crate::profile::Sum;
use crate::rig::{Gateway, Site, wait_until};
use crate::trigger::Through;

const OTDR: u8 = 1;
const SWITCH: u8 = 2;
const AMPLIFIER: u8 = 3;

/// How the hardware misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Well,
    /// The switch stays where it is.
    Stuck,
    /// The switch goes elsewhere while the OTDR measures.
    Slips,
    /// The check sum is that of something else.
    Damaged,
}

/// A hut with three units behind one gateway.
struct Hut {
    gateway: Gateway,
    site: Site,
    _folder: tempfile::TempDir,
    traces: PathBuf,
}

fn high_low(value: usize) -> [i16; 2] {
    let value = u32::try_from(value).unwrap();
    let [a, b, c, d] = value.to_be_bytes();
    [i16::from_be_bytes([a, b]), i16::from_be_bytes([c, d])]
}

fn put_long(gateway: &Gateway, register: u16, value: usize) {
    let [high, low] = high_low(value);
    gateway.set(OTDR, register, high);
    gateway.set(OTDR, register + 1, low);
}

/// What the hardware does when it is written to.
fn behave(gateway: &Gateway, sor: Vec<u8>, way: Arc<Mutex<Way>>) {
    gateway.set(OTDR, 0, 2);
    gateway.set(SWITCH, 0, i16::from_be_bytes(*b"SW"));
    gateway.set(SWITCH, 1, 1);
    gateway.set(AMPLIFIER, 0, 1);
    for register in [16, 32] {
        gateway.set(AMPLIFIER, register, -1720);
    }
    let shots = Mutex::new(0);
    gateway.on_write(move |gateway, unit, register, words| {
        let way = *way.lock().unwrap();
        let word = |at: usize| i16::try_from(words[at]).unwrap();
        match (unit, register) {
            (SWITCH, 10) if way != Way::Stuck => gateway.set(SWITCH, 1, word(0)),
            (OTDR, 100) => {
                let mut shots = shots.lock().unwrap();
                *shots += 1;
                // A shot of no length: its trace is there when the state is read next.
                gateway.set(OTDR, 1, 2);
                put_long(gateway, 3, *shots);
                put_long(gateway, 5, sor.len());
                let sum = Sum::Crc32.of(&sor) ^ u32::from(way == Way::Damaged);
                put_long(gateway, 7, sum.try_into().unwrap());
                if way == Way::Slips {
                    gateway.set(SWITCH, 1, 7);
                }
            }
            (OTDR, 110) => {
                let block = sor.get(usize::from(words[0]) * 200..).unwrap_or(&[]);
                let mut block = block[..block.len().min(200)].to_vec();
                block.resize(200, 0);
                for (at, pair) in (1000..).zip(block.chunks_exact(2)) {
                    gateway.set(OTDR, at, i16::from_be_bytes([pair[0], pair[1]]));
                }
                gateway.set(OTDR, 110, word(0));
            }
            _ => {}
        }
    });
}

impl Hut {
    async fn new(way: Way) -> (Self, Arc<Mutex<Way>>) {
        let gateway = Gateway::default();
        let way = Arc::new(Mutex::new(way));
        behave(&gateway, crate::folder::tests::trace(1), Arc::clone(&way));
        let address = gateway.serve().await;
        let folder = tempfile::tempdir().unwrap();
        let traces = folder.path().to_owned();
        let unit = |id: &str, profile: &str, unit: u8| {
            format!(
                "[[device]]\nid = \"{id}\"\nprofile = \"{profile}\"\naddress = \"{address}\"\n\
                 unit = {unit}\npoll = \"100ms\"\n"
            )
        };
        let text = format!(
            "site = \"ganja\"\nlines = [\"baku-poti\"]\n{}{}{}folder = {traces:?}\nscan = \"20ms\"\n\
             settle = \"60ms\"\n[device.switch]\ndevice = \"switch-1\"\n[[device.view]]\nport = 3\n\
             view = \"east\"\naverage = \"1s\"\nshoot_when_dark = [\"edfa-1.in_power.1\"]\n",
            unit("edfa-1", "silkline-edfa", AMPLIFIER),
            unit("switch-1", "silkline-switch", SWITCH),
            unit("otdr-1", "silkline-otdr-modbus", OTDR),
        );
        let site = Site::start(&text);
        site.watch("otdr-1");
        let hut = Self {
            gateway,
            site,
            _folder: folder,
            traces,
        };
        hut.site
            .store
            .wait("the amplifier's light", |store| {
                store.samples("edfa-1").pop()
            })
            .await;
        (hut, way)
    }

    fn lose_light(&self) {
        self.gateway.set(AMPLIFIER, 16, i16::MIN);
    }

    async fn event(&self, kind: EventKind) -> Event {
        let found = |store: &crate::rig::Store| {
            let mut events = store.events("otdr-1").into_iter();
            events.find(|event| event.kind == kind)
        };
        self.site.store.wait(&format!("{kind:?}"), found).await
    }

    fn written(&self, unit: u8, register: u16) -> Vec<Vec<u16>> {
        let writes = self.gateway.writes().into_iter();
        let there = writes.filter(|(at, from, _)| (*at, *from) == (unit, register));
        there.map(|(_, _, words)| words).collect()
    }

    /// What comes of asking the switch for port 3.
    async fn turn(&self) -> Result<(), Unshot> {
        let switch: DeviceId = "switch-1".parse().unwrap();
        let (done, outcome) = oneshot::channel();
        let through = Through {
            switch: switch.clone(),
            line: "baku-poti".parse().unwrap(),
            fibre: None,
        };
        let poller = self.site.pollers.of(&switch).unwrap();
        let ask = Ask::Turn {
            through,
            port: 3,
            done,
        };
        poller.send(ask).await.unwrap();
        outcome.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_light_turns_the_switch_and_the_blocks_become_a_trace() {
    let (hut, _) = Hut::new(Way::Well).await;
    hut.lose_light();
    let traces =
        |store: &crate::rig::Store| Some(store.of("otdr-1", "trace")).filter(|t| !t.is_empty());
    let traces = hut.site.store.wait("the trace", traces).await;
    assert_eq!(traces[0].payload, crate::folder::tests::trace(1));
    let properties = format!("{:?}", traces[0]);
    assert!(properties.contains("light_lost"), "{properties}");
    assert!(properties.contains("east"), "{properties}");
    assert_eq!(
        hut.written(SWITCH, 10),
        [[3]],
        "turned once, to the view's port"
    );
    let shots = hut.written(OTDR, 100);
    assert_eq!(shots, [[1, 0, 1000, 1, 1]], "the OTDR's own port is 1");
    // Nobody's polls stood still meanwhile.
    let asked = hut.gateway.asked(AMPLIFIER);
    wait_until("further polls", || hut.gateway.asked(AMPLIFIER) > asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_the_folder_cannot_take_goes_to_the_spool_by_itself() {
    let (hut, _) = Hut::new(Way::Well).await;
    // No folder any more: nothing can be written there, as on a disk that is read-only.
    std::fs::remove_dir_all(&hut.traces).unwrap();
    std::fs::write(&hut.traces, "").unwrap();
    hut.lose_light();
    let traces =
        |store: &crate::rig::Store| Some(store.of("otdr-1", "trace")).filter(|t| !t.is_empty());
    let traces = hut.site.store.wait("the trace", traces).await;
    assert_eq!(traces[0].payload, crate::folder::tests::trace(1));
    let properties = format!("{:?}", traces[0]);
    assert!(properties.contains("light_lost"), "{properties}");
    assert!(properties.contains("east"), "{properties}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_does_not_confirm_means_no_shot() {
    let (hut, way) = Hut::new(Way::Stuck).await;
    let Err(Unshot::Fault(fault)) = hut.turn().await else {
        panic!("confirmed")
    };
    let said = fault.to_string();
    assert!(said.contains("stands at port 1, want 3"), "{said}");
    assert!(hut.written(OTDR, 100).is_empty());
    *way.lock().unwrap() = Way::Well;
    assert_eq!(hut.turn().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_through_a_switch_that_slipped_is_nobodys() {
    let (hut, _) = Hut::new(Way::Slips).await;
    hut.lose_light();
    let failed = hut.event(EventKind::ShotFailed).await;
    assert!(
        failed
            .detail
            .contains("stands at port 7 after the shot, want 3"),
        "{failed:?}"
    );
    let refused = hut.event(EventKind::FileRefused).await;
    assert!(refused.detail.contains("nobody knows"), "{refused:?}");
    assert!(hut.site.store.of("otdr-1", "trace").is_empty());
    wait_until("the trace to be set aside", || {
        let failed = std::fs::read_dir(hut.traces.join("failed"));
        failed.is_ok_and(|files| files.count() == 2)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_with_a_wrong_check_sum_is_set_aside_with_its_reason() {
    let (hut, _) = Hut::new(Way::Damaged).await;
    hut.lose_light();
    let failed = hut.event(EventKind::ShotFailed).await;
    assert!(failed.detail.contains("check sum"), "{failed:?}");
    let reason = || {
        let files = std::fs::read_dir(hut.traces.join("failed")).ok()?;
        let mut paths = files.flatten().map(|entry| entry.path());
        let path = paths.find(|path| path.extension().is_some_and(|e| e == "reason"))?;
        std::fs::read_to_string(path).ok()
    };
    wait_until("the reason", || {
        reason().is_some_and(|said| said.contains("check sum"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_at_work_keeps_the_switch_where_it_is() {
    let (hut, _) = Hut::new(Way::Well).await;
    let now = hut.site.clock.now();
    let permit = Permit::new(Fields {
        id: "p-1".parse().unwrap(),
        person: "Aydin Mammadov".to_owned(),
        contact: String::new(),
        line: "baku-poti".parse().unwrap(),
        fibres: Vec::new(),
        from: now,
        until: now + std::time::Duration::from_secs(3600),
    })
    .unwrap();
    let kept = Kept::taken(permit, By::Site, &Now::by(&hut.site.clock));
    Shelf::of(&hut.site.config.data).put(&kept).unwrap();
    hut.lose_light();
    let blocked = hut.event(EventKind::ShotBlocked).await;
    assert!(blocked.detail.contains("Aydin Mammadov"), "{blocked:?}");
    assert!(hut.written(SWITCH, 10).is_empty() && hut.written(OTDR, 100).is_empty());
}
