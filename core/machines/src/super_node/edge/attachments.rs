//! The groups that this edge hears, who has a seat in them, and the entries that come.

use super::*;
use crate::wire::Given;

/// Lives of a group that an attachment remembers to have heard; the oldest are forgotten first.
const LIVES_MAX: usize = 4;

impl Attachment {
    /// A life of the group ended here, for us.
    fn remember(&mut self, mark: Mark) {
        let past = self.past.get_or_insert_default();
        if past.len() == LIVES_MAX {
            past.remove(0);
        }
        past.push(mark);
    }

    /// Whether what was said at this place of another life was heard then.
    pub(super) fn has_heard(&self, place: Mark) -> bool {
        self.past.iter().flat_map(|past| past.iter()).any(|mark| mark.birth == place.birth && place.seq <= mark.seq)
    }
}

impl Edge {
    /// Gives a session its seat; the place where it came in is of this term. It is enlisted when the stream is where it begins to hear, which is most often at once.
    pub(super) fn seat(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, group: &GroupName, entering: Entering, term: Term, coming: bool) {
        let after = entering.after;
        let attachment = self.attachments.entry(group.clone()).or_insert_with(|| Attachment {
            standing: Standing::Live { to: from.clone() },
            adrift_since: None,
            round: 0,
            first_round: 0,
            mark: Some(after),
            term,
            list: ctx.ids.list(),
            seats: BTreeSet::new(),
            entering: Vec::new(),
            past: None,
            behind: BTreeMap::new(),
            forgotten: 0,
        });
        self.lists.insert(attachment.list, group.clone());
        if !attachment.seats.insert(entering.conn) {
            return self.deliver(ctx, entering.conn, entering.slot, entering.events);
        }
        // Not so while the edge is attaching, or where the ring changed while the answer was on its way, or when this is another life of the group than the one that we hear.
        let in_step = attachment.standing == Standing::Live { to: from.clone() } && ctx.placement.master(group) == Some(from);
        let heard = attachment.mark.filter(|heard| in_step && heard.birth == after.birth && heard.seq >= after.seq);
        let attaching = attachment.standing == Standing::Attaching { to: from.clone() };
        match heard {
            Some(_) if !coming || entering.told => self.come_in(ctx, group, entering),
            _ => attachment.entering.push(entering),
        }
        if heard.is_none() && !(attaching && ctx.placement.master(group) == Some(from)) {
            self.attach(ctx, group);
        }
    }

    /// Someone hears the group from here on. What went by since they were told that they are in it they read in the log.
    fn come_in(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, entering: Entering) {
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        let Some(heard) = attachment.mark else { return };
        if !entering.told {
            let list = attachment.list;
            self.show_join(ctx, group, &entering);
            ctx.effects.push(Effect::Enlist { list, conn: entering.conn });
            return self.deliver(ctx, entering.conn, entering.slot, entering.events);
        }
        if entering.after.birth != heard.birth {
            let (lost, reason) = ("?".into(), why_lost(true, false).into());
            ctx.tell(entering.conn, Push::Gap { group: group.clone(), lost, reason, birth: Given(Some(heard.birth)) });
        } else if entering.after.seq < heard.seq {
            return self.reads_on(ctx, group, entering.conn, entering.after.seq);
        }
        ctx.effects.push(Effect::Enlist { list: attachment.list, conn: entering.conn });
    }

    /// Someone is in a group without having heard their own join: they were a member already, as far as its master knows.
    fn show_in(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, entering: Entering) {
        self.show_join(ctx, group, &entering);
        self.deliver(ctx, entering.conn, entering.slot, entering.events);
    }

