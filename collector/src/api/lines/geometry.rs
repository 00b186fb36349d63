//! A line's geometry for maps: vertices with their chainage, and GeoJSON.

use serde_json::{Value, json};
use silkline_analysis::route::Ground;
use silkline_protocol::plant::Line;
use silkline_protocol::unit::RouteLength;

use super::LineDetail;

/// The route is looked at this often; finer than any map shows.
const STEP_M: f64 = 100.0;
/// But not more often than this: an ocean crossing needs no finer map.
const MOST: f64 = 20_000.0;
/// A vertex is left out where the straight line passes this near: below the width of a pen stroke.
const NEAR_DEGREES: f64 = 2e-5;

/// Vertices that one straight piece may stand for, so that the work stays in proportion.
const LONGEST: usize = 256;

/// The route as latitude, longitude and chainage; straight stretches have no vertices inside.
pub(super) fn route(ground: &Ground<'_>, line: &Line) -> Vec<[f64; 3]> {
    let length = line.length().get();
    let steps = (length / STEP_M).clamp(1.0, MOST).round();
    let mut chainages: Vec<f64> = line.nodes.iter().map(|node| node.chainage.get()).collect();
    let mut step = 0.0;
    while step <= steps {
        chainages.push(length * step / steps);
        step += 1.0;
    }
    chainages.sort_by(f64::total_cmp);
    chainages.dedup();
    let vertices: Vec<[f64; 3]> = chainages
        .into_iter()
        .filter_map(|at| {
            ground
                .at(RouteLength::of(at))
                .map(|place| [place.lat, place.lon, at])
        })
        .collect();
    straightened(&vertices)
}

/// The vertices without those from which the straight way between kept ones hardly differs.
fn straightened(vertices: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let mut kept: Vec<[f64; 3]> = Vec::new();
    let mut skipped: Vec<[f64; 3]> = Vec::new();
    for vertex in vertices {
        let start = kept.last().copied();
        let bends =
            start.is_some_and(|start| skipped.iter().any(|one| !near(start, *one, *vertex)));
        if bends || skipped.len() >= LONGEST {
            kept.extend(skipped.last());
            skipped.clear();
        }
        if kept.is_empty() {
            kept.push(*vertex);
        } else {
            skipped.push(*vertex);
        }
    }
    kept.extend(skipped.last());
    kept
}

/// Whether `middle` lies on the way from `start` to `end`, in place and in chainage.
fn near(start: [f64; 3], middle: [f64; 3], end: [f64; 3]) -> bool {
    let ([lat0, lon0, at0], [lat, lon, at], [lat1, lon1, at1]) = (start, middle, end);
    let share = (at - at0) / (at1 - at0).max(f64::MIN_POSITIVE);
    let off =
        ((lat1 - lat0).mul_add(share, lat0) - lat).hypot((lon1 - lon0).mul_add(share, lon0) - lon);
    off <= NEAR_DEGREES
}

/// The line as a feature collection; coordinates are longitude first, as RFC 7946 wants them.
pub(super) fn geojson(detail: &LineDetail) -> Value {
    let point = |lat: Option<f64>, lon: Option<f64>| {
        Some(json!({ "type": "Point", "coordinates": [lon?, lat?] }))
    };
    let feature = |geometry: Value, properties: Value| json!({ "type": "Feature", "geometry": geometry, "properties": properties });
    let path: Vec<[f64; 2]> = detail
        .route
        .iter()
        .map(|[lat, lon, _]| [*lon, *lat])
        .collect();
    let line = &detail.line;
    let mut features = vec![feature(
        json!({ "type": "LineString", "coordinates": path }),
        json!({ "what": "line", "id": line.id, "name": line.name, "length_m": line.length_m,
                "state": line.state }),
    )];
    features.extend(detail.nodes.iter().filter_map(|node| {
        let properties = json!({ "what": "node", "id": node.id, "name": node.name,
            "kind": node.kind, "chainage_m": node.chainage_m });
        Some(feature(point(node.lat, node.lon)?, properties))
    }));
    features.extend(detail.landmarks.iter().filter_map(|mark| {
        let properties = json!({ "what": "landmark", "name": mark.name, "kind": mark.kind,
            "chainage_m": mark.chainage_m, "plus_minus_m": mark.plus_minus_m });
        Some(feature(point(mark.lat, mark.lon)?, properties))
    }));
    json!({ "type": "FeatureCollection", "features": features })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::example;

    #[test]
    fn a_straight_stretch_keeps_its_ends_only() {
        let straight: Vec<[f64; 3]> = (0..100)
            .map(|k| [40.0, 49.0 + 0.01 * f64::from(k), 850.0 * f64::from(k)])
            .collect();
        assert_eq!(straightened(&straight), [straight[0], straight[99]]);
        let mut bent = straight;
        bent.push([40.5, 49.99, 140_000.0]);
        assert_eq!(straightened(&bent), [bent[0], bent[99], bent[100]]);
        assert_eq!(straightened(&[]), Vec::<[f64; 3]>::new());
    }

    #[test]
    fn the_route_stays_by_the_ground_and_reaches_both_ends() {
        let plant = example::plant();
        let line = &plant.lines[0];
        let ground = Ground::of(&plant, line);
        let vertices = route(&ground, line);
        assert!(vertices[0][2].abs() < 1e-9);
        assert!((vertices.last().unwrap()[2] - line.length().get()).abs() < 1e-6);
        for pair in vertices.windows(2) {
            let middle = (pair[0][2] + pair[1][2]) / 2.0;
            let true_place = ground.at(RouteLength::of(middle)).unwrap();
            let drawn = (pair[0][0] + pair[1][0]) / 2.0;
            assert!((drawn - true_place.lat).abs() < 1e-4, "at {middle}");
        }
    }
}
