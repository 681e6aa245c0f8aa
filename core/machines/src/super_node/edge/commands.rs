//! What people's programs ask for, turned into questions to masters and the directory, or answered at once.
//!
//! Every command has exactly one answer, in its turn, unless its transport wants none (SAY, PONG). Who may send what stands in the command table.

use std::collections::VecDeque;
use std::sync::Arc;

use super::answers::{Claim, JoinStyle, Purpose};
use super::readers::Asker;
use super::session::{GUEST_PREFIX, Gate};
use super::sifting::Heard;
use super::{Asked, Edge, Query, Standing};
use crate::claim::GroupClaim;
use crate::command::{Account, ClientCommand, GroupOrNick, Hello, ModeAsk, RingAsk};
use crate::entry::{Person, SayKind};
use crate::event::{Code, Event, Push, Reply};
use crate::ids::{Birth, Conn, Term, Ticket};
use crate::machine::{Effect, Level, Verdict};
use crate::names::{GroupName, Nick};
use crate::peer::{Mark, Op, PeerCommand};
use crate::permissions::is_list_of_the_slow;
use crate::redis;
use crate::secret::session_of_token;
use crate::super_node::ctx::{Ctx, Letter, Placement};
use crate::wire::{At, Bad, Caller, Given, Rest, Text};

/// Wrong passwords after which a connection is closed.
const FAILURES_MAX: u8 = 3;
/// Groups in one SUBSCRIBE, nicks in one ISON or USERHOST.
const WORDS_MAX: usize = 32;
/// The highest counter a program may give: above are those of nodes.
const COUNTER_MAX: u64 = u64::MAX / 2;
/// Requests to masters that wait, past which what bots say is dropped.
const BOTS_WAIT_MAX: usize = 4_096;
/// Longest user, real and account name, in bytes.
const NAME_MAX: usize = 64;

/// What someone says: with a counter of their own, or the next one.
struct Said {
    kind: SayKind,
    text: Text,
    counter: Option<u64>,
    birth: Option<Birth>,
}

impl Said {
    fn new(kind: SayKind, text: Text) -> Said {
        Said { kind, text, counter: None, birth: None }
    }
}

impl Edge {
    /// Something that should have been a command: answered in its turn, like any other.
    pub fn bad(&mut self, ctx: &mut Ctx<'_>, conn: Conn, bad: Bad) {
        if self.waits_for_filters(conn) {
            return self.wait_behind(ctx, conn, Heard::Bad(bad));
        }
        self.complain(ctx, conn, &bad);
    }

    pub(super) fn complain(&mut self, ctx: &mut Ctx<'_>, conn: Conn, bad: &Bad) {
        let event = match bad {
            Bad::Unknown(word) => {
                Event::error_about(Code::Unknown, format!("unknown command '{word}'; COMMAND LIST lists them"), [word.as_str().into()])
            }
            Bad::Value { what: "nick" | "target", .. } => Event::error(Code::NoSuchNick, bad.to_string()),
            Bad::Value { what: "group" | "groups", .. } => Event::error(Code::BadGroup, bad.to_string()),
            Bad::Value { what: "changes", .. } => Event::error(Code::UnknownMode, bad.to_string()),
            _ => Event::error(Code::Syntax, bad.to_string()),
        };
        self.say(ctx, conn, event);
    }

    /// A command.
    pub fn command(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: ClientCommand) {
        if let ClientCommand::Alive {} = command {
            return ctx.tell(conn, Push::Alive {});
        }
        let now = ctx.now;
        let Some(session) = self.session(conn) else { return };
        (session.heard, session.pinged) = (now, false);
        if self.waits_for_filters(conn) {
            return self.wait_behind(ctx, conn, Heard::Command(command));
        }
        self.obey(ctx, conn, command, false);
    }

