//! The commands that answer a person: `check`, `permit`, `probe`, `profiles`, `scan`, `spool`.
//!
//! Each gives what it says as text and how it ended as an [`Exit`]; `main` prints the one and leaves
//! with the other.

pub mod check;
pub mod permit;
pub mod probe;
pub mod profiles;
pub mod scan;
pub mod spool;
pub mod top;

/// How a command ended (design §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Done, and what was looked at is not well.
    NotWell,
    /// Used wrongly.
    Usage,
    /// The data are bad.
    BadData,
    /// A service can't be reached.
    Unavailable,
    /// The settings are bad.
    BadConfig,
}

/// What a command says, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// For standard output.
    pub text: String,
    /// For standard error.
    pub error: String,
    /// How it ended.
    pub exit: Exit,
}

impl Exit {
    /// The number that the program leaves with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotWell => 1,
            Self::Usage => 2,
            Self::BadData => 65,
            Self::Unavailable => 69,
            Self::BadConfig => 78,
        }
    }
}

impl Said {
    /// `text` for standard output, and how it ended.
    #[must_use]
    pub const fn out(text: String, exit: Exit) -> Self {
        Self {
            text,
            error: String::new(),
            exit,
        }
    }

    /// The same as the answer of a check: one that finds bad settings has done its work.
    #[must_use]
    pub fn of_a_check(self) -> Self {
        let exit = match self.exit {
            Exit::BadConfig => Exit::NotWell,
            other => other,
        };
        Self { exit, ..self }
    }

    /// `error` for standard error, and how it ended.
    #[must_use]
    pub fn failed(error: impl ToString, exit: Exit) -> Self {
        Self {
            text: String::new(),
            error: error.to_string(),
            exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_are_those_of_the_contract() {
        let all = [
            Exit::Done,
            Exit::NotWell,
            Exit::Usage,
            Exit::BadData,
            Exit::Unavailable,
            Exit::BadConfig,
        ];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 65, 69, 78]);
    }
}
