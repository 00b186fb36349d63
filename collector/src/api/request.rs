//! What comes with a request, checked: a bad query, body or id becomes a problem document.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::{DeviceId, SiteId};

use super::Problem;
use super::who::Who;
use crate::store::rows::RowId;

/// The items of a page where nothing else is asked for.
const LIMIT: u16 = 100;
/// The most items of a page.
const MOST: u16 = 1000;

/// The query of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(asked)| Self(asked))
            .map_err(|error: QueryRejection| {
                Problem::new(error.status(), format!("query: {}", error.body_text()))
            })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    /// The guard has put it there; without a guard nobody asks.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let nobody = || Problem::new(StatusCode::UNAUTHORIZED, "nobody asks");
        parts.extensions.get::<Self>().cloned().ok_or_else(nobody)
    }
}

/// The part of the path that names something.
#[derive(Clone, Debug)]
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name))
            .map_err(|error: PathRejection| {
                Problem::new(error.status(), format!("path: {}", error.body_text()))
            })
    }
}

/// The JSON body of a request.
#[derive(Clone, Copy, Debug)]
pub struct Sent<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = Json::from_request(request, state).await;
        body.map(|Json(sent)| Self(sent))
            .map_err(|error: JsonRejection| {
                Problem::new(error.status(), format!("body: {}", error.body_text()))
            })
    }
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The `cursor` of the next page; nothing on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The only page.
    #[must_use]
    pub const fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// The first `limit` of rows, of which one more was fetched than fits; `key` gives the number
    /// by which the next page goes on.
    #[must_use]
    pub fn cut(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> RowId) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|last| key(last).0.to_string());
        Self { items: rows, next }
    }

    /// The page with each item turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(turn).collect(),
            next: self.next,
        }
    }
}

/// The `limit` and `cursor` of a list.
///
/// # Errors
///
/// Where one is not what the list gave or takes.
pub(crate) fn paging(
    limit: Option<u16>,
    cursor: Option<&str>,
) -> Result<(usize, Option<RowId>), Problem> {
    let limit = limit.unwrap_or(LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::bad_request(format!(
            "limit: {limit} is not 1 to {MOST}"
        )));
    }
    let before = cursor.map(|cursor| {
        let number = cursor.parse().map(RowId);
        number.map_err(|_| {
            let found: String = cursor.chars().take(40).collect();
            Problem::bad_request(format!(
                "cursor: {found:?} is not the next of a page before"
            ))
        })
    });
    Ok((usize::from(limit), before.transpose()?))
}

/// The two parts of a device's id, `site.device`.
///
/// # Errors
///
/// Where the text is no such id.
pub(crate) fn device_id(id: &str) -> Result<(SiteId, DeviceId), Problem> {
    let parts = id
        .split_once('.')
        .and_then(|(site, device)| Some((site.parse().ok()?, device.parse().ok()?)));
    parts.ok_or_else(|| {
        let found: String = id.chars().take(140).collect();
        Problem::not_found(format!(
            "{found:?} is not a device's id such as \"baku.edfa-1\""
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_begins_only_if_there_is_one() {
        let key = |row: &i64| RowId(*row);
        let full = Page::cut(vec![9, 8, 7], 2, key);
        assert_eq!((full.items, full.next.as_deref()), (vec![9, 8], Some("8")));
        let last = Page::cut(vec![9, 8], 2, key);
        assert_eq!((last.items.len(), last.next), (2, None));
        assert_eq!(Page::cut(Vec::new(), 2, key).next, None);
    }

    #[test]
    fn paging_takes_what_a_page_gave() {
        assert_eq!(paging(None, None).unwrap(), (100, None));
        assert_eq!(paging(Some(2), Some("8")).unwrap(), (2, Some(RowId(8))));
        for (limit, cursor) in [(Some(0), None), (Some(1001), None), (None, Some("x"))] {
            assert_eq!(paging(limit, cursor).unwrap_err().status, 400);
        }
    }

    #[test]
    fn a_device_is_named_by_site_and_device() {
        let (site, device) = device_id("baku.edfa-1").unwrap();
        assert_eq!((site.as_str(), device.as_str()), ("baku", "edfa-1"));
        for bad in ["baku", "Baku.edfa", ".x", "a.b.c"] {
            assert_eq!(device_id(bad).unwrap_err().status, 404, "{bad}");
        }
    }
}
