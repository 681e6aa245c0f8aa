//! The files: which one is written to, when the next begins, and which one goes.
//!
//! Knows no threads and no time of its own. Invariant: between two calls every file ends where a line does, unless the disk won't even cut off what
//! it did not take; that is done when the file is opened again.

use crate::date;
use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Where the files are, and how many there may be of what size and age.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub directory: PathBuf,
    pub bytes_max: u64,
    pub age_ms_max: u64,
    pub keep: usize,
}

/// Lines that wait, and how many bytes that is.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Lines {
    pub fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    /// All of the others behind these.
    pub fn append(&mut self, mut others: Lines) {
        self.bytes += others.bytes;
        self.lines.append(&mut others.lines);
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn pop(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.len();
        }
    }
}

/// The files of one directory.
pub(crate) struct Archive {
    place: Place,
    open: Option<Open>,
    complaint: Option<String>,
}

/// The one that is written to.
struct Open {
    file: File,
    name: Name,
    size: u64,
}

/// What a file is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    /// Each file's is higher than those before, whatever the clock does.
    number: u64,
    /// When it was begun, as it stands in the name.
    begun: String,
}

/// Bytes that are written at a time.
const CHUNK: usize = 256 << 10;
/// Longer than any line: where a file's end has no end of a line in so many bytes, it is none of ours.
const LINE_MAX: u64 = 256 << 10;

impl Archive {
    pub fn new(place: Place) -> Archive {
        Archive { place, open: None, complaint: None }
    }

    /// Writes lines, and takes those away that it has written.
    pub fn write(&mut self, now_ms: u64, lines: &mut Lines) -> io::Result<()> {
        // Someone may have taken the file away.
        if self.open.as_ref().is_some_and(|open| !self.place.directory.join(open.name.to_string()).exists()) {
            self.open = None;
        }
        while let Some(first) = lines.lines.front() {
            let room = self.place.bytes_max;
            let mut open = self.ready(now_ms, first.len() as u64)?;
            let mut chunk = String::new();
            for line in &lines.lines {
                let is_more = chunk.len() + line.len() > CHUNK || open.size + (chunk.len() + line.len()) as u64 > room;
                if is_more && !chunk.is_empty() {
                    break;
                }
                chunk.push_str(line);
            }
            if let Err(error) = open.file.write_all(chunk.as_bytes()) {
                // Part of it may be there.
                let _ = open.file.set_len(open.size);
                return Err(error);
            }
            open.size += chunk.len() as u64;
            self.open = Some(open);
            let mut written = 0;
            while written < chunk.len() {
                written += lines.lines.front().map_or(chunk.len(), String::len);
                lines.pop();
            }
        }
        Ok(())
    }

    /// Something that went wrong and kept nothing from being written.
    pub fn complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    /// The file that a line of this length goes to.
    fn ready(&mut self, now_ms: u64, length: u64) -> io::Result<Open> {
        let open = match self.open.take() {
            Some(open) => Some(open),
            None => self.last()?,
        };
        let begun_first = date::name(now_ms.saturating_sub(self.place.age_ms_max));
        let number = match open {
            Some(open) if open.name.begun >= begun_first && (open.size == 0 || open.size + length <= self.place.bytes_max) => {
                return Ok(open);
            }
            Some(open) => open.name.number + 1,
            None => self.names()?.last().map_or(1, |name| name.number + 1),
        };
        let name = Name { number, begun: date::name(now_ms) };
        let file = OpenOptions::new().append(true).create(true).open(self.place.directory.join(name.to_string()))?;
        let size = file.metadata()?.len();
        if let Err(error) = self.remove_oldest() {
            self.complaint = Some(format!("an old file can't be removed: {error}"));
        }
        Ok(Open { file, name, size })
    }

    /// The last of those that there are, if it can go on.
    fn last(&self) -> io::Result<Option<Open>> {
        let Some(name) = self.names()?.pop() else { return Ok(None) };
        let mut file = OpenOptions::new().append(true).read(true).open(self.place.directory.join(name.to_string()))?;
        let length = file.metadata()?.len();
        let tail_from = length.saturating_sub(LINE_MAX);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(tail_from))?;
        (&file).take(LINE_MAX).read_to_end(&mut tail)?;
        let size = match tail.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => tail_from + end as u64 + 1,
            None if tail_from == 0 => 0,
            None => return Ok(None),
        };
        if size < length {
            file.set_len(size)?;
        }
        Ok(Some(Open { file, name, size }))
    }

    /// Those that there are, in the order in which they were begun.
    fn names(&self) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.place.directory)? {
            names.extend(entry?.file_name().to_str().and_then(Name::of));
        }
        names.sort();
        Ok(names)
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let names = self.names()?;
        let too_many = names.len().saturating_sub(self.place.keep);
        names[..too_many].iter().try_for_each(|name| fs::remove_file(self.place.directory.join(name.to_string())))
    }
}

