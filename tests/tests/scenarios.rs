//! Stories: what happens in a network of a few nodes, step by step.

use chatring_machines::event::{Code, Event, Push, Reply};
use chatring_machines::super_node::NodeLimits;
use chatring_machines::view::{Metric, RingParams};
use chatring_tests::ear::Sound;
use chatring_tests::person::Style;
use chatring_tests::story::Story;
use chatring_tests::world::{Options, Pid, Role, WATCHER, World};

/// Three nodes, and someone at each of them in `#erlang`.
fn three_in_erlang(seed: u64) -> (Story, Vec<Pid>) {
    three_with(seed, NodeLimits::default())
}

fn three_with(seed: u64, limits: NodeLimits) -> (Story, Vec<Pid>) {
    let mut story = Story::with(seed, 3, Options::default(), RingParams::default(), limits);
    let people: Vec<_> = ["joe", "mike", "robert"].iter().enumerate().map(|(ix, nick)| story.person(nick, ix)).collect();
    people.iter().for_each(|who| story.enter(*who, "#erlang"));
    (story, people)
}

/// Says something and waits until all the others have heard it.
#[track_caller]
fn all_hear(story: &mut Story, who: Pid, others: &[Pid], group: &str, text: &str) {
    story.says(who, group, text);
    others.iter().filter(|other| **other != who).for_each(|other| story.hears(*other, text));
}

fn is_error(event: &Event, wanted: Code) -> bool {
    matches!(event, Event::Reply(Reply::Error { code, .. }) if *code == wanted)
}

/// How often these people were told that they missed something of a group.
fn gaps(story: &Story, people: &[Pid]) -> usize {
    let of_group = |sound: &Sound| matches!(sound, Sound::Gap(group, _) if !group.is_person());
    people.iter().flat_map(|who| &story.ear(*who).sounds).filter(|(_, sound)| of_group(sound)).count()
}

fn is_gone(story: &mut Story, node: usize) {
    let (pid, key) = (story.nodes[node], story.world.key(story.nodes[node]));
    let gone = story.world.run_until(10_000, |world| world.view().node(&key).is_none());
    assert!(gone, "{} is still in the ring", story.world.name(pid));
}

#[test]
fn people_at_three_nodes_chat() {
    let (mut story, people) = three_in_erlang(1);
    for (ix, who) in people.iter().enumerate() {
        all_hear(&mut story, *who, &people, "#erlang", &format!("hello {ix}"));
    }
    story.ends_well();
}

#[test]
fn a_redis_client_an_irc_client_and_a_native_one_read_each_other() {
    let mut story = Story::of(2, 3);
    let (irc, redis) = (story.person("joe", 0), story.comes("anyone", Style::Redis, 1));
    story.enter(irc, "#erlang");
    story.enter(redis, "#erlang");
    let native = story.client("mike", "#erlang");
    let all = [irc, redis, native];
    all.iter().for_each(|who| all_hear(&mut story, *who, &all, "#erlang", &format!("from {who:?}")));
    story.ends_well();
}

#[test]
fn a_nick_belongs_to_one_person_in_the_network() {
    let mut story = Story::of(3, 3);
    story.person("joe", 0);
    let other = story.person("mike", 1);
    let refused = story.asks(other, &["NICK", "JOE"], |event| is_error(event, Code::NickInUse));
    assert!(matches!(refused, Event::Reply(Reply::Error { subject, .. }) if &*subject.0[0] == "JOE"));
    story.does(other, &["NICK", "robert"]);
    // The old one is free now, and can be taken elsewhere.
    story.person("mike", 2);
    story.ends_well();
}

#[test]
fn someone_who_changes_their_nick_is_seen_to_in_all_groups() {
    let (mut story, people) = three_in_erlang(4);
    story.does(people[0], &["NICK", "joseph"]);
    story.says(people[0], "#erlang", "it is me");
    story.hears(people[1], "it is me");
    let sender = story.ear(people[1]).entries().last().map(|(_, entry)| entry.sender.nick.to_string());
    assert_eq!(sender.as_deref(), Some("joseph"));
    story.asks(people[2], &["WHOIS", "joseph"], |event| matches!(event, Event::Reply(Reply::WhoisIs { .. })));
    story.asks(people[2], &["WHOIS", "joe"], |event| is_error(event, Code::NoSuchNick));
}

