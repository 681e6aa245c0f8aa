//! Planned changes: who asks for one, who has to be ready for it, and what becomes of it when something goes wrong in between.

use super::*;

/// A ring of two nodes, 192.0.2.1 on connection 1 and 192.0.2.2 on connection 2, at epoch 1.4 and after plan 1; then the story.
#[track_caller]
fn check_two(story: &[(&str, &str)]) {
    check_two_within(DirectoryLimits::default(), story);
}

#[track_caller]
fn check_two_within(limits: DirectoryLimits, story: &[(&str, &str)]) {
    let begin = [
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 a", "1 watches | 1: view 1.2 | 1: pending 0 - | commit admit"),
        ("durable", "all: view 1.3 192.0.2.1/1 | 1: registered 7 1.3"),
        ("node 2 192.0.2.2 1", "2: proven"),
        ("2 REGISTER 7 b", "2 watches | 2: view 1.3 192.0.2.1/1 | 2: pending 0 - | prepare 1 join 192.0.2.2/1"),
        ("durable", "all: pending 1 join 192.0.2.2/1"),
        ("1 ready 1", "make 1"),
        ("durable", "all: view 1.4 192.0.2.1/1 192.0.2.2/1 | all: pending 1 - | 2: registered 7 1.4"),
    ];
    let story: Vec<_> = begin.iter().chain(story).copied().collect();
    check_within(limits, &story);
}

#[test]
fn a_node_comes_in_when_everyone_is_ready() {
    check_two(&[
        ("node 3 192.0.2.3 1", "3: proven"),
        ("3 REGISTER 9 c", "3 watches | 3: view 1.4 192.0.2.1/1 192.0.2.2/1 | 3: pending 1 - | prepare 2 join 192.0.2.3/1"),
        // Not announced yet.
        ("1 ready 2", ""),
        ("durable", "all: pending 2 join 192.0.2.3/1"),
        ("1 PREPARED 2 1.4 2 #erlang", ""),
        ("2 ready 2", ""),
        // Of another plan, another epoch, from outside of the ring, from another start of the node.
        ("1 PREPARED 1 1.4 0 ", ""),
        ("1 PREPARED 2 1.3 0 ", ""),
        ("3 PREPARED 2 1.4 0 ", ""),
        ("node 4 192.0.2.1 2", "4: proven"),
        ("4 PREPARED 2 1.4 0 ", ""),
        // It may show that it is there meanwhile, and is not a member by that.
        ("3 HEARTBEAT 1000", "3: beat 1000 1.4"),
        ("3 REGISTER 10 c", "3: refused ERR 192.0.2.3 has asked already"),
        ("1 ready 2", "make 2"),
        ("1 ready 2", ""),
        ("2 PREPARED 2 1.4 5 late", ""),
        ("durable", "all: view 1.5 192.0.2.1/1 192.0.2.2/1 192.0.2.3/1 | all: pending 2 - | 3: registered 9 1.5"),
        ("3 HEARTBEAT 1000", "3: beat 1000 1.5"),
        ("until 3999", ""),
        ("3 NODES", "query Loads | 3 paused"),
        (
            "durable",
            "3: nodes 192.0.2.1 a 0000000000000001 1000 alive 0 192.0.2.2 b 0000000000000001 1000 alive 0 192.0.2.3 c 0000000000000001 1000 alive 0 | 3 resumed",
        ),
    ]);
}

