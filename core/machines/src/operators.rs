//! Who steers the network: operators, what each of them may do, and what is written down of it.
//!
//! Which role a command needs says [`crate::permissions`]. Where no operators are configured, whoever connects from the machine itself is one, in every role, and nobody else is. Where some are,
//! whoever has not said which of them they are is none, wherever they come from.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::command::ClientCommand;
use crate::event::{Code, Reply};
use crate::wire::{Argv, Field, Text};
use crate::wire_words;

wire_words! {
    /// What an operator may do; each role may do what those before it may.
    pub enum Role {
        /// Look.
        "viewer" Viewer,
        /// Steer: who is in the ring, in groups, connected.
        "operator" Operator,
        /// Everything: plugins, accounts, directory servers, settings.
        "admin" Admin,
    }
}

/// The SHA-256 of an operator's secret. Good enough because secrets are drawn, not thought up: 32 bytes nobody can guess need no slow hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

impl SecretHash {
    /// Of a secret.
    pub fn of(secret: &str) -> SecretHash {
        SecretHash(Sha256::digest(secret).into())
    }

    /// As configurations have it: 64 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<SecretHash> {
        let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        (digits.len() == 64).then(|| bytes.try_into().ok().map(SecretHash)).flatten()
    }

    /// 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// One of those who are configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// What they are called.
    pub name: Text,
    /// What they may do.
    pub role: Role,
    /// What their secret is checked with.
    pub hash: SecretHash,
}

/// All who are configured; shared by the machines of a process.
pub type Operators = Arc<[Operator]>;

/// Who someone is to a server, beside a person: nobody, or an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Their name; of whoever just comes from the machine itself, `local`.
    pub name: Text,
    /// What they may do.
    pub role: Role,
}

/// Why someone is sent away.
pub type Refusal = (Code, String);

/// What whoever comes from the machine itself is called, where no operators are configured.
const LOCAL: &str = "local";

/// Who someone is by where they come from.
pub fn by_address(operators: &Operators, from: IpAddr) -> Option<Standing> {
    (operators.is_empty() && from.to_canonical().is_loopback()).then(|| Standing { name: LOCAL.into(), role: Role::Admin })
}

/// Who says to be this operator. Says the same, and takes as long, whether the name or the secret is wrong.
pub fn by_secret(operators: &Operators, name: &str, secret: &str) -> Result<Standing, Refusal> {
    let hash = SecretHash::of(secret);
    match operators.iter().find(|operator| *operator.name == *name && operator.hash == hash) {
        Some(operator) => Ok(Standing { name: operator.name.clone(), role: operator.role }),
        None if operators.is_empty() => {
            let text = "no operators are configured at this server ([[operator]]): whoever connects from its own machine is one";
            Err((Code::NoPerm, text.to_string()))
        }
        None => Err((Code::WrongPass, "no operator has this name and this secret here".to_string())),
    }
}

/// Whether who has said which operator they are is still that one, in the same role and with the same secret, now that others are configured.
pub fn is_still(standing: &Standing, before: &Operators, now: &Operators) -> bool {
    now.iter().any(|operator| operator.name == standing.name && before.contains(operator))
}

/// Whether someone may have this done; else what they hear.
pub fn allow(standing: Option<&Standing>, operators: &Operators, command: &ClientCommand) -> Result<(), Refusal> {
    let Some(needed) = command.role() else { return Ok(()) };
    let what = command.title();
    let text = match standing {
        Some(standing) if standing.role >= needed => return Ok(()),
        Some(standing) => format!("{what} is for the role {needed}, and {} has the role {}", standing.name, standing.role),
        None if operators.is_empty() => format!(
            "{what} is for operators, and none is configured here: run it on the machine of this server, over loopback (127.0.0.1 or ::1), or configure an [[operator]]"
        ),
        None => format!("{what} is for operators with the role {needed}: log in with OPERATOR name secret"),
    };
    Err((Code::NoPerm, text))
}

/// What someone had done, and what came of it: a line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// The operator; empty for nobody.
    pub who: Text,
    /// From where.
    pub from: IpAddr,
    /// The command, without secrets.
    pub what: Text,
    /// `done`, or the code and the reason why not.
    pub outcome: Text,
}

impl AuditLine {
    /// Of a command that was just heard; what comes of it is not known yet. None: it is not one that is written down.
    pub fn of(standing: Option<&Standing>, from: IpAddr, command: &ClientCommand) -> Option<AuditLine> {
        let who = match command {
            ClientCommand::Operator { name, .. } => name.clone(),
            _ => standing.map_or_else(|| "".into(), |standing| standing.name.clone()),
        };
        command.is_audited().then(|| AuditLine { who, from, what: described(command), outcome: UNKNOWN.into() })
    }

    /// It was answered.
    pub fn answered(self, reply: &Reply) -> AuditLine {
        let outcome = match reply {
            Reply::Error { code, text, .. } => format!("{} {text}", code.as_str()).into(),
            _ => "done".into(),
        };
        AuditLine { outcome, ..self }
    }
}

/// What came of a command whose answer nobody was there to hear.
const UNKNOWN: &str = "unknown: they left before it was answered";