#[test]
fn a_direct_message_and_a_whois_find_people_at_other_nodes() {
    let mut story = Story::of(5, 3);
    let (joe, mike) = (story.person("joe", 0), story.person("mike", 2));
    story.says(joe, "mike", "psst");
    story.hears(mike, "psst");
    let there = story.world.key(story.nodes[2]);
    let whois = story.asks(joe, &["WHOIS", "mike"], |event| matches!(event, Event::Reply(Reply::WhoisIs { .. })));
    assert!(matches!(whois, Event::Reply(Reply::WhoisIs { node, .. }) if *node == *there.as_str()));
    story.asks(joe, &["MSG", "nobody", "hello?"], |event| is_error(event, Code::NoSuchNick));
    story.does(mike, &["NICK", "mikael"]);
    story.asks(joe, &["MSG", "mike", "hello?"], |event| is_error(event, Code::NoSuchNick));
    story.asks(joe, &["MSG", "mikael", "hello!"], |event| matches!(event, Event::Reply(Reply::Sent { .. })));
    story.hears(mike, "hello!");
}

#[test]
fn what_is_echoed_of_direct_messages_is_what_was_said() {
    let mut story = Story::of(6, 3);
    // Joe is not where mike's messages are ordered, so that he says all three before the first is answered.
    let away = (story.master_of("@mike") + 1) % 3;
    let (joe, mike) = (story.person("joe", away), story.person("mike", 1));
    for text in ["one", "two", "three"] {
        story.world.types(joe, &["SAY", "msg", "mike", "1", text]);
    }
    ["one", "two", "three"].iter().for_each(|text| story.hears(joe, text));
    story.hears(mike, "three");
    story.ends_well();
}

#[test]
fn operators_steer_a_group() {
    let (mut story, people) = three_in_erlang(7);
    let (joe, mike, robert) = (people[0], people[1], people[2]);
    story.asks(mike, &["KICK", "#erlang", "robert"], |event| is_error(event, Code::NeedOp));
    story.does(joe, &["MODE", "#erlang", "+mo", "mike"]);
    story.asks(robert, &["MSG", "#erlang", "may I?"], |event| is_error(event, Code::CannotSend));
    story.does(mike, &["MODE", "#erlang", "+v", "robert"]);
    all_hear(&mut story, robert, &people, "#erlang", "now I may");
    story.does(mike, &["MODE", "#erlang", "+b", "robert!*@*"]);
    story.does(mike, &["KICK", "#erlang", "robert", "enough"]);
    assert!(story.world.run_until(3_000, |world| world.inside(robert).is_empty()));
    story.asks(robert, &["ENTER", "#erlang"], |event| is_error(event, Code::Banned));
    story.says(joe, "#erlang", "peace");
    story.hears(mike, "peace");
    assert!(!story.heard(robert, "peace"));
    story.does(mike, &["MODE", "#erlang", "-b", "robert!*@*"]);
    story.enter(robert, "#erlang");
    story.does(mike, &["MODE", "#erlang", "-m"]);
    story.ends_well();
}

#[test]
fn who_knocks_at_the_wrong_node_is_shown_the_way() {
    let mut story = Story::of(8, 4);
    let group = story.group_at(2);
    let wrong = story.comes("lost", Style::Redis, 0);
    story.world.run_for(100);
    let moved = story.asks(wrong, &["JOIN", &group], |event| is_error(event, Code::Moved));
    let Event::Reply(Reply::Error { text, .. }) = moved else { unreachable!() };
    assert_eq!(&*text, format!("{} 10.0.0.3:7411", story.world.view().epoch));
    // A native client works it out by itself, and is at the right one.
    story.client("mike", &group);
}

#[test]
fn when_the_master_dies_everyone_is_back_at_the_next_node() {
    let (mut story, _) = three_in_erlang(9);
    let (joe, native) = (story.person("joan", 0), story.client("mike2", "#erlang"));
    story.enter(joe, "#erlang");
    story.world.run_for(2_000);
    let master = story.master_of("#erlang");
    story.world.kill(story.nodes[master]);
    is_gone(&mut story, master);
    assert_ne!(story.master_of("#erlang"), master);
    story.is_in(native, "#erlang");
    story.ends_well();
}

