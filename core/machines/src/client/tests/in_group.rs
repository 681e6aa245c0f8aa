//! On the connection: joining, hearing, saying, being refused, stopping.

use super::{BACK, IN, check, check_in};

#[test]
fn joining_hearing_and_saying() {
    check_in(
        "> c2 said 11 bob hi
         heard 11 message
         > c2 said 11 bob hi
         > c2 said 13 bob ho
         heard 13 message
         > say 1 hello_you
         c2 MSG #g hello_you 1
         > say 2 again
         > c2 sent #g 14
         sent 1 at 14
         c2 MSG #g again 2
         > c2 error CANNOTSEND you_may_not
         unsent 2: you may not
         > c2 gap #g 3 slow
         heard gap #g 3 slow
         > c2 ping x
         c2 PONG x
         > c2 novelty
         > stop
         c2 PART #g ''
         c2 QUIT ''
         close c2
         stopped",
    );
}

#[test]
fn the_outbox_has_a_bound() {
    check_in(
        "> say 1 a
         c2 MSG #g a 1
         > say 2 b
         > say 3 c
         unsent 3: too much is waiting to be said already",
    );
    let long = "x".repeat(crate::command::TEXT_BYTES_MAX + 1);
    check_in(&format!("> say 1 {long}\nunsent 1: the text is too long"));
}

#[test]
fn a_lost_master() {
    check_in(&format!(
        "> c2 said 12 bob hi
         heard 12 message
         > say 1 a
         c2 MSG #g a 1
         > say 2 b
         > run WHO #g
         c2 WHO #g
         > lost c2
         answer error ERR not_answered:_127.0.0.1_is_lost
         away: 127.0.0.1 is lost
         {BACK}
         c4 JOIN #g '' 00000000000000aa 12 1.1
         > c4 said 13 bob missed
         heard 13 message
         > c4 joined #g 00000000000000aa 14 1.5 2 1.1
         joined 127.0.0.2 2
         c4 MSG #g a 1 00000000000000aa
         > c4 said 14 bob missed
         heard 14 message
         > c4 sent #g 15
         sent 1 at 15
         c4 MSG #g b 2
         > c4 sent #g 16
         sent 2 at 16"
    ));
}

#[test]
fn what_was_heard_is_not_said_again() {
    check_in(&format!(
        "> say 1 a
         c2 MSG #g a 1
         > say 2 b
         > c2 own 12 bob a
         heard 12 message
         > lost c2
         sent 1 at 12
         away: 127.0.0.1 is lost
         {BACK}
         c4 JOIN #g '' 00000000000000aa 12 1.1
         > c4 joined #g 00000000000000bb 1 1.5 2 1.1
         joined 127.0.0.2 2
         c4 MSG #g b 2
         > c4 sent #g 3
         sent 2 at 3"
    ));
}

#[test]
fn a_group_that_began_anew() {
    check_in(&format!(
        "> c2 said 12 bob hi
         heard 12 message
         > lost c2
         away: 127.0.0.1 is lost
         {BACK}
         c4 JOIN #g '' 00000000000000aa 12 1.1
         > c4 joined #g 00000000000000ab 1 1.5 1 1.1
         joined 127.0.0.2 1
         > c4 gap #g ? history_is_lost
         heard gap #g ? history_is_lost
         > c4 said 2 bob hi
         heard 2 message"
    ));
}

#[test]
fn the_group_begins_anew_and_the_connection_breaks() {
    // The life that it was is back by then: what came in it meanwhile is missed since the place that was known.
    check_in(&format!(
        "> c2 said 12 bob hi
         heard 12 message
         > c2 gap #g ? history_is_lost 00000000000000ab
         heard gap #g ? history_is_lost 00000000000000ab
         > lost c2
         away: 127.0.0.1 is lost
         {BACK}
         c4 JOIN #g '' 00000000000000aa 12 1.1
         > c4 joined #g 00000000000000aa 14 1.5 1 1.1
         joined 127.0.0.2 1
         > c4 said 13 bob ho
         heard 13 message"
    ));
    // Of the new life something was heard.
    check_in(&format!(
        "> c2 said 12 bob hi
         heard 12 message
         > c2 gap #g ? history_is_lost 00000000000000ab
         heard gap #g ? history_is_lost 00000000000000ab
         > c2 said 3 bob ho
         heard 3 message
         > lost c2
         away: 127.0.0.1 is lost
         {BACK}
         c4 JOIN #g '' 00000000000000ab 3 1.1"
    ));
}

