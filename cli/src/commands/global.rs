//! What every command takes, and where it comes from when the line does not say it.
//!
//! Layers: the line, the line that began the script or the prompt, the environment. Of a network each gives what it names itself, then what the context that it
//! names has; a layer that names a context is the last one that is looked at. Behind them is the context that was chosen, and then this machine.

use std::io::IsTerminal;
use std::path::PathBuf;

use chatring_admin::text::clean;
use chatring_admin::{Failure, Form, Output};
use chatring_machines::wire::Text;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, FromArgMatches};

use super::context::{Context, Contexts, Credential, Source};
use super::net::{self, Servers};
use super::registry::Needs;

/// Where directory servers are looked for where none are named: those of a demo, or one on this machine.
pub(crate) const DIRECTORIES: &str = "127.0.0.1:7400,127.0.0.2:7400,127.0.0.3:7400";

/// For all servers that are asked together.
const PATIENCE_MS: u64 = 6_000;
/// For a change that takes the servers a while.
const CHANGE_PATIENCE_MS: u64 = 60_000;
/// The shortest and the longest that one may want to wait.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 100..=86_400_000;

/// What a line says.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Said {
    /// A directory server of the network; repeat it for each. Without any: those of the context, else those of a demo on this machine
    #[arg(long = "directory", global = true, env = "CHATCTL_DIRECTORY", value_name = "HOST:PORT", value_delimiter = ',', value_parser = super::address)]
    pub(super) directories: Vec<String>,
    /// The network, by the name that `context add` gave it
    #[arg(long, global = true, env = "CHATCTL_CONTEXT", value_name = "NAME")]
    pub(super) context: Option<String>,
    /// Talk TLS to directory servers and super nodes, and only to those whose certificate was signed by the CA in this file
    #[arg(long, global = true, env = "CHATCTL_CA", value_name = "CA.PEM")]
    pub(super) ca: Option<PathBuf>,
    /// Ask as the operator whose name and secret are in this file, on one line; nobody else may be able to read it
    #[arg(long, global = true, env = "CHATCTL_OPERATOR_FILE", value_name = "FILE")]
    pub(super) operator_file: Option<PathBuf>,
    /// Send an operator's secret in the clear, also to other machines: something else protects the way
    #[arg(long, global = true)]
    plaintext: bool,
    /// How long servers are waited for, as 5s, 500ms or 2m: 6s, or 60s for a change that takes a while, unless given
    #[arg(long = "timeout", global = true, value_name = "TIME", value_parser = timeout)]
    timeout_ms: Option<u64>,
    /// Do what cannot be taken back without asking
    #[arg(long, global = true)]
    yes: bool,
    /// In which form results are wanted; a table, unless given
    #[arg(long, global = true, value_enum)]
    pub(super) output: Option<Output>,
    /// Only these columns of a result, in this order, by their names in JSON
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',')]
    columns: Vec<String>,
    /// Leave out the names of columns
    #[arg(long, global = true)]
    no_header: bool,
}

impl Said {
    /// What was typed, and what the environment says: the upper layer first.
    pub(super) fn layers(matches: &ArgMatches) -> Result<[Said; 2], clap::Error> {
        let mut typed = Said::from_arg_matches(matches)?;
        let mut around = Said::default();
        let is_around = |id: &str| matches.value_source(id) == Some(ValueSource::EnvVariable);
        for (id, from, to) in
            [("ca", &mut typed.ca, &mut around.ca), ("operator_file", &mut typed.operator_file, &mut around.operator_file)]
        {
            *to = if is_around(id) { from.take() } else { None };
        }
        if is_around("directories") {
            around.directories = std::mem::take(&mut typed.directories);
        }
        if is_around("context") {
            around.context = typed.context.take();
        }
        Ok([typed, around])
    }

    /// In which form, as far as this layer says.
    fn form(&self) -> (Option<Output>, &[String], bool) {
        (self.output, &self.columns, self.no_header)
    }
}

/// What holds for a command.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    pub(super) directories: Vec<String>,
    pub(super) output: Form,
    pub(super) ca: Option<PathBuf>,
    /// The context that had a part in it.
    context: Option<String>,
    timeout_ms: Option<u64>,
    yes: bool,
    plaintext: bool,
    operator: Option<(Source, Credential)>,
    layers: Vec<Said>,
}

