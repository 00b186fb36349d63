//! One sample through every detector that it concerns.

use silkline_analysis::series::dark::Light;
use silkline_analysis::series::past::whole;
use silkline_analysis::series::receiver::Heard;
use silkline_analysis::series::relation::Span;
use silkline_analysis::series::{AnomalyKind, Change, Severity, device_name, rules};
use silkline_protocol::device::Role;
use silkline_protocol::id::{DeviceId, PointName, SiteId};
use silkline_protocol::sample::Sample;
use silkline_protocol::time::Timestamp;

use super::device::Watched;
use super::far::{Fallen, lag};
use super::guide::port_key;
use super::point::{Context, Point};
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
        let known = self.devices.entry(name.clone());
        let known = known.or_insert_with(|| Watched::new(site, device, now));
        if late && sample.at <= known.newest {
            return Vec::new();
        }
        known.newest = sample.at;
        let mut news = Vec::new();
        if !late {
            let answered = sample.readings.values().any(|reading| reading.is_good());
            let back = answered.then(|| known.seen(now)).flatten();
            news.extend(back.map(|change| about((&name, None), AnomalyKind::Silent, change)));
        }
        self.meet(&name, sample);
        news.extend(self.receive(&name, sample, now));
        news.extend(self.points(&name, sample, now));
        news.extend(self.relations(&name, sample));
        self.findings(news, now)
    }

    /// Makes points that were never heard of, and pairs what may belong together.
    fn meet(&mut self, name: &str, sample: &Sample) {
        let Some(device) = self.devices.get_mut(name) else {
            return;
        };
        let feed = self.guide.feed(&device.site);
        let before = (device.points.len(), device.receivers.len());
        for point in sample.readings.keys() {
            if device.points.contains_key(point) {
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
        if before == (device.points.len(), device.receivers.len()) {
            return;
        }
        let indexes: Vec<String> = device.receivers.keys().cloned().collect();
        for index in indexes {
            let point = device.point_of(&index);
            if let Some(seat) = device.receivers.get_mut(&index) {
                seat.point = point;
            }
        }
        self.pair();
    }

    fn pair(&mut self) {
        let mut inputs = Vec::new();
        let mut receivers = Vec::new();
        for (name, device) in &self.devices {
            let lights = device
                .points
                .iter()
                .filter(|(_, p)| p.role == Role::LightIn);
            inputs.extend(lights.map(|(point, _)| {
                let port = port_key(name, point.index().unwrap_or(""));
                (port, input_key(name, point))
            }));
            receivers.extend(device.receivers.keys().map(|index| port_key(name, index)));
        }
        for receiver in &receivers {
            for (port, input) in &inputs {
                if self.guide.feeds(port, receiver) {
                    self.far.pair(receiver, input);
                }
            }
        }
    }

    /// What the receivers of a device say, and what that says of the light on its way to them.
    fn receive(&mut self, name: &str, sample: &Sample, now: Timestamp) -> Vec<News> {
        let Some(device) = self.devices.get_mut(name) else {
            return Vec::new();
        };
        let (heard, lag) = (device.receive(sample), lag(device.poll()));
        let mut news = Vec::new();
        for (index, heard) in heard {
            let key = port_key(name, &index);
            let light = self.seat(name, &index).map(|seat| seat.receiver.light());
            let alive = match light {
                Some(Light::Lit) => true,
                Some(Light::Dark) => false,
                Some(Light::Unknown) | None => continue,
            };
            for fallen in self.far.receiver(&key, alive, (sample.at, lag)) {
                news.extend(self.fall(fallen, now));
            }
            let cause = self.far.cause_of(&key, sample.at, lag).map(str::to_owned);
            let hush = !alive || self.far.is_dark(&key);
            if let Some(seat) = self.seat(name, &index) {
                if hush {
                    seat.hushed = sample.at + lag;
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

    fn points(&mut self, name: &str, sample: &Sample, now: Timestamp) -> Vec<News> {
        let mut news = Vec::new();
        for (point, reading) in &sample.readings {
            let role = self.devices.get(name).and_then(|d| d.points.get(point));
            let Some(role) = role.map(|point| point.role) else {
                continue;
            };
            let mut context = Context::default();
            if role == Role::LightIn && reading.is_good() {
                context.needs = self.needs(&input_key(name, point), reading.value(), sample.at);
            }
            let Some(device) = self.devices.get_mut(name) else {
                continue;
            };
            let quality = matches!(role, Role::Ber | Role::Osnr | Role::LightIn);
            context.hushed = quality && device.is_hushed(point, sample.at);
            let Some(known) = device.points.get_mut(point) else {
                continue;
            };
            let was = known.dark.light();
            let changes = known.reading(*reading, (sample.at, now), context);
            let back = was == Light::Dark && known.dark.light() == Light::Lit;
            let said = changes.into_iter();
            news.extend(said.map(|(kind, change)| about((name, Some(point)), kind, change)));
            if back && role == Role::LightIn {
                news.extend(self.excuse_effects(&input_key(name, point), sample.at));
            }
        }
        news
    }

    /// The light that the receivers behind an input need, where it has less.
    fn needs(&mut self, input: &str, level: Option<f64>, at: Timestamp) -> Option<f64> {
        let devices = &self.devices;
        self.far.input(input, level, at, |receiver| {
            let device = receiver.rsplit_once('/').and_then(|(d, _)| devices.get(d));
            lag(device.map_or(core::time::Duration::ZERO, Watched::poll))
        })
    }

    /// The light of an input is back: what followed from it ends with it.
    fn excuse_effects(&mut self, input: &str, at: Timestamp) -> Vec<News> {
        let mut news = Vec::new();
        for (name, device) in &mut self.devices {
            let lag = lag(device.poll());
            for seat in device.receivers.values_mut() {
                if seat.effect_of.as_deref() != Some(input) {
                    continue;
                }
                seat.effect_of = None;
                seat.hushed = at + lag;
                let ended = seat.receiver.excuse(at, at + lag);
                let what = (name.as_str(), seat.point.as_ref());
                news.extend(ended.map(|change| about(what, AnomalyKind::Dark, change)));
            }
        }
        news
    }

    fn relations(&mut self, name: &str, sample: &Sample) -> Vec<News> {
        let Some(device) = self.devices.get_mut(name) else {
            return Vec::new();
        };
        let within = device.relate(sample).into_iter();
        let mut news: Vec<News> = within
            .map(|(point, change)| about((name, Some(&point)), AnomalyKind::Relation, change))
            .collect();
        let Some(rule) = self.span_rule() else {
            return news;
        };
        for point in sample.readings.keys() {
            let Some(known) = self.devices.get(name).and_then(|d| d.points.get(point)) else {
                continue;
            };
            let port = port_key(name, point.index().unwrap_or(""));
            let value = known.last.map(whole);
            match known.role {
                Role::LightOut => self.sent(&port, value, sample.at),
                Role::LightIn => {
                    let Some(value) = value else { continue };
                    for sender in self.guide.senders(&port).to_vec() {
                        let span = self.spans.entry(format!("{sender}>{port}")).or_default();
                        let change = span.received(value, sample.at, &rule);
                        let what = (name, Some(point));
                        news.extend(change.map(|c| about(what, AnomalyKind::Relation, c)));
                    }
                }
                _ => {}
            }
        }
        news
    }

    fn sent(&mut self, port: &str, value: Option<f64>, at: Timestamp) {
        let prefix = format!("{port}>");
        let ours = self.spans.range_mut(prefix.clone()..);
        for (_, span) in ours.take_while(|(key, _)| key.starts_with(&prefix)) {
            match value {
                Some(value) => span.sent(value, at),
                None => span.dark(),
            }
        }
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
fn input_key(device: &str, point: &PointName) -> String {
    format!("{device}/{point}")
}
