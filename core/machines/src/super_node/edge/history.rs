//! Readers who fell so far behind that what they need is not in memory any more: they read the group's log, at their own pace.
//!
//! Such a session is not on the group's list; it holds a place in the log, not copies. Whenever it has taken what it was told before, it is told the next page; when it has come to where the
//! group is, it is put on the list again. What the log does not hold any more is a gap, announced where it is, with its size. Pages are fetched from the master once for all who need them and
//! shared until room is needed; at most one fetch per group is under way. Invariant: whoever is behind anywhere either has something to take first (`awaited`) or waits for a page (`hungry`).

use super::*;
use crate::ids::Birth;
use crate::super_node::log::weight;
use crate::wire::Given;

/// Bytes of text that one session is told at a time: with what its commands are answered that stays below where the node stops reading from it.
const PAGE_BYTES: usize = 24 << 10;
/// Bytes of text that are fetched at a time.
const FETCH_BYTES: usize = 256 << 10;
/// Bytes of text that are kept of all groups together; past that the pages go that were read longest ago.
const KEPT_BYTES_MAX: usize = 8 << 20;
/// Fetches under way; who needs another waits for one of them.
const FETCHES_MAX: usize = 16;
/// How long a master may take for a page before it is asked again.
const FETCH_MS: u64 = 3_000;

/// Someone who reads a group's log.
#[derive(Debug)]
pub(super) struct Behind {
    /// The place of the last entry they were told.
    pub after: u64,
    pub since: Time,
    /// Whoever was served longest ago comes first.
    turn: u64,
}

/// Entries that follow each other.
#[derive(Debug)]
struct Page {
    group: GroupName,
    birth: Birth,
    entries: Vec<Arc<Entry>>,
    bytes: usize,
}

#[derive(Debug)]
struct Fetch {
    group: GroupName,
    to: NodeKey,
    after: u64,
    since: Time,
}

/// What the edge keeps for those who are behind.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Those that were read longest ago come first.
    pages: VecDeque<Page>,
    bytes: usize,
    fetches: BTreeMap<Ticket, Fetch>,
    awaited: BTreeSet<Conn>,
    hungry: BTreeSet<Conn>,
    turn: u64,
}

/// What came of serving someone from one group.
struct Served {
    /// They were told something, and take that first.
    told: bool,
    /// They are on its list again.
    caught_up: bool,
}

impl History {
    pub fn forget(&mut self, conn: Conn) {
        self.awaited.remove(&conn);
        self.hungry.remove(&conn);
    }

    pub fn is_busy(&self) -> bool {
        !self.hungry.is_empty()
    }

    pub fn knows(&self, conn: Conn) -> bool {
        self.awaited.contains(&conn) || self.hungry.contains(&conn)
    }

    /// It is asked for again when those who wait are looked after.
    pub fn unsent(&mut self, ticket: Ticket) {
        self.fetches.remove(&ticket);
    }

    /// Its master is another from here on.
    pub fn attached(&mut self, group: &GroupName) {
        self.fetches.retain(|_, fetch| fetch.group != *group);
    }

    pub fn link_down(&mut self, node: &NodeKey) {
        self.fetches.retain(|_, fetch| fetch.to != *node);
    }

    pub fn give_up_late(&mut self, now: Time) {
        self.fetches.retain(|_, fetch| now.since_ms(fetch.since) < FETCH_MS);
    }

    fn keep(&mut self, page: Page) {
        self.bytes += page.bytes;
        self.pages.push_back(page);
        while self.bytes > KEPT_BYTES_MAX
            && let Some(oldest) = self.pages.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }

    /// What follows a place and is known here, as much as one session is told at a time, not past `to`. Empty when the next entry is not.
    fn read(&mut self, group: &GroupName, birth: Birth, after: u64, to: u64) -> Vec<Arc<Entry>> {
        let holds = |page: &Page| {
            let (Some(first), Some(last)) = (page.entries.first(), page.entries.last()) else { return false };
            page.group == *group && page.birth == birth && first.seq.saturating_sub(1) <= after && after < last.seq
        };
        let Some(ix) = self.pages.iter().position(holds) else { return Vec::new() };
        let Some(page) = self.pages.remove(ix) else { return Vec::new() };
        let mut room = PAGE_BYTES;
        let fits = page.entries.iter().filter(|entry| entry.seq > after).take_while(|entry| {
            let fits = room > 0 && entry.seq <= to;
            room = room.saturating_sub(weight(entry));
            fits
        });
        let entries = fits.cloned().collect();
        self.pages.push_back(page);
        entries
    }
}

