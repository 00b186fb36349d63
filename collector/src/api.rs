//! The API, the live stream and the dashboard, on one port.
//!
//! Everything is read from the hot store, which the commit task alone writes; what a person does to
//! an incident goes to the commit task and is answered once it is committed. What leaves here are
//! types of its own, described by `/api/v1/openapi.json`. Every error is a problem document
//! (RFC 9457). The page loads nothing from elsewhere: the content security policy forbids it.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{delete, get, post};
use silkline_protocol::plant::Plant;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use self::who::Who;
use crate::commands::Commands;
use crate::ingest::Outgoing;
use crate::metrics::Metrics;
use crate::state::{LiveEvent, OperatorAction, PermitAction};
use crate::store::Reader;

pub mod access;
pub mod anomalies;
pub mod bins;
pub mod calibration;
pub mod commands;
pub mod dashboard;
pub mod devices;
mod etag;
pub mod fibres;
pub mod gate;
pub mod health;
pub mod incidents;
pub mod lines;
pub mod live;
pub mod openapi;
pub mod people;
pub mod performance;
pub mod permits;
pub mod problem;
pub mod reports;
pub mod request;
pub mod series;
pub mod services;
pub mod session;
pub mod sign_in;
pub mod traces;
pub mod who;

pub use access::Access;
pub use problem::Problem;

/// The largest body of a request: a person's note.
const BODY_BYTES: usize = 64 << 10;

/// What the page may load and do: only what comes from this server, and no inline script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// What the API stands on.
#[derive(Clone, Debug)]
pub struct ApiParts {
    /// What is stored.
    pub reader: Reader,
    /// What lies in the ground and the sea.
    pub plant: Arc<Plant>,
    /// What is committed, as it happens.
    pub live: broadcast::Sender<LiveEvent>,
    /// Where operators' actions go.
    pub actions: mpsc::Sender<OperatorAction>,
    /// Where what becomes of permits goes.
    pub permits: mpsc::Sender<PermitAction>,
    /// What is asked of agents, and what they answer.
    pub commands: Commands,
    /// Where a question goes.
    pub outgoing: mpsc::Sender<Outgoing>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether the collector does its work, or why not yet.
    pub ready: watch::Receiver<Result<(), String>>,
}

/// What every handler can reach.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// See [`ApiParts::reader`].
    pub(crate) reader: Reader,
    /// See [`ApiParts::plant`].
    pub(crate) plant: Arc<Plant>,
    /// The numbered live stream.
    pub(crate) hub: Arc<live::Hub>,
    /// See [`ApiParts::actions`].
    pub(crate) actions: mpsc::Sender<OperatorAction>,
    /// See [`ApiParts::permits`].
    pub(crate) permits: mpsc::Sender<PermitAction>,
    /// See [`ApiParts::commands`].
    pub(crate) commands: Commands,
    /// See [`ApiParts::outgoing`].
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
    /// See [`ApiParts::metrics`].
    pub(crate) metrics: Arc<Metrics>,
    /// See [`ApiParts::ready`].
    pub(crate) ready: watch::Receiver<Result<(), String>>,
    /// Ten minutes of every point in one figure, where the file can be had.
    pub(crate) bins: Option<bins::Bins>,
    /// Who may ask.
    pub(crate) access: Access,
    /// Cancelled when the server goes down, so that live streams end.
    pub(crate) stop: CancellationToken,
}

impl ApiState {
    /// Writes into the log of who did what, where there is one. What is done is done.
    pub(crate) async fn note(&self, asking: &Who, said: String) {
        let Ok(people) = self.access.people() else {
            return;
        };
        let who = asking.name().to_owned();
        let note = move || people.note(&who, &said, crate::clock::now());
        match tokio::task::spawn_blocking(note).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "an act is not in the audit log"),
            Err(error) => tracing::error!(%error, "an act is not in the audit log"),
        }
    }
}