    /// Does a command whose turn it is. `judged`: the filters have seen it.
    pub(super) fn obey(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: ClientCommand, judged: bool) {
        let spec = command.spec();
        if spec.at == At::Directory {
            let text = format!("{} is answered by directory servers; this is super node {}", spec.word, ctx.config.key);
            return self.say(ctx, conn, Event::error_about(Code::Err, text, [spec.word.into()]));
        }
        let is_for_operators =
            spec.caller.role().is_some() || matches!(&command, ClientCommand::Client { words } if is_list_of_the_slow(&words.0));
        let may_be_audited = is_for_operators || matches!(command, ClientCommand::Operator { .. });
        let audited = if may_be_audited { self.begin_audit(ctx, conn, &command) } else { None };
        if is_for_operators && !self.permits(ctx, conn, &command) {
            return;
        }
        let Some(session) = self.session(conn) else { return };
        if spec.caller == Caller::Session && !is_for_operators {
            if session.registers && !session.named && !session.renamed {
                return self.say(ctx, conn, Event::error(Code::NoNick, "you have not registered"));
            }
            if !matches!(session.gate, Gate::Open) {
                return self.judge(ctx, conn, None, command);
            }
        }
        match command {
            ClientCommand::Hello { options } => self.hello(ctx, conn, options),
            ClientCommand::Operator { ref name, ref secret } => self.log_in_operator(ctx, conn, name, secret),
            ClientCommand::Auth { ref credentials } => self.judge(ctx, conn, Some(credentials.0.clone()), command),
            ClientCommand::Login { ref nick, ref account, ref password, .. } => {
                let name = || account.clone().unwrap_or_else(|| nick.clone());
                let account = password.clone().map(|password| Account { name: name(), password });
                session.registers = true;
                self.judge(ctx, conn, account, command);
            }
            command if judged => self.run(ctx, conn, command),
            command => self.sift(ctx, conn, command),
        }
        if let Some(place) = audited {
            self.audit_later(place);
        }
        let pending_max = ctx.config.limits.pending_per_session;
        if self.session(conn).is_some_and(|session| session.slots.len() >= pending_max) {
            self.pause(ctx, conn);
        }
    }

    fn hello(&mut self, ctx: &mut Ctx<'_>, conn: Conn, options: Hello) {
        match options.version {
            None | Some(2 | 3) => {}
            Some(_) => {
                return self.say(
                    ctx,
                    conn,
                    Event::error(Code::NoProto, "unsupported protocol version: this server speaks RESP2 and RESP3"),
                );
            }
        }
        if let (Some(session), Some(version)) = (self.session(conn), options.version) {
            session.proto = version as u8;
        }
        if options.account.is_some() || options.nick.is_some() {
            let account = options.account.clone();
            return self.judge(ctx, conn, account, ClientCommand::Hello { options });
        }
        self.greet(ctx, conn);
    }

    pub(super) fn greet(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        let Some(session) = self.session(conn) else { return };
        let pairs = redis::hello(session.proto, conn, "super node");
        self.say(ctx, conn, Reply::Hello { pairs: Rest(pairs) });
    }

    /// Asks the authenticators, and reads nothing more until they have decided.
    fn judge(&mut self, ctx: &mut Ctx<'_>, conn: Conn, account: Option<Account>, then: ClientCommand) {
        let Some(session) = self.session(conn) else { return };
        // Someone who is in already, as themselves, needs not be asked again.
        if account.is_none() && matches!(session.gate, Gate::Open) {
            return self.admitted(ctx, conn, then);
        }
        session.gate = Gate::Asked(Box::new(then));
        self.pause(ctx, conn);
        self.look_up(ctx, conn, account);
    }