#[test]
fn moved_while_in_the_group() {
    check_in("> c2 moved #g 1.3 127.0.0.2:7411\n> c2 moved #g 1.5 gone\n> c2 moved #g 1.5 127.0.0.1:7411");
    check_in(&format!(
        "> c2 moved #g 1.5 127.0.0.2:7411
         close c2
         away: the group is at 127.0.0.2 now
         {BACK}
         c4 JOIN #g '' 00000000000000aa 10 1.1"
    ));
}

#[test]
fn asked_to_wait() {
    let way = IN.rsplit_once("> c2 joined").unwrap().0;
    check(&format!(
        "{way}> c2 error TRYAGAIN #g2_is_away:_try_again_in_300_ms
         > wait 299
         > wait 201
         c2 JOIN #g '' '' '' ''
         > c2 error TRYAGAIN soon
         > wait 800
         c2 JOIN #g '' '' '' ''"
    ));
    check_in(
        "> say 1 a
         c2 MSG #g a 1
         > c2 error TRYAGAIN 300
         > say 2 b
         > wait 299
         > wait 201
         c2 MSG #g a 1 00000000000000aa
         > c2 sent #g 12
         sent 1 at 12
         c2 MSG #g b 2",
    );
    let greeting = IN.rsplit_once("> c2 ok OK").unwrap().0;
    check(&format!("{greeting}> c2 error TRYAGAIN 100\n> wait 300\nc2 NICK joe\n> c2 ok OK\nc2 JOIN #g '' '' '' ''"));
}

#[test]
fn refused_for_good() {
    let greeting = IN.rsplit_once("> c2 ok OK").unwrap().0;
    check(&format!("{greeting}> c2 error NICKINUSE that_nick_is_taken\nclose c2\ngave up: that nick is taken\n> stop\nstopped"));
    let way = IN.rsplit_once("> c2 joined").unwrap().0;
    check(&format!(
        "> say 5 a\n{way}> c2 error BADKEY no\nclose c2\nunsent 5: no\ngave up: no\n> say 6 b\nunsent 6: the client has stopped"
    ));
    check_in("> c2 kicked 11 Joe\nheard 11 kick\nclose c2\ngave up: removed from the group by bob: enough");
    check_in("> c2 kicked 11 ann\nheard 11 kick");
    // Called something else by now.
    check_in(
        "> c2 mine nick 11 joe jim
         heard 11 nick
         > c2 kicked 12 joe
         heard 12 kick
         > c2 kicked 13 jim
         heard 13 kick
         close c2
         gave up: removed from the group by bob: enough",
    );
}

#[test]
fn ones_own_nick_lingers_after_a_reconnect() {
    let back = BACK.rsplit_once("> c4 ok OK").unwrap().0;
    check_in(&format!(
        "> lost c2
         away: 127.0.0.1 is lost
         {back}
         > c4 error NICKINUSE taken
         close c4
         away: taken
         > due
         dial 5 d:1
         > dialed 5 refused
         dial 6 127.0.0.2:7411
         > dialed 6 c6
         c6 RING SIGNED
         > c6 view 1.5 127.0.0.2
         close c6
         dial 7 127.0.0.2:7411
         > dialed 7 c7
         c7 SESSION secret-token
         c7 HELLO 3
         c7 NICK joe
         > wait 5000
         > c7 ok OK
         > c7 hello server chatring
         > c7 error NICKINUSE taken
         close c7
         > due
         dial 8 d:1"
    ));
}