    /// Whose program waits for their own join hears one of theirs alone; at once, as they would have heard the other, whatever they are still to be answered before they are told that they are in.
    fn show_join(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, entering: &Entering) {
        let waits = matches!(entering.events.first(), Some(Event::Reply(Reply::Entered { .. }) | Event::Push(Push::Subscribed { .. })));
        if let Some(session) = self.session(entering.conn).filter(|_| waits) {
            let (id, sender) = (EntryId { session: session.id, counter: 0 }, session.person.clone());
            let content = Content::Join { node: ctx.me().clone() };
            let entry = Entry { seq: 0, term: ctx.placement.epoch(), id, time: ctx.now, sender, content };
            ctx.tell(entering.conn, Event::Entry(group.clone(), Arc::new(entry)));
        }
    }

    /// The edge is where the master is: whoever waits for that, or for their own join to be heard, is in.
    fn all_come_in(&mut self, ctx: &mut Ctx<'_>, group: &GroupName) {
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        for entering in std::mem::take(&mut attachment.entering) {
            self.come_in(ctx, group, entering);
        }
    }

    /// No master is in reach: whoever waits for their own join to be heard is told that they are in, and hears what follows when there is one.
    pub(super) fn tell_entering(&mut self, ctx: &mut Ctx<'_>, group: &GroupName) {
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        let mut untold = Vec::new();
        for entering in attachment.entering.iter_mut().filter(|entering| !entering.told) {
            entering.told = true;
            let (slot, events) = (entering.slot.take(), std::mem::take(&mut entering.events));
            untold.push(Entering { slot, events, ..*entering });
        }
        untold.into_iter().for_each(|entering| self.show_in(ctx, group, entering));
    }

    /// The stream is about to come to this place: those who were told that they are in before it hear it. Gives whoever's join is there: they hear it alone, what follows from the list, and their answer.
    fn enlist(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, place: Mark, comes: Option<SessionId>) -> Option<Entering> {
        let attachment = self.attachments.get_mut(group).filter(|attachment| !attachment.entering.is_empty())?;
        let begins = |entering: &Entering| entering.hears(place) && (entering.told || Some(entering.session) == comes);
        let (begin, wait): (Vec<_>, _) = std::mem::take(&mut attachment.entering).into_iter().partition(begins);
        attachment.entering = wait;
        let mut arrives = None;
        for entering in begin {
            if entering.told { self.come_in(ctx, group, entering) } else { arrives = Some(entering) }
        }
        arrives
    }

    /// Whether an entry of someone's is about who they were before they came in.
    fn is_of_before(&self, group: &GroupName, conn: Conn, entry: &Entry) -> bool {
        let Some(attachment) = self.attachments.get(group) else { return false };
        let Some(mark) = attachment.mark else { return false };
        let place = Mark { seq: entry.seq, ..mark };
        attachment.entering.iter().any(|entering| entering.conn == conn && !entering.hears(place))
    }

    pub(super) fn unseat(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn) {
        if let Some(session) = self.session(conn) {
            session.groups.retain(|other| other != group);
        }
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        if !attachment.seats.remove(&conn) {
            return;
        }
        attachment.behind.remove(&conn);
        let list = attachment.list;
        let (gone, entering): (Vec<_>, _) =
            std::mem::take(&mut attachment.entering).into_iter().partition(|entering| entering.conn == conn);
        attachment.entering = entering;
        if gone.is_empty() {
            let reason = "you read too slowly, and left the group meanwhile".into();
            let missed = Push::Gap { group: group.clone(), lost: "?".into(), reason, birth: Given(None) };
            ctx.effects.push(Effect::Delist { list, conn, missed: Some(Box::new(missed.into())) });
        }
        if attachment.seats.is_empty() {
            ctx.effects.push(Effect::Disband { list });
            ctx.ids.free(list);
            self.lists.remove(&list);
            self.attachments.remove(group);
        }
        // They never heard that they were in it, and still wait for their answer.
        for Entering { conn, slot, .. } in gone.into_iter().filter(|entering| entering.slot.is_some()) {
            let text = "you were taken out of it as you came";
            self.deliver(ctx, conn, slot, vec![Event::error_about(Code::NotMember, text, [group.as_str().into()])]);
        }
    }

