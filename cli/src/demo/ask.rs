//! Whether the demo's network serves: asks the directory for the ring, as any client would, and knocks at every port.

use super::plan::Plan;
use chatring_machines::event::{Event, Reply};
use chatring_machines::names::NodeKey;
use chatring_machines::view::SharedView;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// For a machine that is busy, and yet short enough to notice a Ctrl-C in between.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything serves, or what doesn't.
pub(super) fn serves(plan: &Plan) -> Result<(), String> {
    let mut view = None;
    for server in &plan.directories {
        let ring = ring(server.address).map_err(|error| format!("{} at {}: {error}", server.name, server.address))?;
        if ring.directories.len() < plan.directories.len() {
            return Err(format!("{} does not know of all directory servers yet", server.name));
        }
        view = Some(ring);
    }
    let view = view.ok_or("there is no directory server")?;
    for node in &plan.nodes {
        if view.node(&NodeKey::of(node.native)).is_none() {
            return Err(format!("{} at {} is not in the ring", node.name, node.native));
        }
        for address in [node.native, node.irc] {
            TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| format!("{} at {address}: {error}", node.name))?;
        }
    }
    Ok(())
}

/// What a server answers to RING.
fn ring(server: SocketAddr) -> io::Result<SharedView> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"*1\r\n$4\r\nRING\r\n")?;
    let args = read_array(&mut BufReader::new(stream))?;
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    match Event::parse(&args) {
        Ok(Event::Reply(Reply::Ring { view })) => Ok(view),
        Ok(_) => Err(invalid("it answers something else than the ring")),
        Err(bad) => Err(invalid(bad.to_string())),
    }
}

/// An array of bulk strings. Bounded, since another program may be listening there.
fn read_array(from: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    const ARGS_MAX: usize = 100_000;
    const ARG_BYTES_MAX: usize = 4096;
    let count = read_head(from, b'*', ARGS_MAX)?;
    let mut args = Vec::new();
    for _ in 0..count {
        let length = read_head(from, b'$', ARG_BYTES_MAX)?;
        let mut arg = vec![0; length + 2];
        from.read_exact(&mut arg)?;
        arg.truncate(length);
        args.push(arg);
    }
    Ok(args)
}

/// `*12\r\n` or `$12\r\n`.
fn read_head(from: &mut impl BufRead, sign: u8, max: usize) -> io::Result<usize> {
    let mut line = Vec::new();
    from.take(128).read_until(b'\n', &mut line)?;
    let number = line.strip_prefix(&[sign]).and_then(|line| std::str::from_utf8(line).ok()).and_then(|text| text.trim_end().parse().ok());
    number.filter(|number| *number <= max).ok_or_else(|| invalid(format!("it answers {:?}", String::from_utf8_lossy(&line).trim_end())))
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, expect: Result<&[&str], &str>) {
        match (read_array(&mut bytes.as_bytes()), expect) {
            (Ok(args), Ok(expect)) => assert_eq!(args, expect.iter().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>()),
            (Err(error), Err(expect)) => assert_eq!(error.to_string(), expect),
            (got, expect) => panic!("{got:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn arrays() {
        check("*2\r\n$4\r\nring\r\n$0\r\n\r\n", Ok(&["ring", ""]));
        check("*0\r\n", Ok(&[]));
        check("-NOPERM go away\r\n", Err("it answers \"-NOPERM go away\""));
        check("HTTP/1.1 400 Bad Request\r\n", Err("it answers \"HTTP/1.1 400 Bad Request\""));
        check("*1\r\n$99999999\r\n", Err("it answers \"$99999999\""));
        check("*1\r\n$4\r\nri", Err("failed to fill whole buffer"));
        check("", Err("it answers \"\""));
    }
}
