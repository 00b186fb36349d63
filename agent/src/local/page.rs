//! The page: the same as `top`, for a browser on this machine. No script, nothing from elsewhere.

use core::fmt::Write as _;

use super::{DeviceNow, Now};
use crate::top::text::{age, clock_words, reading_words, spool_words, uplink_words};

/// The page's style.
pub(super) const STYLE: &str = "\
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
body { margin: 1rem; max-width: 70rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin: 1.2rem 0 .3rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .15rem .6rem .15rem 0; vertical-align: top; border-bottom: 1px solid #8884 }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.bad { color: #b00020; font-weight: 600 }
@media (prefers-color-scheme: dark) { .bad { color: #ff8a80 } }
";

/// The page.
pub(super) fn page(now: &Now) -> String {
    let mut html = String::new();
    let title = format!("{}/{}", now.site, now.agent);
    // Writing into a String does not fail.
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">\
         <title>{0}</title><link rel=\"stylesheet\" href=\"/style.css\"></head><body><h1>{0}</h1>\
         <p>{1} &middot; version {2}</p><p>Clock: {3}<br>Uplink: {4}<br>Spool: {5}</p>",
        escaped(&title),
        escaped(&now.at.to_string()),
        escaped(&now.version),
        escaped(&clock_words(now)),
        escaped(&uplink_words(now)),
        escaped(&spool_words(now)),
    );
    let alarms = now.alarms();
    list(&mut html, "Not well", &alarms, "bad");
    for section in &now.sections {
        list(&mut html, &section.title, &section.lines, "");
    }
    for device in &now.devices {
        table(&mut html, now, device);
    }
    let events: Vec<String> = now
        .events
        .iter()
        .map(|event| format!("{} {}", event.at, event.words))
        .collect();
    list(&mut html, "Events", &events, "");
    html.push_str("</body></html>\n");
    html
}

fn list(html: &mut String, title: &str, lines: &[String], class: &str) {
    if lines.is_empty() {
        return;
    }
    let _ = write!(html, "<h2>{}</h2><ul>", escaped(title));
    for line in lines {
        let _ = write!(html, "<li class=\"{class}\">{}</li>", escaped(line));
    }
    html.push_str("</ul>");
}

fn table(html: &mut String, now: &Now, device: &DeviceNow) {
    let _ = write!(
        html,
        "<h2>{}</h2><p>{} at {}, answered {}",
        escaped(&device.id),
        escaped(&device.profile),
        escaped(&device.address),
        escaped(&age(now.at, device.answered)),
    );
    if let Some(fault) = &device.fault {
        let _ = write!(html, ": <span class=\"bad\">{}</span>", escaped(fault));
    }
    html.push_str("</p><table>");
    for point in &device.points {
        let class = if point.alarm.is_some() { "n bad" } else { "n" };
        let _ = write!(
            html,
            "<tr><td>{}</td><td class=\"{class}\">{}</td><td>{}</td><td class=\"bad\">{}</td></tr>",
            escaped(&point.name),
            escaped(&reading_words(point.reading)),
            escaped(&point.unit),
            escaped(point.alarm.as_deref().unwrap_or("")),
        );
    }
    html.push_str("</table>");
}

/// Text that is no markup, whatever a device or a person wrote.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
