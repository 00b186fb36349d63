//! Who asks, and what that person or program may.

use axum::http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use silkline_protocol::id::LineId;

/// What somebody may; each may what the ones before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Say what is found at the roadside.
    Field,
    /// Take, assign, shelve and close incidents; grant permits to work; have shots taken.
    Operator,
    /// Add and remove people.
    Admin,
}

impl Role {
    /// The role as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Field => "field",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role that is written so.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::Viewer, Self::Field, Self::Operator, Self::Admin];
        all.into_iter().find(|role| role.word() == word)
    }

    /// What a request needs.
    #[must_use]
    pub fn needed(method: &Method, path: &str) -> Self {
        let path = path.strip_prefix("/api/v1/").unwrap_or(path);
        let first = path.split('/').next().unwrap_or_default();
        if matches!(first, "users" | "tokens" | "audit") {
            return Self::Admin;
        }
        let guarded = matches!(first, "incidents" | "permits" | "commands");
        if method == Method::GET || method == Method::HEAD || !guarded {
            return Self::Viewer;
        }
        match path.rsplit('/').next() {
            Some("note" | "repairing") => Self::Field,
            _ => Self::Operator,
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The user who has signed in.
    pub user: Option<String>,
    /// The program that bears a token.
    pub program: Option<String>,
    /// What they may.
    pub role: Role,
    /// The lines that they see; all where absent.
    pub lines: Option<Vec<LineId>>,
    /// Whether nobody is set up, and everybody on this machine may everything.
    pub open: bool,
}

impl Who {
    /// Everybody on this machine.
    #[must_use]
    pub const fn everybody() -> Self {
        Self {
            user: None,
            program: None,
            role: Role::Admin,
            lines: None,
            open: true,
        }
    }

    /// The bearer of the token of the settings.
    #[must_use]
    pub fn keeper() -> Self {
        Self {
            program: Some("token_file".to_owned()),
            open: false,
            ..Self::everybody()
        }
    }

    /// The name for logs and histories.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = self.user.as_deref().or(self.program.as_deref());
        name.unwrap_or("somebody on this machine")
    }

    /// Whether they see a line.
    #[must_use]
    pub fn sees(&self, line: &LineId) -> bool {
        self.lines.as_ref().is_none_or(|lines| lines.contains(line))
    }

    /// Whether they see any of these lines.
    #[must_use]
    pub fn sees_any(&self, lines: &[LineId]) -> bool {
        self.lines.is_none() || lines.iter().any(|line| self.sees(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_needs_the_least_role_that_may_do_it() {
        let get = Method::GET;
        let post = Method::POST;
        for (method, path, role) in [
            (&get, "/api/v1/incidents/i-1", Role::Viewer),
            (&get, "/metrics", Role::Viewer),
            (&post, "/api/v1/traces", Role::Viewer),
            (&post, "/api/v1/session", Role::Viewer),
            (&post, "/api/v1/incidents/i-1/note", Role::Field),
            (&post, "/api/v1/incidents/i-1/repairing", Role::Field),
            (&post, "/api/v1/incidents/i-1/acknowledge", Role::Operator),
            (&post, "/api/v1/incidents/i-1/close", Role::Operator),
            (&post, "/api/v1/incidents/i-1/anything-new", Role::Operator),
            (&get, "/api/v1/permits", Role::Viewer),
            (&post, "/api/v1/permits", Role::Operator),
            (&Method::DELETE, "/api/v1/permits/p-1", Role::Operator),
            (&get, "/api/v1/users", Role::Admin),
            (&get, "/api/v1/audit", Role::Admin),
            (&Method::DELETE, "/api/v1/tokens/7", Role::Admin),
        ] {
            assert_eq!(Role::needed(method, path), role, "{method} {path}");
        }
        assert!(Role::Admin > Role::Operator && Role::Field > Role::Viewer);
    }

    #[test]
    fn a_role_reads_back() {
        for role in [Role::Viewer, Role::Field, Role::Operator, Role::Admin] {
            assert_eq!(Role::of(role.word()), Some(role));
        }
        assert_eq!(Role::of("root"), None);
    }

    #[test]
    fn an_operator_sees_its_own_lines_only() {
        let (north, south): (LineId, LineId) = ("north".parse().unwrap(), "south".parse().unwrap());
        let mut who = Who::keeper();
        assert!(who.sees(&north) && who.sees_any(&[]));
        who.lines = Some(vec![north.clone()]);
        assert!(who.sees(&north) && !who.sees(&south));
        assert!(who.sees_any(&[south.clone(), north]) && !who.sees_any(&[south]));
    }
}