    pub fn judged(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, verdict: Verdict) {
        let Some((conn, _)) = self.judging.remove(&ticket) else { return };
        let Some(session) = self.session(conn) else { return };
        let Gate::Asked(then) = std::mem::replace(&mut session.gate, Gate::Shut) else { return };
        match verdict {
            Verdict::Accept(account) => {
                session.gate = Gate::Open;
                if let Some(account) = account {
                    session.person = Arc::new(Person { account, ..(*session.person).clone() });
                }
                self.resume(ctx, conn);
                self.admitted(ctx, conn, *then);
                self.do_what_is_judged(ctx, conn);
            }
            Verdict::Deny(reason) => {
                let shown = matches!(*then, ClientCommand::Auth { .. } | ClientCommand::Login { .. } | ClientCommand::Hello { .. });
                session.failures += u8::from(shown);
                let failures = session.failures;
                self.say(ctx, conn, Event::error(if shown { Code::WrongPass } else { Code::NoAuth }, reason));
                if failures >= FAILURES_MAX {
                    return self.close(ctx, conn, "too many wrong passwords");
                }
                self.resume(ctx, conn);
                self.do_what_is_judged(ctx, conn);
            }
            Verdict::Busy => {
                self.say(ctx, conn, Event::error(Code::Busy, "too many people are logging in: try again in a moment"));
                self.resume(ctx, conn);
                self.do_what_is_judged(ctx, conn);
            }
        }
    }

    /// What was waiting for the authenticators.
    fn admitted(&mut self, ctx: &mut Ctx<'_>, conn: Conn, then: ClientCommand) {
        match then {
            ClientCommand::Auth { .. } => self.say(ctx, conn, Event::ok()),
            ClientCommand::Hello { options: Hello { nick: Some(nick), .. } } => self.claim(ctx, conn, &nick, Claim::Hello),
            ClientCommand::Hello { .. } => self.greet(ctx, conn),
            ClientCommand::Login { nick, user, real, .. } => {
                let Some(session) = self.session(conn) else { return };
                session.registers = true;
                session.person = Arc::new(Person { user: trimmed(&user), real: trimmed(&real), ..(*session.person).clone() });
                self.claim(ctx, conn, &nick, Claim::Login);
            }
            command => self.sift(ctx, conn, command),
        }
    }