    pub(super) fn is_seated(&self, group: &GroupName, conn: Conn) -> bool {
        self.attachments.get(group).is_some_and(|attachment| attachment.seats.contains(&conn))
    }

    /// Shows a group's master all sessions we have in it, but for those who are on their way out.
    pub(super) fn attach(&mut self, ctx: &mut Ctx<'_>, group: &GroupName) {
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        let Some(to) = ctx.placement.master(group).cloned() else { return self.adrift(ctx, group) };
        self.rounds += 1;
        let round = self.rounds;
        attachment.round = round;
        let attaching = Standing::Attaching { to: to.clone() };
        if std::mem::replace(&mut attachment.standing, attaching.clone()) != attaching {
            attachment.first_round = round;
        }
        attachment.adrift_since.get_or_insert(ctx.now);
        let sessions = &self.sessions;
        let seated = attachment.seats.iter().filter_map(|conn| sessions.get(conn.slot as usize)?.as_deref());
        let parting = |asked: &Asked| asked.group == *group && matches!(asked.op, Op::Part { .. });
        let parting: BTreeSet<SessionId> = self.asked.values().filter(|asked| parting(asked)).map(|asked| asked.session).collect();
        let staying = seated.filter(|session| !parting.contains(&session.id));
        let rows: Vec<_> = staying.map(|session| (session.id, session.person.clone())).collect();
        let (epoch, mark, term, parts) = (ctx.placement.epoch(), attachment.mark, attachment.term, rows.len().div_ceil(ROWS_MAX).max(1));
        for ix in 0..parts {
            let part = rows.chunks(ROWS_MAX).nth(ix).unwrap_or_default();
            let command =
                PeerCommand::Attach { epoch, group: group.clone(), round, mark, term, last: ix + 1 == parts, sessions: part.to_vec() };
            ctx.post_master(&to, command);
        }
    }

    pub(super) fn adrift(&mut self, ctx: &mut Ctx<'_>, group: &GroupName) {
        // Those that were lost together don't all come back in the same millisecond.
        let pause_ms = RETRY_MS / 2 + ctx.ids.jitter.below(RETRY_MS);
        self.adrift_for(ctx, group, pause_ms);
    }

    /// Not attached; to be tried again after a while.
    pub(super) fn adrift_for(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, ms: u64) {
        if let Some(attachment) = self.attachments.get_mut(group) {
            attachment.standing = Standing::Adrift;
            attachment.adrift_since.get_or_insert(ctx.now);
            self.reattach.insert((ctx.now + ms, group.clone()));
            self.sweep_at.get_or_insert(ctx.now + SWEEP_MS);
        }
    }

    pub(super) fn elsewhere(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, group: &GroupName, epoch: Epoch) {
        let Some(attachment) = self.attachments.get(group) else { return };
        let concerned = matches!(&attachment.standing, Standing::Attaching { to } | Standing::Live { to } if to == from);
        if !concerned {
            return;
        }
        let is_its_master = ctx.placement.master(group) == Some(from);
        match epoch <= ctx.placement.epoch() && !is_its_master {
            true => self.attach(ctx, group),
            // By the same ring: it can't serve it for now, and nor can anyone else.
            false if is_its_master && epoch == ctx.placement.epoch() => {
                let pause_ms = MOVING_MS + ctx.ids.jitter.below(MOVING_MS);
                self.adrift_for(ctx, group, pause_ms);
            }
            false => self.adrift(ctx, group),
        }
    }

