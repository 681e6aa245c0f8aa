//! An authenticator that takes seconds, and a crowd that waits for it: whoever is in goes on chatting, and one login too many is refused at once.
//!
//! `SLOW_AUTH_MS=5000` for another time than two seconds. Prints how long a message takes without and with the crowd.
#![cfg(target_os = "linux")]

mod common;

use common::irc::Irc;
use common::network::Network;
use common::plugins::from_c;
use common::redis::Redis;
use std::time::{Duration, Instant};

const SOURCE: &str = r#"
#define _POSIX_C_SOURCE 200809L
#include "chat_plugin.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long ms;

static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    char text[32] = {0};
    (void)host; (void)why;
    const uint8_t *at = config.len ? memchr(config.data, '=', config.len) : NULL;
    if (at) memcpy(text, at + 1, (size_t)(config.data + config.len - at - 1) < 31 ? (size_t)(config.data + config.len - at - 1) : 31);
    ms = atol(text);
    *plugin = &ms;
    return CHAT_OK;
}
static void stop(void *plugin) { (void)plugin; }
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    (void)plugin; (void)ticket; (void)ask; (void)who;
    nanosleep(&time, NULL);
    return CHAT_OK;
}
static void cancel(void *plugin, uint64_t ticket) { (void)plugin; (void)ticket; }
static const chat_auth auth = {sizeof auth, check, cancel};
static const void *interface(void *plugin, const char *id) {
    (void)plugin;
    return strcmp(id, CHAT_ID_AUTH) == 0 ? &auth : NULL;
}
static const chat_entry entry = {sizeof entry, CHAT_MAJOR, CHAT_MINOR, "slow", "1", start, stop, interface};
const chat_entry *chat_entry_v1(void) { return &entry; }
"#;

/// Says so much, one after the other, and gives how long each took to be heard by the other: median, and all but one in a hundred.
fn latencies(joe: &mut Irc, ann: &mut Irc, round: &str) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..200)
        .map(|n| {
            let (text, began) = (format!("{round} {n}"), Instant::now());
            joe.say("#slow", &text);
            ann.wait(&format!(":{text}"));
            began.elapsed()
        })
        .collect();
    times.sort();
    (times[100], times[197])
}

#[test]
fn a_crowd_before_a_slow_authenticator_holds_up_nobody_who_is_in() {
    let ms: u64 = std::env::var("SLOW_AUTH_MS").map_or(2_000, |ms| ms.parse().unwrap());
    let mut net = Network::new();
    let library = from_c(net.dir.path(), "slow", SOURCE);
    net.preamble = format!("plugins = ['{}']\n", library.display());
    net.node_settings = "auth = ['slow']\n".into();
    net.node_tables = "auth = ['open']\n".into();
    net.ending = format!("[plugin.slow]\nms = {ms}\n");
    let _directory = net.directory();
    let [node] = net.nodes([1]);
    let mut joe = Irc::joined(node.irc, "joe", &["#slow"]);
    let mut ann = Irc::joined(node.irc, "ann", &["#slow"]);
    let (half, most) = latencies(&mut joe, &mut ann, "alone");

    // The threads have one each, 1,024 wait.
    let mut crowd: Vec<Redis> = (0..1_028).map(|_| Redis::connect(node.native)).collect();
    crowd.iter_mut().for_each(|someone| someone.send(&["AUTH", "someone", "sesame"]));
    // As soon as they are all there, one more is refused at once, in words that say so.
    let refused = (0..2_000).find_map(|_| {
        let mut late = Redis::connect(node.native);
        late.send(&["AUTH", "late", "sesame"]);
        let answer = late.next(Instant::now() + Duration::from_millis(50)).ok().flatten();
        crowd.push(late);
        answer
    });
    let refused = format!("{refused:?}");
    assert!(refused.contains("BUSY too many people are logging in: try again in a moment"), "{refused}");
    let (half_with, most_with) = latencies(&mut joe, &mut ann, "beside a crowd");
    println!("a message takes {half:?}, at most {most:?} (p99); with 1,028 logins of {ms} ms waiting {half_with:?}, {most_with:?}");
    assert!(most_with < most + Duration::from_millis(ms / 2), "{most_with:?} instead of {most:?}");
}
