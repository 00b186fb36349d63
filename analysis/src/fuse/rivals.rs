//! Shots of one view that contradict one another, where nobody knows which is the newest.
//!
//! A newer shot replaces an older one: who digs on moves the end of the glass. Shots of one time, or of
//! no time at all, that see the end at different places are sources that contradict: each place
//! is a candidate, none is an average and none is silently left out.

use silkline_protocol::plant::{Line, Plant};

use super::glass::SAME;
use super::{Anchors, span_of};
use crate::place::{Candidate, Evidence, Place, PlaceKind, SourceWeight, rounded};

/// Shots of one view that see different places, by place; nothing where all agree or are ordered
/// in time.
pub(super) fn contradicting(evidence: &[Evidence]) -> Option<Vec<Vec<String>>> {
    evidence.iter().find_map(|first| {
        let own = first.finding.sighting()?;
        let mut shots: Vec<(f64, f64, &Evidence)> = evidence
            .iter()
            .filter_map(|e| Some((e, e.finding.sighting()?)))
            .filter(|(e, s)| s.view == own.view && s.after == own.after && e.at == first.at)
            .map(|(e, s)| (s.optical_m.get(), s.random_m.get().max(0.05), e))
            .collect();
        shots.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut places: Vec<Vec<String>> = Vec::new();
        let mut last: Option<(f64, f64)> = None;
        for (d, sd, e) in shots {
            let apart = last.is_none_or(|(before, its)| d - before > SAME * sd.hypot(its));
            last = Some((d, sd));
            match places.last_mut().filter(|_| !apart) {
                Some(place) => place.push(e.id.clone()),
                None => places.push(vec![e.id.clone()]),
            }
        }
        let superseded = evidence.iter().any(|e| {
            let other = e.finding.sighting();
            let same = other.is_some_and(|s| s.view == own.view && s.after == own.after);
            same && e.at > first.at
        });
        (!superseded && places.len() > 1).then_some(places)
    })
}

/// The evidence as it were if only the shots of one place had been taken.
pub(super) fn only(evidence: &[Evidence], all: &[Vec<String>], kept: &[String]) -> Vec<Evidence> {
    let left_out = |id: &String| all.iter().flatten().any(|it| it == id) && !kept.contains(id);
    let kept = evidence.iter().filter(|e| !left_out(&e.id));
    kept.cloned().collect()
}

/// The places of each that are candidates together.
pub(super) fn merged(
    (plant, line): (&Plant, &Line),
    each: Vec<(Vec<String>, Place)>,
) -> Option<Place> {
    let shots: usize = each.iter().map(|(ids, _)| ids.len()).sum();
    let mut whole = Place::unknown(line.id.clone(), &plant.revision);
    let (first_ids, first) = each.first()?;
    whole.fibres_dark = first.fibres_dark;
    whole.fibres_watched = first.fibres_watched;
    whole.notes.clone_from(&first.notes);
    whole.consistent = false;
    whole.chi2_p = Some(0.0);
    let mut named: Vec<String> = first_ids.clone();
    for (ids, place) in &each {
        let share = ids.len() as f64 / shots.max(1) as f64;
        whole.candidates.extend(candidates(place, ids, share));
        named.extend(ids.iter().filter(|id| !first_ids.contains(id)).cloned());
        for source in &place.sources {
            let weight = rounded(source.weight * share, 1e4);
            match whole.sources.iter_mut().find(|it| it.id == source.id) {
                Some(known) => known.weight = rounded(known.weight + weight, 1e4),
                None => whole.sources.push(SourceWeight {
                    weight,
                    ..source.clone()
                }),
            }
        }
    }
    let note = format!(
        "shots of one view contradict one another: {}",
        named.join(", ")
    );
    whole.notes.push(note);
    let mut spans = whole
        .candidates
        .iter()
        .map(|c| span_of(line, c.chainage_m).map(|span| span.to_string()));
    if let Some(Some(span)) = spans.next()
        && spans.all(|other| other.as_ref() == Some(&span))
    {
        whole.kind = PlaceKind::Span;
        whole.span = Some(span);
    }
    Some(whole)
}

fn candidates(place: &Place, ids: &[String], share: f64) -> Vec<Candidate> {
    let one = place.chainage_m.zip(place.interval95_m);
    let one = one.map(|(chainage_m, interval95_m)| Candidate {
        chainage_m,
        interval95_m,
        weight: rounded(share, 1e4),
        sources: ids.to_vec(),
    });
    let several = place.candidates.iter().map(|candidate| Candidate {
        weight: rounded(candidate.weight * share, 1e4),
        ..candidate.clone()
    });
    one.into_iter().chain(several).collect()
}

/// Whether anything is to be told apart, and the answer: `locate` looks at each place alone.
pub(super) fn told_apart(
    at: (&Plant, &Line),
    evidence: &[Evidence],
    anchors: Anchors<'_>,
    locate: impl Fn(Vec<Evidence>, Anchors<'_>) -> Option<Place>,
) -> Option<Place> {
    let places = contradicting(evidence)?;
    let each: Vec<(Vec<String>, Place)> = places
        .iter()
        .filter_map(|kept| {
            let place = locate(only(evidence, &places, kept), anchors)?;
            Some((kept.clone(), place))
        })
        .collect();
    merged(at, each)
}
