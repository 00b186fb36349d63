//! What went wrong with a request, as a problem document (RFC 9457).

use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::people::PeopleError;
use crate::store::StoreError;

/// Why a request was not answered as asked.
///
/// # Source
///
/// RFC 9457, section 3; the type is `about:blank`, so the title is the status's own phrase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The kind of problem: always `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The phrase of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was found and what was wanted.
    pub detail: String,
    /// Seconds to wait, where asking again later helps; goes into `Retry-After`.
    #[serde(skip)]
    #[schemars(skip)]
    pub retry_s: Option<u64>,
}

impl Problem {
    /// The problem of `status` with what was found and what was wanted.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_s: None,
        }
    }

    /// A request that cannot be understood.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Asked too often: come back after `wait`.
    #[must_use]
    pub fn too_often(wait: core::time::Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let detail = format!("asked too often: wait {seconds} s");
        Self {
            retry_s: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// No such thing.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A struct of three texts and a number always has a JSON form.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let wait = self
            .retry_s
            .map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
        match wait {
            Some(wait) => (status, kind, wait, body).into_response(),
            None => (status, kind, body).into_response(),
        }
    }
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let status = match &error {
            PeopleError::File(_) | PeopleError::Hash(_) => StatusCode::INTERNAL_SERVER_ERROR,
            PeopleError::Name(_) | PeopleError::Password => StatusCode::BAD_REQUEST,
            PeopleError::Taken(_) | PeopleError::LastAdmin => StatusCode::CONFLICT,
            PeopleError::Missing => StatusCode::NOT_FOUND,
        };
        if status.is_server_error() {
            tracing::warn!(%error, "people could not be asked");
        }
        Self::new(status, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the store could not answer a request");
        let status = match error {
            StoreError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

/// Answers a path of the API that leads nowhere.
pub async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(format!(
        "{} is no resource, see /api/v1/openapi.json",
        uri.path()
    ))
}

/// Answers a method that a resource does not know; the router adds which it does.
pub async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_the_standard() {
        let problem = Problem::not_found("line \"x\"");
        let json = serde_json::to_value(&problem).unwrap();
        let want = serde_json::json!({
            "type": "about:blank", "title": "Not Found", "status": 404, "detail": "line \"x\"",
        });
        assert_eq!(json, want);
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }

    #[test]
    fn a_store_that_stops_is_not_a_broken_one() {
        assert_eq!(Problem::from(StoreError::Stopped).status, 503);
    }
}