#[test]
fn one_change_at_a_time_in_the_order_they_were_asked_for() {
    check_two(&[
        ("node 3 192.0.2.3 1", "3: proven"),
        ("3 REGISTER 9 c", "3 watches | 3: view 1.4 192.0.2.1/1 192.0.2.2/1 | 3: pending 1 - | prepare 2 join 192.0.2.3/1"),
        ("node 4 192.0.2.4 1", "4: proven"),
        ("4 REGISTER 9 d", "4 watches | 4: view 1.4 192.0.2.1/1 192.0.2.2/1 | 4: pending 1 -"),
        ("open 5", ""),
        ("5 POINTS 8", "5 paused"),
        ("2 LEAVE 8", ""),
        ("2 LEAVE 9", "2: refused ERR 192.0.2.2 has asked already"),
        ("durable", "all: pending 2 join 192.0.2.3/1"),
        ("1 ready 2", ""),
        ("2 ready 2", "make 2"),
        (
            "durable",
            "all: view 1.5 192.0.2.1/1 192.0.2.2/1 192.0.2.3/1 | all: pending 2 - | 3: registered 9 1.5 | prepare 3 join 192.0.2.4/1 | all: pending 3 join 192.0.2.4/1",
        ),
        ("1 ready 3", ""),
        ("2 ready 3", ""),
        ("3 ready 3", "make 3"),
        (
            "durable",
            "all: view 1.6 192.0.2.1/1 192.0.2.2/1 192.0.2.3/1 192.0.2.4/1 | all: pending 3 - | 4: registered 9 1.6 | prepare 4 points 8 | all: pending 4 points 8",
        ),
        ("1 ready 4", ""),
        ("2 ready 4", ""),
        ("3 ready 4", ""),
        ("4 ready 4", "make 4"),
        (
            "durable",
            "all: view 1.7 192.0.2.1/1 192.0.2.2/1 192.0.2.3/1 192.0.2.4/1 | all: pending 4 - | 5: ok OK | 5 resumed | prepare 5 drain 192.0.2.2/1 | all: pending 5 drain 192.0.2.2/1",
        ),
        ("1 ready 5", ""),
        ("3 ready 5", ""),
        ("4 ready 5", ""),
        ("2 HEARTBEAT 1000", "2: beat 1000 1.7"),
        ("2 ready 5", "make 5"),
        ("2 HEARTBEAT 1000", ""),
        ("durable", "all: view 1.8 192.0.2.1/1 192.0.2.3/1 192.0.2.4/1 | all: pending 5 - | 2: left 8"),
        // What is so already is granted at once.
        ("5 POINTS 8", "5 paused | 5: ok OK | 5 resumed"),
        ("5 POINTS 0", "5: error SYNTAX a node has 1 to 1024 points"),
    ]);
}

#[test]
fn past_its_deadline_a_join_is_given_up_and_the_node_has_to_wait_longer_each_time() {
    check_two(&[
        ("node 3 192.0.2.3 1", "3: proven"),
        ("3 REGISTER 9 c", "3 watches | 3: view 1.4 192.0.2.1/1 192.0.2.2/1 | 3: pending 1 - | prepare 2 join 192.0.2.3/1"),
        ("durable", "all: pending 2 join 192.0.2.3/1"),
        ("1 PREPARED 2 1.4 12 #big", ""),
        ("beat until 30999", ""),
        ("beat until 31000", "cancel 2: 192.0.2.1 has 12 groups left to copy: #big; 192.0.2.2 has not said how far it is"),
        // Too late.
        ("1 ready 2", ""),
        ("2 ready 2", ""),
        (
            "durable",
            "all: pending 2 - | 3: refused TRYAGAIN 1000 the ring did not get ready for that: 192.0.2.1 has 12 groups left to copy: #big; 192.0.2.2 has not said how far it is",
        ),
        ("beat until 31999", ""),
        ("3 REGISTER 10 c", "3: refused TRYAGAIN 1 192.0.2.3 came and went too often; it has to wait"),
        ("beat until 32000", ""),
        ("3 REGISTER 10 c", "prepare 3 join 192.0.2.3/1"),
        ("durable", "all: pending 3 join 192.0.2.3/1"),
        // Who wanted in goes: that is over, too.
        ("lost 3", "cancel 3: the connection to 192.0.2.3 broke"),
        ("durable", "all: pending 3 -"),
        ("node 4 192.0.2.3 2", "4: proven"),
        ("4 REGISTER 1 c", "4: refused TRYAGAIN 2000 192.0.2.3 came and went too often; it has to wait"),
        ("beat until 34000", ""),
        ("4 REGISTER 1 c", "4 watches | 4: view 1.4 192.0.2.1/1 192.0.2.2/1 | 4: pending 3 - | prepare 4 join 192.0.2.3/2"),
        ("4 LEAVE 2", "4: left 2"),
        ("durable", "cancel 4: it went again | all: pending 4 join 192.0.2.3/2 | all: pending 4 -"),
    ]);
}

