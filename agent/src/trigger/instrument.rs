//! One OTDR: which of its views wants a shot, and what it is doing.

use core::time::Duration;

use silkline_protocol::id::{DeviceId, ViewId};
use silkline_protocol::message::{EventKind, Trigger};
use silkline_protocol::permit::Permit;

use crate::clock::Moment;
use crate::config::{Behind, Config, Device, PointRef, View};
use crate::driver::otdr::ShotSettings;

use crate::permit::Blocked;
use crate::profile::ShotMap;

use super::round::Round;
use super::{Act, FILE_MARGIN, Lights, Origin, Outcome, Through, Told};

/// How soon a shot that was refused is asked for again: an instrument may be busy for other reasons.
const RETRY: Duration = Duration::from_secs(5);
/// How often a shot is asked for before it is given up.
const TRIES: u32 = 6;
/// How soon after a permit blocked a shot for lost light it is looked at again.
const BLOCKED: Duration = Duration::from_secs(30);
/// How old a light's word may be beside its polls.
const WORD: Duration = Duration::from_secs(5);
/// How many times longer than at first a view that flaps may hold off.
const LONGEST_HOLD: u32 = 16;

/// One OTDR with its views.
#[derive(Clone, Debug)]
pub(super) struct Instrument {
    device: DeviceId,
    startable: bool,
    can_abort: bool,
    /// How long the agent may take to read a trace.
    fetch: Duration,
    behind: Option<Behind>,
    round: Round,
    hold_off: Duration,
    views: Vec<Watched>,
    state: State,
}

#[derive(Clone, Debug)]
struct Watched {
    view: View,
    wanted: Option<Wanted>,
    /// Points that tell traffic, each with how old its word may be; none where shots disturb nobody.
    traffic: Vec<(PointRef, Duration)>,
    hold: Hold,
    /// What kept the last shot from being taken.
    blocked_by: Option<Blocked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    trigger: Trigger,
    tries: u32,
}

/// When lost light may ask for the next shot of a view.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Option<Moment>,
    length: Duration,
    postponed: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// A start was sent, and what came of it is not known yet.
    Asked {
        at: usize,
        wanted: Wanted,
    },
    /// A start was refused.
    Resting {
        until: Moment,
    },
    /// A shot runs; its file is on the way.
    Shooting {
        at: usize,
        trigger: Trigger,
        until: Moment,
        seen_running: bool,
        /// Whether it was asked to stop, for something more urgent.
        aborting: bool,
    },
}

impl Instrument {
    /// The instrument that `device` is, if it is one.
    pub(super) fn new(config: &Config, device: &Device, now: Moment) -> Option<Self> {
        let otdr = device.otdr.as_ref()?;
        let shot = device.profile.shot.as_ref();
        let needs_dark = shot.is_some_and(|shot| shot.needs_dark);
        let hold = Hold {
            until: None,
            length: otdr.hold_off,
            postponed: false,
        };
        let views = otdr.views.iter().map(|view| Watched {
            view: view.clone(),
            wanted: None,
            traffic: if needs_dark {
                traffic(config, view)
            } else {
                Vec::new()
            },
            hold,
            blocked_by: None,
        });
        Some(Self {
            device: device.id.clone(),
            startable: shot.is_some() && device.address.is_some(),
            can_abort: shot.is_some_and(ShotMap::can_abort),
            fetch: shot
                .and_then(|shot| shot.fetch.as_ref())
                .map_or(Duration::ZERO, |fetch| fetch.within),
            behind: otdr.switch.clone(),
            round: Round::new(&otdr.turns(), now),
            hold_off: otdr.hold_off,
            views: views.collect(),
            state: State::Idle,
        })
    }

    pub(super) const fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Wants a shot of each view that watches `point`, or remembers to when it may.
    pub(super) fn light_lost(&mut self, point: &PointRef, now: Moment) {
        let base = self.hold_off;
        for watched in &mut self.views {
            if watched.view.shoot_when_dark.contains(point) && !watched.is_wanted_for_light() {
                watched.lose(base, now);
            }
        }
    }

    /// Wants a shot of `view`; `None` where the instrument does not have it, `Some(false)` where it
    /// can't be started.
    pub(super) fn want(&mut self, view: &ViewId, trigger: Trigger) -> Option<bool> {
        let watched = self
            .views
            .iter_mut()
            .find(|watched| watched.view.view == *view)?;
        if self.startable {
            watched.want(trigger);
        }
        Some(self.startable)
    }

    pub(super) fn started(&mut self, outcome: &Outcome, now: Moment) -> Vec<Act> {
        let State::Asked { at, wanted } = self.state else {
            return Vec::new();
        };
        match outcome {
            Outcome::Taken => self.taken((at, wanted), now),
            Outcome::Refused(fault) => self.refused((at, wanted), fault, now),
            Outcome::Blocked(blocked) => self.blocked((at, wanted), blocked, now),
        }
    }

