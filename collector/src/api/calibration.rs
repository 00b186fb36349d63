//! How good the places were: predicted beside found, over all repairs, and what they teach.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_analysis::incident::How;
use silkline_analysis::learn::{self, Repair as Learnt};
use silkline_analysis::route::advise::{self, Advice};
use silkline_protocol::id::{IncidentId, LineId, ViewId};
use silkline_protocol::plant::{Line, Plant, SpanId};
use silkline_protocol::time::Timestamp;
use silkline_protocol::unit::RouteLength;

use super::request::{Asked, Page};
use super::who::Who;
use super::{ApiState, Problem};

/// How good places were, over some repairs. What no repair tells is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Repairs with a found place.
    pub repairs: usize,
    /// Those for which a place was predicted.
    pub located: usize,
    /// Half of the errors are smaller, in metres.
    pub median_m: Option<f64>,
    /// 95 % of the errors are smaller, in metres.
    pub p95_m: Option<f64>,
    /// The mean of found minus predicted, in metres.
    pub bias_m: Option<f64>,
    /// The share of 95 % intervals that held the found place.
    pub coverage95: Option<f64>,
    /// The share of 50 % intervals that held it.
    pub coverage50: Option<f64>,
    /// The mean width of the 95 % intervals, in metres.
    pub width95_m: Option<f64>,
}

/// One repair: what was predicted and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Repair {
    /// The incident.
    pub incident: IncidentId,
    /// The line.
    pub line: LineId,
    /// When the crew told it.
    pub at: Timestamp,
    /// What kind of cause.
    pub kind: String,
    /// The kinds of sources that the place came from, `light_lost+otdr`.
    pub method: String,
    /// Where it was predicted.
    pub predicted_m: Option<f64>,
    /// Should have held it with a probability of 95 %.
    pub interval95_m: Option<[f64; 2]>,
    /// Where it was found.
    pub found_m: f64,
    /// Half width of the 95 % interval of that.
    pub found_plus_minus_m: f64,
    /// How the crew told it: `gps`, `post`, `landmark`, `chainage`.
    pub how: String,
    /// Found minus predicted.
    pub error_m: Option<f64>,
    /// Whether the 95 % interval held it.
    pub covered95: Option<bool>,
    /// What to add to the line in the plant file, so that every program knows the repair.
    pub proposal: String,
}

/// How good the places were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// Over all repairs.
    pub all: Figures,
    /// By line.
    pub lines: BTreeMap<LineId, Figures>,
    /// By the kinds of sources.
    pub methods: BTreeMap<String, Figures>,
    /// Each repair, the newest first.
    pub repairs: Vec<Repair>,
}

/// What to survey next for the sake of a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Survey {
    /// The span, `node..node`.
    pub span: String,
    /// The view whose answers it narrows.
    pub view: ViewId,
    /// The mean half width of the 95 % interval of a fault there, by a single good shot, as it is.
    pub half_width_m: f64,
    /// Landmarks to survey, the most useful first, each with the half width after it.
    pub steps: Vec<SurveyStep>,
    /// How many of the steps halve the interval; nothing where these few do not.
    pub halved_by: Option<usize>,
}

/// A landmark to survey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SurveyStep {
    /// Its name.
    pub landmark: String,
    /// Where it is.
    pub chainage_m: Option<f64>,
    /// The mean half width once it and those before are surveyed.
    pub half_width_m: f64,
}

/// Which repairs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    line: Option<LineId>,
}

/// Which stretch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    line: LineId,
    span: Option<String>,
}

/// How good the places were, over all repairs of which crews have told the place.
///
/// # Errors
///
/// Where the query is none or the store cannot be read.
pub async fn calibration(
    State(state): State<ApiState>,
    who: Who,
    Asked(which): Asked<Which>,
) -> Result<Json<Calibration>, Problem> {
    let mut repairs = state.reader.ask_async(|store| store.repairs()).await?;
    repairs.retain(|repair| {
        who.sees(&repair.line) && which.line.as_ref().is_none_or(|line| *line == repair.line)
    });
    Ok(Json(figures(&state.plant, &repairs)))
}

/// Which closure to survey next, for each span of a line and each view that sees it.
///
/// # Errors
///
/// Where there is no such line or span, or the store cannot be read.
pub async fn survey(
    State(state): State<ApiState>,
    who: Who,
    Asked(stretch): Asked<Stretch>,
) -> Result<Json<Page<Survey>>, Problem> {
    let missing = |what: String| Problem::not_found(what);
    let known = state
        .plant
        .line(&stretch.line)
        .filter(|it| who.sees(&it.id));
    if known.is_none() {
        return Err(missing(format!("there is no line {}", stretch.line)));
    }
    let repairs = state.reader.ask_async(|store| store.repairs()).await?;
    let plant = state.plant.clone();
    let work = move || advised(&learn::learn(&plant, &repairs), &stretch);
    let found = tokio::task::spawn_blocking(work).await;
    let found = found.ok().flatten();
    let items = found.ok_or_else(|| missing("there is no such span on the line".to_owned()))?;
    Ok(Json(Page::whole(items)))
}