    pub(super) fn run(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: ClientCommand) {
        match command {
            ClientCommand::Publish { group, text } => {
                self.speak(ctx, conn, group, Said::new(SayKind::Message, text), true, Purpose::Publish)
            }
            ClientCommand::Msg { target, text, counter, birth } => {
                let said = Said { kind: SayKind::Message, text, counter, birth: birth.0 };
                self.speak(ctx, conn, target.group(), said, true, Purpose::Msg { target });
            }
            ClientCommand::Say { kind, target, echo, text } => {
                // Whoever writes to themselves hears it from the stream.
                let told = echo && !self.is_seated(&target.group(), conn);
                self.speak(ctx, conn, target.group(), Said::new(kind, text), echo, Purpose::Say { kind, target, echo: told });
            }
            ClientCommand::Ping { text } => self.say(ctx, conn, Reply::Pong { text }),
            ClientCommand::Pong { .. } => {}
            ClientCommand::Session { token } => self.resume_session(ctx, conn, &token),
            ClientCommand::Nick { nick } => self.claim(ctx, conn, &nick, Claim::Nick),
            ClientCommand::Quit { reason } => {
                self.say(ctx, conn, Event::ok());
                self.close(ctx, conn, reason.as_deref().unwrap_or("quit"));
            }
            ClientCommand::Join { group, key, birth, seq, term } => {
                let mark = birth.zip(seq).map(|(birth, seq)| Mark { birth, seq });
                self.join_native(ctx, conn, group, key, (mark, term.unwrap_or_default()))
            }
            ClientCommand::Enter { group, key } => self.join(ctx, conn, group, key, (None, Term::default()), JoinStyle::Enter),
            ClientCommand::Subscribe { groups: Rest(groups) } => self.subscribe(ctx, conn, groups),
            ClientCommand::Unsubscribe { groups: Rest(groups) } => self.unsubscribe(ctx, conn, groups),
            ClientCommand::Part { group, reason } => {
                let reason = reason.unwrap_or_else(|| "".into());
                let seated = self.is_seated(&group, conn);
                self.question(ctx, conn, group, Op::Part { reason }, Purpose::Part { unsubscribe: false, seated });
            }
            ClientCommand::Topic { group, text: Given(None) } => self.question(ctx, conn, group, Op::ShowTopic {}, Purpose::ShowTopic),
            ClientCommand::Topic { group, text: Given(Some(text)) } => {
                self.question(ctx, conn, group, Op::SetTopic { text }, Purpose::Change)
            }
            ClientCommand::Names { group } => self.question(ctx, conn, group, Op::Names {}, Purpose::Names),
            ClientCommand::Who { target } => {
                self.question(ctx, conn, target.group(), Op::Names {}, Purpose::Who { query: target.as_str().into() })
            }
            ClientCommand::Whois { nick } => self.question(ctx, conn, nick.group(), Op::Names {}, Purpose::Whois { nick }),
            ClientCommand::Mode { group, changes } => match changes {
                ModeAsk::Show => self.question(ctx, conn, group, Op::ShowModes {}, Purpose::ShowModes),
                ModeAsk::Bans => self.question(ctx, conn, group, Op::ShowBans {}, Purpose::ShowBans),
                ModeAsk::Change(changes) => self.question(ctx, conn, group, Op::SetModes { changes }, Purpose::Change),
            },
            ClientCommand::Kick { group, nick, reason } => {
                let reason = reason.unwrap_or_else(|| nick.as_str().into());
                let op = Op::Kick { nick: nick.clone(), reason };
                self.question(ctx, conn, group, op, Purpose::About { nick });
            }
            ClientCommand::Invite { nick, group } => {
                self.question(ctx, conn, group.clone(), Op::Invite { nick: nick.clone() }, Purpose::Invite { group, nick });
            }
            ClientCommand::Away { text } => self.away(ctx, conn, text.unwrap_or_else(|| "".into())),
            ClientCommand::Ison { nicks: Rest(nicks) } => self.gather(ctx, conn, &nicks, false),
            ClientCommand::Userhost { nicks: Rest(nicks) } => self.gather(ctx, conn, &nicks, true),
            ClientCommand::Motd {} => {
                let lines = Rest(ctx.config.motd.clone());
                self.say(ctx, conn, Reply::Motd { lines });
            }
            ClientCommand::List { pattern } => {
                let pattern = pattern.unwrap_or_else(|| "*".into());
                self.ask_directory(ctx, conn, |ticket| PeerCommand::GroupList { ticket, pattern });
            }
            ClientCommand::Lusers {} => self.ask_directory(ctx, conn, |ticket| PeerCommand::Count { ticket }),
            ClientCommand::Client { words: Rest(words) } => self.client(ctx, conn, &words),
            ClientCommand::Info { .. } => self.info(ctx, conn),
            ClientCommand::Command { words: Rest(words) } => self.say(ctx, conn, redis::command(&words)),
            ClientCommand::Ring { how: Given(Some(RingAsk::Signed)) } => {
                let Placement { view, seal, .. } = ctx.placement;
                let list = view.as_ref().zip(seal.as_ref()).filter(|(view, seal)| view.epoch == seal.epoch);
                let answer = match list {
                    Some((view, seal)) => Reply::SignedRing { seal: seal.clone(), view: view.clone() }.into(),
                    None => Event::error(Code::TryAgain, "100 this node has no signed list of the present ring; directory servers have"),
                };
                self.say(ctx, conn, answer);
            }
            ClientCommand::Ring { how: Given(Some(RingAsk::Linearizable)) } => {
                let text = "a super node knows what it has heard: ask a directory server for RING LINEARIZABLE";
                self.say(ctx, conn, Event::error(Code::Err, text));
            }
            ClientCommand::Ring { how: Given(None) } => match &ctx.placement.view {
                Some(view) => self.say(ctx, conn, Reply::Ring { view: view.clone() }),
                None => self.say(ctx, conn, Event::error(Code::TryAgain, "this node has not heard from a directory server yet")),
            },
            ClientCommand::Clients { after } => self.list_clients(ctx, conn, after),
            ClientCommand::Kill { who, reason } => self.kill(ctx, conn, &who, reason.as_deref().unwrap_or_default()),
            ClientCommand::Steer { group, order } => self.steer(ctx, conn, group, order),
            ClientCommand::Check { group } => self.check_now(ctx, conn, group),
            ClientCommand::Claim { group } => {
                let Some(session) = self.session(conn) else { return };
                let asker = (conn, session.slots.open());
                ctx.post.push_back(Letter::Claim { asker, group });
            }
            ClientCommand::Plugin { what, name, file } => self.wish_of_plugins(ctx, conn, what, name, file),
            // Handled before, or refused by the table.
            ClientCommand::Hello { .. }
            | ClientCommand::Auth { .. }
            | ClientCommand::Operator { .. }
            | ClientCommand::Login { .. }
            | ClientCommand::Alive {} => {}
            ClientCommand::Nodes {}
            | ClientCommand::Loads {}
            | ClientCommand::Places { .. }
            | ClientCommand::Groups { .. }
            | ClientCommand::Group { .. }
            | ClientCommand::Members { .. }
            | ClientCommand::Where { .. } => {}
            ClientCommand::Handoff { .. }
            | ClientCommand::Node { .. }
            | ClientCommand::Account { .. }
            | ClientCommand::Drain { .. }
            | ClientCommand::Points { .. }
            | ClientCommand::Directory { .. } => {}
        }
    }

