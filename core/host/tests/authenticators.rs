//! Authenticators linked in and loaded, one after another, late, and failing.

mod common;

use chatring_host::{Ask, Authenticator, ChatEntry, Kept, Plugins, Verdict, judge};
use chatring_sdk::Auth;
use common::{bundled, c_library, plugins};
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

fn ask<'a>(mechanism: &'a str, name: &'a str, secret: &'a str) -> Ask<'a> {
    Ask { ticket: 0, mechanism, name, secret: secret.as_bytes(), kept: Kept::Nothing, peer: "192.0.2.7", listener: "irc" }
}

#[test]
fn open_is_the_same_linked_and_loaded() {
    let library = bundled("chatring-auth-open");
    let (mut one, _late) = plugins();
    one.link(chatring_auth_open::entry(), "").unwrap();
    let (mut other, _late) = plugins();
    other.load(&library, "").unwrap();
    let [mut linked, mut loaded] = [one.list(), other.list()];
    assert_eq!((linked[0].origin.as_str(), loaded[0].origin.as_str()), ("linked in", library.to_str().unwrap()));
    linked[0].origin.clear();
    loaded[0].origin.clear();
    assert_eq!(linked, loaded);
    assert_eq!((linked[0].name.as_str(), linked[0].version.as_str()), ("open", env!("CARGO_PKG_VERSION")));
    for ask in [ask("none", "", ""), ask("password", "joe", "sesame")] {
        for plugins in [&one, &other] {
            assert_eq!(plugins.auth("open").unwrap().check(1, &ask), Verdict::Accept(None));
        }
    }
    for plugins in [&mut one, &mut other] {
        let error = plugins.link(chatring_auth_open::entry(), "").expect_err("taken");
        assert!(error.to_string().starts_with("linked in: the name open is taken by the plugin from "), "{error}");
    }
}

/// Decides by the secret.
struct Oracle;

impl Auth for Oracle {
    const NAME: &'static CStr = c"oracle";

    fn start(_config: &str) -> Result<Self, String> {
        Ok(Oracle)
    }

    fn check(&self, ask: &Ask<'_>) -> chatring_sdk::Verdict {
        match ask.secret {
            b"yes" => chatring_sdk::Verdict::Accept(Some(ask.name.to_uppercase())),
            b"no" => chatring_sdk::Verdict::Deny(format!("not {} of {} by {}", ask.name, ask.peer, ask.listener)),
            b"panic" => panic!("as the peer wished"),
            b"long" => chatring_sdk::Verdict::Accept(Some("x".repeat(5000))),
            _ => chatring_sdk::Verdict::Decline,
        }
    }
}

fn oracle() -> &'static ChatEntry {
    chatring_sdk::entry::auth::<Oracle>()
}

fn chain(plugins: &Plugins, names: &[&str]) -> Vec<Arc<Authenticator>> {
    names.iter().map(|name| plugins.auth(name).unwrap()).collect()
}

#[test]
fn a_chain_asks_until_someone_decides() {
    let (mut plugins, _late) = plugins();
    plugins.link(oracle(), "").unwrap();
    plugins.link(chatring_auth_open::entry(), "").unwrap();
    let (both, alone) = (chain(&plugins, &["oracle", "open"]), chain(&plugins, &["oracle"]));
    #[track_caller]
    fn check(chain: &[Arc<Authenticator>], secret: &str, expected: Verdict) {
        assert_eq!(judge(chain, 7, &ask("password", "joe", secret)), expected);
    }
    let nobody = Verdict::Deny("nobody here vouches for you".into());
    check(&both, "yes", Verdict::Accept(Some("JOE".into())));
    check(&both, "no", Verdict::Deny("not joe of 192.0.2.7 by irc".into()));
    check(&both, "hm", Verdict::Accept(None));
    check(&alone, "hm", nobody.clone());
    check(&[], "yes", nobody);
    // A failure is no opinion of the plugin's, so the open door behind it stays shut.
    check(&both, "panic", Verdict::Fault("plugin oracle: check: failed inside".into()));
    check(&both, "long", Verdict::Fault("plugin oracle: check: gave more than 1024 bytes".into()));
    // And the plugin goes on.
    check(&both, "yes", Verdict::Accept(Some("JOE".into())));
}

