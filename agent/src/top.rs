//! `top`: a terminal screen of the running agent, for a person in the hut. It asks the agent's socket,
//! so it works with no uplink at all.
//!
//! Drawing is pure ([`screen`]); this file owns the terminal and the keys.

pub mod screen;
pub mod text;

use std::path::Path;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::clock::Clock;
use crate::local::ask;
use screen::{Screen, draw};

/// How often the agent is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long a key may wait.
const KEYS_EVERY: Duration = Duration::from_millis(50);

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Leave,
    Move(isize),
    Nothing,
}

/// Shows the agent whose socket is at `path` until somebody presses `q`.
///
/// # Errors
///
/// Where the terminal can't be used.
pub async fn show(path: &Path, clock: Clock) -> std::io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let outcome = watch(&mut terminal, path, clock).await;
    ratatui::try_restore()?;
    outcome
}

async fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    path: &Path,
    clock: Clock,
) -> std::io::Result<()> {
    let mut screen = Screen::default();
    let mut due = clock.moment();
    loop {
        if clock.moment() >= due {
            screen.took(
                ask(path)
                    .await
                    .map_err(|error| format!("{}: {error}", path.display())),
            );
            due = clock.moment() + EVERY;
            terminal.draw(|frame| draw(&screen, frame))?;
        }
        clock.sleep_until(clock.moment() + KEYS_EVERY).await;
        while event::poll(Duration::ZERO)? {
            match wish(&event::read()?) {
                Wish::Leave => return Ok(()),
                Wish::Move(lines) => screen.scroll(lines),
                Wish::Nothing => {}
            }
            terminal.draw(|frame| draw(&screen, frame))?;
        }
    }
}

fn wish(event: &Event) -> Wish {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind: KeyEventKind::Press | KeyEventKind::Repeat,
        ..
    }) = event
    else {
        return Wish::Nothing;
    };
    match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Wish::Leave,
        KeyCode::Char('q') | KeyCode::Esc => Wish::Leave,
        KeyCode::Down | KeyCode::Char('j') => Wish::Move(1),
        KeyCode::Up | KeyCode::Char('k') => Wish::Move(-1),
        KeyCode::PageDown | KeyCode::Char(' ') => Wish::Move(20),
        KeyCode::PageUp => Wish::Move(-20),
        KeyCode::Home => Wish::Move(isize::MIN),
        KeyCode::End => Wish::Move(isize::MAX),
        _ => Wish::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_leave_or_move() {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        let plain = |code| wish(&key(code, KeyModifiers::NONE));
        assert_eq!(plain(KeyCode::Char('q')), Wish::Leave);
        assert_eq!(plain(KeyCode::Down), Wish::Move(1));
        assert_eq!(plain(KeyCode::PageUp), Wish::Move(-20));
        assert_eq!(plain(KeyCode::Char('c')), Wish::Nothing);
        assert_eq!(
            wish(&key(KeyCode::Char('c'), KeyModifiers::CONTROL)),
            Wish::Leave
        );
        assert_eq!(wish(&Event::Resize(80, 24)), Wish::Nothing);
    }
}