#[test]
fn a_drain_that_is_given_up_leaves_the_node_where_it_is() {
    check_two(&[
        ("2 LEAVE 8", "prepare 2 drain 192.0.2.2/1"),
        ("durable", "all: pending 2 drain 192.0.2.2/1"),
        ("1 ready 2", ""),
        ("beat until 31000", "cancel 2: 192.0.2.2 has not said how far it is"),
        (
            "durable",
            "all: pending 2 - | 2: refused TRYAGAIN 1000 the ring did not get ready for that: 192.0.2.2 has not said how far it is",
        ),
        ("2 HEARTBEAT 31000", "2: beat 31000 1.4"),
        ("open 3", ""),
        ("3 DRAIN 192.0.2.2", "3 paused | prepare 3 drain 192.0.2.2/1"),
        ("durable", "all: pending 3 drain 192.0.2.2/1"),
        ("beat until 61000", "cancel 3: 192.0.2.1 has not said how far it is; 192.0.2.2 has not said how far it is"),
        (
            "durable",
            "all: pending 3 - | 3: error ERR given up: 192.0.2.1 has not said how far it is; 192.0.2.2 has not said how far it is | 3 resumed",
        ),
    ]);
}

#[test]
fn a_change_that_is_meant_for_another_ring_is_not_begun() {
    let refused = |epoch: &str, slot: &str| {
        format!("{slot}: error ERR the ring has changed: it is at epoch {epoch}, and this was meant for 1.4; nothing was done")
    };
    check_two(&[
        ("open 3", ""),
        (
            "3 POINTS 8 IF 1.3",
            "3 paused | 3: error ERR the ring has changed: it is at epoch 1.4, and this was meant for 1.3; nothing was done | 3 resumed",
        ),
        // Two are meant for the same ring: when the second one's turn comes it is another.
        ("3 POINTS 8 IF 1.4", "3 paused | prepare 2 points 8"),
        ("open 4", ""),
        ("4 DRAIN 192.0.2.2 IF 1.4", "4 paused"),
        ("open 5", ""),
        // A ruling has no turn.
        ("5 NODE ADMIT 192.0.2.7 IF 1.4", "5: error TRYAGAIN 500 a change of the ring is under way"),
        ("durable", "all: pending 2 points 8"),
        ("1 ready 2", ""),
        ("2 ready 2", "make 2"),
        (
            "durable",
            &format!(
                "all: view 1.5 192.0.2.1/1 192.0.2.2/1 | all: pending 2 - | 3: ok OK | 3 resumed | {} | 4 resumed",
                refused("1.5", "4")
            ),
        ),
        ("5 NODE ADMIT 192.0.2.7 IF 1.4", &refused("1.5", "5")),
        ("5 NODE ADMIT 192.0.2.7 IF 1.5", "5 paused | commit rule"),
        ("durable", "5: ok OK | 5 resumed"),
        ("4 DRAIN 192.0.2.2 IF 1.5", "4 paused | prepare 3 drain 192.0.2.2/1"),
    ]);
}

#[test]
fn nobody_is_judged_while_nobody_is_heard() {
    check_two(&[
        ("until 5000", ""),
        // Whoever else was cut off, too, has a full lease to be heard.
        ("1 HEARTBEAT 5000", "1: beat 5000 1.4"),
        ("until 6000", ""),
        ("1 HEARTBEAT 6000", "1: beat 6000 1.4"),
        ("until 7000", ""),
        ("1 HEARTBEAT 7000", "1: beat 7000 1.4"),
        ("until 7999", ""),
        ("until 8000", "remove 192.0.2.2: was silent for 3000 ms"),
    ]);
    // In the end they are gone.
    check_two(&[
        ("until 12999", ""),
        ("until 13000", "remove 192.0.2.1: was silent for 3000 ms | remove 192.0.2.2: was silent for 3000 ms"),
    ]);
}

