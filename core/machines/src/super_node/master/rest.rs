//! Copies that come back after the group went on without them.
//!
//! Of the same life they have nothing that counts and is not here. Of a life that was forked they may have messages that were acknowledged before it was lost: those are asked for and appended at the end, each with where it
//! stood, so that whoever has heard it there does not hear it again. Then the copy is of no more use.

use std::sync::Arc;

use super::copies::State;
use super::transfer::in_parts;
use super::{Holding, Master};
use crate::entry::{Content, Entry};
use crate::ids::{Birth, Conn, Term};
use crate::machine::Level;
use crate::names::{GroupName, NodeKey};
use crate::peer::{Claim, Last, LinkEvent, PeerCommand};
use crate::super_node::ctx::Ctx;
use crate::super_node::group::Group;

impl Master {
    /// A copy of a group that we serve, of which we do not need anything to go on.
    pub(super) fn offered_late(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName, claim: &Claim) {
        let Some(Holding::Held(held)) = self.groups.get_mut(name) else { return };
        if claim.last.birth != held.group.birth
            && claim.marked > Default::default()
            && let Some(after) = held.lacks(claim.last.birth, claim.doubt).filter(|after| claim.last.seq > after.seq)
        {
            return ctx.post_master(from, PeerCommand::WantRest { group: name.clone(), after });
        }
        self.dispense_with(ctx, from, name, claim);
    }

    /// There is nothing in this copy that we lack.
    fn dispense_with(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName, claim: &Claim) {
        let Some(Holding::Held(held)) = self.groups.get_mut(name) else { return };
        match held.copies.followers.get_mut(from) {
            // It is to follow us anyway: where it stands tells from where on it needs something.
            Some(follower) if matches!(follower.state, State::Absent(_)) => {
                follower.state = State::Absent(Some(claim.last));
                self.tend(ctx, name);
            }
            Some(_) => {}
            None => {
                ctx.post_master(from, PeerCommand::Release { epoch: ctx.placement.epoch(), term: held.group.term, group: name.clone() })
            }
        }
    }

    /// A master asks for what our copy of another life has.
    pub(super) fn rest_wanted(&mut self, ctx: &mut Ctx<'_>, from: &NodeKey, name: &GroupName, after: Last) {
        let Some(group) = self.copy(name).and_then(|copy| copy.group.as_ref()).filter(|group| group.birth == after.birth) else { return };
        send_rest(ctx, from, group, after.seq);
    }

    /// What was acknowledged in another life of the group goes on in this one.
    pub(super) fn rest(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: &NodeKey,
        name: &GroupName,
        (birth, doubt): (Birth, Option<Term>),
        entries: Vec<Arc<Entry>>,
        last: bool,
    ) {
        let Some(Holding::Held(held)) = self.groups.get_mut(name) else { return };
        if held.group.birth == birth || held.lacks(birth, doubt).is_none() {
            return;
        }
        let mut back = 0;
        for entry in entries {
            let Content::Message { kind, text } = &entry.content else { continue };
            // What stood behind the fork can't be what was heard before it.
            let is_behind = || held.group.former.is_some_and(|former| former.birth == birth && entry.seq > former.seq);
            let is_new = match held.group.said_before(entry.id, None) {
                None => true,
                Some(Ok(_)) => false,
                // Out of the log, or too long ago to be told.
                Some(Err(_)) => is_behind() && !held.group.was_said_for_certain(entry.id),
            };
            if is_new && !held.group.has_returned(birth, entry.seq) {
                let content = Content::Again { kind: *kind, text: text.clone(), birth, place: entry.seq, said: entry.time };
                held.happen(ctx, entry.id, entry.sender.clone(), content);
                back += 1;
            }
        }
        if back > 0 {
            ctx.log(Level::Warn, format!("{back} messages of {name} that were missing since its fork are back from {from}"));
        }
        let (term, office) = (held.group.term, held.copies.followers.contains_key(from));
        self.settle(ctx, name);
        if last && !office {
            ctx.post_master(from, PeerCommand::Release { epoch: ctx.placement.epoch(), term, group: name.clone() });
        }
    }
}

/// Sends what was said behind a place of a life that went on without us.
fn send_rest(ctx: &mut Ctx<'_>, to: &NodeKey, group: &Group, after: u64) {
    let (name, birth, doubt) = (|| group.name.clone(), group.birth, group.doubt());
    let said = |entry: &&Arc<Entry>| matches!(entry.content, Content::Message { .. });
    for entries in in_parts(group.log().behind(after).filter(said)) {
        ctx.post_master(to, PeerCommand::Rest { group: name(), birth, doubt, entries, last: false });
    }
    ctx.post_master(to, PeerCommand::Rest { group: name(), birth, doubt, entries: Vec::new(), last: true });
}

/// The same to the master whose copy of another life has just come, over the connection it came on: it hears it before it hears that we have its copy, or sends that again.
pub(super) fn tell_rest(ctx: &mut Ctx<'_>, conn: Option<Conn>, group: &Group) {
    let said = |entry: &&Arc<Entry>| matches!(entry.content, Content::Message { .. });
    for entries in in_parts(group.log().behind(0).filter(said)) {
        ctx.tell_edge(conn, LinkEvent::Rest { group: group.name.clone(), birth: group.birth, doubt: group.doubt(), entries });
    }
}