impl Edge {
    /// Someone read so slowly that they are off a group's list. They have all that is before this place.
    pub fn fell(&mut self, ctx: &mut Ctx<'_>, conn: Conn, list: ListId, next: Option<u64>) {
        let Some(group) = self.lists.get(&list).cloned() else { return };
        let Some(attachment) = self.attachments.get_mut(&group).filter(|attachment| attachment.seats.contains(&conn)) else { return };
        let newest = attachment.mark.map_or(0, |mark| mark.seq);
        let after = next.map_or(newest, |next| next.saturating_sub(1)).min(newest);
        ctx.log(
            Level::Debug,
            format!("{conn:?} reads too slowly for what is kept of {group}: {} entries behind, it reads the log", newest - after),
        );
        self.reads_on(ctx, &group, conn, after);
    }

    /// Someone who is not on a group's list reads its log from this place on.
    pub(super) fn reads_on(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn, after: u64) {
        let Some(attachment) = self.attachments.get_mut(group) else { return };
        attachment.behind.insert(conn, Behind { after, since: ctx.now, turn: 0 });
        self.sweep_at.get_or_insert(ctx.now + SWEEP_MS);
        if self.history.hungry.contains(&conn) {
            self.feed(ctx, conn);
        } else if self.history.awaited.insert(conn) {
            ctx.effects.push(Effect::Await { conn });
        }
    }

    /// Someone has taken what they were told.
    pub fn drained(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        if self.history.awaited.remove(&conn) {
            self.feed(ctx, conn);
        }
    }

    pub(super) fn feed_hungry(&mut self, ctx: &mut Ctx<'_>) {
        for conn in self.history.hungry.clone() {
            self.feed(ctx, conn);
        }
    }

    /// Tells someone who takes more the next page of a group they are behind in: each in its turn.
    fn feed(&mut self, ctx: &mut Ctx<'_>, conn: Conn) {
        self.history.hungry.remove(&conn);
        let Some(session) = self.peek(conn) else { return };
        let own = session.named.then(|| session.person.nick.group());
        let behind = |group: GroupName| Some((self.attachments.get(&group)?.behind.get(&conn)?.turn, group));
        let mut groups: Vec<(u64, GroupName)> = session.groups.iter().cloned().chain(own).filter_map(behind).collect();
        groups.sort();
        let (mut missing, mut left) = (Vec::new(), groups.len());
        for (_, group) in groups {
            let Served { told, caught_up } = self.serve(ctx, conn, &group);
            left -= usize::from(caught_up);
            if told && left > 0 {
                self.history.awaited.insert(conn);
                return ctx.effects.push(Effect::Await { conn });
            }
            if !caught_up {
                missing.push(group);
            }
        }
        if !missing.is_empty() {
            self.history.hungry.insert(conn);
            self.sweep_at.get_or_insert(ctx.now + SWEEP_MS);
        }
        missing.iter().for_each(|group| self.fetch(ctx, group));
    }

    fn serve(&mut self, ctx: &mut Ctx<'_>, conn: Conn, group: &GroupName) -> Served {
        let nothing = Served { told: false, caught_up: false };
        let Some(attachment) = self.attachments.get_mut(group) else { return nothing };
        let (list, forgotten) = (attachment.list, attachment.forgotten);
        let (Some(mark), Some(behind)) = (attachment.mark, attachment.behind.get_mut(&conn)) else { return nothing };
        self.history.turn += 1;
        behind.turn = self.history.turn;
        let mut told = false;
        let mut page = self.history.read(group, mark.birth, behind.after, mark.seq);
        if page.is_empty() && behind.after < forgotten.min(mark.seq) {
            let lost = forgotten.min(mark.seq) - behind.after;
            behind.after += lost;
            ctx.tell(conn, gap(group, lost));
            told = true;
            page = self.history.read(group, mark.birth, behind.after, mark.seq);
        }
        behind.after = page.last().map_or(behind.after, |last| last.seq);
        let caught_up = behind.after >= mark.seq;
        if caught_up {
            attachment.behind.remove(&conn);
        }
        told |= !page.is_empty();
        let came_back = |entry: &Entry| match entry.content {
            Content::Again { birth, place, .. } => attachment.has_heard(Mark { birth, seq: place }),
            _ => false,
        };
        let page: Vec<Arc<Entry>> = page.into_iter().filter(|entry| !came_back(entry)).collect();
        for entry in page {
            if self.reads(conn, group, &entry) {
                ctx.tell(conn, Event::Entry(group.clone(), super::attachments::as_said(entry)));
            }
        }
        if caught_up {
            // What is told from here on follows what it was told now.
            ctx.effects.push(Effect::Enlist { list, conn });
        }
        Served { told, caught_up }
    }

