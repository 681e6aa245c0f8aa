//! What is no plugin is refused, with exactly what is wrong with it, and the process lives on.

mod common;

use chatring_host::PluginError;
use common::{c_library, example, plugins};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A good authenticator in C, to break one thing of at a time. `@` is a place to add statements to the entry function.
const GOOD: &str = r#"
static chat_status start(const chat_host *h, chat_bytes c, void **p, chat_bytes_sink why) {
    (void)h; (void)c; (void)p; (void)why; return CHAT_OK;
}
static void stop(void *p) { (void)p; }
static chat_status check(void *p, uint64_t t, const chat_record *ask, chat_bytes_sink who) {
    (void)p; (void)t; (void)ask; (void)who; return CHAT_OK;
}
static void cancel(void *p, uint64_t t) { (void)p; (void)t; }
static chat_auth auth = { sizeof(chat_auth), check, cancel };
static const void *interface(void *p, const char *id) {
    (void)p; return strcmp(id, CHAT_ID_AUTH) == 0 ? &auth : 0;
}
static chat_entry entry = { sizeof(chat_entry), CHAT_MAJOR, CHAT_MINOR, "good", "1", start, stop, interface };
const chat_entry *chat_entry_v1(void) { @ return &entry; }
"#;

#[track_caller]
fn refused(path: &Path) -> PluginError {
    let (mut plugins, _late) = plugins();
    let error = plugins.load(path, "").expect_err("refused");
    assert_eq!(plugins.list(), [], "and not taken in");
    error
}

/// Loads GOOD with `broken` done in its entry function, and compares what is said, after the file's name.
#[track_caller]
fn check(dir: &TempDir, broken: &str, expected: &str) {
    // A file name of its own: the loader knows a library by its file.
    let name: String = broken.chars().filter(char::is_ascii_alphanumeric).collect();
    let path = c_library(dir.path(), &format!("x{name}"), &GOOD.replace('@', broken));
    let error = refused(&path).to_string();
    assert_eq!(error.replace(&format!("{}: ", path.display()), ""), expected);
}

#[test]
fn a_good_one_is_taken() {
    let dir = TempDir::new().unwrap();
    let path = c_library(dir.path(), "good", &GOOD.replace('@', ""));
    let (mut plugins, _late) = plugins();
    plugins.load(&path, "").unwrap();
    let list = plugins.list();
    assert_eq!((list.len(), list[0].name.as_str(), list[0].version.as_str()), (1, "good", "1"));
    assert_eq!((list[0].auth, list[0].transport, &list[0].origin), (true, false, &path.display().to_string()));
    assert!(plugins.auth("good").is_some() && plugins.transport("good").is_none());
}

#[test]
fn what_is_wrong_with_an_entry_is_named() {
    let dir = &TempDir::new().unwrap();
    check(dir, "return 0;", "chat_entry_v1 returned null");
    check(dir, "entry.major = 2;", "built for plugin interface 2, this chatd has 1");
    check(dir, "entry.major = 2; entry.size = 8;", "built for plugin interface 2, this chatd has 1");
    check(dir, "entry.size = 8;", "its chat_entry says it has 8 bytes, at least 48 are needed");
    check(dir, "entry.size = 4;", "its chat_entry says it has 4 bytes, at least 48 are needed");
    check(dir, "entry.size = 0;", "its chat_entry says it has 0 bytes, at least 48 are needed");
    check(dir, "entry.start = 0;", "`start` in its chat_entry is null");
    check(dir, "entry.interface = 0;", "`interface` in its chat_entry is null");
    check(dir, "entry.name = 0;", "its name is missing, or not made of letters, digits, `-` and `_`");
    check(dir, "entry.name = \"two words\";", "its name is missing, or not made of letters, digits, `-` and `_`");
    check(dir, "entry.name = \"\\377\";", "its name is missing, or not made of letters, digits, `-` and `_`");
    check(dir, "auth.size = 8;", "its chat.auth/1 says it has 8 bytes, at least 24 are needed");
    check(dir, "auth.check = 0;", "`check` in its chat.auth/1 is null");
}

#[test]
fn a_later_minor_version_is_taken() {
    let dir = TempDir::new().unwrap();
    let later = "entry.minor = 7; entry.size += 64; auth.size += 8; entry.version = 0;";
    let path = c_library(dir.path(), "later", &GOOD.replace('@', later));
    let (mut plugins, _late) = plugins();
    plugins.load(&path, "").unwrap();
    assert_eq!(plugins.list()[0].version, "");
}

#[test]
fn what_is_no_plugin_file() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let missing = refused(&dir.path().join("missing.so"));
    assert!(matches!(&missing, PluginError::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::NotFound), "{missing}");
    let text = refused(&file("text.so", b"I am a plugin, honestly.\n"));
    assert!(matches!(&text, PluginError::NotALibrary { why, .. } if !why.is_empty()), "{text}");
    assert!(matches!(refused(&file("empty.so", b"")), PluginError::NotALibrary { .. }));
    assert!(matches!(refused(dir.path()), PluginError::NotALibrary { .. }));
    let other = c_library(dir.path(), "other", "int something_else(void) { return strlen(\"x\"); }\n");
    let other = refused(&other);
    assert!(matches!(&other, PluginError::NoEntry { .. }) && other.to_string().contains("--features export"), "{other}");
    let lacking = c_library(dir.path(), "lacking", "int nowhere(void);\nconst chat_entry *chat_entry_v1(void) { nowhere(); return 0; }\n");
    let lacking = refused(&lacking);
    assert!(matches!(&lacking, PluginError::NotALibrary { why, .. } if why.contains("nowhere")), "{lacking}");
}

#[test]
fn who_does_not_start_says_why() {
    let dir = TempDir::new().unwrap();
    let mute = GOOD.replace("(void)why; return CHAT_OK", "(void)why; return 77").replace('@', "");
    let mute = refused(&c_library(dir.path(), "mute", &mute));
    assert_eq!(mute.to_string(), "plugin good did not start: it gave no reason (answer 77)");

    let words = "chat_bytes b = { (const uint8_t *)\"no luck\", 7 }; why.bytes(why.ctx, b); return CHAT_INTERNAL";
    let words = GOOD.replace("(void)why; return CHAT_OK", words).replace('@', "");
    let words = refused(&c_library(dir.path(), "words", &words));
    assert!(matches!(&words, PluginError::StartFailed { why, .. } if why == "no luck"), "{words}");

    let (mut plugins, _late) = plugins();
    let rust = plugins.load(&example("lines"), "two\nlines").expect_err("refused");
    assert_eq!(rust.to_string(), "plugin lines did not start: its config must be one line");
}

#[test]
fn who_offers_nothing_known_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = c_library(dir.path(), "future", &GOOD.replace("CHAT_ID_AUTH)", "\"chat.auth/9\")").replace('@', ""));
    let error = refused(&path);
    assert!(matches!(&error, PluginError::NoInterface { name } if name == "good"), "{error}");
}

#[test]
fn a_name_belongs_to_the_first() {
    let dir = TempDir::new().unwrap();
    let first = c_library(dir.path(), "first", &GOOD.replace('@', ""));
    let second = c_library(dir.path(), "second", &GOOD.replace('@', ""));
    let (mut plugins, _late) = plugins();
    plugins.load(&first, "").unwrap();
    for again in [&second, &first] {
        let error = plugins.load(again, "").expect_err("taken");
        let from = first.display().to_string();
        assert!(matches!(&error, PluginError::NameTaken { name, first, .. } if name == "good" && *first == from), "{error}");
    }
    assert_eq!(plugins.list().len(), 1);
}