    #[allow(clippy::too_many_arguments)] // the fields of one event
    pub(super) fn attached(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        group: GroupName,
        round: u64,
        (mark, term): (Mark, Term),
        missed: Vec<Arc<Entry>>,
        lost: bool,
    ) {
        let Some(attachment) = self.attachments.get_mut(&group) else { return self.give_back_those_who_came(ctx, &group, &missed) };
        let is_answer = (attachment.first_round..=attachment.round).contains(&round);
        if is_answer
            && attachment.standing == (Standing::Live { to: from.clone() })
            && attachment.mark.is_some_and(|heard| heard.birth != mark.birth)
        {
            // It has begun another life of it since it answered an earlier round.
            return self.attach(ctx, &group);
        }
        if !is_answer || attachment.standing != (Standing::Attaching { to: from.clone() }) {
            return self.give_back_those_who_came(ctx, &group, &missed);
        }
        let before = attachment.mark;
        let before_it = |first: &Arc<Entry>| first.seq.saturating_sub(1);
        let reborn = before.is_some_and(|before| before.birth != mark.birth);
        if lost || reborn {
            let why = why_lost(reborn, lost);
            let known = if reborn {
                None
            } else {
                missed.first().map(|first| before_it(first).saturating_sub(before.map_or(0, |before| before.seq)))
            };
            let lost = known.map_or("?".to_string(), |lost| lost.to_string());
            let gap = Push::Gap { group: group.clone(), lost: lost.into(), reason: why.into(), birth: Given(reborn.then_some(mark.birth)) };
            // Who reads the log finds out when they get there; in another life there is nothing to read.
            let (behind, entering) = (&attachment.behind, &attachment.entering);
            let hears = |conn: &&Conn| (reborn || !behind.contains_key(*conn)) && entering.iter().all(|entering| entering.conn != **conn);
            attachment.seats.iter().filter(hears).for_each(|conn| ctx.tell(*conn, gap.clone()));
        }
        if let Some(before) = before.filter(|_| reborn) {
            attachment.remember(before);
        }
        attachment.standing = Standing::Live { to: from.clone() };
        attachment.adrift_since = None;
        let first = missed.first().map_or(mark.seq, before_it);
        let seq = before.filter(|_| !lost && !reborn).map_or(first, |before| before.seq);
        attachment.mark = Some(Mark { birth: mark.birth, seq });
        if lost || reborn {
            // Of the place before what was missed it is not known.
            attachment.term = if missed.is_empty() { term } else { Term::default() };
        }
        if reborn {
            attachment.forgotten = 0;
            attachment.behind.values_mut().for_each(|behind| behind.after = seq);
        }
        let staying = self.staying(ctx, &group, &missed);
        for entry in missed {
            self.pass_on(ctx, from, &group, entry, &staying);
        }
        let Some(attachment) = self.attachments.get_mut(&group) else { return };
        if let Some(heard) = &mut attachment.mark {
            heard.seq = heard.seq.max(mark.seq);
        }
        // Joins that were heard before this master had us: whoever came by them is in.
        self.all_come_in(ctx, &group);
        self.history.attached(&group);
        self.feed_hungry(ctx);
        // Whoever answers lives.
        if self.dead.remove(from).is_some() {
            self.point_natives(ctx);
        }
    }

    /// What a master answers is over for us. Whom it took in by it, and who has no seat any more, it is told of.
    fn give_back_those_who_came(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, missed: &[Arc<Entry>]) {
        let mut seen = BTreeSet::new();
        for entry in missed.iter().rev() {
            let comes_here = match &entry.content {
                Content::Join { node } | Content::Return { node } => node == ctx.me(),
                Content::Part { .. } => false,
                _ => continue,
            };
            // What they did last.
            if seen.insert(entry.id.session) && comes_here {
                self.give_back(ctx, group, entry);
            }
        }
    }

    /// Someone is out of a group, and the entry that says so did not come to us. Their program has to hear it all the same: as an entry without a place, for them alone.
    pub(super) fn see_out(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn) {
        if !self.is_seated(group, conn) {
            return;
        }
        self.cut_short(ctx, group, conn, u64::MAX);
        let hears = self.attachments.get(group).is_some_and(|at| at.entering.iter().all(|entering| entering.told || entering.conn != conn));
        self.unseat(ctx, group, conn);
        if let Some(session) = self.session(conn).filter(|_| hears) {
            let (id, sender) = (EntryId { session: session.id, counter: 0 }, session.person.clone());
            let entry =
                Entry { seq: 0, term: ctx.placement.epoch(), id, time: ctx.now, sender, content: Content::Part { reason: "".into() } };
            ctx.tell(conn, Event::Entry(group.clone(), Arc::new(entry)));
        }
    }

