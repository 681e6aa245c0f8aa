//! A Redis client of a hundred lines. It takes every frame apart to the last byte, so a stream that is damaged anywhere is noticed.

use super::{read_some, soon};
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// What a server says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Status(String),
    Error(String),
    Integer(i64),
    Text(String),
    Null,
    Array(Vec<Value>),
    /// Keys and values, alternating.
    Map(Vec<Value>),
    Push(Vec<Value>),
}

/// A connection.
pub struct Redis {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Redis {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Redis {
        Redis::try_connect(address).unwrap()
    }

    pub fn try_connect(address: SocketAddr) -> io::Result<Redis> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Redis { stream, buffer: Vec::new() })
    }

    /// Connected and in these groups.
    #[track_caller]
    pub fn subscribed(address: SocketAddr, name: Option<&str>, groups: &[&str]) -> Redis {
        let mut redis = Redis::connect(address);
        if let Some(name) = name {
            assert_eq!(redis.ask(&["CLIENT", "SETNAME", name]), Value::Status("OK".into()));
        }
        for (ix, group) in groups.iter().enumerate() {
            let confirmed = [Value::from("subscribe"), Value::from(*group), Value::Integer(ix as i64 + 1)];
            assert_eq!(redis.ask(&["SUBSCRIBE", group]), Value::Array(confirmed.into()));
        }
        redis
    }

    pub fn try_send(&mut self, words: &[&str]) -> io::Result<()> {
        self.stream.write_all(&frame(words))
    }

    #[track_caller]
    pub fn send(&mut self, words: &[&str]) {
        self.try_send(words).unwrap();
    }

    /// Says something and reads the next frame.
    #[track_caller]
    pub fn ask(&mut self, words: &[&str]) -> Value {
        self.send(words);
        self.read()
    }

    /// The next frame.
    #[track_caller]
    pub fn read(&mut self) -> Value {
        self.next(soon()).unwrap().expect("a frame in time")
    }

    /// The next frame, if it comes by then. Fails when the connection has ended.
    pub fn next(&mut self, until: Instant) -> io::Result<Option<Value>> {
        let mut more = [0; 64 << 10];
        loop {
            if let Some((value, used)) = parse(&self.buffer) {
                self.buffer.drain(..used);
                return Ok(Some(value));
            }
            match read_some(&mut self.stream, &mut more, until)? {
                Some(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Some(count) => self.buffer.extend_from_slice(&more[..count]),
                None if Instant::now() >= until => return Ok(None),
                None => {}
            }
        }
    }
}

/// A command as it goes over the wire.
pub fn frame(words: &[&str]) -> Vec<u8> {
    let mut frame = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        frame.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    frame
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl Value {
    /// The words of a push, or of what RESP2 has instead.
    pub fn words(&self) -> Vec<&str> {
        let (Value::Array(items) | Value::Push(items) | Value::Map(items)) = self else { return vec![] };
        items.iter().map(|item| if let Value::Text(text) = item { text.as_str() } else { "" }).collect()
    }

    /// Group and text, if it is a message.
    pub fn message(&self) -> Option<(&str, &str)> {
        match self.words()[..] {
            ["message", group, text] => Some((group, text)),
            _ => None,
        }
    }

    #[track_caller]
    pub fn text(&self) -> &str {
        let Value::Text(text) = self else { panic!("{self:?} is no text") };
        text
    }

    /// The first word of a refusal.
    pub fn code(&self) -> &str {
        let Value::Error(text) = self else { return "" };
        text.split(' ').next().unwrap_or("")
    }
}

/// The first frame, and how long it is; `None` where it is not whole yet.
pub fn parse(bytes: &[u8]) -> Option<(Value, usize)> {
    // Nothing is taken apart for a head that is not there.
    bytes.first()?;
    let mut parser = Parser { bytes, at: 0 };
    let value = parser.value()?;
    Some((value, parser.at))
}

/// Panics at what is no RESP; `None` where the frame is not whole yet.
struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Option<Value> {
        let head = self.line()?;
        let (tag, rest) = head.split_at(1);
        let number = || rest.parse::<i64>().unwrap_or_else(|_| panic!("{head:?} is no head of a frame"));
        Some(match tag {
            "+" => Value::Status(rest.to_string()),
            "-" => Value::Error(rest.to_string()),
            ":" => Value::Integer(number()),
            "_" => Value::Null,
            "$" if number() == -1 => Value::Null,
            "$" => Value::Text(self.text(number() as usize)?),
            "*" => Value::Array(self.values(number())?),
            ">" => Value::Push(self.values(number())?),
            "%" => Value::Map(self.values(number() * 2)?),
            _ => panic!("{head:?} is no head of a frame"),
        })
    }

    fn values(&mut self, count: i64) -> Option<Vec<Value>> {
        (0..count).map(|_| self.value()).collect()
    }

    fn line(&mut self) -> Option<String> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        self.at += end + 2;
        Some(std::str::from_utf8(&rest[..end]).expect("a line is UTF-8").to_string())
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let text = self.bytes.get(self.at..self.at + length + 2)?;
        assert!(text.ends_with(b"\r\n"), "{:?} does not end where its length says", String::from_utf8_lossy(text));
        self.at += length + 2;
        Some(std::str::from_utf8(&text[..length]).expect("all text is UTF-8").to_string())
    }
}