/// A command as one line, its secrets left out.
fn described(command: &ClientCommand) -> Text {
    const LINE_MAX: usize = 400;
    let mut argv = Argv::default();
    command.without_secrets().put(&mut argv);
    let line = argv.iter().map(|word| String::from_utf8_lossy(word).escape_debug().to_string()).collect::<Vec<_>>().join(" ");
    line.trim_end().chars().take(LINE_MAX).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{AccountAsk, Command, HandoffAsk, PluginAsk};
    use std::net::Ipv4Addr;

    const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn operators() -> Operators {
        let operator = |name: &str, role| Operator { name: name.into(), role, hash: SecretHash::of(&format!("{name}'s")) };
        [operator("ann", Role::Admin), operator("joe", Role::Operator), operator("eve", Role::Viewer)].into()
    }

    #[track_caller]
    fn check(standing: Option<&Standing>, operators: &Operators, line: &str, refusal: Option<&str>) {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let Ok(Command::Client(command)) = Command::parse(&args) else { panic!("{line}") };
        let said = allow(standing, operators, &command).err().map(|(code, text)| format!("{code:?} {text}"));
        match (&said, refusal) {
            (Some(said), Some(words)) => assert!(said.contains("NoPerm") && said.contains(words), "{said}"),
            _ => assert_eq!(said.is_none(), refusal.is_none(), "{line}: {said:?}"),
        }
    }

    #[test]
    fn each_role_may_do_what_those_before_it_may() {
        let operators = operators();
        let as_who = |name: &str| by_secret(&operators, name, &format!("{name}'s")).unwrap();
        let (ann, joe, eve) = (as_who("ann"), as_who("joe"), as_who("eve"));
        for (line, least) in [
            ("GROUPS", 0),
            ("HANDOFF WHY", 0),
            ("HANDOFF ABORT", 1),
            ("CHECK", 1),
            ("ACCOUNT LIST", 1),
            ("PLUGIN LIST", 0),
            ("PLUGIN LOAD x", 2),
            ("DRAIN 192.0.2.1", 1),
        ] {
            for (rank, standing) in [&eve, &joe, &ann].into_iter().enumerate() {
                check(Some(standing), &operators, line, (rank < least).then_some("has the role"));
            }
            check(None, &operators, line, Some("log in with OPERATOR name secret"));
        }
        for line in ["RING", "PING", "JOIN #a", "NODES"] {
            check(None, &operators, line, None);
        }
        for (name, secret) in [("ann", "joe's"), ("ann", ""), ("bob", "bob's"), ("", "")] {
            let refused = by_secret(&operators, name, secret).unwrap_err();
            assert_eq!(refused.0, Code::WrongPass);
        }
    }

    #[test]
    fn without_operators_it_is_whoever_is_at_the_machine() {
        let none = Operators::default();
        let local = by_address(&none, HERE);
        check(local.as_ref(), &none, "PLUGIN LOAD x", None);
        check(by_address(&none, ELSEWHERE).as_ref(), &none, "GROUPS", Some("none is configured here"));
        assert_eq!(by_address(&operators(), HERE), None);
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        assert!(by_address(&none, mapped).is_some());
    }

    #[test]
    fn whoever_is_not_configured_any_more_is_nobody() {
        let before = operators();
        let ann = by_secret(&before, "ann", "ann's").unwrap();
        let with = |change: fn(&mut Operator)| {
            let mut now = before.to_vec();
            change(&mut now[0]);
            is_still(&ann, &before, &now.into())
        };
        assert!(with(|_| {}));
        assert!(
            !with(|ann| ann.role = Role::Viewer) && !with(|ann| ann.name = "anna".into()) && !with(|ann| ann.hash = SecretHash::of("new"))
        );
        let local = by_address(&Operators::default(), HERE).unwrap();
        assert!(!is_still(&local, &Operators::default(), &before));
    }

    #[test]
    fn secrets_are_not_written_down() {
        let line = |command: ClientCommand| AuditLine::of(by_address(&Operators::default(), HERE).as_ref(), HERE, &command);
        let set = ClientCommand::Account {
            what: AccountAsk::Set,
            name: Some(crate::names::Nick::new("joe").unwrap()),
            secret: Some("sesame".into()),
        };
        let (set, login) = (line(set).unwrap(), line(ClientCommand::Operator { name: "ann".into(), secret: "sesame".into() }).unwrap());
        assert_eq!((&*set.who, &*set.what), ("local", "ACCOUNT SET joe ***"));
        assert_eq!((&*login.who, &*login.what), ("ann", "OPERATOR ann ***"));
        assert_eq!(line(ClientCommand::Handoff { what: HandoffAsk::List }), None);
        let load = ClientCommand::Plugin { what: PluginAsk::Load, name: None, file: Some("a\nb".into()) };
        assert_eq!(&*line(load).unwrap().what, "PLUGIN LOAD  a\\nb");
    }

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let hash = SecretHash::of("sesame");
        assert_eq!(SecretHash::parse(&hash.hex()), Some(hash));
        for bad in ["", "12", &"g".repeat(64), &"1".repeat(63), &"1".repeat(66)] {
            assert_eq!(SecretHash::parse(bad), None, "{bad}");
        }
    }
}