    /// Asks a group's master for a session, and keeps the answer's place.
    pub(super) fn question(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: GroupName, op: Op, purpose: Purpose) {
        let Some(session) = self.session(conn) else { return };
        let slot = Some(session.slots.open());
        let (session, person) = (session.id, session.person.clone());
        self.ask(ctx, Asked { conn: Some(conn), slot, session, person, group, op, purpose, to: None, since: ctx.now });
    }

    /// Asks without an answer for the person.
    pub(super) fn errand(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: GroupName, op: Op, purpose: Purpose) {
        let Some(session) = self.session(conn) else { return };
        let (session, person) = (session.id, session.person.clone());
        self.ask(ctx, Asked { conn: Some(conn), slot: None, session, person, group, op, purpose, to: None, since: ctx.now });
    }

    fn speak(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: GroupName, said: Said, echo: bool, purpose: Purpose) {
        let Said { kind, text, counter, birth } = said;
        if counter.is_some_and(|counter| counter > COUNTER_MAX) {
            return self.say(ctx, conn, Event::error(Code::Syntax, format!("a counter is at most {COUNTER_MAX}")));
        }
        let Some(session) = self.session(conn) else { return };
        session.echo = echo;
        let counter = counter.unwrap_or_else(|| {
            session.counter += 1;
            session.counter
        });
        let op = Op::Say { kind, text, counter, birth };
        self.question(ctx, conn, group, op, purpose);
    }

    /// A bot of a plugin says a notice in a group: as nobody's session, and once or not at all.
    pub fn bot_says(&mut self, ctx: &mut Ctx<'_>, nick: Nick, group: GroupName, text: Text) {
        if self.asked.len() >= BOTS_WAIT_MAX {
            return ctx.log(Level::Warn, format!("what bot {nick} says to {group} is dropped: too much waits for masters"));
        }
        let session = session_of_token(&format!("bot {} at {}", nick.as_str().to_ascii_lowercase(), ctx.me()));
        // Grows across starts of the process, too.
        self.bots_counter = ctx.now.0.max(self.bots_counter + 1);
        let op = Op::Say { kind: SayKind::Notice, text, counter: self.bots_counter, birth: None };
        let person =
            Person { nick, user: "bot".into(), host: ctx.config.name.clone(), account: "".into(), real: "a bot of a plugin".into() };
        let asked =
            Asked { conn: None, slot: None, session, person: Arc::new(person), group, op, purpose: Purpose::Bot, to: None, since: ctx.now };
        self.ask(ctx, asked);
    }

