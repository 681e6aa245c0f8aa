//! What people want is asked of masters, and asked again until it is answered or patience ends.

use super::*;
impl Edge {
    pub(super) fn ask(&mut self, ctx: &mut Ctx<'_>, asked: Asked) {
        let ticket = ctx.ids.ticket();
        self.asked.insert(ticket, asked);
        if self.asked.len() > ERRANDS_MAX
            && let Some(oldest) = self.asked.iter().find(|(_, asked)| asked.is_errand()).map(|(ticket, _)| *ticket)
        {
            self.asked.remove(&oldest);
        }
        self.send(ctx, ticket);
        self.sweep_at.get_or_insert(ctx.now + SWEEP_MS);
    }

    /// A connection is gone of a session that may go on over another. When that has not taken the place in the group after a while, it is given back.
    pub(super) fn linger(&mut self, ctx: &mut Ctx<'_>, session: SessionId, person: Arc<Person>, group: GroupName) {
        if !self.by_id.contains_key(&session) {
            return self.release(ctx, session, person, group, "connection lost");
        }
        self.lingering.push_back((ctx.now + ctx.config.timing.lapse_ms, session, person, group));
    }

    pub(super) fn end_lingering(&mut self, ctx: &mut Ctx<'_>) {
        while self.lingering.front().is_some_and(|(until, ..)| *until <= ctx.now)
            && let Some((_, session, person, group)) = self.lingering.pop_front()
        {
            let seated = self.by_id.get(&session).is_some_and(|conn| self.is_seated(&group, *conn));
            let joins = |asked: &Asked| asked.session == session && asked.group == group && matches!(asked.op, Op::Join { .. });
            if !seated && !self.asked.values().any(joins) {
                self.release(ctx, session, person, group, "connection lost");
            }
        }
    }

    pub(super) fn send(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket) {
        if self.is_void(ticket) {
            self.asked.remove(&ticket);
            return;
        }
        // Who wanted to join is gone: it is not asked again, but taken back.
        if self.asked.get(&ticket).is_some_and(|asked| self.is_forsaken(asked))
            && let Some(asked) = self.asked.remove(&ticket)
        {
            return self.linger(ctx, asked.session, asked.person, asked.group);
        }
        let went_to = self.asked.get(&ticket).and_then(|asked| Some((asked.to.clone()?, asked.group.clone())));
        if went_to.is_some_and(|(to, group)| ctx.placement.master(&group) != Some(&to)) {
            self.name_its_life(ticket);
        }
        let session = self.asked.get(&ticket).and_then(|asked| self.peek(asked.conn?));
        let person = session.map(|session| session.person.clone());
        let Some(asked) = self.asked.get_mut(&ticket) else { return };
        // What they are called now, whatever it was when this was asked first.
        if let (Op::Renick { person: called }, Some(person)) = (&mut asked.op, person) {
            (*called, asked.person) = (person.clone(), person);
        }
        let Some(to) = ctx.placement.master(&asked.group).cloned() else {
            asked.to = None;
            let pause_ms = if asked.is_errand() { ERRAND_RETRY_MS } else { RETRY_MS };
            self.retries.insert((ctx.now + pause_ms, ticket));
            return;
        };
        let command = PeerCommand::Request {
            ticket,
            epoch: ctx.placement.epoch(),
            group: asked.group.clone(),
            session: asked.session,
            person: asked.person.clone(),
            op: asked.op.clone(),
        };
        ctx.post_master(&to, command);
        asked.to = Some(to);
    }

    /// It may have been said already, in the life of the group that we hear: in another it must not be said again unless something is known of that one.
    fn name_its_life(&mut self, ticket: Ticket) {
        let Some(asked) = self.asked.get_mut(&ticket) else { return };
        let life = self.attachments.get(&asked.group).and_then(|at| at.mark).map(|mark| mark.birth);
        if let Op::Say { birth: birth @ None, .. } = &mut asked.op {
            *birth = life;
        }
    }

    pub(super) fn again(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, ms: u64) {
        if let Some(asked) = self.asked.get_mut(&ticket) {
            asked.to = None;
            let ms = if asked.is_errand() { ms.max(ERRAND_RETRY_MS) } else { ms };
            self.retries.insert((ctx.now + ms, ticket));
        }
    }

    /// An errand that time has overtaken: the session is in the group again, or has left it, or is gone.
    fn is_void(&self, ticket: Ticket) -> bool {
        let Some(asked) = self.asked.get(&ticket).filter(|asked| asked.is_errand()) else { return false };
        match (&asked.op, asked.conn) {
            (Op::Part { .. }, None) => {
                let joins =
                    |other: &Asked| other.session == asked.session && other.group == asked.group && matches!(other.op, Op::Join { .. });
                let seated = self.by_id.get(&asked.session).is_some_and(|conn| self.is_seated(&asked.group, *conn));
                seated || self.asked.values().any(joins)
            }
            (Op::Renick { .. }, Some(conn)) => !self.is_seated(&asked.group, conn),
            _ => false,
        }
    }

