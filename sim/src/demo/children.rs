//! The programs of the demo: started beside this one, logged to files, stopped by their ids.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// How long a program may take to leave when asked.
const LEAVE: Duration = Duration::from_secs(8);
/// Lines of a log that are shown when its program fell over.
const LOG_LINES: usize = 15;

/// Programs that run.
#[derive(Default)]
pub(super) struct Children {
    running: Vec<Running>,
}

struct Running {
    name: String,
    child: Child,
    out: Option<ChildStdout>,
    log: PathBuf,
}

/// A program among [`Children`].
#[derive(Clone, Copy)]
pub(super) struct Started(usize);

impl Children {
    /// Starts `program`, which lies beside this one, with `--config config run`.
    pub(super) fn start(
        &mut self,
        program: &str,
        name: &str,
        config: &Path,
    ) -> anyhow::Result<Started> {
        let own = std::env::current_exe()?;
        let path = own.with_file_name(program);
        let log = config.with_extension("log");
        let errors = File::create(&log)?;
        let child = Command::new(&path)
            .arg("--config")
            .arg(config)
            .arg("run")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .kill_on_drop(true)
            .spawn();
        let build = || {
            format!(
                "{} cannot be started: `cargo build --workspace`",
                path.display()
            )
        };
        let mut child = child.with_context(build)?;
        let out = child.stdout.take();
        self.running.push(Running {
            name: name.to_owned(),
            child,
            out,
            log,
        });
        Ok(Started(self.running.len() - 1))
    }

    /// The first line that a program prints.
    pub(super) async fn first_line(
        &mut self,
        started: Started,
        patience: Duration,
    ) -> anyhow::Result<String> {
        let running = self.running.get_mut(started.0).context("no such program")?;
        let out = running.out.take().context("its output is read already")?;
        let mut line = String::new();
        let mut lines = BufReader::new(out);
        let read = tokio::time::timeout(patience, lines.read_line(&mut line)).await;
        match read {
            Ok(Ok(1..)) => {
                running.out = Some(lines.into_inner());
                Ok(line)
            }
            Ok(Ok(0)) => bail!("{} ended at once\n{}", running.name, tail(&running.log)),
            Ok(Err(error)) => Err(error).with_context(|| running.name.clone()),
            Err(_) => bail!(
                "{} does not get ready\n{}",
                running.name,
                tail(&running.log)
            ),
        }
    }

    /// Waits until a program ends that should not, and says which and why.
    pub(super) async fn first_death(&mut self) -> anyhow::Error {
        loop {
            for running in &mut self.running {
                if let Ok(Some(status)) = running.child.try_wait() {
                    let (name, log) = (&running.name, tail(&running.log));
                    return anyhow::anyhow!("{name} ended: {status}\n{log}");
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Asks every program to leave, the last started first; ends those that do not.
    pub(super) async fn stop(&mut self) {
        for running in self.running.iter().rev() {
            if let Some(id) = running.child.id() {
                let _ = Command::new("kill")
                    .arg("-TERM")
                    .arg(id.to_string())
                    .status()
                    .await;
            }
        }
        let all_left = async {
            for running in &mut self.running {
                let _ = running.child.wait().await;
            }
        };
        if tokio::time::timeout(LEAVE, all_left).await.is_err() {
            for running in &mut self.running {
                let _ = running.child.kill().await;
            }
        }
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_shown_from_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        let lines: Vec<String> = (0..40).map(|line| line.to_string()).collect();
        std::fs::write(&log, lines.join("\n")).unwrap();
        let shown = tail(&log);
        assert!(
            shown.starts_with("25\n") && shown.ends_with("39"),
            "{shown}"
        );
        assert_eq!(tail(&folder.path().join("none")), "");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("x.toml");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _inside = runtime.enter();
        let started = Children::default().start("no-such-program", "x", &config);
        let said = started.err().unwrap().to_string();
        assert!(said.contains("no-such-program"), "{said}");
    }
}
