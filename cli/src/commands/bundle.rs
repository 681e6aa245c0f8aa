//! `chatctl bundle`: how a network is, in one file, for whoever is asked for help. Configurations and keys are not read for it; secrets that chatctl knows are taken out of what servers say.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use chatring_admin::doctor;
use chatring_admin::text::{clean, now};
use chatring_admin::{Failure, Form, Output, Sheet, interrupt, render, servers, status};
use chatring_machines::command::{ClientCommand, HandoffAsk, NodeAsk};
use chatring_machines::event::Reply;
use chatring_machines::wire::Rest;
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::doctor::{findings, people};
use super::{Global, net};

/// What a page of metrics has at most; what is behind it is left out.
const METRICS_BYTES_MAX: u64 = 4 << 20;
/// How long a daemon may take to answer with it.
const METRICS_PATIENCE: Duration = Duration::from_millis(1_500);
/// Where daemons answer machines that watch, unless they were told otherwise.
const METRICS_PORT: u16 = chatring_config::ADMIN_PORT;

/// Where to.
#[derive(Clone, Debug, Args)]
pub struct BundleArgs {
    /// The file, a .tar.gz; nothing may be there yet
    file: PathBuf,
}

/// Runs it. What can't be asked is in it as the reason why.
pub fn run(args: &BundleArgs, global: &Global) -> Result<(), Failure> {
    let mut bundle = Bundle { secrets: global.operator().map(|operator| operator.secret).into_iter().collect(), files: Vec::new() };
    collect(&mut bundle, global)?;
    let unwritable = |error: io::Error| Failure::usage(format!("{} can't be written: {error}", args.file.display()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&args.file).map_err(unwritable)?;
    bundle.write(file).map_err(unwritable)?;
    let files: Vec<&str> = bundle.files.iter().map(|(name, _)| &**name).collect();
    let file = args.file.display().to_string();
    let rows = vec![("file", clean(&file)), ("files", files.len().to_string())];
    global.output.show(&Sheet::facts(rows, json!({"file": file, "files": files})))
}

fn collect(bundle: &mut Bundle, global: &Global) -> Result<(), Failure> {
    let (survey, findings) = findings(global)?;
    bundle.add("README.txt", README.to_string());
    let asked: Vec<&str> = survey.named.iter().map(|address| &**address).collect();
    bundle.add("made.json", json!({"made": now().0, "chatctl": env!("CARGO_PKG_VERSION"), "asked": asked}).to_string());
    bundle.add_sheet("status", &status::sheet(&survey, people(&survey, global)?, &findings))?;
    bundle.add_sheet("doctor", &doctor::sheet(&findings))?;
    bundle.add_sheet("directory-status", &servers::sheet(&survey.servers))?;
    match &survey.view {
        Ok(view) => bundle.add_sheet("ring-show", &render::view(view, None))?,
        Err(why) => bundle.add("ring-show.txt", why.clone()),
    }
    if !survey.servers.is_empty() {
        let asks = [
            ("node-list", ClientCommand::Nodes {}),
            ("node-pending", ClientCommand::Node { what: NodeAsk::Pending, node: None, only: Default::default() }),
            ("handoff-why", ClientCommand::Handoff { what: HandoffAsk::Why }),
        ];
        for (name, ask) in asks {
            match net::ask_one(global.servers(), ask.into()) {
                Ok(Some(Reply::Nodes { cells })) => bundle.add_sheet(name, &render::nodes(&cells.0))?,
                Ok(Some(Reply::PendingNodes { cells })) => bundle.add_sheet(name, &render::pending_nodes(&cells.0))?,
                Ok(Some(Reply::HandoffWhy { sentences })) => bundle.add_sheet(name, &render::sentences(&sentences.0))?,
                Ok(_) => bundle.add(&format!("{name}.txt"), "what was answered is something else".into()),
                Err(failure) => bundle.add(&format!("{name}.txt"), failure.what),
            }
        }
    }
    // Those that say what time it is are there.
    for address in survey.clocks.iter().map(|clock| &*clock.address) {
        interrupt::check()?;
        let file = |kind: &str| format!("{kind}/{}.txt", address.replace(['[', ']', ':'], "_"));
        let info = net::ask_one(global.at(address), ClientCommand::Info { section: Rest(Vec::new()) }.into());
        match info {
            Ok(Some(Reply::Text { text })) => bundle.add(&file("info"), text.to_string()),
            Ok(_) => bundle.add(&file("info"), "what was answered is something else".into()),
            Err(failure) => bundle.add(&file("info"), failure.what),
        }
        bundle.add(&file("metrics"), metrics(address).unwrap_or_else(|why| format!("not in reach from here: {why}")));
    }
    interrupt::check()
}

/// What goes into the file.
struct Bundle {
    secrets: Vec<String>,
    files: Vec<(String, String)>,
}

impl Bundle {
    fn add(&mut self, name: &str, text: String) {
        let text = self.secrets.iter().filter(|secret| !secret.is_empty()).fold(text, |text, secret| text.replace(secret, "(a secret)"));
        self.files.push((name.to_string(), text));
    }

    /// For people and for programs.
    fn add_sheet(&mut self, name: &str, sheet: &Sheet) -> Result<(), Failure> {
        self.add(&format!("{name}.txt"), Form::of(Output::Table).text(sheet, false)?);
        self.add(&format!("{name}.json"), Form::of(Output::Json).text(sheet, false)?);
        Ok(())
    }

    fn write(&self, file: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        for (name, text) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(now().0 / 1_000);
            archive.append_data(&mut header, format!("chatring-bundle/{name}"), text.as_bytes())?;
        }
        archive.into_inner()?.finish()?.flush()
    }
}

/// The page of metrics of the daemon on the machine of a server. Most answer their own machine only.
fn metrics(server: &str) -> Result<String, String> {
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    let address = format!("{host}:{METRICS_PORT}");
    let page = get(&address).map_err(|error| format!("{address}: {error}"))?;
    let (head, body) = page.split_once("\r\n\r\n").ok_or_else(|| format!("{address} does not speak HTTP"))?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") { Ok(body.to_string()) } else { Err(format!("{address} answers: {}", clean(status))) }
}

fn get(address: &str) -> io::Result<String> {
    let socket = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&socket, METRICS_PATIENCE)?;
    stream.set_read_timeout(Some(METRICS_PATIENCE))?;
    stream.set_write_timeout(Some(METRICS_PATIENCE))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut page = Vec::new();
    stream.take(METRICS_BYTES_MAX).read_to_end(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

const README: &str = "\
How a chat network was when somebody asked for help.

status, doctor, directory-status, ring-show, node-list, node-pending, handoff-why   what chatctl shows, as text and as JSON
info/       what each server says of itself
metrics/    the numbers of daemons that are in reach; most answer their own machine only
made.json   when it was made, and by which chatctl

Names of groups that something is wrong with, and addresses and names of servers, are in it. What people said, who they are, configurations, keys and secrets are not.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_and_has_no_secrets() {
        let mut bundle = Bundle { secrets: vec!["only-ann-knows".into(), String::new()], files: Vec::new() };
        bundle.add("info/a_1.txt", "name:only-ann-knows\r\n".into());
        bundle.add("b.txt", "b".into());
        let mut file = Vec::new();
        bundle.write(&mut file).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&file[..]));
        let read = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().display().to_string(), text)
        });
        let expect = [("chatring-bundle/info/a_1.txt", "name:(a secret)\r\n"), ("chatring-bundle/b.txt", "b")];
        assert_eq!(read.collect::<Vec<_>>(), expect.map(|(name, text)| (name.to_string(), text.to_string())));
    }
}
