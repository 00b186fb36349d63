//! What is sent by a modem of the site where no broker answers: a configured command, run without a
//! shell, with the text as its last argument.
//!
//! [`Outbox`] decides, pure: a text waits a while for a broker, is tried a few times, and there are
//! only so many an hour, since each costs and wakes somebody. [`send`] runs the command.

use core::time::Duration;
use std::collections::VecDeque;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::clock::Moment;
use crate::config::Modem;

/// The longest text: one message of most networks.
const LONGEST: usize = 160;
/// Texts that wait; one more takes the place of the oldest.
const WAITING: usize = 8;
/// How often a text is tried.
const TRIES: u32 = 5;
/// How long after a try that failed the next one is.
const AGAIN: Duration = Duration::from_secs(60);
/// Within this time a text is not sent twice, and at most [`MOST`] are.
const WINDOW: Duration = Duration::from_secs(3600);
/// Texts sent within [`WINDOW`].
const MOST: usize = 10;
/// What is kept of what a command says of its failure.
const STDERR: u64 = 2000;

/// The texts that may have to be sent.
#[derive(Clone, Debug)]
pub struct Outbox {
    /// How long a text waits for a broker.
    patience: Duration,
    waiting: VecDeque<Text>,
    sent: VecDeque<(String, Moment)>,
}

#[derive(Clone, Debug)]
struct Text {
    words: String,
    due: Moment,
    tries: u32,
}

impl Outbox {
    /// An empty one; a text waits for a broker as long as `patience`.
    #[must_use]
    pub const fn new(patience: Duration) -> Self {
        Self {
            patience,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
        }
    }

    /// Takes a text.
    pub fn put(&mut self, words: &str, now: Moment) {
        let words = shortened(words);
        let known = self.waiting.iter().any(|text| text.words == words);
        let sent = |(said, at): &(String, Moment)| *said == words && now - *at < WINDOW;
        if known || self.sent.iter().any(sent) {
            return;
        }
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
        }
        let due = now + self.patience;
        self.waiting.push_back(Text {
            words,
            due,
            tries: 0,
        });
    }

    /// The text to send now. With a broker there is none: what is known goes there.
    pub fn next(&mut self, broker: bool, now: Moment) -> Option<String> {
        if broker {
            self.waiting.clear();
            return None;
        }
        self.sent.retain(|(_, at)| now - *at < WINDOW);
        if self.sent.len() >= MOST {
            return None;
        }
        let due = self.waiting.iter().find(|text| text.due <= now);
        due.map(|text| text.words.clone())
    }

    /// Takes what came of sending `words`; whether it is given up.
    pub fn done(&mut self, words: &str, well: bool, now: Moment) -> bool {
        let Some(at) = self.waiting.iter().position(|text| text.words == words) else {
            return false;
        };
        if well {
            self.waiting.remove(at);
            self.sent.push_back((words.to_owned(), now));
            return false;
        }
        let Some(text) = self.waiting.get_mut(at) else {
            return false;
        };
        text.tries += 1;
        text.due = now + AGAIN;
        let over = text.tries >= TRIES;
        if over {
            self.waiting.remove(at);
        }
        over
    }

    /// Whether anything waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// One line of at most [`LONGEST`] bytes.
fn shortened(words: &str) -> String {
    let mut text = String::new();
    for letter in words.chars().map(|l| if l.is_control() { ' ' } else { l }) {
        if text.len() + letter.len_utf8() > LONGEST {
            break;
        }
        text.push(letter);
    }
    text
}

