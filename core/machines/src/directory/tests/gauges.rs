//! What a directory server says of itself to whoever watches it.

use super::*;
use crate::gauges::{DirectoryGauges, Gauges};

fn look(rig: &Rig) -> DirectoryGauges {
    match rig.directory.gauges(rig.now) {
        Gauges::Directory(gauges) => *gauges,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_alone_leads_once_its_disk_has_the_network() {
    let mut rig = Rig::new(DirectoryLimits::default());
    assert_eq!(look(&rig), DirectoryGauges { now: rig.now, ..DirectoryGauges::default() });
    rig.step("start");
    rig.step("durable");
    let gauges = look(&rig);
    assert!(gauges.leads && gauges.knows_leader && !gauges.is_stopping);
    assert_eq!((gauges.voters, gauges.voters_in_reach, gauges.nodes, gauges.undecided), (1, 1, 0, 0));
    assert_eq!(gauges.epoch, Some(rig.directory.state().view().epoch));
    assert!(gauges.term > 0 && gauges.log_agreed > 0 && gauges.log_last >= gauges.log_agreed);
}