#[test]
fn topic_and_operators_outlive_the_master() {
    let mut story = Story::of(10, 3);
    let group = story.group_at(0);
    // The people are elsewhere, so that only the master is lost.
    let (joe, mike) = (story.person("joe", 1), story.person("mike", 2));
    story.enter(joe, &group);
    story.enter(mike, &group);
    story.does(joe, &["TOPIC", &group, "let it crash"]);
    story.does(joe, &["MODE", &group, "+o", "mike"]);
    story.world.run_for(3_000);
    story.world.kill(story.nodes[0]);
    is_gone(&mut story, 0);
    story.world.run_for(3_000);
    let topic = story.asks(mike, &["TOPIC", &group], |event| matches!(event, Event::Reply(Reply::TopicIs { .. })));
    assert!(matches!(topic, Event::Reply(Reply::TopicIs { text, .. }) if &*text == "let it crash"));
    story.does(mike, &["MODE", &group, "+m"]);
    assert_eq!(gaps(&story, &[joe, mike]), 0, "its standby had everything");
    story.ends_well();
}

#[test]
fn a_new_node_takes_a_group_over_with_its_history() {
    let mut story = Story::of(11, 2);
    let old: Vec<_> = (0..2).map(|ix| story.person(["joe", "mike"][ix], ix)).collect();
    // A group that will belong to the next node.
    let names = (0..200).map(|n| format!("#g{n}"));
    let next = chatring_machines::names::NodeKey::new("10.0.0.3").expect("an address");
    let keys = || story.world.view().nodes.iter().map(|node| node.key.clone()).chain([next.clone()]).collect::<Vec<_>>();
    let ring = chatring_machines::ring::Ring::of(keys(), RingParams::default());
    let group = names.into_iter().find(|name| ring.master(name) == Some(&next)).expect("one of many");
    old.iter().for_each(|who| story.enter(*who, &group));
    all_hear(&mut story, old[0], &old, &group, "before");
    let seq = |story: &Story, who| story.ear(who).entries().last().map_or(0, |(_, entry)| entry.seq);
    let before = seq(&story, old[1]);
    let node = story.add_node();
    story.settle_ring();
    story.world.run_for(1_000);
    assert_eq!(story.world.held(node).iter().filter(|(held, _)| held.as_str() == group).count(), 1);
    let new = story.person("robert", 2);
    story.enter(new, &group);
    all_hear(&mut story, new, &old, &group, "after");
    assert!(seq(&story, old[1]) > before, "the count goes on");
    assert_eq!(gaps(&story, &old), 0, "nothing was lost");
    story.ends_well();
}

#[test]
fn a_native_client_hears_what_was_said_while_it_moved() {
    let mut story = Story::of(12, 2);
    let group = story.group_at(0);
    let (speaker, client) = (story.person("joe", 1), story.client("mike", &group));
    story.enter(speaker, &group);
    let slow = story.nodes[0];
    for round in 0..5 {
        story.says(speaker, &group, &format!("word {round}"));
        if round == 2 {
            story.world.cut(client, slow, true);
            story.world.run_for(50);
            story.world.heal();
        }
        story.world.run_for(300);
    }
    (0..5).for_each(|round| story.hears(client, &format!("word {round}")));
    story.ends_well();
}

#[test]
fn chat_goes_on_without_a_directory() {
    let (mut story, people) = three_in_erlang(13);
    story.world.kill(story.directory);
    story.world.run_for(5_000);
    all_hear(&mut story, people[0], &people, "#erlang", "who needs directories");
    let late = story.person("late", 1);
    story.enter(late, "#erlang");
    all_hear(&mut story, late, &people, "#erlang", "I came without one");
    story.world.start(story.directory);
    story.ends_well();
}

#[test]
fn a_node_that_restarts_serves_again_as_another() {
    let (mut story, _) = three_in_erlang(14);
    let master = story.master_of("#erlang");
    let before = story.world.view().epoch;
    story.world.kill(story.nodes[master]);
    story.world.run_for(20);
    story.world.start(story.nodes[master]);
    story.world.run_for(2_000);
    assert!(story.world.view().epoch > before);
    story.ends_well();
}