    /// A join whose connection is gone.
    fn is_forsaken(&self, asked: &Asked) -> bool {
        matches!(asked.op, Op::Join { .. }) && asked.conn.is_some_and(|conn| self.peek(conn).is_none())
    }

    fn is_asked_from_a_seat(&self, ticket: Ticket) -> bool {
        self.asked.get(&ticket).is_some_and(|asked| asked.conn.is_some_and(|conn| self.is_seated(&asked.group, conn)))
    }

    /// This could not be sent: the node is not in reach.
    pub fn unsent(&mut self, ctx: &mut Ctx<'_>, command: &PeerCommand) {
        match command {
            PeerCommand::Request { ticket, .. } => self.again(ctx, *ticket, RETRY_MS),
            PeerCommand::Attach { group, .. } => self.adrift(ctx, group),
            PeerCommand::Fetch { ticket, .. } => self.history.unsent(*ticket),
            _ => {}
        }
    }

    /// What was sent to this node and not answered is asked again, of whoever is responsible by then.
    pub fn link_down(&mut self, ctx: &mut Ctx<'_>, node: &NodeKey) {
        let unanswered: Vec<Ticket> =
            self.asked.iter().filter(|(_, asked)| asked.to.as_ref() == Some(node)).map(|(ticket, _)| *ticket).collect();
        for ticket in unanswered {
            self.name_its_life(ticket);
            self.again(ctx, ticket, RETRY_MS);
        }
        let at_node = |standing: &Standing| matches!(standing, Standing::Attaching { to } | Standing::Live { to } if to == node);
        let groups: Vec<GroupName> =
            self.attachments.iter().filter(|(_, at)| at_node(&at.standing)).map(|(group, _)| group.clone()).collect();
        groups.iter().for_each(|group| self.adrift(ctx, group));
        self.history.link_down(node);
        self.dead.insert(node.clone(), ctx.now + ctx.config.timing.lease_ms);
    }

    fn is_asked_of(&self, ticket: Ticket, node: &NodeKey) -> bool {
        self.asked.get(&ticket).is_some_and(|asked| asked.to.as_ref() == Some(node))
    }

    /// This asks for a place, and someone waits for it.
    fn has_a_join(&self, ticket: Ticket) -> bool {
        self.asked.get(&ticket).is_some_and(|asked| matches!(asked.op, Op::Join { .. }) && !self.is_forsaken(asked))
    }

    /// Answers from masters.
    pub fn hear(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, event: LinkEvent) {
        match event {
            LinkEvent::Answer { ticket, outcome, .. } => match outcome {
                // Of a former master. The present one has been asked, or is about to be, and may have given the place to someone else by now.
                Outcome::NotMine { .. } | Outcome::TryAgain { .. } if !self.is_asked_of(ticket, from) => {}
                Outcome::Joined { .. } | Outcome::Refused { .. } if !self.is_asked_of(ticket, from) && self.has_a_join(ticket) => {}
                // They know a newer ring, which the directory is about to tell us, too, or they are behind and will catch up.
                Outcome::NotMine { .. } => self.again(ctx, ticket, RETRY_MS),
                Outcome::TryAgain { ms } => self.again(ctx, ticket, ms.clamp(10, 5_000)),
                // They are in it themselves: its new master has not been shown them yet.
                Outcome::Refused { code: Code::NoSuchGroup, .. } if self.is_asked_from_a_seat(ticket) => self.again(ctx, ticket, RETRY_MS),
                outcome => {
                    if let Some(asked) = self.asked.remove(&ticket) {
                        let outcome = if asked.purpose.fits(&outcome) { outcome } else { strange(ctx, from) };
                        self.answered(ctx, from, asked, outcome);
                    }
                }
            },
            LinkEvent::Attached { group, round, birth, seq, term, missed, lost } => {
                self.attached(ctx, from, group, round, (Mark { birth, seq }, term), missed, lost)
            }
            LinkEvent::Fetched { ticket, group, birth, entries, lost, newest } => {
                self.fetched(ctx, from, ticket, &group, birth, entries, lost, newest)
            }
            LinkEvent::Unseated { group, session, code, text } => self.unseated(ctx, group, session, code, &text),
            LinkEvent::Elsewhere { group, epoch } => self.elsewhere(ctx, from, &group, epoch),
            _ => {}
        }
    }
}

/// Whoever asked has an answer, whatever the master said.
fn strange(ctx: &mut Ctx<'_>, from: &NodeKey) -> Outcome {
    ctx.log(Level::Error, format!("{from} answers something else than it was asked"));
    Outcome::Refused { code: Code::Err, text: "the group's master answers something else than it was asked".into() }
}
