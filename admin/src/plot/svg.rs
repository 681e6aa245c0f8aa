//! The circle as SVG: to put into a report, or to look at in a browser. No scripts, no fonts, nothing from elsewhere.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use super::{Dot, Part, Picture, depth, percent, turn};

/// The middle of the circle.
const MIDDLE: (f64, f64) = (390.0, 460.0);
/// Of the ring, of that of a plan, and of the band that groups are in.
const RADIUS: f64 = 280.0;
const RADIUS_AFTER: f64 = 318.0;
const BAND: (f64, f64) = (120.0, 250.0);
/// How thick the rings are.
const THICK: f64 = 26.0;
const THICK_AFTER: f64 = 14.0;
/// Where the legend begins, how high a row of it is, and how many it has.
const LEGEND: (f64, f64) = (880.0, 150.0);
const ROW: f64 = 26.0;
const ROWS_MAX: usize = 40;
/// Nodes that are named where they stand; where there are more, their colours have to do.
const NAMED_MAX: usize = 24;
/// Points that are drawn.
const POINTS_DRAWN: usize = 4_000;
const WIDTH: f64 = 1_420.0;

/// A drawing as it grows. Writing to a String can't fail.
struct Svg(String);

impl Svg {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }

    fn text(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        self.line(format_args!(r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{}</text>"#, escaped(text)));
    }
}

impl Picture {
    /// The whole file.
    pub fn svg(&self) -> String {
        let rows = self.marks.len().min(ROWS_MAX + 1);
        let height = (LEGEND.1 + ROW * rows as f64 + 60.0).max(MIDDLE.1 + RADIUS_AFTER + 70.0);
        let mut svg = Svg(String::new());
        svg.line(format_args!(r#"<?xml version="1.0" encoding="UTF-8"?>"#));
        svg.line(format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:.0}" height="{height:.0}" viewBox="0 0 {WIDTH:.0} {height:.0}" role="img">"#
        ));
        svg.line(format_args!("<title>{}</title>", escaped(&self.title())));
        svg.line(format_args!("<style>"));
        svg.line(format_args!("text {{ font-family: Helvetica, Arial, sans-serif; fill: #222; }}"));
        svg.line(format_args!(".h {{ font-size: 26px; font-weight: bold; }} .s {{ font-size: 15px; fill: #555; }}"));
        svg.line(format_args!(
            ".l {{ font-size: 15px; }} .r {{ font-size: 15px; text-anchor: end; }} .n {{ font-size: 14px; font-weight: bold; }}"
        ));
        svg.line(format_args!(".t {{ font-size: 11px; fill: #888; text-anchor: middle; }}"));
        svg.line(format_args!("</style>"));
        svg.line(format_args!(r##"<rect width="100%" height="100%" fill="#ffffff"/>"##));
        svg.text((40.0, 52.0), "h", &format!("The ring of {}", self.title()));
        for (ix, line) in std::iter::once(self.facts()).chain(self.remarks()).enumerate() {
            svg.text((40.0, 78.0 + 20.0 * ix as f64), "s", &line);
        }
        self.ring(&mut svg);
        self.groups(&mut svg);
        self.nodes(&mut svg);
        self.legend(&mut svg);
        svg.line(format_args!("</svg>"));
        svg.0
    }

    fn ring(&self, svg: &mut Svg) {
        for (at, name) in [(0, "0"), (1 << 30, "40000000"), (1 << 31, "80000000"), (3 << 30, "c0000000")] {
            let (x, y) = place(at, BAND.0 - 22.0);
            svg.text((x, y + 4.0), "t", name);
        }
        let rings = [(&self.parts, RADIUS, THICK)].into_iter();
        let after = self.after.iter().map(|after| (&after.parts, RADIUS_AFTER, THICK_AFTER));
        for (parts, radius, thick) in rings.chain(after) {
            svg.line(format_args!(r#"<g fill="none" stroke-width="{thick:.0}">"#));
            parts.iter().for_each(|part| arc(svg, *part, radius));
            svg.line(format_args!("</g>"));
        }
    }

    fn groups(&self, svg: &mut Svg) {
        let quiet = if self.after.is_some() { "0.3" } else { "0.8" };
        svg.line(format_args!(r#"<g fill-opacity="{quiet}">"#));
        // The largest ones first, so that small ones are seen on them.
        let mut dots: Vec<&Dot> = self.dots.iter().collect();
        dots.sort_by(|a, b| b.members.cmp(&a.members).then_with(|| a.group.cmp(&b.group)));
        for dot in dots.iter().filter(|dot| dot.to.is_none()) {
            let ((x, y), size) = (spot(dot), size(dot));
            svg.line(format_args!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="{size:.1}" fill="{}"/>"#, colour(dot.of)));
        }
        svg.line(format_args!("</g>"));
        // What moves is filled as its new master, edged as its old one, and tied to where it goes.
        for (dot, to) in dots.iter().filter_map(|dot| Some((dot, dot.to?))) {
            let ((x, y), (to_x, to_y)) = (spot(dot), place(dot.at, RADIUS_AFTER));
            let (from, to) = (colour(dot.of), colour(to));
            svg.line(format_args!(
                r#"<path d="M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}" stroke="{to}" stroke-width="0.9" stroke-opacity="0.55"/>"#
            ));
            svg.line(format_args!(
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="{:.1}" fill="{to}" stroke="{from}" stroke-width="2"/>"#,
                size(dot) + 0.8
            ));
        }
    }

    fn nodes(&self, svg: &mut Svg) {
        let all: usize = self.marks.iter().map(|mark| mark.points.len()).sum();
        let size = if all <= 64 { 6.5 } else { 3.0 };
        for (ix, mark) in self.marks.iter().enumerate() {
            // One that is planned stands where it will be.
            let out = if mark.share > 0.0 { RADIUS } else { RADIUS_AFTER };
            for at in mark.points.iter().take(POINTS_DRAWN / self.marks.len().max(1)) {
                let (x, y) = place(*at, out);
                svg.line(format_args!(
                    r##"<circle cx="{x:.1}" cy="{y:.1}" r="{size:.1}" fill="#ffffff" stroke="{}" stroke-width="2.5"/>"##,
                    dark(ix)
                ));
            }
            if let (Some(at), true) = (mark.points.first(), all <= NAMED_MAX) {
                let beyond = if self.after.is_some() { RADIUS_AFTER + THICK_AFTER } else { RADIUS + THICK };
                let (x, y) = place(*at, beyond + 4.0);
                let anchor = if turn(*at) < 0.5 { "start" } else { "end" };
                svg.line(format_args!(
                    r#"<text x="{x:.1}" y="{:.1}" class="n" text-anchor="{anchor}">{}</text>"#,
                    y + 5.0,
                    escaped(short(&mark.name))
                ));
            }
        }
    }

    fn legend(&self, svg: &mut Svg) {
        let (x, y) = LEGEND;
        let columns = [("share", 330.0), ("groups", 400.0), ("members", 480.0)];
        let planned = self.after.is_some();
        svg.text((x + 28.0, y - 14.0), "s", "super node");
        for (name, at) in columns {
            let name = if planned && name == "share" { "share → planned" } else { name };
            svg.line(format_args!(r#"<text x="{:.1}" y="{:.1}" class="s" text-anchor="end">{name}</text>"#, x + at, y - 14.0));
        }
        for (ix, mark) in self.marks.iter().enumerate().take(ROWS_MAX) {
            let row = y + ROW * ix as f64;
            svg.line(format_args!(r#"<rect x="{x:.1}" y="{row:.1}" width="16" height="16" rx="3" fill="{}"/>"#, colour(ix)));
            let name = if mark.name.is_empty() { mark.key.to_string() } else { format!("{} ({})", mark.key, short(&mark.name)) };
            svg.text((x + 28.0, row + 13.0), "l", &name);
            let share = if planned { format!("{} → {}", percent(mark.share), percent(mark.share_after)) } else { percent(mark.share) };
            for (cell, (_, at)) in [share, mark.groups.to_string(), mark.members.to_string()].iter().zip(columns) {
                svg.text((x + at, row + 13.0), "r", cell);
            }
        }
        if self.marks.len() > ROWS_MAX {
            let more = format!("and {} more", self.marks.len() - ROWS_MAX);
            svg.text((x + 28.0, y + ROW * ROWS_MAX as f64 + 13.0), "l", &more);
        }
    }
}

fn place(at: u32, out: f64) -> (f64, f64) {
    let angle = turn(at) * TAU;
    (MIDDLE.0 + out * angle.sin(), MIDDLE.1 - out * angle.cos())
}

fn spot(dot: &Dot) -> (f64, f64) {
    place(dot.at, BAND.0 + (BAND.1 - BAND.0) * depth(dot.at))
}

/// Ten times the members have a few times the area.
fn size(dot: &Dot) -> f64 {
    (2.2 + 0.9 * (1.0 + dot.members as f64).log2()).min(14.0)
}

/// All of the circle has no beginning: it is two halves.
fn arc(svg: &mut Svg, part: Part, radius: f64) {
    let length = u64::from(part.last - part.first) + 1;
    if length > 1 << 31 {
        let half = part.first + (part.last - part.first) / 2;
        arc(svg, Part { last: half, ..part }, radius);
        return arc(svg, Part { first: half + 1, ..part }, radius);
    }
    let ((x, y), (to_x, to_y)) = (place(part.first, radius), place(part.last, radius));
    svg.line(format_args!(r#"<path d="M{x:.2} {y:.2}A{radius:.0} {radius:.0} 0 0 1 {to_x:.2} {to_y:.2}" stroke="{}"/>"#, colour(part.of)));
}

/// Hues that are far from each other for neighbouring numbers; every other one is lighter.
fn colour(ix: usize) -> String {
    hex(ix, if ix.is_multiple_of(2) { 0.52 } else { 0.66 })
}

fn dark(ix: usize) -> String {
    hex(ix, 0.32)
}

fn hex(ix: usize, light: f64) -> String {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let hue = (0.58 + ix as f64 * GOLDEN).fract() * 12.0;
    // From hue, saturation and lightness, as CSS defines it.
    let strength = 0.62 * f64::min(light, 1.0 - light);
    let channel = |shift: f64| {
        let at = (hue + shift) % 12.0;
        ((light - strength * (at - 3.0).min(9.0 - at).clamp(-1.0, 1.0)) * 255.0).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", channel(0.0), channel(8.0), channel(4.0))
}

/// Names may be long.
fn short(name: &str) -> &str {
    let end = name.char_indices().nth(18).map_or(name.len(), |(end, _)| end);
    &name[..end]
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in crate::text::clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // No character of XML.
            '\u{fffe}' | '\u{ffff}' => out.push('·'),
            c => out.push(c),
        }
    }
    out
}