    fn taken(&mut self, (at, wanted): (usize, Wanted), now: Moment) -> Vec<Act> {
        let Some(watched) = self.views.get_mut(at) else {
            return Vec::new();
        };
        watched.blocked_by = None;
        let until = now + watched.view.average + self.fetch + FILE_MARGIN;
        let trigger = wanted.trigger;
        self.state = State::Shooting {
            at,
            trigger,
            until,
            seen_running: false,
            aborting: false,
        };
        vec![self.tell(at, EventKind::ShotStarted, trigger.word())]
    }

    fn refused(&mut self, (at, wanted): (usize, Wanted), fault: &str, now: Moment) -> Vec<Act> {
        let Some(watched) = self.views.get_mut(at) else {
            return Vec::new();
        };
        self.state = State::Resting { until: now + RETRY };
        let tries = wanted.tries + 1;
        if tries < TRIES {
            watched.want_again(Wanted { tries, ..wanted });
            return Vec::new();
        }
        self.round.missed(at, now);
        let detail = format!("{}: not started: {fault}", wanted.trigger.word());
        vec![self.tell(at, EventKind::ShotFailed, &detail)]
    }

    /// A shot that a permit blocks is not taken, whatever its reason. What was wanted for lost light is
    /// looked at again while it stays dark; the same permit is told once.
    fn blocked(&mut self, (at, wanted): (usize, Wanted), by: &Blocked, now: Moment) -> Vec<Act> {
        self.state = State::Idle;
        if wanted.trigger == Trigger::Schedule {
            self.round.missed(at, now);
        }
        let Some(watched) = self.views.get_mut(at) else {
            return Vec::new();
        };
        if wanted.trigger == Trigger::LightLost {
            watched.hold.postponed = true;
            watched.hold.until = Some(now + BLOCKED);
        }
        if wanted.trigger != Trigger::Command && watched.blocked_by.as_ref() == Some(by) {
            return Vec::new();
        }
        watched.blocked_by = Some(by.clone());
        let detail = format!("{}: {by}", wanted.trigger.word());
        let permit = by.permit().cloned();
        let told = self.told(at, EventKind::ShotBlocked, &detail);
        vec![Act::Tell(Told { permit, ..told })]
    }

    /// A failure counts only after the shot was seen not to have failed: before that, the instrument
    /// speaks of the shot before.
    pub(super) fn shot_state(&mut self, failed: bool, now: Moment) -> Vec<Act> {
        let State::Shooting {
            at,
            trigger,
            seen_running,
            ..
        } = &mut self.state
        else {
            return Vec::new();
        };
        if !failed {
            *seen_running = true;
            return Vec::new();
        }
        if !*seen_running {
            return Vec::new();
        }
        let (at, trigger) = (*at, *trigger);
        self.state = State::Idle;
        self.round.missed(at, now);
        let detail = format!("{}: the instrument reports a failure", trigger.word());
        vec![self.tell(at, EventKind::ShotFailed, &detail)]
    }

    /// The shot of `port` brought no trace. What was to show a break is taken again after a while, if it
    /// is still dark.
    pub(super) fn unfetched(&mut self, port: u16, reason: &str, now: Moment) -> Vec<Act> {
        let State::Shooting { at, trigger, .. } = self.state else {
            return Vec::new();
        };
        let Some(watched) = self.views.get_mut(at).filter(|of| of.view.port == port) else {
            return Vec::new();
        };
        if trigger == Trigger::LightLost {
            watched.hold.postponed = true;
        }
        self.state = State::Idle;
        self.round.missed(at, now);
        let detail = format!("{}: {reason}", trigger.word());
        vec![self.tell(at, EventKind::ShotFailed, &detail)]
    }

    /// What a file from `port` shows; `None` where no view has the port.
    ///
    /// A start whose outcome is not known may have been taken on: then this is its file.
    pub(super) fn file(&mut self, port: u16, now: Moment) -> Option<Origin> {
        let found = self
            .views
            .iter()
            .position(|watched| watched.view.port == port)?;
        self.round.traced(found, now);
        let watched = self.views.get_mut(found)?;
        let trigger = match self.state {
            State::Shooting { at, trigger, .. } if at == found => {
                self.state = State::Idle;
                trigger
            }
            State::Asked { at, wanted } if at == found => {
                self.state = State::Idle;
                wanted.trigger
            }
            State::Resting { .. } if watched.wanted.is_some_and(|wanted| wanted.tries > 0) => {
                watched
                    .wanted
                    .take()
                    .map_or(Trigger::Unknown, |wanted| wanted.trigger)
            }
            _ => Trigger::Unknown,
        };
        let (view, line) = (
            Some(watched.view.view.clone()),
            Some(watched.view.line.clone()),
        );
        Some(Origin {
            view,
            line,
            trigger,
        })
    }