    fn resume_session(&mut self, ctx: &mut Ctx<'_>, conn: Conn, token: &str) {
        let Some(session) = self.session(conn) else { return };
        let printable = (8..=64).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
        if !printable || session.named || !session.groups.is_empty() || !session.slots.is_empty() {
            let text = "a token is 8 to 64 printable characters, and comes before nick and groups";
            return self.say(ctx, conn, Event::error(Code::Syntax, text));
        }
        let (id, old_id) = (session_of_token(token), session.id);
        if let Some(older) = self.by_id.get(&id).copied().filter(|older| *older != conn) {
            self.supersede(ctx, older);
        }
        let Some(session) = self.session(conn) else { return };
        session.id = id;
        self.by_id.remove(&old_id);
        self.by_id.insert(id, conn);
        self.say(ctx, conn, Event::ok());
    }

    /// The same session came again on another connection. It stays in its groups; the new connection takes the seats by joining.
    fn supersede(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        let Some(session) = self.take(conn) else { return };
        self.by_id.remove(&session.id);
        let own = session.named.then(|| session.person.nick.group());
        for group in session.groups.iter().cloned().chain(own) {
            self.unseat(ctx, &group, conn);
            self.linger(ctx, session.id, session.person.clone(), group);
        }
        ctx.tell(conn, Push::Closing { reason: "this session goes on over another connection".into() });
        ctx.effects.push(Effect::Close { conn });
    }

    fn join_native(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: GroupName, key: Option<Text>, heard: (Option<Mark>, Term)) {
        let owner = ctx.placement.master(&group).cloned();
        if let Some(owner) = owner.as_ref().filter(|owner| self.is_believed_dead(ctx.now, owner)) {
            let text = format!("{owner} is not in reach, and the ring is about to change: try again in {} ms", super::MOVING_MS);
            return self.say(ctx, conn, Event::error_about(Code::TryAgain, text, [group.as_str().into()]));
        }
        match owner.as_ref().and_then(|owner| owner.address()) {
            Some(address) if owner.as_ref() != Some(ctx.me()) => {
                let text = format!("{} {address}", ctx.placement.epoch());
                self.say(ctx, conn, Event::error_about(Code::Moved, text, [group.as_str().into()]));
            }
            Some(_) => {
                let Some(session) = self.session(conn) else { return };
                session.native = true;
                if session.groups.is_empty()
                    && let Err(ms) = self.budget.take(ctx.now, ctx.config.limits.joins_per_second as u64, &mut ctx.ids.jitter)
                {
                    let text = format!("many come at once: try again in {ms} ms");
                    return self.say(ctx, conn, Event::error_about(Code::TryAgain, text, [group.as_str().into()]));
                }
                self.join(ctx, conn, group, key, heard, JoinStyle::Native);
            }
            None => self.say(ctx, conn, Event::error(Code::TryAgain, "the ring is empty: no super node is known yet")),
        }
    }

    fn join(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: GroupName, key: Option<Text>, heard: (Option<Mark>, Term), style: JoinStyle) {
        let groups_max = ctx.config.limits.groups_per_session;
        let Some(session) = self.session(conn) else { return };
        if group.is_person() {
            return self.say(
                ctx,
                conn,
                Event::error_about(Code::BadGroup, "a person can't be joined, only written to", [group.as_str().into()]),
            );
        }
        if session.groups.len() >= groups_max && !session.is_in(&group) {
            let text = format!("you are in {groups_max} groups already");
            return self.say(ctx, conn, Event::error_about(Code::TooMany, text, [group.as_str().into()]));
        }
        let ((mark, term), names) = (heard, style == JoinStyle::Enter);
        self.question(ctx, conn, group, Op::Join { key, mark, term, names }, Purpose::Join { style });
    }

    fn subscribe(&mut self, ctx: &mut Ctx<'_>, conn: Conn, groups: Vec<GroupName>) {
        if groups.is_empty() || groups.len() > WORDS_MAX {
            return self.say(ctx, conn, Event::error(Code::Syntax, format!("SUBSCRIBE takes 1 to {WORDS_MAX} groups")));
        }
        groups.into_iter().for_each(|group| self.join(ctx, conn, group, None, (None, Term::default()), JoinStyle::Subscribe));
    }

