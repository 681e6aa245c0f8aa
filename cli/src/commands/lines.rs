//! Lines typed at a terminal, for as long as one wants them: reading ends when this is dropped, and what is typed from then on is left to whoever reads next.
//!
//! A thread that simply reads can't be ended before the next line has come, and would take that from the prompt behind it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

/// Lines that are being read.
pub struct Lines {
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

const INPUT: Token = Token(0);
const ENOUGH: Token = Token(1);
/// More than a terminal lets one type in a line; what is longer counts as several.
const LINE_BYTES_MAX: usize = 64 * 1024;

impl Lines {
    /// Reads standard input. `each` gets every line without its end, and `None` at the end of all, on a thread of its own.
    pub fn of_stdin(each: impl FnMut(Option<String>) + Send + 'static) -> io::Result<Lines> {
        Lines::of(io::stdin().as_fd().try_clone_to_owned()?, each)
    }

    fn of(input: OwnedFd, mut each: impl FnMut(Option<String>) + Send + 'static) -> io::Result<Lines> {
        let poll = Poll::new()?;
        poll.registry().register(&mut SourceFd(&input.as_raw_fd()), INPUT, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), ENOUGH)?);
        let read = move || {
            // Without a terminal there are no more lines.
            if read(poll, File::from(input), &mut each).is_ok_and(|ended| ended) {
                each(None);
            }
        };
        let thread = std::thread::Builder::new().name("lines".into()).spawn(read)?;
        Ok(Lines { waker, thread: Some(thread) })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // It fails only if the thread is gone already.
        let _ = self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until the end, which is true, or until it is enough.
fn read(mut poll: Poll, mut input: File, each: &mut impl FnMut(Option<String>)) -> io::Result<bool> {
    let mut events = Events::with_capacity(2);
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        if events.iter().any(|event| event.token() == ENOUGH) {
            return Ok(false);
        }
        if events.is_empty() {
            continue;
        }
        let count = input.read(&mut buffer)?;
        if count == 0 {
            return Ok(true);
        }
        for &byte in &buffer[..count] {
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() == LINE_BYTES_MAX {
                each(Some(String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned()));
            }
        }
        // More may be there already, of which only a new registration tells.
        poll.registry().reregister(&mut SourceFd(&input.as_raw_fd()), INPUT, Interest::READABLE)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;

    #[test]
    fn lines_until_the_end() {
        let (mut typing, input) = UnixStream::pair().unwrap();
        let (tell, told) = mpsc::channel();
        let _lines = Lines::of(input.into(), move |line| tell.send(line).unwrap()).unwrap();
        typing.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!((told.recv().unwrap(), told.recv().unwrap()), (Some("one".into()), Some("two".into())));
        typing.write_all(b"ee\n").unwrap();
        assert_eq!(told.recv().unwrap(), Some("three".into()));
        drop(typing);
        assert_eq!(told.recv().unwrap(), None);
        assert!(told.recv().is_err());
    }

    #[test]
    fn what_comes_after_enough_is_left_to_others() {
        let (mut typing, input) = UnixStream::pair().unwrap();
        let mut next_reader = input.try_clone().unwrap();
        let (tell, told) = mpsc::channel();
        let lines = Lines::of(input.into(), move |line| tell.send(line).unwrap()).unwrap();
        drop(lines);
        typing.write_all(b"later\n").unwrap();
        let mut heard = [0; 6];
        next_reader.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"later\n");
        assert!(told.recv().is_err());
    }
}
