//! Answers machines that watch, on threads of its own: few at a time, each for a short time.

use super::http::{HEAD_MAX, Head, Request, Status, read, response};
use super::{Watch, health, page, reference};
use chatring_config::read_token;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

/// Requests at a time; one more is told to come again.
const CONNECTIONS_MAX: usize = 8;
/// How long a request may take to come, and its answer to go.
const REQUEST_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long it is waited for the end of who was answered, so that the answer is not lost on its way.
const END_MAX: Duration = Duration::from_millis(500);
/// How long accepting rests when the process is out of file descriptors.
const REST: Duration = Duration::from_millis(100);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What whoever watches has to show.
#[derive(Debug)]
pub struct Token {
    file: PathBuf,
    current: RwLock<String>,
}

impl Token {
    /// The one in this file.
    pub fn read(file: &Path) -> Result<Token, String> {
        Ok(Token { file: file.into(), current: RwLock::new(read_token(file)?) })
    }

    /// Reads it again. If it is no good, the one that there was stays in use.
    pub fn read_again(&self) {
        match read_token(&self.file) {
            Ok(token) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = token;
                tracing::info!("read again: {}", self.file.display());
            }
            Err(why) => tracing::error!("the token for /metrics that was read before stays in use: {why}"),
        }
    }

    /// Whether this is it. Takes as long for a wrong one as for the right one.
    fn is(&self, shown: &str) -> bool {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let differences = current.bytes().zip(shown.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b));
        current.len() == shown.len() && differences == 0
    }
}

/// Answers whoever connects, until the process ends.
pub fn serve(listener: TcpListener, token: Option<Arc<Token>>, watch: Arc<Watch>) -> io::Result<()> {
    let server = Arc::new(Server { token, watch, busy: AtomicUsize::new(0) });
    thread::Builder::new().name("admin".into()).spawn(move || server.accept(&listener)).map(drop)
}

struct Server {
    token: Option<Arc<Token>>,
    watch: Arc<Watch>,
    busy: AtomicUsize,
}

/// A place among those who are answered.
struct Place(Arc<Server>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for socket in listener.incoming() {
            let Ok(socket) = socket else {
                thread::sleep(REST);
                continue;
            };
            let is_free = self.busy.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_MAX;
            let place = Place(self.clone());
            if !is_free {
                // What fits into the socket's buffer does not wait.
                let _ = write(&socket, &refusal(Status::Unavailable), Instant::now() + REST);
                continue;
            }
            // Where there is no thread, nobody is answered.
            let _ = thread::Builder::new().name("admin-answer".into()).spawn(move || place.0.converse(&socket));
        }
    }

    fn converse(&self, socket: &TcpStream) {
        let Some(answer) = self.hear(socket, Instant::now() + REQUEST_MAX) else { return };
        if write(socket, &answer, Instant::now() + ANSWER_MAX).is_ok() && socket.shutdown(Shutdown::Write).is_ok() {
            let (until, mut ignored) = (Instant::now() + END_MAX, [0; HEAD_MAX]);
            while matches!(read_some(socket, &mut ignored, until), Ok(Some(count)) if count > 0) {}
        }
    }

    /// Hears a request and gives its answer. Whoever says nothing and goes has none.
    fn hear(&self, socket: &TcpStream, until: Instant) -> Option<Vec<u8>> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; HEAD_MAX]);
        loop {
            let room = HEAD_MAX - bytes.len();
            match read_some(socket, &mut buffer[..room], until) {
                Ok(Some(0)) | Err(_) => return (!bytes.is_empty()).then(|| refusal(Status::BadRequest)),
                Ok(Some(count)) => bytes.extend_from_slice(&buffer[..count]),
                Ok(None) => return Some(refusal(Status::Timeout)),
            }
            match read(&bytes) {
                Head::Partial => {}
                Head::Whole(request) => return Some(self.answer(&request)),
                Head::Refused(status) => return Some(refusal(status)),
            }
        }
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        let is_let_in = self.token.as_ref().is_none_or(|token| request.token.as_ref().is_some_and(|shown| token.is(shown)));
        let (status, content_type, body) = match &*request.path {
            _ if !is_let_in => (Status::Unauthorized, TEXT, explanation(Status::Unauthorized).to_string()),
            "/metrics" => (Status::Ok, page::CONTENT_TYPE, reference::page(&self.watch).into_text()),
            "/healthz" => verdict(health::lives(&self.watch)),
            "/readyz" => verdict(health::serves(&self.watch)),
            _ => (Status::NotFound, TEXT, explanation(Status::NotFound).to_string()),
        };
        response(status, content_type, &body, request.is_head)
    }
}

fn verdict(verdict: health::Verdict) -> (Status, &'static str, String) {
    let status = if verdict.is_good { Status::Ok } else { Status::Unavailable };
    (status, JSON, format!("{}\n", verdict.body))
}

fn refusal(status: Status) -> Vec<u8> {
    response(status, TEXT, explanation(status), false)
}

fn explanation(status: Status) -> &'static str {
    match status {
        Status::Ok => "",
        Status::BadRequest => "this is not a request that is understood here\n",
        Status::Unauthorized => "show the token of [admin] token_file: Authorization: Bearer TOKEN\n",
        Status::NotFound => "there are /metrics, /healthz and /readyz\n",
        Status::MethodNotAllowed => "there is only GET and HEAD\n",
        Status::Timeout => "the request took too long to come\n",
        Status::HeadTooLarge => "the head of the request is too large\n",
        Status::Unavailable => "too many ask at the same time; ask again in a moment\n",
    }
}

/// Reads what there is, waiting for it until then. `None`: nothing came.
fn read_some(mut socket: &TcpStream, buffer: &mut [u8], until: Instant) -> io::Result<Option<usize>> {
    loop {
        let Some(left) = left(until) else { return Ok(None) };
        socket.set_read_timeout(Some(left))?;
        match socket.read(buffer) {
            Ok(count) => return Ok(Some(count)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes all of it, by then.
fn write(mut socket: &TcpStream, mut bytes: &[u8], until: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = left(until).ok_or(ErrorKind::TimedOut)?;
        socket.set_write_timeout(Some(left))?;
        match socket.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A timeout of zero would mean for ever.
fn left(until: Instant) -> Option<Duration> {
    until.checked_duration_since(Instant::now()).filter(|left| *left >= Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_or_it_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let token = Token::read(&file).unwrap();
        for (shown, expect) in [("0123456789abcdef", true), ("0123456789abcdeg", false), ("0123456789abcde", false), ("", false)] {
            assert_eq!(token.is(shown), expect, "{shown}");
        }
        std::fs::write(&file, "short").unwrap();
        token.read_again();
        assert!(token.is("0123456789abcdef"), "what is no good is not taken");
        std::fs::write(&file, "fedcba9876543210").unwrap();
        token.read_again();
        assert!(token.is("fedcba9876543210") && !token.is("0123456789abcdef"));
    }
}
