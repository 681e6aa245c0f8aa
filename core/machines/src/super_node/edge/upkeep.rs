//! What the edge does by itself: when the ring changes, on an interval, and when something takes too long.

use super::*;
impl Edge {
    pub fn view_changed(&mut self, ctx: &mut Ctx<'_>) {
        self.dead.retain(|node, until| ctx.now < *until && ctx.placement.contains(node));
        self.check(ctx);
        let moved = |asked: &Asked| asked.to.is_none() || asked.to.as_ref() != ctx.placement.master(&asked.group);
        let tickets: Vec<Ticket> = self.asked.iter().filter(|(_, asked)| moved(asked)).map(|(ticket, _)| *ticket).collect();
        self.retries.clear();
        for ticket in tickets {
            self.send(ctx, ticket);
        }
        self.point_natives(ctx);
    }

    /// Is each group attached to its master? Orphans heal here.
    pub(super) fn check(&mut self, ctx: &mut Ctx<'_>) {
        let wrong = |group: &GroupName, at: &Attachment| match &at.standing {
            Standing::Live { to } | Standing::Attaching { to } => Some(to) != ctx.placement.master(group),
            Standing::Adrift => true,
        };
        let groups: Vec<GroupName> =
            self.attachments.iter().filter(|(group, at)| wrong(group, at)).map(|(group, _)| group.clone()).collect();
        groups.iter().take(ATTACHES_AT_ONCE).for_each(|group| self.attach(ctx, group));
        // A crowd of groups does not fall upon their new masters in one instant.
        for (ix, group) in groups.iter().skip(ATTACHES_AT_ONCE).enumerate() {
            let ms = ix as u64 * 1_000 / ATTACHES_PER_SECOND;
            let jitter_ms = ctx.ids.jitter.below(RETRY_MS);
            self.adrift_for(ctx, group, ms + jitter_ms);
        }
    }

    /// Whether nobody should be sent there.
    pub(super) fn is_believed_dead(&self, now: Time, node: &NodeKey) -> bool {
        self.dead.get(node).is_some_and(|until| now < *until)
    }

    /// Native clients would rather be at the master itself.
    pub(super) fn point_natives(&mut self, ctx: &mut Ctx<'_>) {
        let seats =
            |(group, attachment): (&GroupName, &Attachment)| attachment.seats.iter().map(|conn| (group.clone(), *conn)).collect::<Vec<_>>();
        let elsewhere = |(group, _): &(&GroupName, &Attachment)| !group.is_person() && !ctx.is_mine(group);
        let natives: Vec<(GroupName, Conn)> = self.attachments.iter().filter(elsewhere).flat_map(seats).collect();
        natives.iter().for_each(|(group, conn)| self.point_native(ctx, group, *conn));
    }

    /// Shows a native client in a group of another node's the way there, unless that one is believed dead.
    pub(super) fn point_native(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn) {
        let Some(master) = ctx.placement.master(group).filter(|master| **master != ctx.config.key) else { return };
        let Some(address) = master.address().filter(|_| !self.is_believed_dead(ctx.now, master)) else { return };
        let session = self.sessions.get_mut(conn.slot as usize).and_then(|session| session.as_deref_mut());
        if let Some(session) = session.filter(|session| session.native) {
            session.moved = true;
            let moved = Push::Moved { group: group.clone(), epoch: ctx.placement.epoch(), address: address.to_string().into() };
            ctx.effects.push(Effect::Tell { conn, event: moved.into() });
        }
    }

    pub fn deadline(&self, filter_ms: u64) -> Option<Time> {
        let retry = self.retries.first().map(|(at, _)| *at);
        let reattach = self.reattach.first().map(|(at, _)| *at);
        let timers = earlier(earlier(self.check_at, self.sweep_at), earlier(self.idle_at, self.survey_at));
        let linger = self.lingering.front().map(|(until, ..)| *until);
        earlier(earlier(earlier(retry, reattach), linger), earlier(timers, self.sieve.deadline(filter_ms)))
    }