/// Runs the modem's command with `words` as its last argument.
///
/// # Errors
///
/// Why it was not sent, in words.
pub async fn send(modem: &Modem, words: &str) -> Result<(), String> {
    let Some((program, arguments)) = modem.command.split_first() else {
        return Err("no command".to_owned());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .arg(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let stderr = child.stderr.take();
    let run = async {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            let mut limited = stderr.take(STDERR);
            // What can't be read is not said; a command that says more meets a closed pipe.
            let _ = limited.read_to_end(&mut said).await;
        }
        (child.wait().await, said)
    };
    match tokio::time::timeout(modem.timeout, run).await {
        Ok((Ok(status), _)) if status.success() => Ok(()),
        Ok((Ok(status), said)) => {
            let said = String::from_utf8_lossy(&said);
            Err(format!("{program}: {status}: {}", said.trim()))
        }
        Ok((Err(error), _)) => Err(format!("{program}: {error}")),
        // Dropping it kills it.
        Err(_) => Err(format!("{program}: no end within {:?}", modem.timeout)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_text_waits_for_a_broker_and_goes_when_none_comes() {
        let mut outbox = Outbox::new(MINUTE);
        outbox.put("break", at(0));
        assert_eq!(outbox.next(false, at(59)), None);
        assert_eq!(outbox.next(false, at(60)).as_deref(), Some("break"));
        outbox.done("break", true, at(61));
        assert!(outbox.is_empty());
        outbox.put("break", at(100));
        assert!(outbox.is_empty(), "said within the hour");
        outbox.put("break", at(61 + 3600));
        assert_eq!(outbox.next(true, at(4000)), None);
        assert!(outbox.is_empty(), "the broker has it");
    }

    #[test]
    fn a_text_is_tried_a_few_times_and_given_up() {
        let mut outbox = Outbox::new(Duration::ZERO);
        outbox.put("break", at(0));
        let (mut now, mut tries) = (0, 0);
        while !outbox.is_empty() {
            if let Some(words) = outbox.next(false, at(now)) {
                tries += 1;
                assert_eq!(outbox.done(&words, false, at(now)), tries == TRIES);
            }
            now += 1;
        }
        assert_eq!((tries, now), (5, 241));
    }

    #[test]
    fn there_are_only_so_many_an_hour_and_only_so_many_wait() {
        let mut outbox = Outbox::new(Duration::ZERO);
        let mut sent = 0;
        for minute in 0..60 {
            outbox.put(&format!("break {minute}"), at(minute * 60));
            while let Some(words) = outbox.next(false, at(minute * 60)) {
                sent += 1;
                outbox.done(&words, true, at(minute * 60));
            }
        }
        assert_eq!(sent, MOST);
        assert_eq!(outbox.waiting.len(), WAITING);
    }

    #[test]
    fn a_text_is_one_short_line() {
        assert_eq!(shortened("a\nb"), "a b");
        let long = shortened(&"ä".repeat(200));
        assert_eq!(long.len(), LONGEST);
    }

    fn script(folder: &Path, body: &str) -> Modem {
        let path = folder.join("send-sms");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Modem {
            command: vec![path.display().to_string(), "+994125550100".to_owned()],
            timeout: Duration::from_secs(20),
            after: Duration::ZERO,
        }
    }

    #[tokio::test]
    async fn the_command_gets_the_text_as_one_argument_whatever_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let body = format!("printf '%s|%s|%s' \"$#\" \"$1\" \"$2\" > {}", out.display());
        let modem = script(folder.path(), &body);
        let words = "km 3; $(reboot) `x` \"quoted\" & more";
        send(&modem, words).await.unwrap();
        let got = std::fs::read_to_string(out).unwrap();
        assert_eq!(got, format!("2|+994125550100|{words}"));
    }

    #[tokio::test]
    async fn a_command_that_fails_or_hangs_or_is_not_there_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let modem = script(folder.path(), "echo no carrier >&2; exit 3");
        let said = send(&modem, "x").await.unwrap_err();
        assert!(said.contains("no carrier") && said.contains('3'), "{said}");

        let mut modem = script(folder.path(), "exec sleep 600");
        modem.timeout = Duration::from_millis(100);
        let said = send(&modem, "x").await.unwrap_err();
        assert!(said.contains("no end within 100ms"), "{said}");

        let mut modem = script(folder.path(), "yes >&2");
        modem.timeout = Duration::from_secs(20);
        let said = send(&modem, "x").await.unwrap_err();
        assert!(said.len() < 3000, "{} bytes", said.len());

        modem.command = vec!["/no/such/command".to_owned()];
        let said = send(&modem, "x").await.unwrap_err();
        assert!(said.contains("/no/such/command"), "{said}");
    }
}
