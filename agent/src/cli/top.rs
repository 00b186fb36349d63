//! `top`: how the running agent of these settings is.

use super::{Exit, Said};
use crate::clock::Clock;
use crate::config::Config;
use crate::local::{ask, socket_path};
use crate::top::{show, text};

/// Shows the agent of `config` on the terminal until somebody leaves, or once as text.
pub async fn say(config: &Config, once: bool, clock: Clock) -> Said {
    let path = socket_path(config);
    if !once {
        return match show(&path, clock).await {
            Ok(()) => Said::out(String::new(), Exit::Done),
            Err(error) => Said::failed(format!("no terminal: {error}; try --once"), Exit::Usage),
        };
    }
    match ask(&path).await {
        Ok(now) => {
            let well = now.alarms().is_empty() && now.spool.fault.is_none();
            let exit = if well { Exit::Done } else { Exit::NotWell };
            Said::out(text::whole(&now), exit)
        }
        Err(error) => {
            let path = path.display();
            Said::failed(
                format!("{path}: {error}: does the agent run?"),
                Exit::Unavailable,
            )
        }
    }
}