    /// Takes what has come due: scheduled shots, ends of hold-offs, files that never came.
    pub(super) fn tick(&mut self, is_dark: impl Fn(&PointRef) -> bool, now: Moment) -> Vec<Act> {
        for watched in &mut self.views {
            watched.tick(&is_dark, self.hold_off, now);
        }
        match self.state {
            State::Resting { until } if until <= now => {
                self.state = State::Idle;
                Vec::new()
            }
            State::Shooting {
                at, trigger, until, ..
            } if until <= now => {
                self.state = State::Idle;
                self.round.missed(at, now);
                let detail = format!("{}: no file came", trigger.word());
                vec![self.tell(at, EventKind::ShotFailed, &detail)]
            }
            _ => Vec::new(),
        }
    }

    /// Starts the most urgent shot where the instrument is free; stops a less urgent one for lost light.
    pub(super) fn go_on(&mut self, lights: &Lights, now: Moment) -> Vec<Act> {
        if !self.startable {
            return Vec::new();
        }
        let light_waits = self.views.iter().any(Watched::is_wanted_for_light);
        match &mut self.state {
            State::Idle => self.begin(lights, now),
            State::Shooting {
                trigger, aborting, ..
            } if light_waits && *trigger != Trigger::LightLost => {
                let ask = self.can_abort && !core::mem::replace(aborting, true);
                let device = self.device.clone();
                ask.then_some(Act::Abort { device }).into_iter().collect()
            }
            State::Shooting { .. } | State::Asked { .. } | State::Resting { .. } => Vec::new(),
        }
    }

    /// Takes what came of an [`Act::Abort`]. What was stopped for something more urgent is taken again:
    /// the round is where it was, and a command is wanted as before.
    pub(super) fn aborted(&mut self, done: bool) {
        let State::Shooting {
            at,
            trigger,
            aborting: true,
            ..
        } = self.state
        else {
            return;
        };
        if !done {
            return;
        }
        self.state = State::Idle;
        if trigger == Trigger::Command
            && let Some(watched) = self.views.get_mut(at)
        {
            watched.want(trigger);
        }
    }

    /// Stops what a new permit does not allow, where it can be; gives the views that are shot.
    pub(super) fn permitted(&mut self, permit: &Permit) -> (Vec<Act>, Vec<ViewId>) {
        let (State::Shooting { at, .. } | State::Asked { at, .. }) = self.state else {
            return (Vec::new(), Vec::new());
        };
        let view = self.views.get(at).map(|watched| &watched.view);
        let covered = view.filter(|view| permit.covers(&view.line, view.fibre.as_ref()));
        let Some(view) = covered.map(|view| view.view.clone()) else {
            return (Vec::new(), Vec::new());
        };
        let mut acts = Vec::new();
        if let State::Shooting { aborting, .. } = &mut self.state
            && self.can_abort
            && !core::mem::replace(aborting, true)
        {
            let device = self.device.clone();
            acts.push(Act::Abort { device });
        }
        (acts, vec![view])
    }

    /// Why a shot of `view` would meet traffic, if it might; nothing where the view is not here.
    pub(super) fn traffic_on(&self, view: &ViewId, lights: &Lights, now: Moment) -> Option<String> {
        let watched = self.views.iter().find(|watched| watched.view.view == *view);
        watched?.lit(lights, now)
    }

    fn begin(&mut self, lights: &Lights, now: Moment) -> Vec<Act> {
        let mut acts = Vec::new();
        // Each turn starts a shot or takes one view out.
        for _ in 0..=self.views.len() {
            let Some((at, wanted)) = self.next(now) else {
                return acts;
            };
            let Some(watched) = self.views.get_mut(at) else {
                return acts;
            };
            watched.wanted = None;
            if let Some(why) = watched.lit(lights, now) {
                acts.extend(self.blocked((at, wanted), &Blocked::Traffic(why), now));
                continue;
            }
            let view = watched.view.clone();
            let behind = self.behind.as_ref();
            self.state = State::Asked { at, wanted };
            acts.push(Act::Start {
                device: self.device.clone(),
                settings: ShotSettings {
                    port: view.port,
                    own_port: behind.map_or(view.port, |behind| behind.own_port),
                    pulse_ns: view.pulse_ns,
                    average: view.average,
                },
                through: behind.map(|behind| Through {
                    switch: behind.switch.clone(),
                    line: view.line,
                    fibre: view.fibre,
                }),
            });
            return acts;
        }
        acts
    }

