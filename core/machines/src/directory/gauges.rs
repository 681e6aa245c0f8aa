//! How a directory server is, for whoever watches it.

use super::Directory;
use crate::gauges::DirectoryGauges;
use crate::time::Time;

impl Directory {
    pub(super) fn look(&self, now: Time) -> DirectoryGauges {
        let (state, replica) = (&self.state, &self.replica);
        let (log_last, log_agreed) = replica.reach();
        let roster = replica.roster();
        let is_in_reach = |address: &crate::wire::Text| *address == self.config.address || self.colleagues.link_of(address).is_some();
        DirectoryGauges {
            now,
            leads: self.leads && replica.leads(now),
            knows_leader: replica.leader(now).is_some(),
            is_stopping: self.stopping,
            term: replica.term(),
            log_last,
            log_agreed,
            voters: roster.voters().count() as u64,
            voters_in_reach: roster.voters().filter(|seat| is_in_reach(&seat.address)).count() as u64,
            epoch: state.is_founded().then(|| state.view().epoch),
            nodes: state.view().nodes.len() as u64,
            applicants: self.applicants.all.len() as u64,
            plans: self.agenda.queue.len() as u64 + u64::from(self.agenda.current.is_some()),
            undecided: self.commits.len() as u64,
            accounts: state.ledger().accounts().len() as u64,
            charters: state.ledger().charters().len() as u64,
            ledger_bytes: state.ledger().weight() as u64,
        }
    }
}