/// Serves on `listener` until `stop`; then lets running requests finish.
///
/// # Errors
///
/// Where the socket fails.
pub async fn serve(
    listener: TcpListener,
    parts: ApiParts,
    access: Access,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let hub = Arc::new(live::Hub::new(crate::clock::now()));
    let pump = tokio::spawn(live::pump(
        Arc::clone(&hub),
        parts.live.subscribe(),
        stop.clone(),
    ));
    let bins = match bins::Bins::open(parts.reader.clone()) {
        Ok(bins) => Some(bins),
        Err(error) => {
            tracing::warn!(%error, "long charts will take their time");
            None
        }
    };
    let counting = bins
        .clone()
        .map(|bins| tokio::spawn(bins::run(bins, stop.clone())));
    let state = ApiState {
        bins,
        reader: parts.reader,
        plant: parts.plant,
        hub,
        actions: parts.actions,
        permits: parts.permits,
        commands: parts.commands,
        outgoing: parts.outgoing,
        metrics: parts.metrics,
        ready: parts.ready,
        access,
        stop: stop.clone(),
    };
    let served = axum::serve(listener, router(state))
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .await;
    stop.cancel();
    // Both end with the token; they have nothing to say.
    let _ = pump.await;
    if let Some(counting) = counting {
        let _ = counting.await;
    }
    served
}

/// All routes, with what guards them.
pub fn router(state: ApiState) -> Router {
    let guarded = middleware::from_fn_with_state(Arc::new(state.access.clone()), access::guard);
    Router::new()
        .nest("/api/v1", api())
        .route("/metrics", get(health::metrics))
        .fallback(dashboard::file)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(guarded)
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(CompressionLayer::new())
        .layer(middleware::map_response(with_headers))
        .with_state(state)
}

fn api() -> Router<ApiState> {
    Router::new()
        .route("/lines", get(lines::list))
        .route("/lines/{id}", get(lines::one))
        .route("/lines/{id}/plant.geojson", get(lines::geojson))
        .route("/devices", get(devices::list))
        .route("/devices/{id}", get(devices::one))
        .route("/devices/{id}/series", get(series::series))
        .route("/devices/{id}/performance", get(performance::performance))
        .route("/views/{id}/history", get(fibres::history))
        .route("/reports/{month}", get(reports::month))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{id}", get(incidents::one))
        .route("/incidents/{id}/services", get(services::of_incident))
        .route("/incidents/{id}/{form}", get(incidents::form))
        .route("/incidents/{id}/assign", post(incidents::assign))
        .route("/incidents/{id}/shelve", post(incidents::shelve))
        .route("/incidents/{id}/acknowledge", post(incidents::acknowledge))
        .route("/incidents/{id}/note", post(incidents::note))
        .route("/incidents/{id}/repairing", post(incidents::repairing))
        .route("/incidents/{id}/close", post(incidents::close))
        .route(
            "/traces",
            get(traces::list)
                .post(traces::look)
                .layer(DefaultBodyLimit::max(traces::FILE_BYTES)),
        )
        .route("/traces/{name}", get(traces::one))
        .route("/anomalies", get(anomalies::list))
        .route("/services", get(services::list))
        .route("/calibration", get(calibration::calibration))
        .route("/calibration/survey", get(calibration::survey))
        .route("/permits", get(permits::list).post(permits::grant))
        .route("/permits/{id}", get(permits::one).delete(permits::revoke))
        .route("/commands", get(commands::list).post(commands::ask))
        .route("/commands/{id}", get(commands::one))
        .route(
            "/session",
            get(session::session)
                .post(session::sign_in)
                .delete(session::sign_out),
        )
        .route("/sign-in", get(sign_in::ways))
        .route("/sign-in/begin", get(sign_in::begin))
        .route("/sign-in/back", get(sign_in::back))
        .route("/users", get(session::users).post(session::add_user))
        .route("/users/{name}", delete(session::remove_user))
        .route("/tokens", get(session::tokens).post(session::make_token))
        .route("/tokens/{id}", delete(session::revoke))
        .route("/audit", get(session::audit))
        .route("/live", get(live::stream))
        .route("/openapi.json", get(openapi::document))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
}

/// Sets what every answer carries; what a handler has said about caching stays.
async fn with_headers(mut response: Response) -> Response {
    const ALWAYS: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
pub(crate) mod example;
#[cfg(test)]
mod tests;
