//! One sample through every detector that it concerns.

use std::collections::BTreeMap;

use silkline_analysis::series::dark::Light;
use silkline_analysis::series::past::whole;
use silkline_analysis::series::receiver::Heard;
use silkline_analysis::series::relation::{FAINT, Span};
use silkline_analysis::series::{AnomalyKind, Change, Severity, device_name, rules};
use silkline_protocol::device::Role;
use silkline_protocol::id::{DeviceId, PointName, SiteId};
use silkline_protocol::sample::Sample;
use silkline_protocol::time::Timestamp;

use super::device::Watched;
use super::far::{Fallen, lag};
use super::guide::port_key;
use super::point::{Context, Point};
use super::points::Poll;
use super::ports::Ports;
use super::tune::Tuned;
use super::{Finding, News, Watch};

impl Watch {
    pub(in crate::engine) fn sample(
        &mut self,
        (site, device): (&SiteId, &DeviceId),
        (sample, late): (&Sample, bool),
        now: Timestamp,
    ) -> Vec<Finding> {
        let name = device_name(site, device);
        let number = self.devices.meet(&name, || Watched::new(site, device, now));
        let Some(known) = self.devices.nth_mut(number) else {
            return Vec::new();
        };
        if late {
            self.words.insert(site.clone(), now);
        }
        if late && sample.at <= known.newest {
            return Vec::new();
        }
        known.newest = sample.at;
        let mut news = Vec::new();
        if !late {
            let answered = sample.readings.values().any(|reading| reading.is_good());
            let back = if answered {
                known.answered = sample.at;
                known.seen(now)
            } else {
                known.silent.unanswered();
                None
            };
            self.soonest.moved(known.silent.deadline());
            news.extend(back.map(|change| about((&name, None), AnomalyKind::Silent, change)));
        }
        let places = self.meet((&name, number), sample);
        let poll = Poll {
            name: &name,
            number,
            sample,
            places: &places,
        };
        news.extend(self.receive(poll, now));
        news.extend(self.points(poll, now));
        news.extend(self.relations(poll));
        self.findings(news, now)
    }

    /// Where the points of a sample stand: makes those that were never heard of, and pairs what may
    /// belong together.
    fn meet(&mut self, (name, number): (&str, usize), sample: &Sample) -> Vec<usize> {
        let Some(device) = self.devices.nth_mut(number) else {
            return Vec::new();
        };
        let places = device.points.places(sample.readings.keys());
        if let Some(places) = places {
            if !device.ports.are_of(device.points.len()) {
                device.ports = Ports::of(name, &device.points, &self.guide);
            }
            return places;
        }
        let feed = self.guide.feed(&device.site);
        for point in sample.readings.keys() {
            if device.points.get(point).is_some() {
                continue;
            }
            let about = device.about.as_ref();
            let tuned = Tuned::of((name, point), about, feed, &self.guide.rules);
            if matches!(tuned.role, Role::Ber | Role::Osnr) {
                let index = point.index().unwrap_or("").to_owned();
                device.receivers.entry(index).or_default();
            }
            device.points.insert(point.clone(), Point::new(tuned));
        }
        device.ports = Ports::of(name, &device.points, &self.guide);
        let indexes: Vec<String> = device.receivers.keys().cloned().collect();
        for index in indexes {
            let point = device.point_of(&index);
            if let Some(seat) = device.receivers.get_mut(&index) {
                seat.point = point;
            }
        }
        let places = device.points.places(sample.readings.keys());
        self.pair(number);
        places.unwrap_or_default()
    }

    /// Watches the inputs of a device with every receiver, and its receivers with every input.
    pub(super) fn pair(&mut self, number: usize) {
        let Some((name, device)) = self.devices.named(number) else {
            return;
        };
        let (inputs, receivers) = (device.inputs(name), device.receivers(name));
        let far = &mut self.far;
        for (other, device) in self.devices.iter() {
            if !inputs.is_empty() {
                far.pair(&self.guide, &inputs, &device.receivers(other));
            }
            if !receivers.is_empty() && other != name {
                far.pair(&self.guide, &device.inputs(other), &receivers);
            }
        }
    }