impl Name {
    /// Of a file that is one of ours.
    fn of(text: &str) -> Option<Name> {
        let (number, begun) = text.strip_prefix("chat-")?.strip_suffix(".jsonl")?.split_once('-')?;
        let name = Name { number: number.parse().ok()?, begun: begun.to_string() };
        let shape = begun.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        (shape.eq(date::name(0).bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte })) && name.to_string() == text)
            .then_some(name)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "chat-{:08}-{}.jsonl", self.number, self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const HOUR: u64 = 3_600_000;

    fn archive(bytes_max: u64, age_ms_max: u64, keep: usize) -> (TempDir, Archive) {
        let dir = TempDir::new().unwrap();
        let place = Place { directory: dir.path().to_path_buf(), bytes_max, age_ms_max, keep };
        (dir, Archive::new(place))
    }

    fn lines(texts: &[&str]) -> Lines {
        let mut lines = Lines::default();
        texts.iter().for_each(|text| lines.push(format!("{text}\n")));
        lines
    }

    #[track_caller]
    fn write(archive: &mut Archive, now_ms: u64, texts: &[&str]) {
        let mut lines = lines(texts);
        archive.write(now_ms, &mut lines).unwrap();
        assert!(lines.is_empty() && lines.bytes() == 0);
        assert_eq!(archive.complaint(), None);
    }

    /// Number, begin and lines of each file.
    #[track_caller]
    fn check(dir: &TempDir, expect: &[&str]) {
        let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let text = |name: &String| fs::read_to_string(dir.path().join(name)).unwrap().trim_end().replace('\n', " ");
        let found: Vec<String> = names.iter().map(|name| format!("{name}: {}", text(name))).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn a_file_that_is_full_or_old_is_followed_by_another() {
        let (dir, mut archive) = archive(8, HOUR, 10);
        write(&mut archive, 0, &["one", "two", "three", "much too long", "x"]);
        write(&mut archive, HOUR, &["y"]);
        write(&mut archive, HOUR + 1_000, &["z"]);
        // The clock was set back: no file is begun for that, and none comes before the others.
        write(&mut archive, 5_000, &["12345"]);
        let expect = [
            "chat-00000001-1970-01-01T00-00-00Z.jsonl: one two",
            "chat-00000002-1970-01-01T00-00-00Z.jsonl: three",
            "chat-00000003-1970-01-01T00-00-00Z.jsonl: much too long",
            "chat-00000004-1970-01-01T00-00-00Z.jsonl: x y",
            "chat-00000005-1970-01-01T01-00-01Z.jsonl: z 12345",
        ];
        check(&dir, &expect);
    }

    #[test]
    fn the_oldest_go() {
        let (dir, mut archive) = archive(2, HOUR, 2);
        for other in ["chat-1.jsonl", "chat-00000001-yesterday.jsonl", "notes"] {
            fs::write(dir.path().join(other), "not ours").unwrap();
        }
        write(&mut archive, 0, &["a", "b", "c", "d"]);
        let expect = [
            "chat-00000001-yesterday.jsonl: not ours",
            "chat-00000003-1970-01-01T00-00-00Z.jsonl: c",
            "chat-00000004-1970-01-01T00-00-00Z.jsonl: d",
            "chat-1.jsonl: not ours",
            "notes: not ours",
        ];
        check(&dir, &expect);
    }

    #[test]
    fn the_last_file_goes_on_where_a_line_ends() {
        let (dir, mut first) = archive(64, HOUR, 2);
        write(&mut first, 0, &["a", "b"]);
        let name = "chat-00000001-1970-01-01T00-00-00Z.jsonl";
        let file = dir.path().join(name);
        // As a process that was killed leaves it.
        fs::write(&file, "a\nb\nhal").unwrap();
        let mut second = Archive::new(first.place.clone());
        write(&mut second, 1_000, &["c"]);
        check(&dir, &[&format!("{name}: a b c")]);
        fs::write(&file, "hal").unwrap();
        let mut third = Archive::new(first.place.clone());
        write(&mut third, 1_000, &["d"]);
        check(&dir, &[&format!("{name}: d")]);
        // What has no lines is no file of ours.
        fs::write(&file, vec![b'x'; LINE_MAX as usize + 1]).unwrap();
        let mut fourth = Archive::new(Place { bytes_max: 1 << 20, ..first.place.clone() });
        write(&mut fourth, 1_000, &["e"]);
        assert_eq!(fs::metadata(&file).unwrap().len(), LINE_MAX + 1);
        // Taken away: it begins anew.
        fs::remove_file(dir.path().join("chat-00000002-1970-01-01T00-00-01Z.jsonl")).unwrap();
        fs::remove_file(&file).unwrap();
        write(&mut fourth, 2_000, &["f"]);
        check(&dir, &["chat-00000001-1970-01-01T00-00-02Z.jsonl: f"]);
    }

    #[test]
    fn what_can_not_be_written_waits() {
        let (dir, mut archive) = archive(64, HOUR, 2);
        let gone = dir.path().with_extension("gone");
        fs::rename(&dir, &gone).unwrap();
        let mut waiting = lines(&["a"]);
        archive.write(0, &mut waiting).unwrap_err();
        waiting.append(lines(&["b"]));
        assert_eq!((waiting.len(), waiting.bytes()), (2, 4));
        fs::rename(&gone, &dir).unwrap();
        archive.write(0, &mut waiting).unwrap();
        assert!(waiting.is_empty());
        check(&dir, &["chat-00000001-1970-01-01T00-00-00Z.jsonl: a b"]);
    }
}
