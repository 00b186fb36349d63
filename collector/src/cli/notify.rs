//! `notify-test`: one message on one channel, so that nobody waits for a fault to learn that it fails.

use std::io::{self, Write};

use super::{Exit, say};
use crate::config::Settings;
use crate::notify::{self, TestError};

/// Sends a test message on the channel called `name`.
///
/// # Errors
///
/// Where the answer cannot be written.
pub fn test(settings: &Settings, name: &str, out: &mut impl Write) -> io::Result<Exit> {
    let runtime = tokio::runtime::Runtime::new()?;
    match runtime.block_on(notify::test(settings, name)) {
        Ok(()) => {
            say(out, format!("channel {name} has taken a test message"))?;
            Ok(Exit::Done)
        }
        Err(error) => {
            writeln!(io::stderr(), "{error}")?;
            Ok(match error {
                TestError::Unknown { .. } => Exit::Usage,
                TestError::Channel(_) => Exit::BadSettings,
                TestError::Failed { .. } => Exit::Unavailable,
            })
        }
    }
}
