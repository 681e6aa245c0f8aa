//! What the parts of a super node share while they handle an input: the time, the ring, and where their effects and letters go.
//!
//! Edge and master never call each other. They post letters, and the node delivers them: over a link, or at once when the other part is in this process.
//! That is why they behave the same in both cases.

use std::collections::VecDeque;
use std::sync::Arc;

use super::config::NodeConfig;
use crate::entry::Entry;
use crate::event::Event;
use crate::gauges::NodeCounts;
use crate::ids::{Conn, Epoch, ListId, Ticket};
use crate::list::Seal;
use crate::machine::{Effect, Level, Note};
use crate::names::{GroupName, NodeKey};
use crate::peer::{LinkEvent, PeerCommand};
use crate::ring::Ring;
use crate::time::{Jitter, Time};
use crate::view::{Plan, SharedView};

/// Something for another part, here or at another node.
#[derive(Clone, Debug)]
pub(super) enum Letter {
    /// For the master part of a node.
    Master { to: NodeKey, command: PeerCommand },
    /// For our own edge part, from our own master part.
    Edge { event: LinkEvent },
    /// An entry, for our own edge. Other edges hear entries through a recipient list.
    Entry { group: GroupName, entry: Arc<Entry> },
    /// For the directory. Dropped when there is none in reach; whoever needs an answer keeps the time.
    Directory(PeerCommand),
    /// A session asks for an ownership check.
    Check { asker: (Conn, u64), group: Option<GroupName> },
    /// The result of a check, for the session that asked.
    Checked { asker: (Conn, u64), cells: Vec<crate::wire::Text> },
    /// A session asks what is here of a group.
    Claim { asker: (Conn, u64), group: GroupName },
}

/// The ring as this node knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Placement {
    pub view: Option<SharedView>,
    pub ring: Ring,
    pub planned: Option<Planned>,
    /// Until when the directory has not declared us dead, whatever happens.
    pub lease_until: Time,
    /// What vouches for the view, or for one before it, to those who are given it.
    pub seal: Option<Seal>,
}

/// A change of the ring that is announced.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub number: u64,
    pub plan: Plan,
    /// As it will be.
    pub ring: Ring,
}

impl Placement {
    pub fn epoch(&self) -> Epoch {
        self.view.as_ref().map(|view| view.epoch).unwrap_or_default()
    }

    pub fn master(&self, group: &GroupName) -> Option<&NodeKey> {
        self.ring.master(group.as_str())
    }

    /// In which epoch a node's present stay in the ring began.
    pub fn admitted(&self, key: &NodeKey) -> Option<Epoch> {
        self.view.as_ref().and_then(|view| view.node(key)).map(|node| node.admitted)
    }

    /// In which epoch our present stay in the ring began; `None` while we are not in it, or a former start of this node is.
    pub fn office(&self, config: &NodeConfig) -> Option<Epoch> {
        let node = self.view.as_ref().and_then(|view| view.node(&config.key));
        node.filter(|node| node.incarnation == config.incarnation).map(|node| node.admitted)
    }

    /// The ring that is planned, if one is.
    pub fn planned(&self) -> Option<&Planned> {
        self.planned.as_ref()
    }

    /// Whether a master that has no copy elsewhere may acknowledge: nobody was told yet that we are dead.
    pub fn has_lease(&self, now: Time) -> bool {
        now < self.lease_until
    }

    pub fn contains(&self, key: &NodeKey) -> bool {
        self.view.as_ref().is_some_and(|view| view.node(key).is_some())
    }
}

/// Numbers given out.
#[derive(Debug)]
pub(super) struct Ids {
    last_ticket: u64,
    free_lists: Vec<ListId>,
    last_list: u32,
    pub jitter: Jitter,
}

impl Ids {
    pub fn new(seed: u64) -> Ids {
        Ids { last_ticket: 0, free_lists: Vec::new(), last_list: 0, jitter: Jitter::new(seed) }
    }

    pub fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    pub fn list(&mut self) -> ListId {
        self.free_lists.pop().unwrap_or_else(|| {
            self.last_list += 1;
            ListId(self.last_list)
        })
    }

    pub fn free(&mut self, list: ListId) {
        self.free_lists.push(list);
    }
}

/// Everything a part may use while it handles an input.
pub(super) struct Ctx<'a> {
    pub now: Time,
    pub config: &'a NodeConfig,
    pub placement: &'a Placement,
    pub ids: &'a mut Ids,
    pub counts: &'a mut NodeCounts,
    pub post: &'a mut VecDeque<Letter>,
    pub effects: &'a mut Vec<Effect>,
}

impl Ctx<'_> {
    pub fn me(&self) -> &NodeKey {
        &self.config.key
    }

    pub fn tell(&mut self, conn: Conn, event: impl Into<Event>) {
        self.effects.push(Effect::Tell { conn, event: event.into() });
    }

    pub fn post_master(&mut self, to: &NodeKey, command: PeerCommand) {
        self.post.push_back(Letter::Master { to: to.clone(), command });
    }

    /// Answers whoever sent our master part something: over their link, or with a letter when it was our own edge. At once in the first
    /// case, so that it goes out before entries that follow.
    pub fn tell_edge(&mut self, conn: Option<Conn>, event: LinkEvent) {
        match conn {
            Some(conn) => self.tell(conn, event),
            None => self.post.push_back(Letter::Edge { event }),
        }
    }

    pub fn log(&mut self, level: Level, text: String) {
        self.effects.push(Effect::Note(Note::Log { level, text }));
    }

    pub fn office(&self) -> Option<Epoch> {
        self.placement.office(self.config)
    }

    /// The other nodes of the ring.
    pub fn others(&self) -> Vec<NodeKey> {
        let nodes = self.placement.view.iter().flat_map(|view| &view.nodes);
        nodes.map(|node| &node.key).filter(|key| *key != self.me()).cloned().collect()
    }

    pub fn has_lease(&self) -> bool {
        self.placement.has_lease(self.now)
    }

    /// Whether this node should be the master of a group, as far as it knows.
    pub fn is_mine(&self, group: &GroupName) -> bool {
        self.placement.master(group) == Some(self.me())
    }
}