fn figures(plant: &Plant, repairs: &[Learnt]) -> Calibration {
    let of = |wanted: &dyn Fn(&&Learnt) -> bool| of(repairs.iter().filter(wanted));
    let lines = repairs.iter().map(|it| it.line.clone());
    let methods = repairs.iter().map(|it| it.method.clone());
    Calibration {
        all: of(&|_| true),
        lines: lines
            .map(|id| (id.clone(), of(&|it| it.line == id)))
            .collect(),
        methods: methods
            .map(|name| (name.clone(), of(&|it| it.method == name)))
            .collect(),
        repairs: repairs.iter().rev().map(|it| shown(plant, it)).collect(),
    }
}

fn of<'a>(repairs: impl Iterator<Item = &'a Learnt>) -> Figures {
    let learn::Calibration {
        repairs,
        located,
        median_m,
        p95_m,
        bias_m,
        coverage95,
        coverage50,
        width95_m,
    } = learn::calibration(repairs);
    Figures {
        repairs,
        located,
        median_m,
        p95_m,
        bias_m,
        coverage95,
        coverage50,
        width95_m,
    }
}

fn shown(plant: &Plant, repair: &Learnt) -> Repair {
    let found = &repair.found;
    let how = match found.how {
        How::Gps => "gps",
        How::Post => "post",
        How::Landmark => "landmark",
        How::Chainage => "chainage",
    };
    Repair {
        incident: repair.incident.clone(),
        line: repair.line.clone(),
        at: repair.at,
        kind: repair.kind.word().to_owned(),
        method: repair.method.clone(),
        predicted_m: repair.predicted_m.map(RouteLength::get),
        interval95_m: repair.interval95_m.map(|ends| ends.map(RouteLength::get)),
        found_m: found.chainage_m.get(),
        found_plus_minus_m: found.plus_minus_m.get(),
        how: how.to_owned(),
        error_m: repair.error().map(RouteLength::get),
        covered95: repair.covered95(),
        proposal: proposal(plant, repair),
    }
}

/// What to add to the plant file: the landmark where there is none yet, and the marks.
fn proposal(plant: &Plant, repair: &Learnt) -> String {
    let before = plant.line(&repair.line);
    let taught = learn::learn(plant, std::slice::from_ref(repair));
    let Some((before, after)) = before.zip(taught.line(&repair.line)) else {
        return String::new();
    };
    let mut text = String::new();
    let new = |it: &&silkline_protocol::plant::Landmark| before.landmark(&it.name).is_none();
    for landmark in after.landmarks.iter().filter(new) {
        text += &format!(
            "[[line.landmark]]\nname = {:?}\nkind = \"closure\"\nat = {{ chainage_m = {} }}\nplus_minus_m = {}\n",
            landmark.name,
            landmark.at.get(),
            landmark.plus_minus.get()
        );
    }
    for mark in after.marks.iter().skip(before.marks.len()) {
        text += &format!(
            "[[line.mark]]\nview = \"{}\"\nlandmark = {:?}\noptical_m = {}\nplus_minus_m = {}\n",
            mark.view,
            mark.landmark,
            mark.optical.get(),
            mark.plus_minus.get()
        );
        if let Some(index) = mark.group_index {
            text += &format!("group_index = {}\n", index.get());
        }
        text += &format!("valid_from = \"{}\"\n", repair.at);
    }
    text
}

/// What to survey for each span that is asked for; nothing where the line has no such span.
fn advised(plant: &Plant, stretch: &Stretch) -> Option<Vec<Survey>> {
    let line = plant.line(&stretch.line)?;
    let spans: Vec<(String, [RouteLength; 2])> = line
        .spans()
        .map(|(from, to)| {
            let (a, b) = (from.id.clone(), to.id.clone());
            (
                SpanId { from: a, to: b }.to_string(),
                [from.chainage, to.chainage],
            )
        })
        .filter(|(id, _)| stretch.span.as_ref().is_none_or(|wanted| wanted == id))
        .collect();
    if spans.is_empty() && stretch.span.is_some() {
        return None;
    }
    let mut all = Vec::new();
    for (span, ends) in spans {
        let views = line.views.iter();
        let advice = views.filter_map(|view| advise::advise(line, view, ends, &[]));
        all.extend(advice.map(|advice| survey_of(line, &span, advice)));
    }
    Some(all)
}

fn survey_of(line: &Line, span: &str, advice: Advice) -> Survey {
    let halved_by = advice.halved_by();
    let step = |(landmark, then): (String, RouteLength)| SurveyStep {
        chainage_m: line.landmark(&landmark).map(|it| it.at.get()),
        landmark,
        half_width_m: then.get(),
    };
    Survey {
        span: span.to_owned(),
        view: advice.view,
        half_width_m: advice.now.get(),
        steps: advice.steps.into_iter().map(step).collect(),
        halved_by,
    }
}
