//! A mailbox for the demo: speaks enough SMTP to be sent mail, and keeps each message as a file.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tracing::debug;

/// The largest message that is kept, in bytes.
const LARGEST: usize = 4 << 20;
/// How long a sender may take over one conversation.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest line of a command or message.
const LONGEST: u64 = 64 * 1024;

/// Takes mail at `listener` and keeps it in `folder` as `0001.eml` and so on, until the task is
/// stopped.
pub async fn serve(listener: TcpListener, folder: PathBuf) {
    let mut number = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // One sender at a time: an alarm is not a mass mailing.
        match tokio::time::timeout(PATIENCE, receive(stream, &folder, &mut number)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "a mail connection broke"),
            Err(_) => debug!("a mail sender took too long"),
        }
    }
}

/// A place in the conversation with a sender.
enum Talk {
    Commands,
    Message(String),
}

async fn receive(stream: TcpStream, folder: &Path, number: &mut u32) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let mut talk = Talk::Commands;
    write.write_all(b"220 silkline demo mailbox\r\n").await?;
    loop {
        let mut line = Vec::new();
        if (&mut lines)
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .await?
            == 0
        {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        let (next, reply) = match talk {
            Talk::Commands => command(&line),
            Talk::Message(message) if line.trim_end() == "." => {
                *number += 1;
                keep(folder, *number, &message).await?;
                (Talk::Commands, "250 kept\r\n")
            }
            Talk::Message(message) => (Talk::Message(longer(message, &line)), ""),
        };
        talk = next;
        write.write_all(reply.as_bytes()).await?;
        if reply.starts_with("221") {
            return Ok(());
        }
    }
}

fn command(line: &str) -> (Talk, &'static str) {
    let verb: String = line
        .chars()
        .take(4)
        .collect::<String>()
        .to_ascii_uppercase();
    match verb.as_str() {
        "EHLO" => (Talk::Commands, "250-silkline\r\n250 8BITMIME\r\n"),
        "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => (Talk::Commands, "250 well\r\n"),
        "DATA" => (Talk::Message(String::new()), "354 end with a dot\r\n"),
        "QUIT" => (Talk::Commands, "221 bye\r\n"),
        _ => (Talk::Commands, "502 not here\r\n"),
    }
}

/// The message with one line more; a dot that a sender doubled is single again.
fn longer(mut message: String, line: &str) -> String {
    if message.len() + line.len() <= LARGEST {
        message.push_str(if line.starts_with("..") {
            line.get(1..).unwrap_or(line)
        } else {
            line
        });
    }
    message
}

async fn keep(folder: &Path, number: u32, message: &str) -> io::Result<()> {
    let path = folder.join(format!("{number:04}.eml"));
    let half = folder.join(format!("{number:04}.part"));
    tokio::fs::write(&half, message).await?;
    tokio::fs::rename(&half, &path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_kept_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, folder.path().to_owned()));
        let mut stream = TcpStream::connect(at).await.unwrap();
        let talk = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: cut\r\n\r\n..dot\r\n.\r\nXYZ\r\nQUIT\r\n";
        stream.write_all(talk.as_bytes()).await.unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).await.unwrap();
        let codes: Vec<&str> = replies.lines().filter_map(|line| line.get(..3)).collect();
        assert_eq!(
            codes,
            [
                "220", "250", "250", "250", "250", "354", "250", "502", "221"
            ]
        );
        let kept = std::fs::read_to_string(folder.path().join("0001.eml")).unwrap();
        assert_eq!(kept, "Subject: cut\r\n\r\n.dot\r\n");
    }

    async fn talk(folder: &Path, text: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(listener, folder.to_owned()));
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).await.unwrap();
        task.abort();
        replies
    }

    #[tokio::test]
    async fn two_messages_of_one_conversation_are_two_files() {
        let folder = tempfile::tempdir().unwrap();
        let message = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n.\r\n";
        talk(
            folder.path(),
            &format!("HELO a\r\n{message}{message}QUIT\r\n"),
        )
        .await;
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["0001.eml", "0002.eml"]);
    }

    #[tokio::test]
    async fn a_sender_that_goes_away_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let task = tokio::spawn(serve(listener, folder.path().to_owned()));
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream
            .write_all(b"HELO a\r\nDATA\r\nhalf of a mess")
            .await
            .unwrap();
        drop(stream);
        // The next conversation begins once the broken one is over.
        let mut next = TcpStream::connect(at).await.unwrap();
        next.write_all(b"QUIT\r\n").await.unwrap();
        let mut replies = String::new();
        next.read_to_string(&mut replies).await.unwrap();
        assert!(replies.ends_with("221 bye\r\n"), "{replies}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        task.abort();
    }

    #[test]
    fn a_message_that_never_ends_is_cut() {
        let line = "x".repeat(1 << 20);
        let message = (0..6).fold(String::new(), |message, _| longer(message, &line));
        assert!(message.len() <= LARGEST);
    }
}