#[test]
fn a_death_is_no_planned_change_and_everyone_has_to_be_ready_for_the_ring_without_it() {
    check_two(&[
        ("node 3 192.0.2.3 1", "3: proven"),
        ("3 REGISTER 9 c", "3 watches | 3: view 1.4 192.0.2.1/1 192.0.2.2/1 | 3: pending 1 - | prepare 2 join 192.0.2.3/1"),
        ("durable", "all: pending 2 join 192.0.2.3/1"),
        ("1 ready 2", ""),
        ("until 2000", ""),
        ("1 HEARTBEAT 2000", "1: beat 2000 1.4"),
        ("until 3000", ""),
        ("1 HEARTBEAT 3000", "1: beat 3000 1.4"),
        ("until 4000", "remove 192.0.2.2: was silent for 3000 ms"),
        // Between the death and its becoming durable nothing is made.
        ("1 ready 2", ""),
        ("durable", "all: view 1.5 192.0.2.1/1"),
        ("1 PREPARED 2 1.4 0 ", ""),
        ("lost 2", ""),
        ("beat until 33999", ""),
        ("1 PREPARED 2 1.5 1 ", ""),
        ("beat until 34000", "cancel 2: 192.0.2.1 has 1 group left to copy"),
        ("durable", "all: pending 2 - | 3: refused TRYAGAIN 1000 the ring did not get ready for that: 192.0.2.1 has 1 group left to copy"),
    ]);
    // The last node of the ring dies: then there is nobody to wait for.
    check_two(&[
        ("node 3 192.0.2.3 1", "3: proven"),
        ("3 REGISTER 9 c", "3 watches | 3: view 1.4 192.0.2.1/1 192.0.2.2/1 | 3: pending 1 - | prepare 2 join 192.0.2.3/1"),
        ("durable", "all: pending 2 join 192.0.2.3/1"),
        ("lost 1", "dial 192.0.2.1:7411"),
        ("lost 2", "dial 192.0.2.2:7411"),
        ("refused", "remove 192.0.2.1: refuses connections"),
        ("refused", ""),
        (
            "durable",
            "remove 192.0.2.2: refuses connections | all: view 1.5 192.0.2.2/1 | all: view 1.6 | make 2 | all: view 1.7 192.0.2.3/1 | all: pending 2 - | 3: registered 9 1.7",
        ),
        ("durable", ""),
    ]);
}

#[test]
fn a_death_may_do_what_was_planned_or_make_it_impossible() {
    check_two(&[
        ("2 LEAVE 8", "prepare 2 drain 192.0.2.2/1"),
        ("open 3", ""),
        ("3 DRAIN 192.0.2.2", "3 paused"),
        ("durable", "all: pending 2 drain 192.0.2.2/1"),
        ("lost 2", "dial 192.0.2.2:7411"),
        ("refused", "remove 192.0.2.2: refuses connections"),
        ("durable", "all: view 1.5 192.0.2.1/1 | all: pending 2 - | 3: ok OK | 3 resumed"),
        ("3 DRAIN 192.0.2.1", "3 paused | 3: error ERR it is the only super node in the ring: nobody could take its groups | 3 resumed"),
        ("3 DRAIN 192.0.2.2", "3: error ERR 192.0.2.2 is not in the ring; NODES lists who is"),
    ]);
    check_two(&[
        ("open 3", ""),
        ("3 DRAIN 192.0.2.2", "3 paused | prepare 2 drain 192.0.2.2/1"),
        ("durable", "all: pending 2 drain 192.0.2.2/1"),
        ("lost 1", "dial 192.0.2.1:7411"),
        ("refused", "remove 192.0.2.1: refuses connections"),
        (
            "durable",
            "all: view 1.5 192.0.2.2/1 | cancel 2: it is the only super node in the ring: nobody could take its groups | all: pending 2 - | 3: error ERR given up: it is the only super node in the ring: nobody could take its groups | 3 resumed",
        ),
        ("durable", ""),
        ("2 LEAVE 8", "remove 192.0.2.2: left"),
        ("durable", "all: view 1.6 | 2: left 8"),
    ]);
}

