//! SVG as text: shapes in, one self-contained document out.
//!
//! Everything is written as presentation attributes, without style sheets, ids, scripts or anything
//! from outside: so several pictures may stand in one page, and a printer shows what a screen does.

use std::fmt::{Display, Write};

/// The fonts to draw letters with; the first is the one that is embedded for PNG.
const FONTS: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// A point in pixels, from the top left.
pub(super) type Point = [f64; 2];

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// Which side of its place a text stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// It begins there.
    Start,
    /// It is centred there.
    Middle,
    /// It ends there.
    End,
}

/// A drawing that grows.
#[derive(Debug)]
pub(super) struct Canvas {
    body: String,
}

impl Canvas {
    pub(super) const fn new() -> Self {
        Self {
            body: String::new(),
        }
    }

    /// The finished document.
    pub(super) fn finish(self, width: f64, height: f64, title: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" font-family=\"{FONTS}\" \
             font-size=\"12\" fill=\"#111\">\n<title>{}</title>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{}</svg>\n",
            escaped(title),
            self.body
        )
    }

    /// A straight line.
    pub(super) fn line(&mut self, from: Point, to: Point, style: &str) {
        let ([x1, y1], [x2, y2]) = (from, to);
        self.add(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {style}/>"
        ));
    }

    /// A line through many points.
    pub(super) fn polyline(&mut self, points: &[Point], style: &str) {
        let mut list = String::with_capacity(points.len() * 12);
        for [x, y] in points {
            // Writing to a string can not fail.
            let _ = write!(list, "{x:.1},{y:.1} ");
        }
        self.add(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke-linejoin=\"round\" {style}/>",
            list.trim_end()
        ));
    }

    /// A rectangle.
    pub(super) fn rect(&mut self, frame: Frame, style: &str) {
        let Frame {
            left,
            top,
            right,
            bottom,
        } = frame;
        let (width, height) = ((right - left).max(0.0), (bottom - top).max(0.0));
        self.add(format_args!(
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {style}/>"
        ));
    }

    /// A closed shape through points around `at`.
    pub(super) fn polygon(&mut self, at: Point, around: &[Point], style: &str) {
        let mut list = String::new();
        for [x, y] in around {
            let _ = write!(list, "{:.1},{:.1} ", at[0] + x, at[1] + y);
        }
        self.add(format_args!(
            "<polygon points=\"{}\" {style}/>",
            list.trim_end()
        ));
    }

    /// A circle.
    pub(super) fn circle(&mut self, at: Point, radius: f64, style: &str) {
        let [x, y] = at;
        self.add(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" {style}/>"
        ));
    }

    /// A line of text.
    pub(super) fn text(&mut self, at: Point, anchor: Anchor, style: &str, text: &str) {
        let [x, y] = at;
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{}</text>",
            escaped(text)
        ));
    }

    /// A line of text that reads upwards.
    pub(super) fn upright(&mut self, at: Point, text: &str) {
        let [x, y] = at;
        self.add(format_args!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(text)
        ));
    }

    fn add(&mut self, element: impl Display) {
        let _ = writeln!(self.body, "{element}");
    }
}

impl Frame {
    pub(super) fn middle(self) -> f64 {
        f64::midpoint(self.left, self.right)
    }
}

/// About how wide a text is in the embedded font, in pixels: for keeping texts apart.
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    /// Mean advance of digits and small letters of DejaVu Sans, in units of its size.
    const ADVANCE: f64 = 0.61;
    text.chars().count() as f64 * size * ADVANCE
}

/// A text as XML wants it; what XML cannot hold at all becomes a question mark.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            c if c.is_control() && c != '\t' && c != '\n' => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_file_is_called_breaks_out_of_the_text() {
        let name = "a<b>&\"c\"'\u{0}\u{1b}\u{ffff}.sor";
        assert_eq!(escaped(name), "a&lt;b&gt;&amp;&quot;c&quot;&#39;???.sor");
        let mut canvas = Canvas::new();
        canvas.text([1.0, 2.0], Anchor::Start, "", name);
        let document = canvas.finish(10.0, 10.0, name);
        assert!(!document.contains("<b>"), "{document}");
    }

    #[test]
    fn a_document_asks_for_nothing_from_outside() {
        let mut canvas = Canvas::new();
        canvas.polyline(&[[0.0, 0.0], [1.0, 1.0]], "stroke=\"#000\"");
        canvas.circle([1.0, 1.0], 3.0, "");
        let document = canvas.finish(10.0, 10.0, "t");
        for outside in ["href", "url(", "<script", "<style", "@import", " id="] {
            assert!(!document.contains(outside), "{outside}");
        }
    }
}
