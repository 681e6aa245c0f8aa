//! What may be done in a group: looks, and changes nothing.

use super::super::config::NodeLimits;
use super::{Group, Member, Refusal, SHORT_TEXT_MAX};
use crate::command::TEXT_BYTES_MAX;
use crate::entry::{Content, Mode, ModeChange, Modes, Person};
use crate::event::Code;
use crate::ids::SessionId;
use crate::names::{Nick, NodeKey, glob};
use crate::peer::Op;
use crate::wire::Text;

pub(super) fn refuse<T>(code: Code, text: impl Into<Text>) -> Result<T, Refusal> {
    Err(Refusal { code, text: text.into() })
}

impl Group {
    /// What an operation changes, or why it may not.
    pub fn decide(&self, session: SessionId, person: &Person, node: &NodeKey, op: &Op, limits: &NodeLimits) -> Result<Content, Refusal> {
        match op {
            Op::Join { key, .. } => {
                self.may_join(session, person, key.as_deref(), limits).map(|()| match self.members.contains_key(&session) {
                    true => Content::Return { node: node.clone() },
                    false => Content::Join { node: node.clone() },
                })
            }
            // A session that goes on at another node is not taken out of the group by what is left of it here.
            Op::Part { .. } | Op::Renick { .. } if self.members.get(&session).is_some_and(|member| member.node != *node) => {
                refuse(Code::NotMember, "you are in that group over another connection")
            }
            Op::Part { reason } => self.inside(session).map(|_| Content::Part { reason: short(reason) }),
            Op::Say { kind, text, .. } => {
                self.may_say(session, person, text).map(|()| Content::Message { kind: *kind, text: text.clone() })
            }
            Op::SetTopic { text } => self.may_set_topic(session, text).map(|()| Content::Topic { text: text.clone() }),
            Op::SetModes { changes } => self.may_set_modes(session, changes, limits).map(|changes| Content::Mode { changes }),
            Op::Kick { nick, reason } => self.may_kick(session, nick).map(|nick| Content::Kick { nick, reason: short(reason) }),
            Op::Invite { nick } => self.may_invite(session, nick).map(|()| Content::Invite { nick: nick.clone() }),
            Op::Renick { person } => self.inside(session).map(|_| Content::Nick { new: person.nick.clone() }),
            Op::Away { text } => self.inside(session).map(|_| Content::Away { text: short(text) }),
            Op::Call { group } if !self.members.is_empty() => Ok(Content::Call { group: group.clone() }),
            Op::Call { .. } => refuse(Code::NoSuchNick, "nobody of that name is there"),
            Op::Steer { order } => self.decide_order(order, limits),
            Op::ShowTopic {} | Op::ShowModes {} | Op::ShowBans {} | Op::Names {} => refuse(Code::Err, "a question changes nothing"),
        }
    }

    fn inside(&self, session: SessionId) -> Result<&Member, Refusal> {
        let member = self.members.get(&session).map(|member| &**member);
        member.ok_or(Refusal { code: Code::NotMember, text: "you are not in that group".into() })
    }

    fn steering(&self, session: SessionId) -> Result<&Member, Refusal> {
        let member = self.inside(session)?;
        if member.rank.steers() { Ok(member) } else { refuse(Code::NeedOp, "only operators of the group may do that") }
    }

    fn may_join(&self, session: SessionId, person: &Person, key: Option<&str>, limits: &NodeLimits) -> Result<(), Refusal> {
        if self.members.contains_key(&session) {
            return Ok(());
        }
        if self.name.is_person() {
            let taken = !self.members.is_empty();
            return if taken { refuse(Code::NickInUse, "that nick belongs to someone else") } else { Ok(()) };
        }
        if self.remembered_rank_of(person).steers() {
            return Ok(());
        }
        let settings = &self.settings;
        let invited = self.invited.iter().any(|nick| nick.is(&person.nick));
        let full = settings.limit.is_some_and(|limit| self.members.len() as u64 >= limit) || self.members.len() >= limits.members_per_group;
        if settings.key.as_deref().is_some_and(|wanted| Some(wanted) != key) {
            refuse(Code::BadKey, "the group's key is missing or wrong")
        } else if settings.invite_only && !invited {
            refuse(Code::InviteOnly, "only the invited may join")
        } else if self.is_banned(person) && !invited {
            refuse(Code::Banned, "you are banned from that group")
        } else if full {
            refuse(Code::Full, "the group is full")
        } else {
            Ok(())
        }
    }

    fn is_banned(&self, person: &Person) -> bool {
        !self.settings.bans.is_empty() && {
            let mask = person.mask();
            self.settings.bans.iter().any(|ban| glob(&ban.mask, &mask))
        }
    }

    fn may_say(&self, session: SessionId, person: &Person, text: &str) -> Result<(), Refusal> {
        if text.len() > TEXT_BYTES_MAX {
            return refuse(Code::TooLong, format!("a message has at most {TEXT_BYTES_MAX} bytes"));
        }
        if self.name.is_person() {
            let here = !self.members.is_empty();
            return if here { Ok(()) } else { refuse(Code::NoSuchNick, "nobody of that name is there") };
        }
        let member = self.members.get(&session);
        let voiced = member.is_some_and(|member| member.rank.voice || member.rank.steers());
        if self.members.is_empty() {
            refuse(Code::NoSuchGroup, "nobody is in that group")
        } else if member.is_none() && self.settings.no_external {
            refuse(Code::CannotSend, "only members may speak there")
        } else if self.settings.moderated && !voiced {
            refuse(Code::CannotSend, "the group is moderated: only voices and operators may speak")
        } else if !voiced && self.is_banned(person) {
            refuse(Code::CannotSend, "you are banned from that group")
        } else {
            Ok(())
        }
    }

