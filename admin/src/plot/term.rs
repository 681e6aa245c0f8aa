//! The circle in characters: dots of Braille where the terminal has them, letters where it does not.

use std::f64::consts::TAU;
use std::fmt::Write as _;

use super::{Part, Picture, depth, turn};

/// What can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Whether it shows more than ASCII.
    pub unicode: bool,
    /// Whether it has colours.
    pub colour: bool,
}

/// Lines of a drawing, at least and at most.
const LINES: (usize, usize) = (11, 33);
/// Columns beside the circle, on either side.
const MARGIN: usize = 3;
/// Colours of nodes, of the 256 that terminals have; further nodes begin anew.
const COLOURS: [u8; 12] = [33, 208, 40, 199, 220, 51, 141, 203, 118, 27, 180, 245];

/// What a node is called in a drawing.
pub(super) fn letter(ix: usize) -> char {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    LETTERS.get(ix).map_or('*', |letter| char::from(*letter))
}

/// A cell: its dots, or its letter, and whose it is.
#[derive(Clone, Copy, Default)]
struct Cell {
    dots: u8,
    letter: Option<char>,
    of: Option<usize>,
}

struct Canvas {
    columns: usize,
    lines: usize,
    cells: Vec<Cell>,
}

/// Where the eight dots of a cell are in its character.
const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Canvas {
    fn new(columns: usize, lines: usize) -> Canvas {
        Canvas { columns, lines, cells: vec![Cell::default(); columns * lines] }
    }

    fn cell(&mut self, x: f64, y: f64) -> Option<(&mut Cell, u8)> {
        if x < 0.0 || y < 0.0 {
            return None;
        }
        let (x, y) = (x as usize, y as usize);
        let (column, line) = (x / 2, y / 4);
        let bit = BITS[x % 2][y % 4];
        if column >= self.columns || line >= self.lines {
            return None;
        }
        Some((&mut self.cells[line * self.columns + column], bit))
    }

    /// How it looks, line by line, without blanks at their ends.
    fn text(&self, screen: &Screen) -> String {
        let mut text = String::new();
        for line in self.cells.chunks(self.columns) {
            let used = line.iter().rposition(|cell| cell.dots != 0 || cell.letter.is_some()).map_or(0, |last| last + 1);
            let mut colour = None;
            for cell in &line[..used] {
                let wanted = cell.of.filter(|_| screen.colour);
                if colour != wanted {
                    // Writing to a String can't fail.
                    let _ = match wanted {
                        Some(of) => write!(text, "\x1b[38;5;{}m", COLOURS[of % COLOURS.len()]),
                        None => write!(text, "\x1b[0m"),
                    };
                    colour = wanted;
                }
                text.push(cell.letter.unwrap_or(match cell.dots {
                    0 => ' ',
                    dots if screen.unicode => char::from_u32(0x2800 + u32::from(dots)).unwrap_or('.'),
                    _ => '.',
                }));
            }
            if colour.is_some() {
                text.push_str("\x1b[0m");
            }
            text.push('\n');
        }
        text.trim_end_matches('\n').to_string()
    }
}

impl Picture {
    /// The circle, without a line break at its end.
    pub(super) fn draw(&self, screen: &Screen) -> String {
        let lines = (screen.width.saturating_sub(2 * MARGIN) / 2).clamp(LINES.0, LINES.1);
        let mut canvas = Canvas::new(2 * (lines + MARGIN), lines);
        // A dot is as high as it is wide.
        let middle = (canvas.columns as f64, lines as f64 * 2.0);
        let radius = lines as f64 * 2.0 - 5.0;
        let place = |at: u32, out: f64| {
            let angle = turn(at) * TAU;
            (middle.0 + out * angle.sin(), middle.1 - out * angle.cos())
        };
        for dot in &self.dots {
            let (x, y) = place(dot.at, radius * (0.5 + 0.34 * depth(dot.at)));
            // Four dots: one alone is hard to see.
            for (aside, below) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
                if let Some((cell, bit)) = canvas.cell(x + aside, y + below) {
                    (cell.dots, cell.of) = (cell.dots | bit, Some(dot.to.unwrap_or(dot.of)));
                }
            }
        }
        let around = (radius * TAU * 2.0) as u64;
        for step in 0..around {
            let at = (step * (1 << 32) / around) as u32;
            let Some(part) = self.part_at(at).filter(|part| !screen.unicode || !is_seam(*part, at, radius)) else { continue };
            for out in [radius, radius - 1.0] {
                let (x, y) = place(at, out);
                let Some((cell, bit)) = canvas.cell(x, y) else { continue };
                (cell.dots, cell.of) = (cell.dots | bit, Some(part.of));
                if !screen.unicode {
                    cell.letter = Some(letter(part.of).to_ascii_lowercase());
                }
            }
        }
        // Beside the circle, or in the place of a letter of it: where a node stands. What is there first stays.
        let out = if screen.unicode { radius + 4.0 } else { radius };
        for (ix, mark) in self.marks.iter().enumerate() {
            for at in &mark.points {
                let (x, y) = place(*at, out);
                let Some((cell, _)) = canvas.cell(x, y) else { continue };
                if !cell.letter.is_some_and(|letter| letter.is_ascii_uppercase() || screen.unicode) {
                    (cell.letter, cell.of) = (Some(letter(ix)), Some(ix));
                }
            }
        }
        canvas.text(screen)
    }

    fn part_at(&self, at: u32) -> Option<Part> {
        let ix = self.parts.partition_point(|part| part.last < at);
        self.parts.get(ix).copied()
    }
}

/// Whether a number is so near to the end of a part that it is left out, so that one sees where the next begins. Parts that are hardly there are drawn whole; zero is no end.
fn is_seam(part: Part, at: u32, radius: f64) -> bool {
    let dot = (f64::from(u32::MAX) / (radius * TAU)) as u32;
    let (below, above) = (at - part.first, part.last - at);
    part.last - part.first > 6 * dot && ((below < dot && part.first != 0) || (above < dot && part.last != u32::MAX))
}
