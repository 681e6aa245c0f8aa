//! As much of HTTP/1.1 as it takes to answer GET and HEAD: one request for each connection, and nothing but its head is read.

use httparse::{EMPTY_HEADER, Error, Request as Parsed, Status as Progress};

/// Bytes of a request's head.
pub const HEAD_MAX: usize = 8 << 10;
/// Lines of it.
const HEADERS_MAX: usize = 64;

/// Someone wants something.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub is_head: bool,
    /// Without what follows a `?`.
    pub path: String,
    /// What they show for it.
    pub token: Option<String>,
}

/// What the beginning of a request comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Head {
    /// It goes on.
    Partial,
    /// It is one.
    Whole(Request),
    /// It is none that can be answered otherwise.
    Refused(Status),
}

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    BadRequest,
    Unauthorized,
    NotFound,
    MethodNotAllowed,
    Timeout,
    HeadTooLarge,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::Unauthorized => "401 Unauthorized",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::Timeout => "408 Request Timeout",
            Status::HeadTooLarge => "431 Request Header Fields Too Large",
            Status::Unavailable => "503 Service Unavailable",
        }
    }

    /// What belongs to it.
    fn header(self) -> &'static str {
        match self {
            Status::Unauthorized => "WWW-Authenticate: Bearer realm=\"chatd\"\r\n",
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            _ => "",
        }
    }
}

/// Looks at what has come of a request.
pub fn read(bytes: &[u8]) -> Head {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = Parsed::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(Progress::Partial) if bytes.len() >= HEAD_MAX => Head::Refused(Status::HeadTooLarge),
        Ok(Progress::Partial) => Head::Partial,
        Ok(Progress::Complete(_)) => understand(&parsed),
        Err(Error::TooManyHeaders) => Head::Refused(Status::HeadTooLarge),
        Err(_) => Head::Refused(Status::BadRequest),
    }
}

fn understand(parsed: &Parsed<'_, '_>) -> Head {
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Head::Refused(Status::BadRequest);
    };
    let of = |name: &'static str| parsed.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    // Whoever speaks HTTP/1.1 says whom to, once.
    let hosts = of("host").count();
    let Some(path) = path(target).filter(|_| hosts == 1 || (hosts == 0 && version == 0)) else {
        return Head::Refused(Status::BadRequest);
    };
    if !matches!(method, "GET" | "HEAD") {
        return Head::Refused(Status::MethodNotAllowed);
    }
    let shown = of("authorization").find_map(|header| std::str::from_utf8(header.value).ok());
    let token = shown.and_then(|shown| shown.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = token.map(|(_, token)| token.trim().to_string());
    Head::Whole(Request { is_head: method == "HEAD", path: path.to_string(), token })
}

/// The path of a target, which may be written with its host, as for a proxy.
fn path(target: &str) -> Option<&str> {
    let path = match target.split_once("://") {
        Some(("http" | "https", rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    };
    let path = path.split(['?', '#']).next()?;
    path.starts_with('/').then_some(path)
}

/// A whole response. Of one to HEAD only the body is missing.
pub fn response(status: Status, content_type: &str, body: &str, is_head: bool) -> Vec<u8> {
    let (line, header, length) = (status.line(), status.header(), body.len());
    let mut bytes = format!(
        "HTTP/1.1 {line}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{header}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    .into_bytes();
    if !is_head {
        bytes.extend_from_slice(body.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, expect: Head) {
        let request = request.replace('\n', "\r\n");
        assert_eq!(read(request.as_bytes()), expect);
        if let Head::Whole(_) = expect {
            // However it is cut, it is one only when all of it is there.
            assert!((0..request.len()).all(|length| read(&request.as_bytes()[..length]) == Head::Partial));
        }
    }

    fn get(path: &str) -> Request {
        Request { is_head: false, path: path.into(), token: None }
    }

    #[test]
    fn what_is_a_request() {
        let shown = |token: &str| Head::Whole(Request { token: Some(token.into()), ..get("/metrics") });
        check("GET /metrics HTTP/1.1\nHost: a\n\n", Head::Whole(get("/metrics")));
        check("GET /metrics?x=/y HTTP/1.0\n\n", Head::Whole(get("/metrics")));
        check("GET http://a:1/readyz?x HTTP/1.1\nhost: a:1\nAccept: */*\n\n", Head::Whole(get("/readyz")));
        check("GET http://a HTTP/1.1\nHost: a\n\n", Head::Whole(get("/")));
        check("HEAD / HTTP/1.1\nHost:\n\n", Head::Whole(Request { is_head: true, ..get("/") }));
        check("GET /metrics HTTP/1.1\nHost: a\nAuthorization: bearer  abc \n\n", shown("abc"));
        check("GET /metrics HTTP/1.1\nHost: a\nAuthorization: Basic abc\n\n", Head::Whole(get("/metrics")));
    }

    #[test]
    fn what_is_none() {
        let bad = || Head::Refused(Status::BadRequest);
        check("GET / HTTP/1.1\n\n", bad());
        check("GET / HTTP/1.1\nHost: a\nHost: b\n\n", bad());
        check("GET metrics HTTP/1.1\nHost: a\n\n", bad());
        check("GET / HTTP/2.0\nHost: a\n\n", bad());
        check("GET / HTTP/1.1\nHo st: a\n\n", bad());
        check("PRI * HTTP/2.0\n\nSM\n\n", bad());
        check("\x16\x03\x01\x02", bad());
        check("NICK joe\n", bad());
        check("POST / HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc", Head::Refused(Status::MethodNotAllowed));
        let many = "a: b\n".repeat(HEADERS_MAX + 1);
        check(&format!("GET / HTTP/1.1\n{many}\n"), Head::Refused(Status::HeadTooLarge));
        let long = "x".repeat(HEAD_MAX);
        check(&format!("GET /{long}"), Head::Refused(Status::HeadTooLarge));
        check("GET / HTTP/1.1\nHost: a", Head::Partial);
        check("", Head::Partial);
    }

    #[test]
    fn what_is_answered() {
        let text = |status, is_head| String::from_utf8(response(status, "text/plain", "hello", is_head)).unwrap();
        let head = "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nWWW-Authenticate: Bearer realm=\"chatd\"\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
        assert_eq!(text(Status::Unauthorized, false), format!("{head}hello"));
        assert_eq!(text(Status::Unauthorized, true), head);
        assert!(text(Status::MethodNotAllowed, false).contains("\r\nAllow: GET, HEAD\r\n"));
    }
}
