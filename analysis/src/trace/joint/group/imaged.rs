//! Images of reflections farther ahead that show among a group's events.
//!
//! An image loses nothing, and where it shows and about how high is known beforehand. Beside a step
//! it shifts the step's place, or is taken for its reflection, where nobody reckons with it.

use super::super::fit::Belief;
use super::super::noise::POWER_A_DB;
use super::{Found, Group, Image, Parts, Start};
use crate::trace::samples::Trace;

/// An image is looked for where its light, at the most, makes so many squared deviations of noise.
const SEEN: f64 = 9.0;

/// Three reflectances, each to a decibel or two, tell an image's height to this factor.
const DOUBT: f64 = 3.0;

/// Its place may be so many deviations off, and by this part of a sample whatever they are.
const ASTRAY: f64 = 4.0;
const SAMPLED: f64 = 0.1;

/// A step under an image lies up to so many pulses from where both seem to be.
const ASIDE: [f64; 2] = [-0.4, 0.4];

/// What loses less than so many deviations loses nothing.
const LOSES: f64 = 3.0;

impl Group<'_> {
    /// The same events with the images among them that explain more than their price; none where
    /// no image does.
    pub(in super::super) fn with_images(
        &self,
        trace: &Trace,
        images: &[Image],
        constant: Belief,
    ) -> Option<Self> {
        let mut group = self.expecting(trace, images)?;
        group.decide(constant);
        let mut any = false;
        for image in 0..group.images.len() {
            any |= group.shows(image, constant);
        }
        if any {
            group.unveil(constant);
        }
        any.then_some(group)
    }

    /// What was believed of the receiver's constant.
    pub(in super::super) fn believed(&self) -> Option<Belief> {
        Some(self.solved.as_ref()?.belief)
    }

    /// The same events on blocks fine enough for those images that may be seen; none without any.
    fn expecting(&self, trace: &Trace, images: &[Image]) -> Option<Self> {
        let images: Vec<Image> = images
            .iter()
            .filter(|image| self.may_show(image))
            .copied()
            .collect();
        if images.is_empty() {
            return None;
        }
        let mut frame = self.frame.clone();
        let zone = |image: &Image| {
            let doubt = ASTRAY * image.sigma + self.spacing;
            [image.at - doubt, image.at + doubt + 2.0 * self.pulse].map(|at| at / self.spacing)
        };
        frame.zones.extend(images.iter().map(zone));
        frame.sharp = true;
        Some(Self {
            blocks: frame.blocks(trace, self.noise.receiver),
            frame,
            parts: Parts {
                images: vec![false; images.len()],
                ..self.parts.clone()
            },
            images,
            feet: self.feet.clone(),
            solved: None,
            ..*self
        })
    }

    /// Whether an image lies where samples tell, and may be high enough to be seen.
    fn may_show(&self, image: &Image) -> bool {
        let sample = image.at / self.spacing;
        let [from, to] = [self.frame.from, self.frame.to].map(|at| at as f64);
        let hidden = |[from, to]: &[usize; 2]| (*from as f64..*to as f64).contains(&sample);
        if !(from..to).contains(&sample) || self.frame.blind.iter().any(hidden) {
            return false;
        }
        let glass = self.light_at(image.at);
        let light = image.heights.last().map_or(0.0, |most| most * glass);
        let noise = self.noise.receiver.hypot(self.noise.rough * glass);
        let samples = (self.pulse / self.spacing).max(1.0);
        light * light * samples > SEEN * noise * noise
    }

    /// Light of the glass at a place.
    pub(super) fn light_at(&self, at: f64) -> f64 {
        let last = self.starts.iter().rev().find(|start| start.at < at);
        let first = self.starts.first().map(|start| (start.before, start.at));
        let line = last.map(|start| (start.after, start.at)).or(first);
        line.map_or(1.0, |(glass, from)| {
            let level = glass.level + glass.slope * (at - from);
            ((level - self.unit) * POWER_A_DB).exp()
        })
    }

    /// What is believed of an image's place, and of its height.
    pub(super) fn beliefs_of(&self, image: &Image) -> [Belief; 2] {
        let sigma = image.sigma.hypot(SAMPLED * self.spacing);
        let [least, most] = image.heights;
        [
            Belief {
                value: image.at,
                sigma,
                range: [-ASTRAY, ASTRAY].map(|by| image.at + by * sigma),
            },
            Belief {
                value: (least * most).sqrt(),
                sigma: f64::INFINITY,
                range: [least / DOUBT, most * DOUBT],
            },
        ]
    }

    /// Takes an image where it explains more than its price; whether it did. Where something is seen to
    /// reflect at an event within a pulse, that is the image or a reflection of the event, not both:
    /// two that overlap explain any pulse that is not quite as the model has it.
    fn shows(&mut self, image: usize, constant: Belief) -> bool {
        let Some(at) = self.images.get(image).map(|image| image.at) else {
            return false;
        };
        let mut with = self.parts.clone();
        let own = with.images.iter_mut().skip(image);
        own.take(1).for_each(|one| *one = true);
        let near = |start: &Start| (start.at - at).abs() < self.pulse;
        let reflects = self.starts.iter().zip(&self.parts.reflects).enumerate();
        let mut rivals = reflects.filter(|(_, (start, reflects))| **reflects && near(start));
        let Some((k, (start, _))) = rivals.next() else {
            return self.choose(with, constant, None);
        };
        if start.saturated || rivals.next().is_some() || !self.loses(k) {
            return false;
        }
        let dim = with.dim(k);
        let tries = ASIDE.iter().filter_map(|aside| {
            let begun = self.stepping(&dim, (k, image), (aside * self.pulse, constant))?;
            self.explain(&dim, constant, Some(begun))
        });
        let best = tries.min_by(|a, b| a.bottom.cost.total_cmp(&b.bottom.cost));
        best.is_some_and(|best| self.take(dim, best))
    }

    /// Where the unknowns of an explanation begin in which an image is what an event seemed to reflect, and
    /// the event lies so far from there.
    fn stepping(
        &self,
        parts: &Parts,
        (k, image): (usize, usize),
        (by, constant): (f64, Belief),
    ) -> Option<Vec<f64>> {
        let (model, values, _) = self.model(parts, constant);
        let solved = self.solved.as_ref()?;
        let mut values = solved.led(&model.layout, values);
        let seen = solved.layout.edges.get(k)?.height?;
        let image = model.layout.images.get(image)?.as_ref()?;
        *values.get_mut(image.height?)? = *solved.bottom.values.get(seen)?;
        *values.get_mut(model.layout.edges.get(k)?.place)? += by;
        Some(values)
    }

    /// Whether an event loses anything, so that it is more than an image.
    fn loses(&self, k: usize) -> bool {
        let found = self.solved.as_ref().and_then(|solved| solved.answer(k));
        found.is_some_and(
            |Found {
                 loss: [loss, sigma],
                 ..
             }| loss.abs() > LOSES * sigma,
        )
    }

    /// Whether what seemed to reflect at an event is an image.
    pub(super) fn is_image(&self, k: usize) -> bool {
        let reflects = self.parts.reflects.get(k).copied().unwrap_or(false);
        let Some(at) = self.starts.get(k).map(|start| start.at) else {
            return false;
        };
        let near = |(image, shows): (&Image, &bool)| *shows && (image.at - at).abs() < self.pulse;
        !reflects && self.images.iter().zip(&self.parts.images).any(near)
    }
}

impl Parts {
    /// The explanation in which an event does not reflect.
    fn dim(&self, k: usize) -> Self {
        let mut parts = self.clone();
        let own = parts.reflects.iter_mut().zip(&mut parts.lingers).skip(k);
        own.take(1)
            .for_each(|(reflects, lingers)| (*reflects, *lingers) = (false, false));
        parts
    }
}
