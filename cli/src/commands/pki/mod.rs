//! `chatctl pki`: a network's own CA, and the certificates by which its nodes know each other. Nobody is asked, and nothing but files is touched.

mod authority;
mod files;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chatring_admin::text::clean;
use chatring_admin::{Failure, Form, Sheet};
use chatring_machines::certificate::{self, Role, Title};
use chatring_reactor::Membership;
use clap::{Args, Subcommand};
use serde_json::json;

use super::Global;
use authority::{Authority, Holder, Made};

/// How long a certificate holds unless it is said otherwise: long enough that nobody has to think of it every month.
const DAYS: u32 = 365;

/// What to do about certificates.
#[derive(Clone, Debug, Subcommand)]
pub enum PkiCommand {
    /// Make a network's CA: ca.pem, which every node gets, and ca.key, which stays where it is
    Init(InitArgs),
    /// Make the certificate of a node, and its key: NAME.pem and NAME.key
    Issue(IssueArgs),
}

/// Whose CA.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The network's name, as in [network] name
    #[arg(long, value_name = "NAME", value_parser = network)]
    network: String,
    /// The folder for the files; it is made where it is missing
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Whose certificate.
#[derive(Clone, Debug, Args)]
pub struct IssueArgs {
    /// The IP address that a directory server or super node advertises; of a gateway the name
    name: String,
    /// What it is; repeat it for a process that is several things
    #[arg(long, value_name = "ROLE", value_delimiter = ',', required = true, value_parser = role)]
    role: Vec<Role>,
    /// A further address it is dialled at: an IP, or a host name; repeat it for each
    #[arg(long, value_name = "IP-OR-HOST", value_delimiter = ',', value_parser = address)]
    address: Vec<String>,
    /// How long it holds
    #[arg(long, value_name = "DAYS", default_value_t = DAYS, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
    /// Put it in the place of the one that is there
    #[arg(long)]
    renew: bool,
    /// The folder with the CA, and for the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
}

/// Runs it.
pub fn run(command: PkiCommand, global: &Global) -> Result<(), Failure> {
    match command {
        PkiCommand::Init(args) => init(&args, global),
        PkiCommand::Issue(args) => issue(&args, global),
    }
}

fn init(args: &InitArgs, global: &Global) -> Result<(), Failure> {
    std::fs::create_dir_all(&args.dir).map_err(|error| Failure::refused(format!("{}: {error}", args.dir.display())))?;
    let (certificate, key) = (args.dir.join("ca.pem"), args.dir.join("ca.key"));
    for file in [&certificate, &key] {
        refuse_to_overwrite(
            file,
            "Every certificate of a network is of its one CA: `chatctl pki issue` makes them. For another network use another --dir.",
        )?;
    }
    let made = Authority::make(&args.network)?;
    // The key first: a certificate without one would be of no use.
    files::write_secret(&key, &made.key)?;
    files::write(&certificate, &made.certificate)?;
    let rows = vec![
        ("network", clean(&args.network)),
        ("ca", clean(&certificate.display().to_string())),
        ("key", clean(&key.display().to_string())),
        ("next", "chatctl pki issue NAME --role directory|node|gateway; whoever has the key can make nodes of this network".to_string()),
    ];
    let value = json!({ "network": args.network, "ca": certificate.display().to_string(), "key": key.display().to_string() });
    global.output.show(&Sheet::facts(rows, value))
}

fn issue(args: &IssueArgs, global: &Global) -> Result<(), Failure> {
    let ca = args.dir.join("ca.pem");
    let authority = Authority::read(&ca, &args.dir.join("ca.key"))?;
    let titles = args.role.iter().map(|role| Title::new(authority.network(), *role, &args.name)).collect::<Result<Vec<_>, _>>();
    let titles = titles.map_err(|bad| Failure::usage(format!("no {}: {bad}", clean(&args.name))))?;
    let stem = file_stem(titles[0].name())?;
    let (certificate, key) = (args.dir.join(format!("{stem}.pem")), args.dir.join(format!("{stem}.key")));
    if !args.renew {
        for file in [&certificate, &key] {
            refuse_to_overwrite(file, "--renew puts another in its place.")?;
        }
    }
    let addresses = addresses(&titles, &args.address);
    let made = authority.issue(&Holder { titles: &titles, addresses: &addresses, days: args.days })?;
    install(&made, &ca, &certificate, &key, &titles)?;
    show(&titles, &addresses, args.days, &certificate, &key, global)
}