    pub fn tick(&mut self, ctx: &mut Ctx<'_>) {
        // Who is in a group is shown before what they want there.
        while self.reattach.first().is_some_and(|(at, _)| *at <= ctx.now)
            && let Some((_, group)) = self.reattach.pop_first()
        {
            if self.attachments.get(&group).is_some_and(|at| at.standing == Standing::Adrift) {
                self.attach(ctx, &group);
            }
        }
        while let Some((_, ticket)) = self.retries.first().copied().filter(|(at, _)| *at <= ctx.now) {
            self.retries.pop_first();
            self.send(ctx, ticket);
        }
        self.end_lingering(ctx);
        self.give_up_sifting(ctx);
        if self.check_at.is_some_and(|at| at <= ctx.now) {
            self.check_at = Some(ctx.now + ctx.config.timing.check_ms);
            self.check(ctx);
            // Those who could not be sent on when the ring changed, or did not go.
            self.point_natives(ctx);
            let ticket = ctx.ids.ticket();
            ctx.post.push_back(Letter::Directory(PeerCommand::Count { ticket }));
        }
        if self.sweep_at.is_some_and(|at| at <= ctx.now) {
            self.sweep(ctx);
        }
        if self.idle_at.is_some_and(|at| at <= ctx.now) {
            self.idle_at = Some(ctx.now + ctx.config.timing.idle_ms / 4);
            self.ping_the_silent(ctx);
        }
        if self.survey_at.is_some_and(|at| at <= ctx.now) {
            self.survey_at = Some(ctx.now + ctx.config.timing.unread_ms / 4);
            self.survey(ctx, None);
        }
    }

    /// Patience ends: for what was asked, for attachments without a master, and for nicks that can't be renewed.
    pub(super) fn sweep(&mut self, ctx: &mut Ctx<'_>) {
        let (now, timing) = (ctx.now, ctx.config.timing);
        let over: Vec<Ticket> =
            self.asked.iter().filter(|(_, asked)| asked.is_late(now, timing.patience_ms)).map(|(ticket, _)| *ticket).collect();
        for ticket in over {
            if let Some(asked) = self.asked.remove(&ticket) {
                let text = format!("{} has no master in reach at the moment: try again in {RETRY_MS} ms", asked.group).into();
                let me = ctx.config.key.clone();
                // A join may be done all the same, and be answered when nobody waits for it any more.
                if matches!(asked.op, Op::Join { .. }) {
                    self.release(ctx, asked.session, asked.person.clone(), asked.group.clone(), "connection lost");
                }
                self.answered(ctx, &me, asked, Outcome::Refused { code: Code::TryAgain, text });
            }
        }
        let late: Vec<Ticket> =
            self.queries.iter().filter(|(_, query)| now.since_ms(query.since) >= DIRECTORY_MS).map(|(ticket, _)| *ticket).collect();
        for ticket in late {
            if let Some(query) = self.queries.remove(&ticket) {
                self.fill(ctx, query.conn, query.slot, vec![Event::error(Code::TryAgain, "no directory server answers at the moment")]);
            }
        }
        let undecided: Vec<Ticket> =
            self.judging.iter().filter(|(_, (_, since))| now.since_ms(*since) >= JUDGE_MS).map(|(ticket, _)| *ticket).collect();
        self.give_up_lookups(ctx);
        undecided.into_iter().for_each(|ticket| self.judged(ctx, ticket, Verdict::Busy));
        let is_untold = |at: &Attachment| at.entering.iter().any(|entering| !entering.told);
        let unheard = |at: &Attachment| at.adrift_since.is_some_and(|since| now.since_ms(since) >= timing.patience_ms) && is_untold(at);
        let unheard: Vec<GroupName> = self.attachments.iter().filter(|(_, at)| unheard(at)).map(|(group, _)| group.clone()).collect();
        unheard.iter().for_each(|group| self.tell_entering(ctx, group));
        let stuck = |at: &Attachment| {
            matches!(at.standing, Standing::Attaching { .. }) && at.adrift_since.is_some_and(|since| now.since_ms(since) >= 2_000)
        };
        let stuck: Vec<GroupName> = self.attachments.iter().filter(|(_, at)| stuck(at)).map(|(group, _)| group.clone()).collect();
        stuck.iter().for_each(|group| self.attach(ctx, group));
        let unrenewed = |group: &GroupName, at: &Attachment| {
            group.is_person() && at.adrift_since.is_some_and(|since| now.since_ms(since) >= timing.rename_ms)
        };
        let unrenewed = self.attachments.iter().filter(|(group, at)| unrenewed(group, at));
        let conns: Vec<Conn> = unrenewed.flat_map(|(_, at)| at.seats.iter().copied()).collect();
        conns.into_iter().for_each(|conn| self.rename_to_guest(ctx, conn));
        self.history.give_up_late(now);
        self.feed_hungry(ctx);
        let busy = self.history.is_busy()
            || !self.asked.is_empty()
            || !self.judging.is_empty()
            || self.accounts.is_busy()
            || !self.queries.is_empty()
            || self.attachments.values().any(|at| at.adrift_since.is_some());
        self.sweep_at = busy.then_some(now + SWEEP_MS);
    }