#[test]
fn a_node_that_is_stopped_hands_its_groups_over_first() {
    let (mut story, people) = three_in_erlang(15);
    let master = story.master_of("#erlang");
    all_hear(&mut story, people[0], &people, "#erlang", "before");
    let node = story.nodes[master];
    story.world.stop(node);
    assert!(story.world.run_until(10_000, |world| !world.is_alive(node)), "it does not go");
    story.world.run_for(3_000);
    let others: Vec<Pid> = people.iter().copied().enumerate().filter(|(ix, _)| *ix != master).map(|(_, who)| who).collect();
    all_hear(&mut story, others[0], &others, "#erlang", "after");
    assert_eq!(gaps(&story, &others), 0, "nothing was lost");
    story.ends_well();
}

#[test]
fn those_who_read_slowly_miss_nothing_that_the_log_holds() {
    let (mut story, people) = three_in_erlang(16);
    people[1..].iter().for_each(|who| story.world.stall(*who));
    (0..200).for_each(|n| story.says(people[0], "#erlang", &format!("line {n}")));
    story.world.run_for(1_000);
    assert!(!story.heard(people[1], "line 0"));
    people[1..].iter().for_each(|who| story.world.unstall(*who));
    for who in &people[1..] {
        (0..200).for_each(|n| story.hears(*who, &format!("line {n}")));
    }
    all_hear(&mut story, people[0], &people, "#erlang", "and on it goes");
    assert_eq!(gaps(&story, &people), 0);
    story.ends_well();
}

#[test]
fn someone_who_reads_slowly_is_told_what_the_log_has_lost() {
    let limits = NodeLimits { log_entries: 100, ..NodeLimits::default() };
    let (mut story, people) = three_with(16, limits);
    story.world.stall(people[1]);
    (0..200).for_each(|n| story.says(people[0], "#erlang", &format!("line {n}")));
    story.world.run_for(1_000);
    assert!(story.heard(people[2], "line 199"));
    story.world.unstall(people[1]);
    story.hears(people[1], "line 199");
    assert_eq!(gaps(&story, &[people[1]]), 1);
    (100..200).for_each(|n| assert!(story.heard(people[1], &format!("line {n}")), "line {n} is in the log"));
    assert!(!story.heard(people[1], "line 99"));
    story.ends_well();
}

#[test]
fn an_edge_that_falls_behind_catches_up() {
    let (mut story, people) = three_in_erlang(17);
    let master = story.master_of("#erlang");
    let slow = (master + 1) % 3;
    story.world.stall(story.nodes[slow]);
    (0..120).for_each(|n| story.says(people[master], "#erlang", &format!("line {n}")));
    story.world.run_for(1_000);
    story.world.unstall(story.nodes[slow]);
    (0..120).for_each(|n| story.hears(people[slow], &format!("line {n}")));
    story.ends_well();
}

#[test]
fn two_nodes_on_one_host_and_many_points_make_a_ring() {
    let params = RingParams { metric: Metric::Linear, points: 20 };
    let mut story = Story::with(18, 2, Options::default(), params, NodeLimits::default());
    story.add_node_at("10.0.0.2:7412");
    story.settle_ring();
    let people: Vec<_> = (0..3).map(|ix| story.person(&format!("p{ix}"), ix)).collect();
    for group in (0..3).map(|node| story.group_at(node)).collect::<Vec<_>>() {
        people.iter().for_each(|who| story.enter(*who, &group));
        all_hear(&mut story, people[0], &people, &group, &format!("in {group}"));
    }
    story.ends_well();
}

#[test]
fn an_invitation_is_heard_wherever_one_is() {
    let mut story = Story::of(19, 3);
    let (joe, mike) = (story.person("joe", 0), story.person("mike", 1));
    story.enter(joe, "#secret");
    story.does(joe, &["MODE", "#secret", "+i"]);
    story.asks(mike, &["ENTER", "#secret"], |event| is_error(event, Code::InviteOnly));
    story.asks(joe, &["INVITE", "mike", "#secret"], |event| matches!(event, Event::Reply(Reply::InvitingNow { .. })));
    let invited = |event: &Event| matches!(event, Event::Push(Push::Invited { .. }));
    assert!(story.world.run_until(3_000, |world| world.ear(mike).is_some_and(|ear| ear.others().any(invited))));
    story.enter(mike, "#secret");
    story.ends_well();
}

#[test]
fn the_claim_of_a_lost_connection_lapses() {
    let mut story = Story::of(20, 3);
    let joe = story.person("joe", 0);
    story.enter(joe, "#erlang");
    story.world.kill(story.nodes[0]);
    // Joe comes back at the next node, and gets his name back when the old claim is gone.
    let named = |world: &World| matches!(world.role(joe), Role::Person(person) if person.is_here());
    story.world.run_for(100);
    assert!(story.world.run_until(15_000, named));
    story.ends_well();
}

