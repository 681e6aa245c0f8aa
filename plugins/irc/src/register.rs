//! From the first byte to the welcome: capabilities, account, nick, user.
//!
//! All of it is gathered here and handed to the node as one `LOGIN`. Two questions can be open at the node, and because it answers in
//! order it is always clear which one an answer is for: `AUTH` goes out only while the client negotiates, `LOGIN` only when it does
//! not, and each at most once until answered. Bound: one line for each thing told, [`SASL_MAX`] for an account's proof.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Conn;
use crate::caps::Caps;
use crate::line::Message;
use crate::sink::Sink;

/// What a client has told so far. Freed with the welcome.
#[derive(Default)]
pub(crate) struct Registration {
    nick: Option<String>,
    user: Option<User>,
    password: Option<Password>,
    /// `CAP END` is still to come.
    negotiating: bool,
    /// The node has a `LOGIN` to answer.
    login_open: bool,
    sasl: Sasl,
}

struct User {
    name: String,
    real: String,
}

/// From `PASS`. Without an account it is for the account called as the nick first asked for, also when that one is taken.
struct Password {
    account: Option<String>,
    secret: String,
}

/// How far `AUTHENTICATE` has got.
#[derive(Default)]
enum Sasl {
    #[default]
    Idle,
    /// The proof so far, in base64.
    Gathering(String),
    /// The node has an `AUTH` for this account to answer.
    Open(String),
    /// The account is proved.
    Proved,
}

impl Registration {
    /// The client negotiates. Too late once `LOGIN` is out.
    pub fn negotiate(&mut self) {
        self.negotiating |= !self.login_open;
    }

    /// Whether the node decides what commands the client may give: it answers them after the `LOGIN` before them.
    pub fn login_open(&self) -> bool {
        self.login_open
    }

    /// The nick asked for.
    pub fn nick(&self) -> Option<&str> {
        self.nick.as_deref()
    }
}

/// `PASS`, `USER` and `NICK` of a client that is not welcome yet. False if it is, or is about to be.
pub(crate) fn tell(conn: &mut Conn, command: &str, message: &Message<'_>, sink: &mut Sink<'_>) -> bool {
    let Some(registration) = conn.registration.as_mut().filter(|registration| !registration.login_open) else {
        return false;
    };
    match command {
        "PASS" => registration.password = Some(Password::of(message.param(0))),
        "NICK" => registration.nick = Some(message.param(0).to_owned()),
        _ => {
            let (name, real) = (message.param(0), message.param(3));
            let real = if real.is_empty() { name } else { real };
            registration.user = Some(User { name: name.to_owned(), real: real.to_owned() });
        }
    }
    if command != "PASS" {
        registration.login(sink);
    }
    true
}

/// `CAP END`.
pub(crate) fn end_of_caps(conn: &mut Conn, sink: &mut Sink<'_>) {
    if let Some(registration) = &mut conn.registration {
        registration.negotiating = false;
        registration.login(sink);
    }
}

impl Password {
    /// `account:secret`, or a secret alone, which therefore can't hold a colon.
    fn of(text: &str) -> Password {
        match text.split_once(':') {
            Some((account, secret)) if !account.is_empty() => Password { account: Some(account.to_owned()), secret: secret.to_owned() },
            _ => Password { account: None, secret: text.to_owned() },
        }
    }
}

impl Registration {
    /// Asks the node to let the client in, once all is told.
    fn login(&mut self, sink: &mut Sink<'_>) {
        let (Some(nick), Some(user)) = (&self.nick, &self.user) else { return };
        if self.negotiating || self.login_open {
            return;
        }
        self.login_open = true;
        let sasl = matches!(self.sasl, Sasl::Open(_) | Sasl::Proved);
        match self.password.as_mut().filter(|_| !sasl) {
            Some(password) => {
                let account = password.account.get_or_insert_with(|| nick.clone());
                sink.record(&["LOGIN", nick, &user.name, &user.real, account, &password.secret]);
            }
            None => sink.record(&["LOGIN", nick, &user.name, &user.real]),
        }
    }
}