#[test]
fn another_start_of_a_node_waits_for_its_turn_and_the_first_is_dead_at_once() {
    check_two(&[
        ("node 3 192.0.2.2 2", "3: proven"),
        (
            "3 REGISTER 9 b",
            "3 watches | 3: view 1.4 192.0.2.1/1 192.0.2.2/1 | 3: pending 1 - | 2: refused ERR 192.0.2.2 has registered on another connection | 2 closed | remove 192.0.2.2: was started anew",
        ),
        ("durable", "all: view 1.5 192.0.2.1/1 | prepare 2 join 192.0.2.2/2 | all: pending 2 join 192.0.2.2/2"),
        ("1 ready 2", "make 2"),
        ("durable", "all: view 1.6 192.0.2.1/1 192.0.2.2/2 | all: pending 2 - | 3: registered 9 1.6"),
        // Once may be a coincidence; then it is flapping.
        ("node 4 192.0.2.2 3", "4: proven"),
        (
            "4 REGISTER 9 b",
            "4 watches | 4: view 1.6 192.0.2.1/1 192.0.2.2/2 | 4: pending 2 - | 3: refused ERR 192.0.2.2 has registered on another connection | 3 closed | 4: refused TRYAGAIN 1000 192.0.2.2 came and went too often; it has to wait | remove 192.0.2.2: was started anew",
        ),
        ("durable", "all: view 1.7 192.0.2.1/1"),
        ("until 1999", ""),
        ("1 HEARTBEAT 1999", "1: beat 1999 1.7"),
        ("4 REGISTER 9 b", "4: refused TRYAGAIN 1 192.0.2.2 came and went too often; it has to wait"),
        ("until 2000", ""),
        ("4 REGISTER 9 b", "prepare 3 join 192.0.2.2/3"),
        ("durable", "all: pending 3 join 192.0.2.2/3"),
        // The one that asks last is the one that lives.
        ("node 5 192.0.2.2 4", "5: proven"),
        (
            "5 REGISTER 9 b",
            "5 watches | 5: view 1.7 192.0.2.1/1 | 5: pending 3 join 192.0.2.2/3 | 4: refused ERR 192.0.2.2 has registered on another connection | 4 closed | cancel 3: the connection to 192.0.2.2 broke",
        ),
        ("durable", "all: pending 3 - | prepare 4 join 192.0.2.2/4 | all: pending 4 join 192.0.2.2/4"),
    ]);
}