#[test]
fn a_silent_node() {
    check_in(
        "> wait 999
         > wait 1
         c2 ALIVE
         > c2 alive
         > wait 1000
         c2 ALIVE
         > wait 1999
         > wait 1
         close c2
         away: 127.0.0.1 is silent",
    );
    // It lives, but the answer does not come.
    let lives = "> wait 1000\nc2 ALIVE\n> c2 alive\n".repeat(8);
    check_in(&format!(
        "> say 1 a
         c2 MSG #g a 1
         {lives}> c2 said 11 bob a
         heard 11 message
         {lives}> c2 said 12 bob a
         heard 12 message
         {lives}> wait 1000
         c2 ALIVE
         > c2 alive
         > wait 999
         > wait 1
         close c2
         away: 127.0.0.1 is silent"
    ));
    // A dial that nobody answers, and answers too late.
    let way = IN.rsplit_once("> dialed 2").unwrap().0;
    check(&format!("{way}> wait 3000\naway: 127.0.0.1 does not answer\n> dialed 2 c2\nclose c2"));
}

#[test]
fn surprises() {
    for surprise in ["garbage", "ok OK", "sent #g 5", "view 1.4"] {
        check_in(&format!("> c2 {surprise}\nclose c2\naway: 127.0.0.1 said something that was not its turn"));
    }
    check_in("> c2 unsubscribe #g 0\nclose c2\naway: 127.0.0.1 took us out of the group");
    check_in("> c2 mine part 11 joe lapsed\nheard 11 part\nclose c2\naway: 127.0.0.1 took us out of the group");
    // Of a connection that is no longer ours.
    check_in("> c1 sent #g 5\n> c9 garbage\n> lost c9\n> dialed 9 refused");
    check_in("> c2 closing going_down\nheard closing going_down\n> lost c2\naway: 127.0.0.1 closed the connection: going down");
}

#[test]
fn commands_of_the_person() {
    check_in(
        "> run NAMES #g
         c2 NAMES #g
         > run WHOIS bob
         c2 WHOIS bob
         > run MOTD
         answer error BUSY too_many_commands_are_waiting_for_their_answers
         > c2 names #g 0 o joe
         answer names #g 0 o joe
         > c2 names #g 1 '' bob
         answer names #g 1 '' bob
         > c2 error NOSUCHNICK nobody
         answer error NOSUCHNICK nobody
         > run NICK jim
         c2 NICK jim
         > c2 ok OK
         answer ok OK
         > run FROB
         answer error SYNTAX unknown_command_'FROB'
         > run JOIN #h
         answer error NOPERM this_client_stays_in_one_group
         > run MSG #g hi
         answer error NOPERM say_that_in_the_group_instead
         > run MSG bob hi
         c2 MSG bob hi ''
         > run HEARTBEAT 5
         answer error NOPERM that_is_for_nodes",
    );
    check("> run MOTD\nanswer error ERR not_in_the_group_at_the_moment");
}

#[test]
fn stopping() {
    check("> stop\nstopped");
    check_in(
        "> say 1 a
         c2 MSG #g a 1
         > run MOTD
         c2 MOTD
         > stop
         > say 2 b
         unsent 2: the client has stopped
         > c2 sent #g 11
         sent 1 at 11
         > c2 motd hello
         answer motd hello
         c2 PART #g ''
         c2 QUIT ''
         close c2
         stopped",
    );
    let lives = "> wait 1000\nc2 ALIVE\n> c2 alive\n".repeat(4);
    check_in(&format!(
        "> say 1 a
         c2 MSG #g a 1
         > stop
         {lives}> wait 999
         > wait 1
         c2 ALIVE
         c2 PART #g ''
         c2 QUIT ''
         close c2
         unsent 1: the client was stopped before it was answered
         stopped"
    ));
    // In a hurry, and on the way.
    let way = IN.rsplit_once("> dialed 2").unwrap().0;
    check(&format!("> say 1 a\n{way}> stop\n> stop\nunsent 1: the client was stopped before it was answered\nstopped"));
}