impl Global {
    /// What holds for a line with these layers. `outer` is what held where the script or the prompt was begun: the environment was looked at there.
    pub(super) fn settle([typed, around]: [Said; 2], outer: Option<&Global>, needs: Needs) -> Result<Global, Failure> {
        let layers: Vec<Said> = match outer {
            Some(outer) => [typed].into_iter().chain(outer.layers.iter().cloned()).collect(),
            None => vec![typed, around],
        };
        let network = match needs {
            Needs::Nobody => Network::default(),
            _ => Network::find(&layers, Contexts::load)?,
        };
        let operator = match (network.operator, needs) {
            (Some(source), Needs::Role(_)) => Some(match outer.and_then(|outer| outer.operator.as_ref()) {
                // A command that gives a secret may ask a person for another one: once is enough.
                Some((known, credential)) if *known == source => (source, credential.clone()),
                _ => {
                    let credential = source.read()?;
                    (source, credential)
                }
            }),
            _ => None,
        };
        let form = || layers.iter().map(Said::form);
        Ok(Global {
            directories: network.directories.unwrap_or_else(|| DIRECTORIES.split(',').map(str::to_string).collect()),
            output: Form {
                output: form().find_map(|(output, ..)| output).unwrap_or_default(),
                columns: form().map(|(_, columns, _)| columns).find(|columns| !columns.is_empty()).unwrap_or_default().to_vec(),
                header: form().all(|(.., no_header)| !no_header),
            },
            ca: network.ca,
            context: network.context,
            timeout_ms: layers.iter().find_map(|layer| layer.timeout_ms),
            yes: layers.iter().any(|layer| layer.yes),
            plaintext: layers.iter().any(|layer| layer.plaintext),
            operator,
            layers,
        })
    }

    pub(super) fn directories(&self) -> Vec<Text> {
        self.directories.iter().map(|address| Text::from(address.as_str())).collect()
    }

    /// The directory servers, to ask one of them.
    pub(super) fn servers(&self) -> Servers {
        Servers { context: self.context.clone(), ..self.among(self.directories()) }
    }

    /// One server.
    pub(super) fn at(&self, address: impl Into<Text>) -> Servers {
        self.among(vec![address.into()])
    }

    /// Servers, the first of which that answers is asked.
    pub(super) fn among(&self, addresses: Vec<Text>) -> Servers {
        Servers {
            addresses,
            ca: self.ca.clone(),
            operator: self.operator(),
            is_way_trusted: self.plaintext,
            patience_ms: self.patience_ms(),
            context: None,
        }
    }

    /// Who asks, where it is an operator with a name.
    pub(crate) fn operator(&self) -> Option<Credential> {
        self.operator.as_ref().map(|(_, credential)| credential.clone())
    }

    /// How long to wait, where that was said.
    pub(super) fn timeout_ms(&self) -> Option<u64> {
        self.timeout_ms
    }

    /// How long to wait for an answer.
    pub(super) fn patience_ms(&self) -> u64 {
        self.timeout_ms.unwrap_or(PATIENCE_MS)
    }

    /// The same, with this patience.
    pub(super) fn patient(&self, patience_ms: u64) -> Global {
        Global { timeout_ms: Some(patience_ms), ..self.clone() }
    }

    /// How long to wait for a change that takes a while.
    pub(super) fn change_patience_ms(&self) -> u64 {
        self.timeout_ms.unwrap_or(CHANGE_PATIENCE_MS)
    }

    /// What this line itself says: neither the one that began the script nor the environment.
    pub(super) fn typed(&self) -> &Said {
        &self.layers[0]
    }

    /// Asks whether something is meant that cannot be taken back.
    pub(super) fn confirm(&self, what: &str) -> Result<(), Failure> {
        let what = clean(what);
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(Failure::usage(format!("{what}, which cannot be taken back: nothing was done")).advise("Say --yes if it is meant."));
        }
        eprint!("{what}, which cannot be taken back. Go on? [y/N] ");
        let answer = net::stdin_line().and_then(Result::ok).unwrap_or_default();
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::refused("it was not confirmed: nothing was done")),
        }
    }

    /// For tests: this network, and nothing else said.
    #[cfg(test)]
    pub(super) fn of(directories: &[&str]) -> Global {
        let typed = Said { directories: directories.iter().map(|text| text.to_string()).collect(), ..Said::default() };
        let network = Network { directories: Some(typed.directories.clone()), ..Network::default() };
        Global {
            directories: network.directories.unwrap_or_default(),
            output: Form::default(),
            ca: None,
            context: None,
            timeout_ms: None,
            yes: false,
            plaintext: false,
            operator: None,
            layers: vec![typed],
        }
    }
}

/// How a network is reached, as far as it is known.
#[derive(Debug, Default, PartialEq)]
struct Network {
    directories: Option<Vec<String>>,
    ca: Option<PathBuf>,
    operator: Option<Source>,
    context: Option<String>,
}

impl Network {
    fn find(layers: &[Said], contexts: impl FnOnce() -> Result<Contexts, Failure>) -> Result<Network, Failure> {
        let mut network = Network::default();
        let mut named = None;
        for layer in layers {
            network.fill((!layer.directories.is_empty()).then(|| layer.directories.clone()), layer.ca.clone(), layer.operator_file.clone());
            named = layer.context.as_ref();
            if named.is_some() {
                break;
            }
        }
        let contexts = contexts()?;
        if let Some((name, context)) = named.map_or(Ok(contexts.current()), |name| contexts.get(name).map(Some))? {
            network.fill_from(name, context);
        }
        Ok(network)
    }