    /// A session lost its place: most likely its nick belongs to someone else by now.
    pub(super) fn unseated(&mut self, ctx: &mut Ctx<'_>, group: GroupName, session: SessionId, code: Code, text: &str) {
        let Some(conn) = self.by_id.get(&session).copied() else { return };
        if group.is_person() {
            self.rename_to_guest(ctx, conn);
        } else {
            let reason = format!("you are not in it any more: {code} {text}").into();
            ctx.tell(conn, Push::Gap { group: group.clone(), lost: "?".into(), reason, birth: Given(None) });
            self.see_out(ctx, &group, conn);
            self.say_that_they_are_out(ctx, &group, conn);
        }
    }

    /// Of those who are seated, who was taken out of the group while we were away and is in it again since we showed them: they need not hear that they went and came.
    fn staying(&self, ctx: &Ctx<'_>, group: &GroupName, missed: &[Arc<Entry>]) -> BTreeSet<SessionId> {
        let mut staying = BTreeSet::new();
        let Some(attachment) = self.attachments.get(group) else { return staying };
        let seated = |session: &SessionId| self.by_id.get(session).is_some_and(|conn| attachment.seats.contains(conn));
        let entering = |session: &SessionId| attachment.entering.iter().any(|entering| entering.session == *session);
        for entry in missed {
            let session = entry.id.session;
            match &entry.content {
                Content::Join { node } | Content::Return { node } if node == ctx.me() && seated(&session) && !entering(&session) => {
                    staying.insert(session);
                }
                Content::Part { .. } => {
                    staying.remove(&session);
                }
                Content::Kick { nick, .. } => {
                    let is_kicked = |session: &SessionId| {
                        self.by_id.get(session).and_then(|conn| self.peek(*conn)).is_some_and(|s| s.person.nick.is(nick))
                    };
                    staying.retain(|session| !is_kicked(session));
                }
                Content::Close { .. } => staying.clear(),
                _ => {}
            }
        }
        staying
    }

    /// An entry of a group, from its master's stream. A former master that has not heard of the new ring yet may still send some.
    pub fn entry(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, group: &GroupName, entry: Arc<Entry>) {
        let comes_here = |content: &Content| matches!(content, Content::Join { node } | Content::Return { node } if node == ctx.me());
        if !self.attachments.contains_key(group) && comes_here(&entry.content) {
            // Someone of ours came for whom nobody waits any more, and nobody else of ours is there.
            return self.give_back(ctx, group, &entry);
        }
        self.pass_on(ctx, from, group, entry, &BTreeSet::new());
    }