#[test]
fn what_is_planned_survives_a_restart() {
    check_two(&[
        ("open 3", ""),
        ("3 DRAIN 192.0.2.2", "3 paused | prepare 2 drain 192.0.2.2/1"),
        ("durable", "all: pending 2 drain 192.0.2.2/1"),
        ("1 ready 2", ""),
        ("restart", ""),
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 a", "1: registered 7 1.4 | 1 watches | 1: view 1.4 192.0.2.1/1 192.0.2.2/1 | 1: pending 2 drain 192.0.2.2/1"),
        ("node 2 192.0.2.2 1", "2: proven"),
        ("2 REGISTER 7 b", "2: registered 7 1.4 | 2 watches | 2: view 1.4 192.0.2.1/1 192.0.2.2/1 | 2: pending 2 drain 192.0.2.2/1"),
        ("2 ready 2", ""),
        ("1 ready 2", "make 2"),
        // Killed before the store had it: nothing is lost but time.
        ("restart", ""),
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 a", "1: registered 7 1.4 | 1 watches | 1: view 1.4 192.0.2.1/1 192.0.2.2/1 | 1: pending 2 drain 192.0.2.2/1"),
        ("node 2 192.0.2.2 1", "2: proven"),
        ("2 REGISTER 7 b", "2: registered 7 1.4 | 2 watches | 2: view 1.4 192.0.2.1/1 192.0.2.2/1 | 2: pending 2 drain 192.0.2.2/1"),
        ("1 ready 2", ""),
        ("2 ready 2", "make 2"),
        ("durable", "all: view 1.5 192.0.2.1/1 | all: pending 2 -"),
        // It only watches from here on, and does not come back before it is started anew, not even after a restart of the directory.
        ("2 HEARTBEAT 1000", "2: beat 1000 1.5"),
        ("2 REGISTER 8 b", "2: refused NOTMEMBER 192.0.2.2 was drained: it comes back into the ring when it is started anew"),
        ("restart", ""),
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 a", "1: registered 7 1.5 | 1 watches | 1: view 1.5 192.0.2.1/1 | 1: pending 2 -"),
        ("node 2 192.0.2.2 1", "2: proven"),
        ("2 REGISTER 8 b", "2: refused NOTMEMBER 192.0.2.2 was drained: it comes back into the ring when it is started anew"),
        ("node 3 192.0.2.2 2", "3: proven"),
        ("3 REGISTER 8 b", "3 watches | 3: view 1.5 192.0.2.1/1 | 3: pending 2 - | prepare 3 join 192.0.2.2/2"),
        ("durable", "all: pending 3 join 192.0.2.2/2"),
        // Who wanted in comes again and finds its plan.
        ("restart", ""),
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 a", "1: registered 7 1.5 | 1 watches | 1: view 1.5 192.0.2.1/1 | 1: pending 3 join 192.0.2.2/2"),
        ("1 ready 3", ""),
        ("until 3000", ""),
        ("1 HEARTBEAT 3000", "1: beat 3000 1.5"),
        ("node 3 192.0.2.2 2", "3: proven"),
        ("3 REGISTER 8 b", "3 watches | 3: view 1.5 192.0.2.1/1 | 3: pending 3 join 192.0.2.2/2 | make 3"),
        ("durable", "all: view 1.6 192.0.2.1/1 192.0.2.2/2 | all: pending 3 - | 3: registered 8 1.6"),
        ("until 4000", ""),
    ]);
}

#[test]
fn who_does_not_come_back_after_a_restart_is_not_waited_for_long() {
    check_two(&[
        ("node 3 192.0.2.3 1", "3: proven"),
        ("3 REGISTER 9 c", "3 watches | 3: view 1.4 192.0.2.1/1 192.0.2.2/1 | 3: pending 1 - | prepare 2 join 192.0.2.3/1"),
        ("durable", "all: pending 2 join 192.0.2.3/1"),
        ("restart", ""),
        ("node 1 192.0.2.1 1", "1: proven"),
        ("1 REGISTER 7 a", "1: registered 7 1.4 | 1 watches | 1: view 1.4 192.0.2.1/1 192.0.2.2/1 | 1: pending 2 join 192.0.2.3/1"),
        ("1 ready 2", ""),
        ("open 4", ""),
        (
            "4 HANDOFF WHY",
            "4: handoff-why planned: super node 192.0.2.3 (c) comes into the ring 192.0.2.3 has not come back since this directory server was restarted 192.0.2.2 has not said how far it is it is given up in 3000 ms unless all are ready by then",
        ),
        ("beat until 3999", ""),
        ("1 HEARTBEAT 3999", "1: beat 3999 1.4"),
        (
            "until 4000",
            "remove 192.0.2.2: was silent for 3000 ms | cancel 2: 192.0.2.3 has not come back since this directory server was restarted; 192.0.2.2 has not said how far it is",
        ),
        ("durable", "all: view 1.5 192.0.2.1/1 | all: pending 2 -"),
    ]);
}