    /// The process has stood still since then: what others think of us they think as if our links had been silent all that time.
    pub fn woke(&mut self, ctx: &mut Ctx<'_>, last: Time) {
        let (since, me) = (last + ctx.config.timing.lease_ms, ctx.me().clone());
        // Our own master is where it was, unless it was put out of a ring with others in it.
        let is_sure = ctx.has_lease() || ctx.others().is_empty();
        let far = |at: &Attachment| matches!(&at.standing, Standing::Live { to } | Standing::Attaching { to } if *to != me || !is_sure);
        let claims = self.attachments.iter().filter(|(group, at)| group.is_person() && far(at));
        let claims: Vec<GroupName> = claims.map(|(group, _)| group.clone()).collect();
        for group in &claims {
            if let Some(at) = self.attachments.get_mut(group) {
                at.adrift_since = Some(at.adrift_since.map_or(since, |adrift| adrift.min(since)));
            }
            self.adrift(ctx, group);
        }
        self.sweep(ctx);
    }

    pub(super) fn ping_the_silent(&mut self, ctx: &mut Ctx<'_>) {
        let (now, idle_ms) = (ctx.now, ctx.config.timing.idle_ms);
        let mut dead = Vec::new();
        for session in self.sessions.iter_mut().flatten().filter(|session| session.registers) {
            let silent_ms = now.since_ms(session.heard);
            if silent_ms >= 2 * idle_ms {
                dead.push(session.conn);
            } else if silent_ms >= idle_ms && !std::mem::replace(&mut session.pinged, true) {
                ctx.tell(session.conn, Push::Ping { text: ctx.config.name.clone() });
            }
        }
        let reason = format!("no answer for {} s", 2 * idle_ms / 1_000);
        dead.into_iter().for_each(|conn| self.close(ctx, conn, &reason));
    }

    pub fn check_invariants(&self) {
        for (group, attachment) in &self.attachments {
            assert!(!attachment.seats.is_empty(), "{group} is attached for nobody");
            for conn in &attachment.seats {
                let session = self.sessions.get(conn.slot as usize).and_then(|session| session.as_deref());
                let session = session.filter(|session| session.conn == *conn);
                assert!(session.is_some(), "{group} has a seat for nobody");
                let known = session.is_some_and(|session| session.is_in(group) || (session.named && session.person.nick.group() == *group));
                assert!(known, "{group} has a seat its session does not know of");
            }
            assert_eq!(self.lists.get(&attachment.list), Some(group));
            for conn in attachment.behind.keys() {
                assert!(attachment.seats.contains(conn), "{group} is read by someone without a seat");
                assert!(self.history.knows(*conn), "{conn:?} is behind in {group} and waits for nothing");
            }
        }
        assert_eq!(self.live, self.sessions.iter().flatten().count());
    }

    pub(super) fn letter_check(&mut self, ctx: &mut Ctx<'_>, asker: (Conn, u64), group: Option<GroupName>) {
        ctx.post.push_back(Letter::Check { asker, group });
    }
}
