//! `user`: who may sign in on the page. The first is added here, the others here or on the page.

use std::io::{self, BufRead, Write};

use clap::Subcommand;
use silkline_protocol::id::LineId;
use silkline_protocol::time::Timestamp;

use super::{Exit, say};
use crate::api::people::{FILE, PASSWORD_LETTERS, People, PeopleError, User};
use crate::api::who::Role;
use crate::config::Settings;

/// What to do with users.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Add one; the password is the first line of the standard input.
    Add {
        /// The name to sign in with.
        name: String,
        /// viewer, field, operator or admin; each may what the ones before it may.
        #[arg(long, default_value = "viewer", value_parser = role)]
        role: Role,
        /// The lines that the user sees, divided by commas; all unless said.
        #[arg(long, value_delimiter = ',')]
        lines: Option<Vec<LineId>>,
    },
    /// List them.
    List,
    /// Remove one, and end its sessions.
    Remove {
        /// The name.
        name: String,
    },
}

/// Does what `command` says; a password comes from `input`.
///
/// # Errors
///
/// Where the answer cannot be written or the password cannot be read.
pub fn user(
    settings: &Settings,
    command: &Command,
    now: Timestamp,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let done = std::fs::create_dir_all(&settings.data).map(|()| settings.data.join(FILE));
    let people = match People::open(&done?) {
        Ok(people) => people,
        Err(error) => return refused(&error),
    };
    let done = match command {
        Command::Add { name, role, lines } => {
            let user = User {
                name: name.clone(),
                role: *role,
                lines: lines.clone(),
                added: now,
            };
            writeln!(
                io::stderr(),
                "password, {PASSWORD_LETTERS} letters or more:"
            )?;
            let mut password = String::new();
            input.read_line(&mut password)?;
            add(&people, &user, password.trim_end_matches(['\r', '\n']))
        }
        Command::List => people.users().map(|users| users.iter().map(told).collect()),
        Command::Remove { name } => people.remove(name).and_then(|()| {
            let what = format!("removed user {name}");
            people.note("the command line", &what, now)?;
            Ok(vec![what])
        }),
    };
    match done {
        Ok(lines) => {
            for line in lines {
                say(out, line)?;
            }
            Ok(Exit::Done)
        }
        Err(error) => refused(&error),
    }
}

fn add(people: &People, user: &User, password: &str) -> Result<Vec<String>, PeopleError> {
    people.add(user, password)?;
    let what = format!("added user {} as {}", user.name, user.role.word());
    people.note("the command line", &what, user.added)?;
    Ok(vec![what])
}

fn told(user: &User) -> String {
    let lines = user.lines.as_ref().map_or_else(
        || "all lines".to_owned(),
        |lines| {
            lines
                .iter()
                .map(LineId::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        },
    );
    format!("{:<24} {:<9} {lines}", user.name, user.role.word())
}

fn refused(error: &PeopleError) -> io::Result<Exit> {
    writeln!(io::stderr(), "{error}")?;
    Ok(match error {
        PeopleError::File(_) | PeopleError::Hash(_) => Exit::Unavailable,
        _ => Exit::Usage,
    })
}

fn role(word: &str) -> Result<Role, String> {
    let wanted = || "want viewer, field, operator or admin".to_owned();
    Role::of(word).ok_or_else(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(settings: &Settings, command: &Command, input: &str) -> (Exit, String) {
        let mut out = Vec::new();
        let now = Timestamp::from_seconds(1);
        let exit = user(settings, command, now, &mut input.as_bytes(), &mut out).unwrap();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_user_is_added_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let text = "plant = \"p\"\ndata = \"d\"\n";
        let settings = crate::config::read("x", text, folder.path()).unwrap();
        let add = Command::Add {
            name: "aysel".to_owned(),
            role: Role::Operator,
            lines: Some(vec!["north".parse().unwrap()]),
        };
        assert_eq!(run(&settings, &add, "short\n").0, Exit::Usage);
        assert_eq!(
            run(&settings, &add, "correct horse battery\n").0,
            Exit::Done
        );
        assert_eq!(
            run(&settings, &add, "correct horse battery\n").0,
            Exit::Usage
        );
        let (exit, list) = run(&settings, &Command::List, "");
        assert_eq!(exit, Exit::Done);
        assert!(
            list.contains("aysel") && list.contains("operator  north"),
            "{list}"
        );
        let remove = Command::Remove {
            name: "aysel".to_owned(),
        };
        assert_eq!(run(&settings, &remove, "").0, Exit::Done);
        assert_eq!(run(&settings, &remove, "").0, Exit::Usage);
    }

    #[test]
    fn a_role_is_one_of_four() {
        assert_eq!(role("admin"), Ok(Role::Admin));
        assert!(role("root").unwrap_err().contains("operator"));
    }
}