/// Puts both files in their place, if a daemon would take them.
fn install(made: &Made, ca: &Path, certificate: &Path, key: &Path, titles: &[Title]) -> Result<(), Failure> {
    let (new_certificate, new_key) = (files::beside(certificate), files::beside(key));
    files::write_secret(&new_key, &made.key)?;
    files::write(&new_certificate, &made.certificate)?;
    if let Err(error) = Membership::read(ca, &new_certificate, &new_key, titles.to_vec()) {
        files::remove([&new_certificate, &new_key]);
        return Err(Failure::refused(format!("what was made would not be believed: {error}"))
            .advise("Are ca.pem and ca.key of the same CA, and is the clock right?"));
    }
    files::rename(&new_key, key)?;
    files::rename(&new_certificate, certificate)
}

fn show(titles: &[Title], addresses: &[String], days: u32, certificate: &Path, key: &Path, global: &Global) -> Result<(), Failure> {
    let is = titles.iter().map(|title| format!("{} {}", title.role(), title.name())).collect::<Vec<_>>().join(", ");
    let rows = vec![
        ("for", is),
        ("network", titles[0].network().to_string()),
        ("addresses", addresses.join(", ")),
        ("days", days.to_string()),
        ("certificate", clean(&certificate.display().to_string())),
        ("key", clean(&key.display().to_string())),
    ];
    let value = json!({
        "titles": titles.iter().map(Title::to_string).collect::<Vec<_>>(), "network": titles[0].network(), "addresses": addresses, "days": days,
        "certificate": certificate.display().to_string(), "key": key.display().to_string(),
    });
    global.output.show(&Sheet::facts(rows, value))?;
    if global.output == Form::default() {
        let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("\n# These two and ca.pem go to the folder of its configuration, which says:\n[network]\nca = \"ca.pem\"");
        println!("certificate = \"{}\"\nkey = \"{}\"", name(certificate), name(key));
    }
    Ok(())
}

/// Where it is dialled: by its name, if that is an address, and by what is said.
fn addresses(titles: &[Title], further: &[String]) -> Vec<String> {
    let own = titles.iter().filter(|title| title.role() != Role::Gateway).map(|title| title.name().to_string());
    let mut addresses: Vec<String> = Vec::new();
    for address in own.chain(further.iter().cloned()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

fn refuse_to_overwrite(file: &Path, advice: &str) -> Result<(), Failure> {
    match file.symlink_metadata() {
        Ok(_) => Err(Failure::refused(format!("{} is there already", file.display())).advise(advice)),
        Err(_) => Ok(()),
    }
}

/// The name without what means something to a shell, a copying program or a file system.
fn file_stem(name: &str) -> Result<String, Failure> {
    let plain = |(ix, c): (usize, char)| match c {
        '.' | '-' if ix == 0 => '_',
        c if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') => c,
        _ => '_',
    };
    let stem: String = name.chars().enumerate().map(plain).collect();
    match stem.eq_ignore_ascii_case("ca") {
        true => Err(Failure::usage(format!("nobody can be called {name} here: its files would be those of the CA"))),
        false => Ok(stem),
    }
}

fn network(text: &str) -> Result<String, String> {
    certificate::authority(text).map(|_| text.to_string()).map_err(|bad| bad.to_string())
}

fn role(text: &str) -> Result<Role, String> {
    Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| certificate::BadTitle::Role.to_string())
}

/// An IP in its one spelling, or a host name.
fn address(text: &str) -> Result<String, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_string());
    }
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if text.len() <= 253 && text.split('.').all(label) && text.bytes().any(|b| b.is_ascii_alphabetic()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("write it as an IP address or a host name, without a port".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        for (name, expect) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001_db8__1")),
            ("::1", Some("__1")),
            ("desk_1", Some("desk_1")),
            (".hidden", Some("_hidden")),
            ("-rf", Some("_rf")),
            ("..", Some("_.")),
            ("ca", None),
            ("CA", None),
        ] {
            assert_eq!(file_stem(name).ok().as_deref(), expect, "{name}");
        }
    }

    #[test]
    fn addresses_are_told_from_nonsense() {
        for (text, expect) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("2001:DB8:0::1", Some("2001:db8::1")),
            ("Chat.Example.org", Some("chat.example.org")),
            ("192.0.2.1:7411", None),
            ("192.0.2.256", None),
            ("a b", None),
            ("", None),
            ("a..b", None),
        ] {
            assert_eq!(address(text).ok().as_deref(), expect, "{text}");
        }
    }
}
