//! What `top` draws, pure: a state goes in, a frame comes out.
//!
//! ```text
//!   site, clock, uplink, spool            four lines
//!   what is not well, permits, a fault    as many as there are, at most a third of the screen
//!   devices with their points, events     the rest, to be scrolled
//! ```

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph};

use super::text::{clock_words, device_words, reading_words, spool_words, uplink_words};
use crate::local::Now;

/// Lines of the head: the title's border and what is in it.
const HEAD: u16 = 6;

/// What is shown, and from where on.
#[derive(Clone, Debug, Default)]
pub struct Screen {
    now: Option<Now>,
    /// Why the agent could not be asked the last time.
    fault: Option<String>,
    /// Lines scrolled past.
    from: usize,
}

impl Screen {
    /// Takes an answer of the agent, or why there is none: then what was known is shown on, and said to
    /// be old.
    pub fn took(&mut self, answer: Result<Now, String>) {
        match answer {
            Ok(now) => {
                self.now = Some(now);
                self.fault = None;
            }
            Err(why) => self.fault = Some(why),
        }
    }

    /// Moves by so many lines, to the last one at most.
    pub fn scroll(&mut self, lines: isize) {
        let last = self.body().len().saturating_sub(1);
        self.from = self.from.saturating_add_signed(lines).min(last);
    }

    fn head(&self) -> Vec<Line<'static>> {
        let Some(now) = &self.now else {
            let why = self
                .fault
                .clone()
                .unwrap_or_else(|| "asking the agent".to_owned());
            return vec![Line::styled(why, bad())];
        };
        let mut lines = vec![
            Line::raw(format!("clock   {}", clock_words(now))),
            match now.uplink.as_ref().map(|uplink| uplink.connected) {
                Some(Some(_)) => Line::raw(format!("uplink  {}", uplink_words(now))),
                Some(None) | None => Line::styled(format!("uplink  {}", uplink_words(now)), bad()),
            },
            Line::raw(format!("spool   {}", spool_words(now))),
        ];
        if let Some(fault) = &self.fault {
            lines.push(Line::styled(format!("old: {fault}"), bad()));
        }
        lines
    }

    fn title(&self) -> String {
        match &self.now {
            Some(now) => format!(
                " {}/{}  {}  version {} ",
                now.site, now.agent, now.at, now.version
            ),
            None => " silkline-agent ".to_owned(),
        }
    }

    /// What is to be seen first: alarms, then what else has something to say.
    fn notes(&self) -> Vec<Line<'static>> {
        let Some(now) = &self.now else {
            return Vec::new();
        };
        let alarms = now
            .alarms()
            .into_iter()
            .map(|alarm| Line::styled(alarm, bad()));
        let sections = now.sections.iter().flat_map(|section| {
            let title = Line::styled(
                section.title.clone(),
                Style::new().add_modifier(Modifier::BOLD),
            );
            core::iter::once(title).chain(
                section
                    .lines
                    .iter()
                    .map(|line| Line::raw(format!("  {line}"))),
            )
        });
        alarms.chain(sections).collect()
    }

    fn body(&self) -> Vec<Line<'static>> {
        let Some(now) = &self.now else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for device in &now.devices {
            let style = if device.fault.is_some() {
                bad()
            } else {
                Style::new().add_modifier(Modifier::BOLD)
            };
            lines.push(Line::styled(device_words(now, device), style));
            for point in &device.points {
                let reading = reading_words(point.reading);
                let alarm = point.alarm.as_deref().unwrap_or("");
                let line = format!(
                    "  {:<32} {reading:>14} {:<8} {alarm}",
                    point.name, point.unit
                );
                let style = if point.alarm.is_some() {
                    bad()
                } else {
                    Style::new()
                };
                lines.push(Line::styled(line, style));
            }
        }
        if !now.events.is_empty() {
            lines.push(Line::styled(
                "events",
                Style::new().add_modifier(Modifier::BOLD),
            ));
        }
        for event in &now.events {
            lines.push(Line::raw(format!("  {} {}", event.at, event.words)));
        }
        lines
    }
}

