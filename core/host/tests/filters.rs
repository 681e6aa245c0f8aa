//! Filters in libraries: what they say, what they count, their timers and bots, and what breaks the contract.

mod common;

use chatring_host::{Deed, Filterer, Hooks, Judgment, MetricValue, Person, Plugins, What};
use common::c_library;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// `judge` with this body; `start`, `fire` and the tables around it.
fn source(judge: &str) -> String {
    r##"
static const chat_host *the_host;
static const chat_metrics *metrics;
static const chat_timers *timers;
static const chat_filter_host *bots;
static uint32_t seen, level;
static volatile int busy;
static chat_bytes text(const char *words) { chat_bytes bytes = {(const uint8_t *)words, strlen(words)}; return bytes; }
static int is(chat_bytes bytes, const char *words) { return bytes.len == strlen(words) && memcmp(bytes.data, words, bytes.len) == 0; }
static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    (void)config; (void)why;
    the_host = host; *plugin = &seen;
    metrics = host->interface(host, CHAT_ID_METRICS);
    timers = host->interface(host, CHAT_ID_TIMERS);
    bots = host->interface(host, CHAT_ID_FILTER_HOST);
    const chat_clock *clock = host->interface(host, CHAT_ID_CLOCK);
    if (!metrics || !timers || !bots || !clock || clock->wall_ms(host) < 1000000000000u || clock->steady_ms(host) > clock->steady_ms(host)) return CHAT_INTERNAL;
    seen = metrics->metric(host, CHAT_METRIC_COUNTER, text("seen"), text("what was judged"));
    level = metrics->metric(host, CHAT_METRIC_GAUGE, text("level"), text(""));
    metrics->set(host, level, -3);
    return timers->set(host, 7, 1);
}
static void stop(void *plugin) { (void)plugin; }
static void fire(void *plugin, uint64_t timer) {
    (void)plugin;
    if (timer == 7) bots->say(the_host, text("warden"), text("#a"), text(busy ? "too early" : "the time has come"));
}
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    (void)plugin; (void)out;
    metrics->add(the_host, seen, 1);
    JUDGE
}
static const chat_filter filter = {sizeof filter, judge};
static const chat_timed timed = {sizeof timed, fire};
static const void *interface(void *plugin, const char *id) {
    (void)plugin; (void)is;
    if (strcmp(id, CHAT_ID_FILTER) == 0) return &filter;
    return strcmp(id, CHAT_ID_TIMED) == 0 ? &timed : NULL;
}
static const chat_entry entry = {sizeof entry, CHAT_MAJOR, CHAT_MINOR, "sieve", "1", start, stop, interface};
const chat_entry *chat_entry_v1(void) { return &entry; }
"##
    .replace("JUDGE", judge)
}

/// What a filter with this body says of a message.
fn filter(judge: &str, hooks: Hooks) -> (tempfile::TempDir, Plugins, Arc<Filterer>) {
    let dir = tempfile::tempdir().unwrap();
    let library = c_library(dir.path(), "sieve", &source(judge));
    let mut plugins = Plugins::new(hooks);
    plugins.load(&library, "").unwrap();
    let filter = plugins.filter("sieve").unwrap();
    (dir, plugins, filter)
}

fn deed(text: &str) -> Deed<'_> {
    let by = Person { nick: "joe", user: "j", host: "192.0.2.7", account: "" };
    Deed { what: What::Message, group: "#a", text, by, listener: "irc" }
}

#[track_caller]
fn check(judge: &str, expect: Judgment) {
    let (_dir, _plugins, filter) = filter(judge, Hooks::of(Arc::new(|_, _| {})));
    assert_eq!(filter.judge(&deed("hello")), expect);
}

#[test]
fn what_filters_say() {
    check("(void)what; return CHAT_OK;", Judgment::Pass);
    check("out.bytes(out.ctx, what->argv[0]); return CHAT_OK;", Judgment::Rewrite("message".into()));
    check("out.bytes(out.ctx, what->argv[3]); out.bytes(out.ctx, text(\", no\")); return CHAT_DENY;", Judgment::Refuse("joe, no".into()));
    check("(void)what; return CHAT_DENY;", Judgment::Refuse(String::new()));
    check("return what->argc == 8 && is(what->argv[7], \"irc\") ? CHAT_DENY : CHAT_OK;", Judgment::Refuse(String::new()));
}

#[test]
fn what_breaks_the_contract_is_a_fault_and_passes() {
    #[track_caller]
    fn check_fault(judge: &str, what: &str) {
        check(judge, Judgment::Fault(format!("plugin sieve: judge: {what}")));
    }
    check_fault("(void)what; return CHAT_INTERNAL;", "failed inside");
    check_fault("(void)what; return 99;", "gave the unknown answer 99");
    check_fault("(void)what; return CHAT_PENDING;", "gave the unknown answer 5");
    check_fault("(void)what; out.bytes(out.ctx, text(\"\\xff\")); return CHAT_OK;", "gave a text that is not UTF-8");
    check_fault("(void)what; chat_bytes none = {0, 1}; out.bytes(out.ctx, none); return CHAT_OK;", "gave null bytes");
    check_fault(
        "(void)what; static char much[70000]; memset(much, 'x', 69999); out.bytes(out.ctx, text(much)); return CHAT_OK;",
        "gave more than 65536 bytes",
    );
}

#[test]
fn metrics_timers_and_bots() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let say = move |bot: &str, group: &str, text: &str| tell.lock().unwrap().send(format!("{bot} in {group}: {text}")).is_ok();
    let (_dir, plugins, filter) = filter("(void)what; return CHAT_DENY;", Hooks { late: Arc::new(|_, _| {}), say: Arc::new(say) });
    assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), "warden in #a: the time has come");
    (0..3).for_each(|_| drop(filter.judge(&deed("hello"))));
    let info = plugins.list().remove(0);
    let metrics: Vec<_> = info.metrics.iter().map(|metric| (metric.name.as_str(), metric.value)).collect();
    assert_eq!(metrics, [("seen", MetricValue::Counter(3)), ("level", MetricValue::Gauge(-3))]);
    let counts = info.judged.unwrap();
    assert_eq!((counts.judged, counts.refused, counts.rewritten, info.filter, info.disabled), (3, 3, 0, true, false));
    plugins.disable("sieve", true).unwrap();
    assert!(filter.is_disabled() && plugins.list()[0].disabled);
}

#[test]
fn judging_and_timers_take_turns() {
    let judge =
        "(void)what; timers->set(the_host, 7, 0); busy = 1; for (volatile long n = 0; n < 20000000; n++) {} busy = 0; return CHAT_OK;";
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let say = move |_: &str, _: &str, text: &str| tell.lock().unwrap().send(text.to_string()).is_ok();
    let (_dir, _plugins, filter) = filter(judge, Hooks { late: Arc::new(|_, _| {}), say: Arc::new(say) });
    for _ in 0..6 {
        assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), "the time has come");
        filter.judge(&deed("hello"));
    }
}