    fn may_set_topic(&self, session: SessionId, text: &str) -> Result<(), Refusal> {
        if self.settings.topic_lock {
            self.steering(session)?
        } else {
            self.inside(session)?
        };
        self.check_topic(text)
    }

    pub(super) fn check_topic(&self, text: &str) -> Result<(), Refusal> {
        if text.len() > SHORT_TEXT_MAX { refuse(Code::TooLong, format!("a topic has at most {SHORT_TEXT_MAX} bytes")) } else { Ok(()) }
    }

    fn may_set_modes(&self, session: SessionId, changes: &Modes, limits: &NodeLimits) -> Result<Modes, Refusal> {
        self.steering(session)?;
        self.effective_modes(changes, limits)
    }

    /// Checks each change and leaves out those that change nothing.
    pub(super) fn effective_modes(&self, changes: &Modes, limits: &NodeLimits) -> Result<Modes, Refusal> {
        let mut effective = Vec::new();
        for change in &changes.0 {
            let change = ModeChange { argument: spelled_out(change), ..*change };
            if self.check_mode(&change, limits)? {
                effective.push(change);
            }
        }
        Ok(Modes(effective))
    }

    fn check_mode(&self, change: &ModeChange, limits: &NodeLimits) -> Result<bool, Refusal> {
        let ModeChange { add, mode, argument } = change;
        if argument.len() > SHORT_TEXT_MAX || argument.chars().any(|c| c.is_control() || (c == ' ' && *mode != Mode::Ban)) {
            return refuse(Code::Syntax, format!("'{}' is no argument for mode {}", argument.escape_debug(), mode.letter()));
        }
        match mode {
            Mode::Operator | Mode::Voice => {
                let nick = Nick::new(argument).map_err(|bad| Refusal { code: Code::BadNick, text: bad.to_string().into() })?;
                let Some((_, member)) = self.by_nick(&nick) else {
                    return refuse(Code::NotInGroup, format!("{nick} is not in that group"));
                };
                if *add && member.rank.is_plain() && self.settings.ranks.len() >= limits.bans_per_group {
                    return refuse(Code::Full, "the group has as many operators and voices as it can remember");
                }
                let has = if *mode == Mode::Operator { member.rank.operator } else { member.rank.voice };
                Ok(has != *add)
            }
            Mode::Ban => {
                let set = self.settings.bans.iter().any(|ban| ban.mask.eq_ignore_ascii_case(argument));
                if *add && !set && self.settings.bans.len() >= limits.bans_per_group {
                    return refuse(Code::Full, "the group's ban list is full");
                }
                Ok(set != *add)
            }
            Mode::Key if *add && argument.is_empty() => refuse(Code::Syntax, "a key can't be empty"),
            Mode::Key => Ok(if *add { self.settings.key.as_ref() != Some(argument) } else { self.settings.key.is_some() }),
            Mode::Limit if *add => match argument.parse::<u64>() {
                Ok(limit) if limit > 0 => Ok(self.settings.limit != Some(limit)),
                _ => refuse(Code::Syntax, format!("'{argument}' is no limit: it must be a number above 0")),
            },
            Mode::Limit => Ok(self.settings.limit.is_some()),
            Mode::InviteOnly => Ok(self.settings.invite_only != *add),
            Mode::Moderated => Ok(self.settings.moderated != *add),
            Mode::NoExternal => Ok(self.settings.no_external != *add),
            Mode::TopicLock => Ok(self.settings.topic_lock != *add),
        }
    }

    fn may_kick(&self, session: SessionId, nick: &Nick) -> Result<Nick, Refusal> {
        let by = self.steering(session)?;
        let Some((_, target)) = self.by_nick(nick) else {
            return refuse(Code::NotInGroup, format!("{nick} is not in that group"));
        };
        if target.rank.founder && !by.rank.founder {
            return refuse(Code::NeedOp, "the group's founder can't be removed");
        }
        Ok(target.person.nick.clone())
    }

    fn may_invite(&self, session: SessionId, nick: &Nick) -> Result<(), Refusal> {
        if self.settings.invite_only {
            self.steering(session)?
        } else {
            self.inside(session)?
        };
        if self.by_nick(nick).is_some() { refuse(Code::AlreadyIn, format!("{nick} is in that group already")) } else { Ok(()) }
    }
}

/// People write half masks: `joe` and `*@host` stand for `joe!*@*` and `*!*@host`.
fn spelled_out(change: &ModeChange) -> Text {
    let mask = &change.argument;
    match change.mode {
        Mode::Ban if mask.is_empty() || (mask.contains('!') && mask.contains('@')) => mask.clone(),
        Mode::Ban if mask.contains('!') => format!("{mask}@*").into(),
        Mode::Ban if mask.contains('@') => format!("*!{mask}").into(),
        Mode::Ban => format!("{mask}!*@*").into(),
        _ => mask.clone(),
    }
}

pub(super) fn short(text: &Text) -> Text {
    if text.len() <= SHORT_TEXT_MAX {
        return text.clone();
    }
    let end = (0..=SHORT_TEXT_MAX).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text[..end].into()
}