#[test]
fn operators_see_what_it_waits_for_and_can_give_it_up() {
    check_two(&[
        ("far 3", ""),
        ("open 7", ""),
        ("7 HANDOFF LIST", "7: handoff 1   0 0 0"),
        ("7 HANDOFF WHY", "7: handoff-why no change of the ring is planned"),
        (
            "3 HANDOFF ABORT",
            "3: error NOPERM HANDOFF ABORT is for operators, and none is configured here: run it on the machine of this server, over loopback (127.0.0.1 or ::1), or configure an [[operator]]",
        ),
        (
            "3 DRAIN 192.0.2.2",
            "3: error NOPERM DRAIN is for operators, and none is configured here: run it on the machine of this server, over loopback (127.0.0.1 or ::1), or configure an [[operator]]",
        ),
        (
            "3 POINTS 8",
            "3: error NOPERM POINTS is for operators, and none is configured here: run it on the machine of this server, over loopback (127.0.0.1 or ::1), or configure an [[operator]]",
        ),
        ("open 4", ""),
        ("4 HANDOFF ABORT", "4: error ERR no change of the ring is planned"),
        ("4 DRAIN 192.0.2.9", "4: error ERR 192.0.2.9 is not in the ring; NODES lists who is"),
        ("4 POINTS 1025", "4: error SYNTAX a node has 1 to 1024 points"),
        ("4 DRAIN 192.0.2.2", "4 paused | prepare 2 drain 192.0.2.2/1"),
        ("open 5", ""),
        ("5 HANDOFF WHY", "5: handoff-why planned: super node 192.0.2.2 goes out of the ring it is just being announced"),
        ("durable", "all: pending 2 drain 192.0.2.2/1"),
        ("1 PREPARED 2 1.4 3 #erlang", ""),
        ("beat until 2000", ""),
        ("7 HANDOFF LIST", "7: handoff 2 drain 192.0.2.2 1000 29000 0 192.0.2.1 copying 3 #erlang 192.0.2.2 silent  "),
        (
            "7 HANDOFF WHY",
            "7: handoff-why planned: super node 192.0.2.2 goes out of the ring 192.0.2.1 has 3 groups left to copy: #erlang 192.0.2.2 has not said how far it is it is given up in 29000 ms unless all are ready by then",
        ),
        ("5 HANDOFF ABORT", "5 paused | cancel 2: aborted by the operator"),
        ("open 6", ""),
        ("6 HANDOFF ABORT", "6: error TRYAGAIN 100 it is just being decided"),
        ("6 HANDOFF WHY", "6: handoff-why planned: super node 192.0.2.2 goes out of the ring it is just being decided"),
        ("durable", "all: pending 2 - | 4: error ERR given up: aborted by the operator | 4 resumed | 5: ok OK | 5 resumed"),
        // Who asked is gone; what has begun goes on.
        ("4 POINTS 8", "4 paused | prepare 3 points 8"),
        ("durable", "all: pending 3 points 8"),
        ("lost 4", ""),
        ("1 ready 3", ""),
        ("2 ready 3", "make 3"),
        ("durable", "all: view 1.5 192.0.2.1/1 192.0.2.2/1 | all: pending 3 -"),
    ]);
}

#[test]
fn the_queue_is_bounded_and_who_goes_leaves_it() {
    let limits = DirectoryLimits { plans: 1, ..DirectoryLimits::default() };
    check_two_within(
        limits,
        &[
            ("open 3", ""),
            ("3 POINTS 2", "3 paused | prepare 2 points 2"),
            ("node 4 192.0.2.4 1", "4: proven"),
            ("4 REGISTER 9 d", "4 watches | 4: view 1.4 192.0.2.1/1 192.0.2.2/1 | 4: pending 1 -"),
            ("node 5 192.0.2.5 1", "5: proven"),
            (
                "5 REGISTER 9 e",
                "5 watches | 5: view 1.4 192.0.2.1/1 192.0.2.2/1 | 5: pending 1 - | 5: refused TRYAGAIN 1000 too many changes of the ring are waiting; ask again in a moment",
            ),
            ("open 6", ""),
            ("6 POINTS 3", "6 paused | 6: error TRYAGAIN 1000 too many changes of the ring are waiting; ask again in a moment | 6 resumed"),
            ("2 LEAVE 8", "2: refused TRYAGAIN 1000 too many changes of the ring are waiting; ask again in a moment"),
            ("4 LEAVE 10", "4: left 10"),
            ("6 POINTS 3", "6 paused"),
            ("lost 6", ""),
            ("5 REGISTER 10 e", ""),
            ("lost 5", ""),
            ("durable", "all: pending 2 points 2"),
            ("stop", "stopped"),
            ("1 ready 2", "1: refused TRYAGAIN 1000 this directory server is stopping"),
        ],
    );
}