    fn unsubscribe(&mut self, ctx: &mut Ctx<'_>, conn: Conn, mut groups: Vec<GroupName>) {
        let Some(session) = self.session(conn) else { return };
        if groups.is_empty() {
            groups = session.groups.to_vec();
        }
        if groups.is_empty() {
            return self.say(ctx, conn, Push::Unsubscribed { group: None, count: 0 });
        }
        for group in groups {
            let (op, seated) = (Op::Part { reason: "".into() }, self.is_seated(&group, conn));
            self.question(ctx, conn, group, op, Purpose::Part { unsubscribe: true, seated });
        }
    }

    /// Claims a nick: joins the person's own group.
    fn claim(&mut self, ctx: &mut Ctx<'_>, conn: Conn, wanted: &Text, then: Claim) {
        let Some(session) = self.session(conn) else { return };
        let nick = match Nick::new(wanted) {
            Ok(nick)
                if nick.as_str().len() >= GUEST_PREFIX.len() && nick.as_str()[..GUEST_PREFIX.len()].eq_ignore_ascii_case(GUEST_PREFIX) =>
            {
                let text = format!("nicks that begin with {GUEST_PREFIX} are given out by the network");
                return self.say(ctx, conn, Event::error_about(Code::BadNick, text, [wanted.clone()]));
            }
            Ok(nick) => nick,
            Err(bad) => return self.say(ctx, conn, Event::error_about(Code::BadNick, bad.to_string(), [wanted.clone()])),
        };
        let slot = session.slots.open();
        // One after the other, whatever masters answer first.
        if let Some(claims) = &mut session.claims {
            return claims.push_back((slot, nick.as_str().into(), then));
        }
        session.claims = Some(VecDeque::new());
        self.claim_if_free(ctx, conn, slot, nick, then);
    }

    /// A claim is answered: the next one.
    pub(super) fn claim_next(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        let Some(session) = self.session(conn) else { return };
        match session.claims.as_mut().and_then(VecDeque::pop_front) {
            Some((slot, nick, then)) => {
                if let Ok(nick) = Nick::new(&nick) {
                    self.claim_if_free(ctx, conn, slot, nick, then);
                }
            }
            None => session.claims = None,
        }
    }

    pub(super) fn claim_at_master(&mut self, ctx: &mut Ctx<'_>, conn: Conn, slot: u64, nick: Nick, then: Claim) {
        let Some(session) = self.session(conn) else { return };
        let person = Arc::new(Person { nick: nick.clone(), ..(*session.person).clone() });
        let slot = Some(slot);
        let (id, group) = (session.id, nick.group());
        let op = Op::Join { key: None, mark: None, term: Term::default(), names: false };
        let purpose = Purpose::Claim { person: person.clone(), then };
        self.ask(ctx, Asked { conn: Some(conn), slot, session: id, person, group, op, purpose, to: None, since: ctx.now });
    }

    fn away(&mut self, ctx: &mut Ctx<'_>, conn: Conn, text: Text) {
        let Some(session) = self.session(conn) else { return };
        if !session.named {
            return self.say(ctx, conn, Event::error(Code::NoNick, "take a nick first: away is a property of a nick"));
        }
        let (group, away) = (session.person.nick.group(), !text.is_empty());
        self.question(ctx, conn, group, Op::Away { text }, Purpose::Away { away });
    }

    fn ask_directory(&mut self, ctx: &mut Ctx<'_>, conn: Conn, command: impl FnOnce(Ticket) -> PeerCommand) {
        let Some(session) = self.session(conn) else { return };
        let slot = session.slots.open();
        let ticket = ctx.ids.ticket();
        self.queries.insert(ticket, Query { conn, slot, since: ctx.now });
        self.sweep_at.get_or_insert(ctx.now + super::SWEEP_MS);
        ctx.post.push_back(Letter::Directory(command(ticket)));
    }