    /// What the receivers of a device say, and what that says of the light on its way to them.
    fn receive(&mut self, poll: Poll<'_>, now: Timestamp) -> Vec<News> {
        let Some(device) = self.devices.nth_mut(poll.number) else {
            return Vec::new();
        };
        let (heard, lag) = (device.receive(poll), lag(device.poll()));
        let (name, at) = (poll.name, poll.sample.at);
        let mut news = Vec::new();
        for (index, heard) in heard {
            let key = port_key(name, &index);
            let light = self.seat(name, &index).map(|seat| seat.receiver.light());
            let alive = match light {
                Some(Light::Lit) => true,
                Some(Light::Dark) => false,
                Some(Light::Unknown) | None => continue,
            };
            for fallen in self.far.receiver(&key, alive, (at, lag)) {
                news.extend(self.fall(fallen, now));
            }
            let cause = self.far.cause_of(&key, at, lag).map(str::to_owned);
            let hush = !alive || self.far.is_dark(&key);
            if let Some(seat) = self.seat(name, &index) {
                if hush {
                    seat.hushed = at + lag;
                }
                let point = seat.point.clone();
                news.extend(seat_news((name, point), heard, cause, &mut seat.effect_of));
            }
        }
        news
    }

    /// An input that is dark because its receiver is.
    fn fall(&mut self, fallen: Fallen, now: Timestamp) -> Vec<News> {
        let Some((name, point)) = fallen.input.split_once('/') else {
            return Vec::new();
        };
        let Ok(point) = point.parse::<PointName>() else {
            return Vec::new();
        };
        let device = self.devices.get_mut(name);
        let Some(known) = device.and_then(|device| device.points.get_mut(&point)) else {
            return Vec::new();
        };
        let changes = known.lose((fallen.from, fallen.detail), now);
        let said = changes.into_iter();
        said.map(|(kind, change)| about((name, Some(&point)), kind, change))
            .collect()
    }

    fn points(&mut self, poll: Poll<'_>, now: Timestamp) -> Vec<News> {
        let (name, at) = (poll.name, poll.sample.at);
        let mut news = Vec::new();
        for (place, point, reading) in poll.readings() {
            let device = self.devices.nth(poll.number);
            let Some(role) = device.and_then(|device| Some(device.points.at(place)?.role)) else {
                continue;
            };
            let mut context = Context::default();
            if role == Role::LightIn && reading.is_good() {
                context.needs = self.needs((name, point), reading.value(), at);
                context.lost = self.lost((poll.number, place), reading.value(), at);
            }
            let Some(device) = self.devices.nth_mut(poll.number) else {
                continue;
            };
            let quality = matches!(role, Role::Ber | Role::Osnr | Role::LightIn);
            context.hushed = quality && device.is_hushed(point, at);
            let Some(known) = device.points.at_mut(place) else {
                continue;
            };
            let was = known.dark.light();
            let changes = known.reading(reading, (at, now), context);
            let back = was == Light::Dark && known.dark.light() == Light::Lit;
            let said = changes.into_iter();
            news.extend(said.map(|(kind, change)| about((name, Some(point)), kind, change)));
            if back && role == Role::LightIn {
                news.extend(self.excuse_effects(&input_key(name, point), at));
            }
        }
        news
    }

    /// The light that the receivers behind an input need, where it has less.
    fn needs(
        &mut self,
        (device, point): (&str, &PointName),
        level: Option<f64>,
        at: Timestamp,
    ) -> Option<f64> {
        if self.far.is_empty() {
            return None;
        }
        let (input, devices) = (input_key(device, point), &self.devices);
        self.far.input(&input, level, at, |receiver| {
            let device = receiver.rsplit_once('/').and_then(|(d, _)| devices.get(d));
            lag(device.map_or(core::time::Duration::ZERO, Watched::poll))
        })
    }

    /// What a span has lost of the light that its sender sends, where that is as good as all.
    fn lost(
        &self,
        (number, place): (usize, usize),
        level: Option<f64>,
        at: Timestamp,
    ) -> Option<f64> {
        let level = level.filter(|level| *level <= FAINT)?;
        let port = self.devices.nth(number)?.ports.at(place)?;
        port.senders.iter().find_map(|sender| {
            let span = self.spans.get(&format!("{sender}>{}", port.key))?;
            span.lost(level, at)
        })
    }

