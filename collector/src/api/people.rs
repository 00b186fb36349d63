//! The people and programs that may ask: who they are, what they may, and what they did.
//!
//! ```text
//!   password ──argon2──▶ session (a cookie, 12 h) ─┐
//!   identity provider ─────▶ session of a guest ───┤
//!   a program's token ─────────────────────────────┼─▶ Who: name, role, lines
//!   nobody set up, on this machine alone ──────────┘
//! ```
//!
//! They are kept in a file of their own beside the hot store, so that neither a copy of the store
//! nor a look into it gives anybody's password away. Secrets are stored as digests only.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::Argon2;
use argon2::password_hash::rand_core::{OsRng, RngCore};
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use rusqlite::{Connection, OptionalExtension, Row, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use silkline_protocol::id::LineId;
use silkline_protocol::time::Timestamp;

use super::who::{Role, Who};

mod guests;

/// Their file in the data folder.
pub const FILE: &str = "people.data";
/// How long a session lasts.
pub(crate) const SESSION: core::time::Duration = core::time::Duration::from_secs(12 * 3600);
/// The shortest password; length is what counts (NIST SP 800-63B, 3.1.1.2).
pub const PASSWORD_LETTERS: usize = 12;
/// Longer ones would only cost time.
const MOST_LETTERS: usize = 256;
/// Entries of the audit log that are kept.
const AUDIT_KEPT: i64 = 100_000;

const LAYOUT: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA foreign_keys = ON;
    CREATE TABLE IF NOT EXISTS user (
        name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, lines TEXT,
        added INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS session (
        digest BLOB PRIMARY KEY, name TEXT NOT NULL REFERENCES user(name) ON DELETE CASCADE,
        ends INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS guest_session (
        digest BLOB PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, lines TEXT,
        ends INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS token (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
        role TEXT NOT NULL, lines TEXT, added INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL,
        what TEXT NOT NULL);";

/// Why people could not be asked or changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Their file.
    #[error("people: {0}")]
    File(#[from] rusqlite::Error),
    /// A name that cannot be.
    #[error("name: {0:?} is not 1 to 64 of a-z, A-Z, 0-9, '.', '-', '_', '@'")]
    Name(String),
    /// A password that is too short or too long.
    #[error("password: want {PASSWORD_LETTERS} to {MOST_LETTERS} letters")]
    Password,
    /// There is one of this name.
    #[error("name: there is a user {0:?} already")]
    Taken(String),
    /// There is none.
    #[error("there is no such user or token")]
    Missing,
    /// Nobody would be left to add others.
    #[error("the last admin cannot be removed")]
    LastAdmin,
    /// The password could not be hashed.
    #[error("password: {0}")]
    Hash(argon2::password_hash::Error),
}

/// A user, without the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// The name to sign in with.
    pub name: String,
    /// What the user may.
    pub role: Role,
    /// The lines that the user sees; all where absent.
    pub lines: Option<Vec<LineId>>,
    /// Since when.
    pub added: Timestamp,
}

/// A program's token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Its number.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// What its bearer may.
    pub role: Role,
    /// The lines that its bearer sees; all where absent.
    pub lines: Option<Vec<LineId>>,
    /// Since when.
    pub added: Timestamp,
}

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
}

/// The file of people.
#[derive(Debug)]
pub struct People {
    db: Mutex<Connection>,
}

impl People {
    /// Opens the file at `path`, or makes it.
    ///
    /// # Errors
    ///
    /// Where it cannot be had.
    pub fn open(path: &Path) -> Result<Self, PeopleError> {
        let db = Connection::open(path)?;
        db.busy_timeout(core::time::Duration::from_secs(5))?;
        db.execute_batch(LAYOUT)?;
        Ok(Self { db: Mutex::new(db) })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a user.
    ///
    /// # Errors
    ///
    /// Where the name or the password cannot be, or there is such a user.
    pub fn add(&self, user: &User, password: &str) -> Result<(), PeopleError> {
        let name = &user.name;
        let fit = |letter: char| letter.is_ascii_alphanumeric() || ".-_@".contains(letter);
        if name.is_empty() || name.len() > 64 || !name.chars().all(fit) {
            return Err(PeopleError::Name(name.chars().take(80).collect()));
        }
        if !(PASSWORD_LETTERS..=MOST_LETTERS).contains(&password.chars().count()) {
            return Err(PeopleError::Password);
        }
        let hash = hashed(password)?;
        let added = self.db().execute(
            "INSERT OR IGNORE INTO user VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                name,
                hash,
                user.role.word(),
                joined(user.lines.as_ref()),
                user.added.nanos()
            ],
        )?;
        if added == 0 {
            return Err(PeopleError::Taken(name.clone()));
        }
        Ok(())
    }

    /// Removes a user and ends its sessions.
    ///
    /// # Errors
    ///
    /// Where there is none, or it is the last admin.
    pub fn remove(&self, name: &str) -> Result<(), PeopleError> {
        let users = self.users()?;
        let gone = users.iter().find(|user| user.name == name);
        let gone = gone.ok_or(PeopleError::Missing)?;
        let admins = users.iter().filter(|user| user.role == Role::Admin);
        if gone.role == Role::Admin && admins.count() == 1 && users.len() > 1 {
            return Err(PeopleError::LastAdmin);
        }
        self.db()
            .execute("DELETE FROM user WHERE name = ?1", [name])?;
        Ok(())
    }

    /// All users, by name.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn users(&self) -> Result<Vec<User>, PeopleError> {
        let db = self.db();
        let mut found =
            db.prepare_cached("SELECT name, role, lines, added FROM user ORDER BY name")?;
        let rows = found.query_map([], |row| {
            Ok(User {
                name: row.get(0)?,
                role: role(row, 1)?,
                lines: lines(row, 2)?,
                added: Timestamp::from_nanos(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether anybody is set up.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn any(&self) -> Result<bool, PeopleError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM user) OR EXISTS (SELECT 1 FROM token)";
        Ok(self.db().query_row(sql, [], |row| row.get(0))?)
    }

    /// Whether anybody has a password.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn any_user(&self) -> Result<bool, PeopleError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM user)";
        Ok(self.db().query_row(sql, [], |row| row.get(0))?)
    }

    /// Begins a session where the password is right; its secret.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or written.
    pub fn sign_in(
        &self,
        name: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Option<String>, PeopleError> {
        let stored: Option<String> = {
            let db = self.db();
            let sql = "SELECT password FROM user WHERE name = ?1";
            db.query_row(sql, [name], |row| row.get(0)).optional()?
        };
        // Somebody who does not exist costs the same time as somebody who does.
        let known = stored.is_some();
        let hash = stored.map_or_else(|| hashed("nobody's password"), Ok)?;
        let right = PasswordHash::new(&hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        });
        if !(known && right) {
            return Ok(None);
        }
        let secret = secret();
        let ends = now + SESSION;
        let db = self.db();
        db.execute("DELETE FROM session WHERE ends < ?1", [now.nanos()])?;
        let row = params![digest(&secret), name, ends.nanos()];
        db.execute("INSERT INTO session VALUES (?1, ?2, ?3)", row)?;
        Ok(Some(secret))
    }

    /// Who holds a session.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn session(&self, secret: &str, now: Timestamp) -> Result<Option<Who>, PeopleError> {
        let sql = "SELECT u.name, u.role, u.lines FROM session s JOIN user u ON u.name = s.name
            WHERE s.digest = ?1 AND s.ends > ?2
            UNION ALL SELECT name, role, lines FROM guest_session WHERE digest = ?1 AND ends > ?2";
        let db = self.db();
        let mut found = db.prepare_cached(sql)?;
        let who = found.query_row(params![digest(secret), now.nanos()], |row| {
            Ok(Who {
                user: Some(row.get(0)?),
                program: None,
                role: role(row, 1)?,
                lines: lines(row, 2)?,
                open: false,
            })
        });
        Ok(who.optional()?)
    }

    /// Ends a session; whether it was a guest's.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn sign_out(&self, secret: &str) -> Result<bool, PeopleError> {
        let (db, digest) = (self.db(), digest(secret));
        db.execute("DELETE FROM session WHERE digest = ?1", [&digest])?;
        let guests = db.execute("DELETE FROM guest_session WHERE digest = ?1", [&digest])?;
        Ok(guests > 0)
    }

    /// Makes a token; its number and its secret, which is stored nowhere.
    ///
    /// # Errors
    ///
    /// Where the name cannot be or the file cannot be written.
    pub fn make_token(&self, token: &Token) -> Result<(i64, String), PeopleError> {
        let name = token.name.trim();
        if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
            return Err(PeopleError::Name(name.chars().take(80).collect()));
        }
        let secret = secret();
        let db = self.db();
        db.execute(
            "INSERT INTO token (name, digest, role, lines, added) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                name,
                digest(&secret),
                token.role.word(),
                joined(token.lines.as_ref()),
                token.added.nanos()
            ],
        )?;
        Ok((db.last_insert_rowid(), secret))
    }

    /// All tokens, the newest first.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn tokens(&self) -> Result<Vec<Token>, PeopleError> {
        let db = self.db();
        let sql = "SELECT id, name, role, lines, added FROM token ORDER BY id DESC";
        let mut found = db.prepare_cached(sql)?;
        let rows = found.query_map([], |row| {
            Ok(Token {
                id: row.get(0)?,
                name: row.get(1)?,
                role: role(row, 2)?,
                lines: lines(row, 3)?,
                added: Timestamp::from_nanos(row.get(4)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Revokes a token.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn revoke(&self, id: i64) -> Result<(), PeopleError> {
        match self.db().execute("DELETE FROM token WHERE id = ?1", [id])? {
            0 => Err(PeopleError::Missing),
            _ => Ok(()),
        }
    }

    /// Who bears a token.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn bearer(&self, secret: &str) -> Result<Option<Who>, PeopleError> {
        let db = self.db();
        let sql = "SELECT name, role, lines FROM token WHERE digest = ?1";
        let mut found = db.prepare_cached(sql)?;
        let who = found.query_row([digest(secret)], |row| {
            Ok(Who {
                user: None,
                program: Some(row.get(0)?),
                role: role(row, 1)?,
                lines: lines(row, 2)?,
                open: false,
            })
        });
        Ok(who.optional()?)
    }

    /// Writes down who did what.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn note(&self, who: &str, what: &str, now: Timestamp) -> Result<(), PeopleError> {
        let db = self.db();
        let row = params![now.nanos(), who, what];
        db.execute("INSERT INTO audit (at, who, what) VALUES (?1, ?2, ?3)", row)?;
        let old = db.last_insert_rowid() - AUDIT_KEPT;
        db.execute("DELETE FROM audit WHERE id <= ?1", [old])?;
        Ok(())
    }

    /// Entries of the audit log below `before`, the newest first, at most `most`.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn audit(&self, before: i64, most: usize) -> Result<Vec<AuditEntry>, PeopleError> {
        let db = self.db();
        let sql = "SELECT id, at, who, what FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        let mut found = db.prepare_cached(sql)?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = found.query_map(params![before, most], |row| {
            Ok(AuditEntry {
                id: row.get(0)?,
                at: Timestamp::from_nanos(row.get(1)?),
                who: row.get(2)?,
                what: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn hashed(password: &str) -> Result<String, PeopleError> {
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(PeopleError::Hash)?.to_string())
}

/// 256 bits that nobody can guess, as text.
pub(super) fn secret() -> String {
    let mut bytes = [0_u8; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes.iter().fold(String::from("sl_"), |text, byte| {
        text + &format!("{byte:02x}")
    })
}

fn digest(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

fn joined(lines: Option<&Vec<LineId>>) -> Option<String> {
    let lines = lines?.iter().map(LineId::as_str);
    Some(lines.collect::<Vec<_>>().join(","))
}

fn lines(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Vec<LineId>>> {
    let text: Option<String> = row.get(at)?;
    // What is no line's id hides nothing: it is no line.
    Ok(text.map(|text| {
        text.split(',')
            .filter_map(|line| line.parse().ok())
            .collect()
    }))
}

/// An unknown role may the least.
fn role(row: &Row<'_>, at: usize) -> rusqlite::Result<Role> {
    let text: String = row.get(at)?;
    Ok(Role::of(&text).unwrap_or(Role::Viewer))
}

#[cfg(test)]
mod tests;