    fn pass_on(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, group: &GroupName, entry: Arc<Entry>, staying: &BTreeSet<SessionId>) {
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        let Some(mark) = &mut attachment.mark else { return };
        if entry.seq <= mark.seq || !matches!(&attachment.standing, Standing::Live { to } if to == from) {
            return;
        }
        if entry.seq - mark.seq > 1 {
            ctx.log(Level::Warn, format!("{group}: heard {} after {}, attaching again", entry.seq, mark.seq));
            return self.attach(ctx, group);
        }
        let comes = matches!(entry.content, Content::Join { .. } | Content::Return { .. });
        let (place, list) = (Mark { seq: entry.seq, ..*mark }, attachment.list);
        // No master was in reach when they were told that they are in: they have heard one of their own join.
        let has_come = comes && attachment.entering.iter().any(|entering| entering.told && entering.session == entry.id.session);
        let entering = self.enlist(ctx, group, place, comes.then_some(entry.id.session));
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        (attachment.mark, attachment.term) = (Some(place), entry.term);
        let entry = match &entry.content {
            Content::Again { birth, place, .. } if attachment.has_heard(Mark { birth: *birth, seq: *place }) => return,
            _ => as_said(entry),
        };
        if staying.contains(&entry.id.session) && (comes || matches!(entry.content, Content::Part { .. })) {
            if is_shown(&entry.content) {
                let skip = self.by_id.get(&entry.id.session).copied();
                ctx.effects.push(Effect::TellAll { list, event: Event::Entry(group.clone(), entry), skip });
            }
            return;
        }
        let shown = is_shown(&entry.content) && (!group.is_person() || matches!(entry.content, Content::Message { .. }));
        // Who goes hears it alone, as does who comes: of what a list is told it may lose something that it does not take in time.
        let goes = matches!(entry.content, Content::Part { .. } | Content::Kick { .. } | Content::Close { .. });
        if goes {
            self.follow(ctx, group, &entry);
        }
        if shown && self.attachments.get(group).is_some_and(|attachment| attachment.list == list) {
            let own = self.by_id.get(&entry.id.session).copied().filter(|_| has_come);
            let own = own.filter(|conn| self.peek(*conn).is_some_and(|session| !session.native));
            let skip = own.or_else(|| self.skipped(group, &entry));
            ctx.effects.push(Effect::TellAll { list, event: Event::Entry(group.clone(), entry.clone()), skip });
        }
        if let Some(entering) = entering {
            if shown {
                ctx.tell(entering.conn, Event::Entry(group.clone(), entry.clone()));
            } else {
                self.show_join(ctx, group, &entering);
            }
            ctx.effects.push(Effect::Enlist { list, conn: entering.conn });
            self.deliver(ctx, entering.conn, entering.slot, entering.events);
        }
        if !goes {
            self.follow(ctx, group, &entry);
        }
    }

    /// Who on the list does not hear this entry: a sender who did not ask for an echo, and who changed their own nick (they were told).
    pub(super) fn skipped(&mut self, group: &GroupName, entry: &Entry) -> Option<Conn> {
        // Who writes to themselves wants to read it.
        let may_skip = matches!(entry.content, Content::Message { .. } | Content::Nick { .. }) && !group.is_person();
        let conn = if may_skip { self.by_id.get(&entry.id.session).copied()? } else { return None };
        let deaf = matches!(entry.content, Content::Nick { .. }) || self.session(conn).is_some_and(|session| !session.echo);
        let seated = self.attachments.get(group).is_some_and(|attachment| attachment.seats.contains(&conn));
        (deaf && seated).then_some(conn)
    }

    /// What an entry means for our own sessions.
    pub(super) fn follow(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, entry: &Entry) {
        let sender = || self.by_id.get(&entry.id.session).copied().filter(|conn| !self.is_of_before(group, *conn, entry));
        match &entry.content {
            Content::Part { .. } => {
                let Some(conn) = sender() else { return };
                // Someone may claim their nick from now on.
                if group.is_person() && self.is_seated(group, conn) {
                    self.rename_to_guest(ctx, conn)
                } else {
                    self.hear_last(ctx, group, conn, entry);
                    self.say_that_it_is_over(ctx, group, conn, entry.id.session);
                }
            }
            Content::Kick { nick, .. } => {
                let Some(attachment) = self.attachments.get(group) else { return };
                let is_kicked = |conn: &&Conn| {
                    !self.is_of_before(group, **conn, entry)
                        && self.peek(**conn).is_some_and(|session| self.is_called(group, session, nick))
                };
                if let Some(conn) = attachment.seats.iter().find(is_kicked).copied() {
                    self.hear_last(ctx, group, conn, entry);
                }
            }
            Content::Close { reason } => self.all_go(ctx, group, entry, reason),
            Content::Join { node } | Content::Return { node } if node == ctx.me() => self.give_back(ctx, group, entry),
            // The session goes on over another connection, at another node. This one is not worth a part; but should it be the newer one, whoever has it comes again.
            Content::Join { .. } | Content::Return { .. } => {
                if let Some(conn) = sender().filter(|conn| self.is_seated(group, *conn)) {
                    self.unseat(ctx, group, conn);
                    self.say_that_they_are_out(ctx, group, conn);
                }
            }
            Content::Call { group: called } => {
                let Some(attachment) = self.attachments.get(group) else { return };
                let Person { nick, user, host, .. } = (*entry.sender).clone();
                let push = Push::Invited { group: called.clone(), time: entry.time, nick, user, host };
                attachment.seats.iter().for_each(|conn| ctx.tell(*conn, push.clone()));
            }
            _ => {}
        }
    }