    /// The light of an input is back: what followed from it ends with it.
    fn excuse_effects(&mut self, input: &str, at: Timestamp) -> Vec<News> {
        let mut news = Vec::new();
        self.devices.each_mut(|name, device| {
            let lag = lag(device.poll());
            for seat in device.receivers.values_mut() {
                if seat.effect_of.as_deref() != Some(input) {
                    continue;
                }
                seat.effect_of = None;
                seat.hushed = at + lag;
                let ended = seat.receiver.excuse(at, at + lag);
                let what = (name, seat.point.as_ref());
                news.extend(ended.map(|change| about(what, AnomalyKind::Dark, change)));
            }
        });
        news
    }

    fn relations(&mut self, poll: Poll<'_>) -> Vec<News> {
        let (name, at) = (poll.name, poll.sample.at);
        let Some(device) = self.devices.nth_mut(poll.number) else {
            return Vec::new();
        };
        let within = device.relate(poll).into_iter();
        let mut news: Vec<News> = within
            .map(|(point, change)| about((name, Some(&point)), AnomalyKind::Relation, change))
            .collect();
        let Some(rule) = self.span_rule() else {
            return news;
        };
        let Some(device) = self.devices.nth(poll.number) else {
            return news;
        };
        for (place, point, _) in poll.readings() {
            let (Some(known), Some(port)) = (device.points.at(place), device.ports.at(place))
            else {
                continue;
            };
            let value = known.last.map(whole);
            match known.role {
                Role::LightOut if port.sends => sent(&mut self.spans, &port.key, value, at),
                Role::LightIn => {
                    let Some(value) = value else { continue };
                    for sender in &port.senders {
                        let span = format!("{sender}>{}", port.key);
                        let span = self.spans.entry(span).or_default();
                        let change = span.received(value, at, &rule);
                        let what = (name, Some(point));
                        news.extend(change.map(|c| about(what, AnomalyKind::Relation, c)));
                    }
                }
                _ => {}
            }
        }
        news
    }

    fn span_rule(&self) -> Option<silkline_analysis::series::step::Rule> {
        let own = self.guide.rules.iter();
        let mut rule = Span::rule().or_else(|| rules::rule(Role::SpanLoss))?;
        for bent in own.filter(|r| r.role == Some(Role::SpanLoss) && r.device.is_none()) {
            if bent.off.contains(&AnomalyKind::Relation) {
                return None;
            }
            rule.least = bent.least.unwrap_or(rule.least);
            rule.deviations = bent.deviations.unwrap_or(rule.deviations);
            rule.in_a_row = bent.in_a_row.unwrap_or(rule.in_a_row);
        }
        Some(rule)
    }

    fn seat(&mut self, name: &str, index: &str) -> Option<&mut super::device::Seat> {
        self.devices.get_mut(name)?.receivers.get_mut(index)
    }
}

/// Tells every span that a port sends into.
fn sent(spans: &mut BTreeMap<String, Span>, port: &str, value: Option<f64>, at: Timestamp) {
    let prefix = format!("{port}>");
    let ours = spans.range_mut(prefix.clone()..);
    for (_, span) in ours.take_while(|(key, _)| key.starts_with(&prefix)) {
        match value {
            Some(value) => span.sent(value, at),
            None => span.dark(),
        }
    }
}

/// What a receiver says, as news: an effect where its light was lost further up.
fn seat_news(
    (name, point): (&str, Option<PointName>),
    heard: Heard,
    cause: Option<String>,
    effect_of: &mut Option<String>,
) -> Vec<News> {
    let mut news = Vec::new();
    if let Some(change) = heard.dark {
        let change = match (change, &cause) {
            (Change::Began { from, .. }, Some(cause)) => {
                effect_of.clone_from(&Some(cause.clone()));
                Change::Began {
                    from,
                    severity: Severity::Warning,
                    detail: format!("no light: follows from {cause}"),
                }
            }
            (change, _) => change,
        };
        news.push(News {
            because: cause,
            ..about((name, point.as_ref()), AnomalyKind::Dark, change)
        });
    }
    let unlocked = heard.unlocked;
    news.extend(unlocked.map(|change| about((name, point.as_ref()), AnomalyKind::Alarm, change)));
    news
}

fn about((device, point): (&str, Option<&PointName>), kind: AnomalyKind, change: Change) -> News {
    News {
        device: device.to_owned(),
        point: point.cloned(),
        kind,
        change,
        because: None,
    }
}

/// An input's name among the pairs.
pub(super) fn input_key(device: &str, point: &PointName) -> String {
    format!("{device}/{point}")
}
