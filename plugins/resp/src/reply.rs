//! What servers send: replies and pushes, as seen by the end that dialled.
//!
//! Records have no tree, so aggregates become flat: an array of equally long arrays becomes `rows`, anything deeper is
//! written out in order. Null and an empty aggregate inside another become an empty string, so that keys and values of a map
//! stay in step; a map that holds more than strings comes out as a plain list. An empty array is `array` without elements:
//! nothing on the wire tells what it would have held.

use crate::frame::{Dialect, Fault, Head, Item, Limits, Progress, item};
use chatring_sdk::{Arg, Decoded, Flow, Kind, Record};

/// The most a server may send us in one frame. The arguments of a frame cost 16 bytes each while it is handled.
const LIMITS: Limits = Limits { frame: 16 << 20, bulk: 16 << 20, args: 1_000_000, line: 64 << 10 };

/// How deep aggregates may stand in each other.
const DEPTH_MAX: usize = 8;

/// Takes replies off the front of `input` and says how many bytes it used. On a fault nothing behind it can be understood.
pub fn decode(progress: &mut Progress, input: &[u8], out: &mut dyn Decoded) -> Result<usize, Fault> {
    let mut argv = Vec::new();
    let mut used = 0;
    while used < input.len() {
        let rest = &input[used..];
        let Some(len) = progress.frame(rest, Dialect::Replies, &LIMITS)? else {
            break;
        };
        used += len;
        if tell(&rest[..len], &mut argv, out)? == Flow::Stop {
            break;
        }
    }
    Ok(used)
}

fn tell<'a>(frame: &'a [u8], argv: &mut Vec<Arg<'a>>, out: &mut dyn Decoded) -> Result<Flow, Fault> {
    argv.clear();
    let first = item(frame, 0)?;
    let (kind, from) = match first.head {
        Head::Nested(0) if first.tag == b'>' => return Ok(Flow::Continue),
        Head::Nested(children) => aggregate(frame, first, children, argv)?,
        _ => (scalar(first, argv), 0),
    };
    Ok(out.record(&Record::new(kind, &argv[from..])))
}

fn scalar<'a>(item: Item<'a>, argv: &mut Vec<Arg<'a>>) -> Kind {
    let (kind, name) = match item.tag {
        _ if item.head == Head::Null => (Kind::Null, "null"),
        b'+' => (Kind::Status, "ok"),
        b'-' | b'!' => (Kind::Error, "error"),
        b':' | b'(' | b'#' => (Kind::Integer, "integer"),
        _ => (Kind::Text, "text"),
    };
    argv.push(Arg::from(name));
    match kind {
        Kind::Null => {}
        Kind::Error => {
            let space = item.text.iter().position(|byte| *byte == b' ').unwrap_or(item.text.len());
            let (code, text) = item.text.split_at(space);
            argv.extend([Arg::new(code), Arg::new(text.strip_prefix(b" ").unwrap_or(text))]);
        }
        _ => argv.push(Arg::new(value(&item))),
    }
    kind
}

/// The text of a scalar, also inside an aggregate.
fn value<'a>(item: &Item<'a>) -> &'a [u8] {
    match (item.tag, item.text) {
        (b'#', b"t") => b"1",
        (b'#', _) => b"0",
        (b'=', [_, _, _, b':', text @ ..]) => text,
        (_, text) => text,
    }
}

/// Collects the leaves behind two free places in `argv`, for a name and a width that show only at the end. Says where the
/// record starts.
fn aggregate<'a>(frame: &'a [u8], top: Item<'a>, children: usize, argv: &mut Vec<Arg<'a>>) -> Result<(Kind, usize), Fault> {
    argv.extend([Arg::default(), Arg::default()]);
    let shape = leaves(frame, top, children, argv)?;
    let (kind, from, name) = match (top.tag, shape) {
        (b'>', _) => return Ok((Kind::Push, 2)),
        (b'%', Shape::Flat) => (Kind::Map, 1, "map"),
        (b'*' | b'~', Shape::Table(width)) => {
            argv[1] = Arg::new(width);
            (Kind::Rows, 0, "rows")
        }
        _ if children == 0 => (Kind::Array, 1, "array"),
        _ => return Ok((Kind::Named, 2)),
    };
    argv[from] = Arg::from(name);
    Ok((kind, from))
}

/// What an aggregate turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape<'a> {
    /// Strings only.
    Flat,
    /// Arrays of strings, all of this length.
    Table(&'a [u8]),
    /// Anything else.
    Deep,
}

fn leaves<'a>(frame: &'a [u8], top: Item<'a>, children: usize, argv: &mut Vec<Arg<'a>>) -> Result<Shape<'a>, Fault> {
    let mut open = [0; DEPTH_MAX];
    open[0] = children;
    let (mut depth, mut at, mut tables, mut leaves, mut same) = (1, top.next, 0, 0, true);
    let mut width: Option<Item<'a>> = None;
    while depth > 0 {
        if open[depth - 1] == 0 {
            depth -= 1;
            continue;
        }
        open[depth - 1] -= 1;
        let item = item(frame, at)?;
        at = item.next;
        match item.head {
            Head::Nested(count) if count > 0 => {
                tables += 1;
                same &= depth == 1 && matches!(item.tag, b'*' | b'~') && width.is_none_or(|first| first.head == item.head);
                width = width.or(Some(item));
                *open.get_mut(depth).ok_or(Fault::Depth(DEPTH_MAX))? = count;
                depth += 1;
            }
            head => {
                leaves += usize::from(depth == 1);
                let text = if matches!(head, Head::Nested(_)) { &[] } else { value(&item) };
                argv.push(Arg::new(text));
            }
        }
        if argv.len() > LIMITS.args + 2 {
            return Err(Fault::Args(LIMITS.args));
        }
    }
    Ok(match width {
        None => Shape::Flat,
        Some(first) if same && leaves == 0 && tables == children => Shape::Table(first.text),
        Some(_) => Shape::Deep,
    })
}