    /// The group was closed. Each of ours hears that they were removed, which any program understands.
    fn all_go(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, entry: &Entry, reason: &str) {
        let Some(attachment) = self.attachments.get(group) else { return };
        let seated: Vec<Conn> = attachment.seats.iter().filter(|conn| !self.is_of_before(group, **conn, entry)).copied().collect();
        let reason: Text = if reason.is_empty() { "the group is closed".into() } else { format!("the group is closed: {reason}").into() };
        for conn in seated {
            let Some(nick) = self.peek(conn).map(|session| session.person.nick.clone()) else { continue };
            let removed = Entry { content: Content::Kick { nick, reason: reason.clone() }, ..entry.clone() };
            self.hear_last(ctx, group, conn, &removed);
            if self.peek(conn).is_some_and(|session| !session.native) {
                self.say_that_they_are_out(ctx, group, conn);
            }
        }
    }

    /// They went and nobody waits for the answer any more: a program that does not know itself in entries has to hear it all the same.
    fn say_that_it_is_over(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn, session: SessionId) {
        let parts = |asked: &Asked| asked.session == session && asked.group == *group && matches!(asked.op, Op::Part { .. });
        if self.peek(conn).is_some_and(|session| !session.native) && !self.asked.values().any(parts) {
            self.say_that_they_are_out(ctx, group, conn);
        }
    }

    fn say_that_they_are_out(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn) {
        let count = self.peek(conn).map(|session| session.groups.len() as u64);
        if let Some(count) = count.filter(|_| !group.is_person()) {
            ctx.tell(conn, Push::Unsubscribed { group: Some(group.clone()), count });
        }
    }

    /// Whether this is how a group's master knows a session: it may not have heard yet that they are called something else.
    fn is_called(&self, group: &GroupName, session: &Session, nick: &Nick) -> bool {
        let renames = |asked: &Asked| asked.session == session.id && asked.group == *group && matches!(asked.op, Op::Renick { .. });
        session.person.nick.is(nick) || session.former.as_ref().is_some_and(|former| former.is(nick)) && self.asked.values().any(renames)
    }

    /// We showed someone who has lost their seat since: the master is told, or they would be a member for ever.
    fn give_back(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, entry: &Entry) {
        let session = entry.id.session;
        let conn = self.by_id.get(&session);
        let seated = conn.is_some_and(|conn| self.attachments.get(group).is_some_and(|attachment| attachment.seats.contains(conn)));
        let coming =
            || self.asked.values().any(|asked| asked.session == session && asked.group == *group && matches!(asked.op, Op::Join { .. }));
        if !seated && !coming() {
            self.release(ctx, session, entry.sender.clone(), group.clone(), "connection lost");
        }
    }

    pub(super) fn deliver(&mut self, ctx: &mut Ctx<'_>, conn: Conn, slot: Option<u64>, events: Vec<Event>) {
        match slot {
            Some(slot) => self.fill(ctx, conn, slot, events),
            None => events.into_iter().for_each(|event| ctx.tell(conn, event)),
        }
    }
}

/// What was said in another life of the group and is back, as people hear it.
pub(super) fn as_said(entry: Arc<Entry>) -> Arc<Entry> {
    match &entry.content {
        Content::Again { kind, text, said, .. } => {
            let content = Content::Message { kind: *kind, text: text.clone() };
            Arc::new(Entry { time: *said, content, ..(*entry).clone() })
        }
        _ => entry,
    }
}