    /// The most urgent of what is wanted, and else of what is due in the round.
    fn next(&self, now: Moment) -> Option<(usize, Wanted)> {
        let views = self.views.iter().enumerate();
        let wanted = views.filter_map(|(at, watched)| Some((at, watched.wanted?)));
        let scheduled = || {
            let at = self.round.due(now).first().copied()?;
            let trigger = Trigger::Schedule;
            Some((at, Wanted { trigger, tries: 0 }))
        };
        wanted
            .min_by_key(|(_, wanted)| rank(wanted.trigger))
            .or_else(scheduled)
    }

    pub(super) fn deadline(&self, now: Moment) -> Option<Moment> {
        let own = match self.state {
            // What is due at this moment is due: an instrument that is free begins it by itself.
            State::Idle if self.startable && self.next(now).is_some() => Some(now),
            State::Idle | State::Asked { .. } => None,
            State::Resting { until } | State::Shooting { until, .. } => Some(until),
        };
        let scheduled = self.round.deadline(now);
        let holds = self.views.iter().filter(|watched| watched.hold.postponed);
        let holds = holds.filter_map(|watched| watched.hold.until);
        own.into_iter().chain(scheduled).chain(holds).min()
    }

    fn tell(&self, at: usize, kind: EventKind, detail: &str) -> Act {
        Act::Tell(self.told(at, kind, detail))
    }

    fn told(&self, at: usize, kind: EventKind, detail: &str) -> Told {
        let view = self.views.get(at).map(|watched| &watched.view);
        let name = view.map_or("", |view| view.view.as_str());
        Told {
            device: self.device.clone(),
            line: view.map(|view| view.line.clone()),
            kind,
            point: None,
            detail: format!("view {name}, {detail}"),
            permit: None,
        }
    }
}

/// The points that tell whether traffic is on the fibre of `view`: a word is as good as three polls.
fn traffic(config: &Config, view: &View) -> Vec<(PointRef, Duration)> {
    let named = if view.traffic.is_empty() {
        &view.shoot_when_dark
    } else {
        &view.traffic
    };
    let with_age = |point: &PointRef| {
        let poll = config.device(&point.device).map(|device| device.poll);
        let age = poll.unwrap_or_default() * 3 + WORD;
        (point.clone(), age)
    };
    named.iter().map(with_age).collect()
}

/// Light that was lost first, the schedule last.
const fn rank(trigger: Trigger) -> u8 {
    match trigger {
        Trigger::LightLost => 0,
        Trigger::Command => 1,
        Trigger::Schedule => 2,
        Trigger::Unknown => 3,
    }
}

impl Watched {
    /// Why a shot would meet traffic, if it might: light is seen, or nobody has looked lately.
    fn lit(&self, lights: &Lights, now: Moment) -> Option<String> {
        self.traffic.iter().find_map(|(point, age)| {
            let seen = lights.get(point).filter(|light| now - light.at <= *age);
            match seen {
                Some(light) if light.dark => None,
                Some(_) => Some(format!("{point} sees light")),
                None => Some(format!("{point} has not told of late")),
            }
        })
    }

    fn is_wanted_for_light(&self) -> bool {
        self.wanted
            .is_some_and(|wanted| wanted.trigger == Trigger::LightLost)
    }

    /// Keeps the more urgent reason.
    fn want(&mut self, trigger: Trigger) {
        if self
            .wanted
            .is_none_or(|wanted| rank(wanted.trigger) > rank(trigger))
        {
            self.wanted = Some(Wanted { trigger, tries: 0 });
        }
    }

    fn want_again(&mut self, again: Wanted) {
        if self
            .wanted
            .is_none_or(|wanted| rank(wanted.trigger) >= rank(again.trigger))
        {
            self.wanted = Some(again);
        }
    }

    fn lose(&mut self, base: Duration, now: Moment) {
        match self.hold.until {
            Some(until) if now < until => self.hold.postponed = true,
            Some(until) => {
                // Quiet for as long again as it held off: the light is steady.
                let quiet = now - until > self.hold.length;
                let longer = self.hold.length.saturating_mul(2);
                let most = base.saturating_mul(LONGEST_HOLD);
                self.hold.length = if quiet { base } else { longer.min(most) };
                self.shoot_for_light(now);
            }
            None => self.shoot_for_light(now),
        }
    }

    fn shoot_for_light(&mut self, now: Moment) {
        self.hold.postponed = false;
        self.hold.until = Some(now + self.hold.length);
        self.want(Trigger::LightLost);
    }

    fn tick(&mut self, is_dark: impl Fn(&PointRef) -> bool, base: Duration, now: Moment) {
        let over = self.hold.postponed && self.hold.until.is_some_and(|until| until <= now);
        if over {
            self.hold.postponed = false;
            if self.view.shoot_when_dark.iter().any(is_dark) {
                self.lose(base, now);
            }
        }
    }
}