    fn gather(&mut self, ctx: &mut Ctx<'_>, conn: Conn, words: &[Text], hosts: bool) {
        let nicks: Vec<Nick> =
            words.iter().flat_map(|word| word.split(' ')).filter_map(|word| Nick::new(word).ok()).take(WORDS_MAX).collect();
        let Some(session) = self.session(conn) else { return };
        if nicks.is_empty() {
            let event = if hosts { Reply::UserhostIs { cells: Rest(vec![]) } } else { Reply::IsonIs { nicks: Rest(vec![]) } };
            return self.say(ctx, conn, event);
        }
        let slot = session.slots.open();
        let gather = self.begin_gather(conn, slot, nicks.len(), hosts);
        for (ix, nick) in nicks.into_iter().enumerate() {
            self.errand(ctx, conn, nick.group(), Op::Names {}, Purpose::Gather { gather, ix });
        }
    }

    fn client(&mut self, ctx: &mut Ctx<'_>, conn: Conn, words: &[Text]) {
        let Some(session) = self.session(conn) else { return };
        if is_list_of_the_slow(words) {
            let slot = session.slots.open();
            return self.survey(ctx, Some(Asker { conn, slot }));
        }
        let nick = session.named.then(|| session.person.nick.to_string());
        match redis::client(words, conn, session.peer, nick.as_deref(), session.groups.len()) {
            redis::ClientAnswer::Event(event) => self.say(ctx, conn, event),
            redis::ClientAnswer::SetName(name) => self.claim(ctx, conn, &name, Claim::Nick),
        }
    }

    fn info(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        let facts = [
            ("role", "super node".to_string()),
            ("node", ctx.config.key.to_string()),
            ("name", ctx.config.name.to_string()),
            ("network", ctx.config.network.to_string()),
            ("epoch", ctx.placement.epoch().to_string()),
            ("incarnation", ctx.config.incarnation.to_string()),
            ("process_id", ctx.config.process_id.to_string()),
            ("connected_clients", self.people().to_string()),
            ("native_clients", self.native_clients().to_string()),
            ("groups_attached", self.groups().to_string()),
            ("groups_held", self.groups_held.to_string()),
            ("time_ms", ctx.now.0.to_string()),
        ];
        self.say(ctx, conn, redis::info(&facts));
    }

    fn check_now(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: Option<GroupName>) {
        if self.checked_at.is_some_and(|at| ctx.now.since_ms(at) < 1_000) {
            return self.say(ctx, conn, Event::error(Code::TryAgain, "a check was made less than 1 s ago: try again in 1000 ms"));
        }
        self.checked_at = Some(ctx.now);
        let Some(session) = self.session(conn) else { return };
        let slot = session.slots.open();
        self.letter_check(ctx, (conn, slot), group);
    }

    /// The result of a check that a session asked for.
    pub fn checked(&mut self, ctx: &mut Ctx<'_>, (conn, slot): (Conn, u64), cells: Vec<Text>) {
        self.fill(ctx, conn, slot, vec![Reply::Checked { cells: Rest(cells) }.into()]);
    }

    /// What there is here of a group, for the session that asked: to what the master part has comes what our people hear.
    pub fn claimed_here(&mut self, ctx: &mut Ctx<'_>, (conn, slot): (Conn, u64), mut claim: Box<GroupClaim>) {
        if let Some(attachment) = self.attachments.get(&claim.group) {
            claim.seats = attachment.seats.len() as u64;
            (claim.hears, claim.live) = match &attachment.standing {
                Standing::Adrift => (None, false),
                Standing::Attaching { to } => (Some(to.clone()), false),
                Standing::Live { to } => (Some(to.clone()), true),
            };
        }
        self.fill(ctx, conn, slot, vec![Reply::ClaimIs { claim }.into()]);
    }
}

/// Cut to what others have to carry around.
fn trimmed(text: &Text) -> Text {
    if text.len() <= NAME_MAX {
        return text.clone();
    }
    let end = (0..=NAME_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text[..end].into()
}

/// Where a message goes that a person wrote to: for the echo.
pub(super) fn direct(target: &GroupOrNick) -> Option<Nick> {
    match target {
        GroupOrNick::Nick(nick) => Some(nick.clone()),
        GroupOrNick::Group(group) => group.as_str().strip_prefix('@').and_then(|nick| Nick::new(nick).ok()),
    }
}
