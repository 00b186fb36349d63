//! The place that a crew found, as they tell it.

use schemars::JsonSchema;
use serde::Deserialize;
use silkline_analysis::incident::{Found, How};
use silkline_analysis::route::Ground;
use silkline_protocol::id::LineId;
use silkline_protocol::plant::{Coordinates, Plant};
use silkline_protocol::unit::RouteLength;

use super::super::Problem;

/// A receiver in a pocket, under an open sky.
const GPS_M: f64 = 5.0;
/// Paces from a post, from a landmark, or a chainage without more.
const PACES_M: f64 = 10.0;
/// Coordinates further from the route than this are somewhere else.
const ASIDE_M: f64 = 500.0;

/// Where a crew found a fault: by exactly one of coordinates, post, landmark and chainage.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FoundAt {
    /// Latitude in degrees, WGS 84; with `lon`.
    lat: Option<f64>,
    /// Longitude.
    lon: Option<f64>,
    /// A kilometre post and the metres past it, `214+320`.
    post: Option<String>,
    /// A landmark or node by its name.
    landmark: Option<String>,
    /// From the landmark, in metres: positive towards B.
    offset_m: Option<f64>,
    /// Chainage in metres.
    chainage_m: Option<f64>,
    /// How sure they are, half the width of a 95 % interval in metres; 5 m by coordinates and 10 m
    /// by anything else unless said.
    plus_minus_m: Option<f64>,
}

impl FoundAt {
    /// The place on `line` that is meant, told by `who`.
    ///
    /// # Errors
    ///
    /// Where nothing, several things or nothing on the line is told.
    pub fn on(self, plant: &Plant, line: &LineId, who: &str) -> Result<Found, Problem> {
        let nowhere = || Problem::bad_request(format!("found: the plant has no line {line}"));
        let line = plant.line(line).ok_or_else(nowhere)?;
        let ground = Ground::of(plant, line);
        let bad = |what: String| Problem::bad_request(format!("found: {what}"));
        let told = (
            self.lat.zip(self.lon),
            self.post.as_deref(),
            self.landmark.as_deref(),
            self.chainage_m,
        );
        let (chainage, how, said, usual) = match told {
            (Some((lat, lon)), None, None, None) => {
                let nearest = ground.nearest(Coordinates { lat, lon });
                let near = nearest.filter(|it| it.aside.get() <= ASIDE_M);
                let far = || {
                    bad(format!(
                        "{lat}, {lon} is not within {ASIDE_M} m of the route"
                    ))
                };
                let at = near.ok_or_else(far)?.chainage;
                (at, How::Gps, format!("{lat}, {lon}"), GPS_M)
            }
            (None, Some(post), None, None) => {
                let at = ground.at_post(post);
                let at = at.ok_or_else(|| bad(format!("no post {post:?} such as 214+320")))?;
                (at, How::Post, post.to_owned(), PACES_M)
            }
            (None, None, Some(name), None) => {
                let offset = self.offset_m.unwrap_or(0.0);
                let at = finite(offset).and_then(|it| ground.at_landmark(name, it));
                let at = at.ok_or_else(|| bad(format!("no landmark {name:?} {offset} m")))?;
                (at, How::Landmark, format!("{name} {offset:+} m"), PACES_M)
            }
            (None, None, None, Some(metres)) => {
                let at =
                    finite(metres).filter(|at| (RouteLength::of(0.0)..=line.length()).contains(at));
                let at = at.ok_or_else(|| bad(format!("{metres} m is not on the line")))?;
                (at, How::Chainage, String::new(), PACES_M)
            }
            _ => {
                let wanted = "want one of lat and lon, post, landmark, chainage_m";
                return Err(bad(wanted.to_owned()));
            }
        };
        let plus_minus = self.plus_minus_m.unwrap_or(usual);
        if !(plus_minus > 0.0 && plus_minus <= 10_000.0) {
            return Err(bad(format!("plus_minus_m: {plus_minus} is not above 0")));
        }
        Ok(Found {
            chainage_m: chainage,
            plus_minus_m: RouteLength::of(plus_minus),
            how,
            said: said.chars().take(120).collect(),
            who: who.to_owned(),
            at: crate::clock::now(),
        })
    }
}

fn finite(metres: f64) -> Option<RouteLength> {
    metres.is_finite().then(|| RouteLength::of(metres))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    fn told(json: &str) -> Result<Found, Problem> {
        let at: FoundAt = serde_json::from_str(json).unwrap();
        at.on(&example::plant(), &"dsw".parse().unwrap(), "crew 4")
    }

    #[test]
    fn a_place_is_told_in_any_of_four_ways() {
        let metres = |json: &str| told(json).unwrap().chainage_m.get();
        assert!((metres(r#"{"chainage_m": 28431.5}"#) - 28_431.5).abs() < 1e-9);
        assert!((metres(r#"{"landmark": "closure 7", "offset_m": -31}"#) - 27_969.0).abs() < 1e-9);
        assert!((metres(r#"{"post": "214+320"}"#) - 28_420.0).abs() < 1e-9);
        let plant = example::plant();
        let ground = Ground::of(&plant, &plant.lines[0]);
        let at = ground.at(RouteLength::of(28_420.0)).unwrap();
        let gps = told(&format!(r#"{{"lat": {}, "lon": {}}}"#, at.lat, at.lon)).unwrap();
        assert!((gps.chainage_m.get() - 28_420.0).abs() < 2.0, "{gps:?}");
        assert_eq!((gps.how, gps.plus_minus_m.get()), (How::Gps, 5.0));
    }

    #[test]
    fn what_is_nowhere_on_the_line_is_refused() {
        for bad in [
            "{}",
            r#"{"lat": 40.7}"#,
            r#"{"lat": 0.0, "lon": 0.0}"#,
            r#"{"post": "999+1"}"#,
            r#"{"landmark": "nowhere"}"#,
            r#"{"chainage_m": -1}"#,
            r#"{"chainage_m": 1, "post": "214+320"}"#,
            r#"{"chainage_m": 1, "plus_minus_m": 0}"#,
        ] {
            assert_eq!(told(bad).unwrap_err().status, 400, "{bad}");
        }
    }
}