/// Answers by the secret: at once from its own thread before check returns ("early"), from its own thread when it is next asked
/// ("late", then "now"), in unknown ways.
const SLOW: &str = r##"
#include <pthread.h>
static const chat_host *host;
static const chat_auth_host *answers;
static uint64_t owed;
static chat_bytes text(const char *s) { chat_bytes b; b.data = (const uint8_t *)s; b.len = strlen(s); return b; }
static int is(chat_bytes b, const char *s) { return b.len == strlen(s) && memcmp(b.data, s, b.len) == 0; }
static chat_status start(const chat_host *h, chat_bytes c, void **p, chat_bytes_sink why) {
    const chat_log *log = h->interface(h, CHAT_ID_LOG);
    (void)c; (void)p; (void)why;
    host = h;
    answers = h->interface(h, CHAT_ID_AUTH_HOST);
    if (!answers || !log || h->interface(h, "chat.nothing/1") || h->interface(h, 0)) return CHAT_INTERNAL;
    log->log(h, 3, text("started"));
    return CHAT_OK;
}
static void stop(void *p) { (void)p; }
static void *answer(void *ticket) {
    answers->complete(host, *(uint64_t *)ticket, CHAT_OK, text("joe"));
    answers->complete(host, *(uint64_t *)ticket, CHAT_DENY, text("twice"));
    return 0;
}
static void from_another_thread(uint64_t ticket) {
    pthread_t thread;
    if (pthread_create(&thread, 0, answer, &ticket) == 0) pthread_join(thread, 0);
}
static chat_status check(void *p, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    chat_bytes secret = ask->argv[2];
    (void)p; (void)who;
    if (is(secret, "early")) { from_another_thread(ticket); return CHAT_PENDING; }
    if (is(secret, "late")) { owed = ticket; return CHAT_PENDING; }
    if (is(secret, "now")) { from_another_thread(owed); return CHAT_DECLINE; }
    if (is(secret, "odd")) return 42;
    if (is(secret, "binary")) { who.bytes(who.ctx, text("\377")); return CHAT_OK; }
    return CHAT_DECLINE;
}
static void cancel(void *p, uint64_t ticket) { (void)p; (void)ticket; }
static chat_auth auth = { sizeof auth, check, cancel };
static const void *interface(void *p, const char *id) { (void)p; return strcmp(id, CHAT_ID_AUTH) == 0 ? &auth : 0; }
static chat_entry entry = { sizeof entry, CHAT_MAJOR, CHAT_MINOR, "slow", "1", start, stop, interface };
const chat_entry *chat_entry_v1(void) { return &entry; }
"##;

#[test]
fn late_answers_come_once() {
    let dir = TempDir::new().unwrap();
    let (mut plugins, late) = plugins();
    plugins.load(&c_library(dir.path(), "slow", SLOW), "").unwrap();
    let slow = plugins.auth("slow").unwrap();
    let check = |ticket, secret| slow.check(ticket, &ask("password", "joe", secret));
    let joe = Verdict::Accept(Some("joe".to_string()));
    let patience = Duration::from_secs(10);

    assert_eq!(check(1, "early"), joe, "answered before check returned: no need to wait");
    assert_eq!(check(2, "late"), Verdict::Pending);
    assert_eq!(check(2, "late"), Verdict::Fault("plugin slow: check: was asked a ticket twice".into()));
    assert_eq!(check(3, "now"), Verdict::Decline);
    assert_eq!(late.recv_timeout(patience), Ok((2, joe.clone())));

    assert_eq!(check(4, "late"), Verdict::Pending);
    slow.cancel(4);
    assert_eq!(check(5, "now"), Verdict::Decline);
    assert_eq!(check(6, "late"), Verdict::Pending);
    assert_eq!(check(7, "now"), Verdict::Decline);
    assert_eq!(late.recv_timeout(patience), Ok((6, joe)), "and nothing of 4");

    assert_eq!(check(8, "odd"), Verdict::Fault("plugin slow: check: gave the unknown answer 42".into()));
    assert_eq!(check(9, "binary"), Verdict::Fault("plugin slow: check: gave a text that is not UTF-8".into()));
    assert_eq!(late.try_iter().count(), 0);
}