    /// Whether an entry of the log is for someone to read who was in the group all the while. That they came and went, as far as their edge was lost meanwhile, is not.
    fn reads(&self, conn: Conn, group: &GroupName, entry: &Entry) -> bool {
        let Some(session) = self.peek(conn) else { return false };
        let own = session.id == entry.id.session;
        match &entry.content {
            Content::Message { .. } => group.is_person() || !own || session.echo,
            Content::Join { .. } | Content::Part { .. } | Content::Nick { .. } if own => false,
            content => is_shown(content) && !group.is_person(),
        }
    }

    /// Asks the master for what those need who wait for a page of this group.
    fn fetch(&mut self, ctx: &mut Ctx<'_>, group: &GroupName) {
        let history = &mut self.history;
        let is_fetched = history.fetches.values().any(|fetch| fetch.group == *group);
        if is_fetched || history.fetches.len() >= FETCHES_MAX {
            return;
        }
        let Some((attachment, to)) = self.attachments.get(group).zip(ctx.placement.master(group).cloned()) else { return };
        let waiting = attachment.behind.iter().filter(|(conn, _)| history.hungry.contains(*conn));
        let (Some(after), Some(mark)) = (waiting.map(|(_, behind)| behind.after).min(), attachment.mark) else { return };
        let ticket = ctx.ids.ticket();
        history.fetches.insert(ticket, Fetch { group: group.clone(), to: to.clone(), after, since: ctx.now });
        ctx.post_master(&to, PeerCommand::Fetch { ticket, group: group.clone(), birth: mark.birth, after, limit: FETCH_BYTES as u64 });
    }

    /// A page of a group's log, or as much of it as is left.
    #[allow(clippy::too_many_arguments)] // the fields of one event
    pub(super) fn fetched(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        ticket: Ticket,
        group: &GroupName,
        birth: Birth,
        mut entries: Vec<Arc<Entry>>,
        lost: bool,
        newest: u64,
    ) {
        let is_answer = |fetch: &Fetch| fetch.group == *group && fetch.to == *from;
        if !self.history.fetches.get(&ticket).is_some_and(is_answer) {
            return;
        }
        let asked_after = self.history.fetches.remove(&ticket).map_or(0, |fetch| fetch.after);
        let attachment = self.attachments.get_mut(group);
        let Some(attachment) = attachment.filter(|at| at.mark.is_some_and(|mark| mark.birth == birth)) else { return };
        let follows = entries.windows(2).all(|pair| pair[0].seq.checked_add(1) == Some(pair[1].seq));
        let first = entries.first().map_or(newest.saturating_add(1), |first| first.seq);
        if !follows || (!lost && !entries.is_empty() && first.saturating_sub(1) != asked_after) {
            return ctx.log(Level::Error, format!("{from} sends a page of {group} that was not asked for, or has a hole"));
        }
        // What was not heard by anyone yet may still be another: it comes with the stream.
        let heard = attachment.mark.map_or(0, |mark| mark.seq);
        entries.retain(|entry| entry.seq <= heard);
        let forgot = lost && first.saturating_sub(1) > attachment.forgotten;
        if forgot {
            attachment.forgotten = first.saturating_sub(1);
        }
        // An answer that helps nobody is not asked for again at once.
        let helps = forgot || !entries.is_empty();
        if !entries.is_empty() {
            let bytes = entries.iter().map(|entry| weight(entry)).sum();
            self.history.keep(Page { group: group.clone(), birth, entries, bytes });
        }
        if helps {
            self.feed_hungry(ctx);
        }
    }

    /// Someone who is behind is out of the group: what they have not read up to this place they will not hear.
    pub(super) fn cut_short(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn, until: u64) -> bool {
        let Some(attachment) = self.attachments.get_mut(group) else { return false };
        let Some(behind) = attachment.behind.remove(&conn) else { return false };
        let until = until.min(attachment.mark.map_or(0, |mark| mark.seq));
        if until > behind.after {
            ctx.tell(conn, gap(group, until - behind.after));
        }
        true
    }

    /// The entry that puts someone out of a group is the last they hear of it, wherever they are reading; unless they never heard that they were in it.
    pub(super) fn hear_last(&mut self, ctx: &mut Ctx<'_>, group: &GroupName, conn: Conn, entry: &Entry) {
        let is_in = |at: &Attachment| at.seats.contains(&conn) && at.entering.iter().all(|entering| entering.told || entering.conn != conn);
        let hears = self.attachments.get(group).is_some_and(is_in);
        self.cut_short(ctx, group, conn, entry.seq.saturating_sub(1));
        self.unseat(ctx, group, conn);
        if hears {
            ctx.tell(conn, Event::Entry(group.clone(), Arc::new(entry.clone())));
        }
    }
}

fn gap(group: &GroupName, lost: u64) -> Push {
    let reason = "you read too slowly for what the group's log keeps".into();
    Push::Gap { group: group.clone(), lost: lost.to_string().into(), reason, birth: Given(None) }
}