/// `AUTHENTICATE`: PLAIN only.
pub(crate) fn authenticate(conn: &mut Conn, message: &Message<'_>, sink: &mut Sink<'_>) {
    let asked = conn.caps.has(Caps::SASL);
    let outcome = match conn.registration.as_deref_mut() {
        None => Outcome::Already,
        Some(registration) if !asked || !registration.negotiating => Outcome::Failed,
        Some(registration) => registration.sasl.hear(message.param(0), sink),
    };
    let answer = match outcome {
        Outcome::Next => return sink.wire(b"AUTHENTICATE +\r\n"),
        Outcome::Wait => return,
        Outcome::Unknown => {
            sink.line(|out| conn.reply(out, "908").middle(b"PLAIN").trailing(b"are available SASL mechanisms"));
            ("904", "SASL authentication failed")
        }
        Outcome::Failed => ("904", "SASL authentication failed"),
        Outcome::TooLong => ("905", "SASL message too long"),
        Outcome::Aborted => ("906", "SASL authentication aborted"),
        Outcome::Already => ("907", "You have already authenticated using SASL"),
    };
    sink.line(|out| conn.reply(out, answer.0).trailing(answer.1.as_bytes()));
}

/// What an `AUTHENTICATE` comes to.
enum Outcome {
    Next,
    Wait,
    Unknown,
    Failed,
    TooLong,
    Aborted,
    Already,
}

impl Sasl {
    fn hear(&mut self, word: &str, sink: &mut Sink<'_>) -> Outcome {
        match self {
            // The node judges: its answer ends this, nothing else.
            Sasl::Open(_) => return Outcome::Wait,
            Sasl::Proved => return Outcome::Already,
            _ => {}
        }
        let Sasl::Gathering(gathered) = self else {
            return match word {
                "*" => Outcome::Aborted,
                _ if word.eq_ignore_ascii_case("PLAIN") => {
                    *self = Sasl::Gathering(String::new());
                    Outcome::Next
                }
                _ => Outcome::Unknown,
            };
        };
        let outcome = match word {
            "*" => Outcome::Aborted,
            _ if word.len() > CHUNK || gathered.len() + word.len() > SASL_MAX => Outcome::TooLong,
            _ => {
                gathered.push_str(if word == "+" { "" } else { word });
                if word.len() == CHUNK {
                    return Outcome::Wait;
                }
                match plain(gathered) {
                    Some((account, secret)) => {
                        sink.record(&["AUTH", &account, &secret]);
                        *self = Sasl::Open(account);
                        return Outcome::Wait;
                    }
                    None => Outcome::Failed,
                }
            }
        };
        *self = Sasl::Idle;
        outcome
    }
}

/// Account and password out of the base64 of a PLAIN message. Nobody may act as another.
fn plain(base64: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(base64).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut parts = text.split('\0');
    let (acts_as, account, secret) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = parts.next().is_none() && !account.is_empty() && (acts_as.is_empty() || acts_as == account);
    sound.then(|| (account.to_owned(), secret.to_owned()))
}

/// Takes the node's `ok` or `error` if it answers an `AUTH`: writes what the client has to hear, and says true.
pub(crate) fn answer_sasl(conn: &mut Conn, good: bool, out: &mut Vec<u8>) -> bool {
    let Some(registration) = &mut conn.registration else { return false };
    let Sasl::Open(account) = &registration.sasl else { return false };
    let account = account.clone();
    registration.sasl = if good { Sasl::Proved } else { Sasl::Idle };
    if !good {
        conn.reply(out, "904").trailing(b"SASL authentication failed");
        return true;
    }
    let mask = format!("{}!*@*", conn.asked_nick());
    let text = format!("You are now logged in as {account}");
    conn.reply(out, "900").middle(mask.as_bytes()).middle(account.as_bytes()).trailing(text.as_bytes());
    conn.reply(out, "903").trailing(b"SASL authentication successful");
    true
}

/// Takes note that the node refused something: the `LOGIN`, if one is open. The client may then try again.
pub(crate) fn refused(conn: &mut Conn) {
    if let Some(registration) = &mut conn.registration {
        registration.login_open = false;
    }
}

/// Longest piece of a proof; a shorter one is its last.
const CHUNK: usize = 400;
/// Longest proof, in base64.
const SASL_MAX: usize = 1600;