/// Draws `screen`.
pub fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    let notes = screen.notes();
    let most = frame.area().height / 3;
    let wanted = u16::try_from(notes.len()).unwrap_or(u16::MAX);
    let height = if notes.is_empty() {
        0
    } else {
        wanted.saturating_add(1).min(most)
    };
    let [head, middle, rest, foot] = Layout::vertical([
        Constraint::Length(HEAD),
        Constraint::Length(height),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let block = Block::new()
        .borders(Borders::TOP | Borders::BOTTOM)
        .title(screen.title());
    frame.render_widget(Paragraph::new(screen.head()).block(block), head);
    let shown = usize::from(height.saturating_sub(1));
    let mut some: Vec<Line<'_>> = notes.iter().take(shown).cloned().collect();
    if notes.len() > shown
        && let Some(last) = some.last_mut()
    {
        *last = Line::styled(format!("and {} more", notes.len() + 1 - shown), bad());
    }
    frame.render_widget(Paragraph::new(some), middle);
    let body: Vec<Line<'_>> = screen.body().into_iter().skip(screen.from).collect();
    frame.render_widget(Paragraph::new(body), rest);
    let keys = "q leave   arrows, page keys, home, end scroll";
    frame.render_widget(
        Paragraph::new(Line::styled(keys, Style::new().add_modifier(Modifier::DIM))),
        foot,
    );
}

fn bad() -> Style {
    Style::new().fg(Color::Red)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use silkline_protocol::message::ClockState;
    use silkline_protocol::sample::Reading;
    use silkline_protocol::time::Timestamp;

    use super::*;
    use crate::local::{DeviceNow, EventNow, PointNow, Section, SpoolNow};

    fn device(id: &str, fault: Option<&str>, value: f64) -> DeviceNow {
        let point = PointNow {
            name: "in_power.1".into(),
            reading: Reading::Value(value),
            unit: "dBm".into(),
            alarm: (value < -30.0).then(|| "below -30".into()),
        };
        DeviceNow {
            id: id.into(),
            profile: "silkline-edfa".into(),
            address: "192.0.2.10:502".into(),
            answered: Some(Timestamp::from_seconds(95)),
            fault: fault.map(Into::into),
            polls: 9,
            points: vec![point],
            ..DeviceNow::default()
        }
    }

    fn now(devices: Vec<DeviceNow>) -> Now {
        Now {
            at: Timestamp::from_seconds(100),
            site: "ganja".into(),
            agent: "main".into(),
            version: "0.1.0".into(),
            up_s: 60,
            clock: ClockState::Synchronised,
            clock_ahead_s: Some(-0.000_25),
            uplink: None,
            spool: SpoolNow {
                depth: 1234,
                bytes: 5_000_000,
                max_bytes: 8_000_000_000,
                ..SpoolNow::default()
            },
            devices,
            events: vec![EventNow {
                at: Timestamp::from_seconds(99),
                words: "edfa-1.in_power.1 light lost".into(),
            }],
            sections: vec![Section {
                title: "Permits".into(),
                lines: vec!["A. Mammadov, fibre 7, until noon".into()],
            }],
        }
    }

    /// The screen as text, a line a row.
    fn drawn(screen: &Screen, (width, height): (u16, u16)) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(screen, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| {
            (0..width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..height).map(|y| row(y).trim_end().to_owned()).collect()
    }

    fn has(lines: &[String], wanted: &str) -> bool {
        lines.iter().any(|line| line.contains(wanted))
    }

    #[test]
    fn the_screen_shows_all_there_is_without_an_uplink() {
        let mut screen = Screen::default();
        screen.took(Ok(now(vec![
            device("edfa-1", None, -17.2),
            device("edfa-2", Some("no answer within 1s"), -40.0),
        ])));
        let lines = drawn(&screen, (100, 30));
        for wanted in [
            "ganja/main",
            "set by a time server",
            "none set: everything stays in the spool",
            "1234 records wait, 5 of 8000 MB held, 0 dropped",
            "edfa-2: no answer within 1s",
            "A. Mammadov, fibre 7, until noon",
            "edfa-1 (silkline-edfa) 192.0.2.10:502  answered 5 s ago",
            "in_power.1                                -17.2 dBm",
            "edfa-1.in_power.1 light lost",
            "q leave",
        ] {
            assert!(
                has(&lines, wanted),
                "{wanted} is not in\n{}",
                lines.join("\n")
            );
        }
    }

    #[test]
    fn many_alarms_leave_room_for_the_values_and_are_counted() {
        let devices = (0..50)
            .map(|n| device(&format!("edfa-{n}"), None, -40.0))
            .collect();
        let mut screen = Screen::default();
        screen.took(Ok(now(devices)));
        let lines = drawn(&screen, (100, 24));
        assert!(has(&lines, "and 46 more"), "{}", lines.join("\n"));
        assert!(has(&lines, "edfa-0 (silkline-edfa)"));
    }

    #[test]
    fn scrolling_ends_at_both_ends() {
        let devices = (0..50)
            .map(|n| device(&format!("edfa-{n}"), None, -17.0))
            .collect();
        let mut screen = Screen::default();
        screen.took(Ok(now(devices)));
        screen.scroll(-5);
        assert_eq!(screen.from, 0);
        screen.scroll(2);
        assert!(!has(&drawn(&screen, (100, 24)), "edfa-0 ("));
        screen.scroll(isize::MAX);
        assert!(has(&drawn(&screen, (100, 24)), "light lost"));
        screen.scroll(isize::MIN);
        assert_eq!(screen.from, 0);
    }

    #[test]
    fn what_is_old_is_said_to_be() {
        let mut screen = Screen::default();
        screen.took(Err("agent.sock: no such file".into()));
        assert!(has(&drawn(&screen, (80, 24)), "agent.sock: no such file"));
        screen.took(Ok(now(vec![device("edfa-1", None, -17.2)])));
        screen.took(Err("the agent does not answer".into()));
        let lines = drawn(&screen, (80, 24));
        assert!(has(&lines, "old: the agent does not answer"), "{lines:?}");
        assert!(has(&lines, "edfa-1 ("));
    }

    #[test]
    fn no_terminal_is_too_small() {
        let mut screen = Screen::default();
        screen.took(Ok(now(vec![device("edfa-1", None, -40.0)])));
        for size in [(1, 1), (10, 3), (20, 6), (300, 2)] {
            drawn(&screen, size);
        }
    }
}