/// A client leaves a frozen node for another and loses its nick there. The frozen one wakes, and gives it the same guest's name before it hears that the client has gone.
#[test]
fn a_client_whose_former_node_wakes_is_still_one() {
    let mut story = Story::of(25, 3);
    let group = story.group_at(0);
    let nick = (0..).map(|n| format!("c{n}")).find(|nick| story.master_of(&format!("@{nick}")) != 0).expect("such a nick");
    let client = story.client(&nick, &group);
    let keys: Vec<_> = story.nodes.iter().map(|node| story.world.key(*node)).collect();
    let at = |world: &World| keys.iter().position(|key| world.node_of(client).as_ref() == Some(key));
    story.world.freeze(story.nodes[0], 20_000, false);
    let left = |world: &World| at(world).is_some_and(|node| node != 0) && !world.inside(client).is_empty();
    assert!(story.world.run_until(10_000, left));
    // Nothing is left of its first connection.
    story.world.cut(client, story.nodes[0], true);
    // Nobody can be sure of a nick any more.
    let third = if at(&story.world) == Some(1) { 2 } else { 1 };
    story.world.kill(story.directory);
    story.world.kill(story.nodes[third]);
    story.world.run_for(20_000);
    assert_eq!(story.world.nicks().clash(), None);
}

/// Someone was in groups of a node that dies with them, and nobody asks for these groups any more. They are not listed for ever.
#[track_caller]
/// Of a guest: what someone with an account founds is kept.
fn check_ghosts(seed: u64, starts_again: bool) {
    let mut story = Story::of(seed, 3);
    let (tom, mike) = (story.person("tom", 0), story.person("mike", 1));
    let groups: Vec<String> = (0..).map(|n| format!("#g{n}")).filter(|name| story.master_of(name) == 0).take(20).collect();
    groups.iter().for_each(|group| story.enter(tom, group));
    story.world.run_for(4_000);
    let listed = |story: &mut Story| {
        let list = story.asks(mike, &["LIST"], |event| matches!(event, Event::Reply(Reply::ListIs { .. })));
        let counts = story.asks(mike, &["LUSERS"], |event| matches!(event, Event::Reply(Reply::Lusers { .. })));
        let (Event::Reply(Reply::ListIs { cells }), Event::Reply(Reply::Lusers { groups, .. })) = (list, counts) else { unreachable!() };
        (cells.0.len() / 3, groups)
    };
    assert_eq!(listed(&mut story), (20, 20));
    story.world.kill(tom);
    story.world.kill(story.nodes[0]);
    if starts_again {
        story.world.run_for(20);
        story.world.start(story.nodes[0]);
    } else {
        is_gone(&mut story, 0);
    }
    story.world.run_for(15_000);
    assert_eq!(listed(&mut story), (0, 20));
    // For a minute they are kept for whoever comes back.
    story.world.run_for(60_000);
    assert_eq!(listed(&mut story), (0, 0));
    story.ends_well();
}

#[test]
fn whoever_is_lost_with_the_master_is_not_listed_for_ever() {
    check_ghosts(23, false);
    check_ghosts(24, true);
}

#[test]
fn a_node_cut_off_from_the_directory_comes_back() {
    let (mut story, _) = three_in_erlang(21);
    let master = story.master_of("#erlang");
    story.world.cut(story.directory, story.nodes[master], false);
    is_gone(&mut story, master);
    story.world.run_for(3_000);
    story.ends_well();
}

#[test]
fn check_says_what_is_kept_and_what_moved() {
    let mut story = Story::of(22, 2);
    let group = story.group_at(0);
    let joe = story.person("joe", 0);
    story.enter(joe, &group);
    let (name, secret) = WATCHER;
    story.asks(joe, &["OPERATOR", name, secret], |event| matches!(event, Event::Reply(Reply::Text { .. })));
    let checked = story.asks(joe, &["CHECK"], |event| matches!(event, Event::Reply(Reply::Checked { .. })));
    let Event::Reply(Reply::Checked { cells }) = checked else { unreachable!() };
    assert!(cells.0.windows(2).any(|pair| *pair[0] == *group && &*pair[1] == "kept"), "{cells:?}");
}