    fn fill(&mut self, directories: Option<Vec<String>>, ca: Option<PathBuf>, operator_file: Option<PathBuf>) {
        self.directories = self.directories.take().or(directories);
        self.ca = self.ca.take().or(ca);
        self.operator = self.operator.take().or(operator_file.map(Source::File));
    }

    /// Of a context nothing is used where others than its own servers are asked: they are to see neither its secret nor whom it trusts.
    fn fill_from(&mut self, name: &str, context: &Context) {
        if self.directories.as_ref().is_some_and(|named| !named.iter().all(|address| context.directories.contains(address))) {
            return;
        }
        self.fill(Some(context.directories.clone()), context.ca.clone(), None);
        self.operator = self.operator.take().or_else(|| context.operator.clone());
        self.context = Some(name.to_string());
    }
}

/// A time with its unit; without one, seconds.
fn timeout(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit_ms = match &text[digits..] {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" | "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let ms = unit_ms.zip(text[..digits].parse::<u64>().ok()).and_then(|(unit, number)| number.checked_mul(unit));
    ms.filter(|ms| TIMEOUT_MS.contains(ms)).ok_or_else(|| "write it as a time with its unit, like 500ms, 5s or 2m; 100ms to 24h".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, ms) in [("5", Some(5_000)), ("5s", Some(5_000)), ("500ms", Some(500)), ("2m", Some(120_000)), ("24h", Some(86_400_000))]
        {
            assert_eq!(timeout(text).ok(), ms, "{text}");
        }
        for text in ["", "0", "s", "-5s", "5 s", "99ms", "25h", "5d", "99999999999999999999s"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }

    fn contexts() -> Contexts {
        let text = "current = 'home'\n[context.home]\ndirectory = ['h:1', 'h:2']\nca = '/h.pem'\ncredential_file = '/h'\n\
                    [context.work]\ndirectory = ['w:1']\ncredential_command = 'pass work'\n";
        Contexts::parse(text, std::path::Path::new("contexts.toml")).unwrap()
    }

    fn said(line: &str) -> Said {
        let mut said = Said::default();
        for word in line.split_whitespace() {
            match word.split_once('=').unwrap() {
                ("directory", value) => said.directories.push(value.into()),
                ("context", value) => said.context = Some(value.into()),
                ("ca", value) => said.ca = Some(value.into()),
                ("operator", value) => said.operator_file = Some(value.into()),
                other => panic!("{other:?}"),
            }
        }
        said
    }

    /// The layers from above, and what comes of them: directories, CA, credential, context.
    #[track_caller]
    fn check(layers: &[&str], expect: (&str, &str, &str, &str)) {
        let layers: Vec<Said> = layers.iter().map(|line| said(line)).collect();
        let found = Network::find(&layers, || Ok(contexts())).unwrap();
        let operator = found.operator.map_or(String::new(), |source| source.to_string());
        let path = found.ca.map_or(String::new(), |path| path.display().to_string());
        let found = (found.directories.unwrap_or_default().join(","), path, operator, found.context.unwrap_or_default());
        assert_eq!((&*found.0, &*found.1, &*found.2, &*found.3), expect, "{layers:?}");
    }

    #[test]
    fn what_comes_before_what() {
        check(&["", ""], ("h:1,h:2", "/h.pem", "file /h", "home"));
        check(&["", "context=work"], ("w:1", "", "command pass work", "work"));
        check(&["context=home", "context=work"], ("h:1,h:2", "/h.pem", "file /h", "home"));
        // What the environment names is below a context that was named on the line, and above one that was chosen before.
        check(&["context=work", "directory=e:1 ca=/e.pem operator=/e"], ("w:1", "", "command pass work", "work"));
        check(&["", "directory=h:2"], ("h:2", "/h.pem", "file /h", "home"));
        check(&["", "ca=/e.pem"], ("h:1,h:2", "/e.pem", "file /h", "home"));
        check(&["operator=/o", "context=home operator=/e"], ("h:1,h:2", "/h.pem", "file /o", "home"));
        // Strangers get nothing of a context.
        check(&["directory=e:1", ""], ("e:1", "", "", ""));
        check(&["directory=h:1 directory=e:1", ""], ("h:1,e:1", "", "", ""));
        check(&["directory=e:1 context=home", ""], ("e:1", "", "", ""));
        check(&["directory=e:1", "ca=/e.pem operator=/e"], ("e:1", "/e.pem", "file /e", ""));
        // A line of a script that names another network has nothing of the one the script was begun with.
        check(&["context=work", "directory=h:1 ca=/x.pem operator=/x", ""], ("w:1", "", "command pass work", "work"));
        check(&["", "context=work", "directory=e:1"], ("w:1", "", "command pass work", "work"));
        let unknown = Network::find(&[said("context=wrk")], || Ok(contexts())).unwrap_err();
        assert!(unknown.what.contains("there is no context 'wrk'"), "{unknown}");
    }
}
