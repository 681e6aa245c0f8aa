//! The authenticator as chatd uses it, and tokens of all kinds.

use super::*;
use crate::jwt::{EARLY, EXPIRED, NOT_ACCEPTED};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chatring_sdk::Kept;
use std::path::Path;
use tempfile::TempDir;

/// RFC 8037, appendix A: a key pair, and something that it has signed.
const EDDSA_PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const EDDSA_PRIVATE: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const EDDSA_SIGNED: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                            hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// RFC 7515, appendix A.1: a shared key, and a token that it has signed. It has no `sub`.
const HS256_KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const HS256_SIGNED: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                            eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                            dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The moment of all tests: 1,000,000 seconds.
const NOW_MS: u64 = 1_000_000_000;

fn file_text() -> String {
    format!("# two keys\n\ned EdDSA {EDDSA_PUBLIC} {EDDSA_PRIVATE}\n  hs HS256 {HS256_KEY}\r\n")
}

fn keys() -> Keys {
    Keys::parse(file_text().as_bytes()).unwrap()
}

fn only(line: &str) -> Keys {
    Keys::parse(line.as_bytes()).unwrap()
}

/// Signs whatever it is given.
fn signed(kid: &str, header: &str, claims: &str) -> String {
    let (header, claims) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = keys().find(kid).unwrap().1.sign(format!("{header}.{claims}").as_bytes()).unwrap();
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn ed(claims: &str) -> String {
    signed("ed", r#"{"alg":"EdDSA","kid":"ed"}"#, claims)
}

fn hs(claims: &str) -> String {
    signed("hs", r#"{"alg":"HS256","kid":"hs"}"#, claims)
}

const JOE: &str = r#"{"sub":"joe","exp":1000100}"#;

fn rules() -> Rules {
    Rules { leeway_s: 60, ..Rules::default() }
}

/// Whose it is, or what the log says.
fn said(token: &str, name: &str, keys: &Keys, rules: &Rules) -> Result<String, String> {
    open(token.as_bytes(), name, keys, rules, NOW_MS).map_err(|refusal| refusal.to_string())
}

#[track_caller]
fn check(token: &str, expect: Result<&str, &str>) {
    let found = said(token, "", &keys(), &rules());
    match (found, expect) {
        (Err(why), Err(words)) => assert!(why.contains(words), "{why:?} does not say {words:?}"),
        (found, expect) => assert_eq!(found, expect.map(str::to_string).map_err(str::to_string)),
    }
}

#[test]
fn what_the_rfcs_show() {
    let (eddsa, hs256) = (only(&format!("k EdDSA {EDDSA_PUBLIC}")), only(&format!("k HS256 {HS256_KEY}")));
    #[track_caller]
    fn check(keys: &Keys, token: &str, complaint: &str) {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (_, key) = keys.only().unwrap();
        assert!(key.has_signed(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()));
        assert!(is_one(token.as_bytes()));
        // Both are signed, as far as they go, and neither says whose it is.
        let why = said(token, "", keys, &rules()).unwrap_err();
        assert!(why.starts_with("signed by k: its claims are not as they should be") && why.contains(complaint), "{why}");
    }
    check(&eddsa, EDDSA_SIGNED, "expected value at line 1");
    check(&hs256, HS256_SIGNED, "missing field `sub`");
    // The same signature comes out: neither has anything to draw.
    for (token, line) in [(EDDSA_SIGNED, format!("k EdDSA {EDDSA_PUBLIC} {EDDSA_PRIVATE}")), (HS256_SIGNED, format!("k HS256 {HS256_KEY}"))]
    {
        let (text, signature) = token.rsplit_once('.').unwrap();
        let made = only(&line).only().unwrap().1.sign(text.as_bytes()).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(made), signature);
    }
}

#[test]
fn good_ones() {
    check(&ed(JOE), Ok("joe"));
    check(&hs(JOE), Ok("joe"));
    check(&hs(r#"{"sub":"zoë","exp":1000100.5,"iat":999999.25,"nbf":1,"jti":"x","scope":["a",{"b":null}]}"#), Ok("zoë"));
    check(&signed("ed", r#"{ "typ":"at+jwt", "kid":"ed", "alg":"EdDSA", "jwk":{"kty":"oct","k":"AAAA"} }"#, JOE), Ok("joe"));
}

#[test]
fn the_key_says_how_not_the_token() {
    let claims = URL_SAFE_NO_PAD.encode(JOE);
    let unsigned = |header: &str| format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(header));
    check(&unsigned(r#"{"alg":"none"}"#), Err("it names no key, and there is not just one"));
    check(&unsigned(r#"{"alg":"none","kid":"ed"}"#), Err(r#"it says it is signed by "none", and the key ed is for EdDSA"#));
    check(&unsigned(r#"{"alg":"EdDSA","kid":"ed"}"#), Err("its signature is not by the key ed"));
    for alg in ["HS384", "RS256", "ES256", "Ed25519", "eddsa", "NONE", ""] {
        check(&unsigned(&format!(r#"{{"alg":"{alg}","kid":"hs"}}"#)), Err("and the key hs is for HS256"));
    }
    check(&signed("hs", r#"{"alg":"HS256","kid":"ed"}"#, JOE), Err(r#"signed by "HS256", and the key ed is for EdDSA"#));
    check(&signed("hs", r#"{"alg":"EdDSA","kid":"ed"}"#, JOE), Err("its signature is not by the key ed"));
    // Signed with the bytes of the public key, which everybody knows, as if they were a shared one.
    let forger = only(&format!("ed HS256 {EDDSA_PUBLIC}"));
    let text = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"ed"}"#));
    let forged = forger.find("ed").unwrap().1.sign(text.as_bytes()).unwrap();
    check(&format!("{text}.{}", URL_SAFE_NO_PAD.encode(forged)), Err("the key ed is for EdDSA"));
}

#[test]
fn which_key() {
    check(&signed("ed", r#"{"alg":"EdDSA"}"#, JOE), Err("it names no key, and there is not just one"));
    check(&signed("ed", r#"{"alg":"EdDSA","kid":"old"}"#, JOE), Err(r#"it names the key "old", which is not in the file"#));
    check(&signed("hs", r#"{"alg":"HS256","kid":7}"#, JOE), Err("its header is not as it should be: invalid type: integer `7`"));
    let (just_one, token) = (only(&format!("k EdDSA {EDDSA_PUBLIC}")), signed("ed", r#"{"alg":"EdDSA"}"#, JOE));
    assert_eq!(said(&token, "", &just_one, &rules()), Ok("joe".into()));
    assert_eq!(said(&token, "", &Keys::default(), &rules()), Err("it names no key, and there is not just one".into()));
}

#[test]
fn headers_and_claims_that_are_wrong() {
    check(
        &signed("ed", r#"{"alg":"EdDSA","kid":"ed","crit":["b64"],"b64":false}"#, JOE),
        Err("it demands that its header's `crit` is understood"),
    );
    check(&signed("ed", r#"{"alg":"EdDSA","kid":"ed","kid":"hs"}"#, JOE), Err("duplicate field `kid`"));
    check(&signed("ed", r#"{"kid":"ed"}"#, JOE), Err("missing field `alg`"));
    check(&ed(" "), Err("EOF while parsing"));
    check(&ed("[]"), Err("its claims are not as they should be"));
    check(&ed(r#"{"exp":1000100}"#), Err("missing field `sub`"));
    check(&ed(r#"{"sub":"joe"}"#), Err("missing field `exp`"));
    check(&ed(r#"{"sub":"joe","exp":"1000100"}"#), Err("invalid type: string"));
    check(&ed(r#"{"sub":"joe","exp":null}"#), Err("invalid type: null"));
    check(&ed(r#"{"sub":"joe","exp":1e999}"#), Err("number out of range"));
    check(&ed(r#"{"sub":"joe","exp":1,"exp":1000100}"#), Err("duplicate field `exp`"));
    check(&ed(r#"{"sub":7,"exp":1000100}"#), Err("invalid type: integer"));
    check(&ed(&format!(r#"{{"sub":"joe","exp":1000100,"x":{}{}}}"#, "[".repeat(2000), "]".repeat(2000))), Ok("joe"));
    for sub in ["", "a b", "#a", "a:b", r"a\n", &"a".repeat(65)] {
        check(&ed(&format!(r#"{{"sub":"{sub}","exp":1000100}}"#)), Err("its `sub` is no name of an account"));
    }
}

#[test]
fn times() {
    let at = |claims: &str| ed(&format!(r#"{{"sub":"joe",{claims}}}"#));
    check(&at(r#""exp":999940.001"#), Ok("joe"));
    check(&at(r#""exp":999940"#), Err("of joe, expired at 999940"));
    check(&at(r#""exp":-1e300"#), Err("expired"));
    check(&at(r#""exp":1e300"#), Ok("joe"));
    check(&at(r#""exp":1000100,"nbf":1000060"#), Ok("joe"));
    check(&at(r#""exp":1000100,"nbf":1000060.001"#), Err("of joe, not before nbf 1000060.001"));
    check(&at(r#""exp":1000100,"iat":1000060"#), Ok("joe"));
    check(&at(r#""exp":1000100,"iat":1000061"#), Err("of joe, not before iat 1000061"));
    let token = at(r#""exp":1000000"#);
    assert!(said(&token, "", &keys(), &Rules::default()).unwrap_err().contains("expired"), "without leeway the second counts");
}

#[test]
fn who_issued_it_and_for_whom() {
    #[track_caller]
    fn check(claims: &str, issuer: Option<&str>, audience: Option<&str>, expect: Result<(), &str>) {
        let rules = Rules { issuer: issuer.map(str::to_string), audience: audience.map(str::to_string), leeway_s: 0 };
        let token = ed(&format!(r#"{{"sub":"joe","exp":1000100{claims}}}"#));
        let found = said(&token, "", &keys(), &rules);
        match expect {
            Ok(()) => assert_eq!(found, Ok("joe".into())),
            Err(words) => assert!(found.as_ref().is_err_and(|why| why.contains(words)), "{found:?}"),
        }
    }
    check("", None, None, Ok(()));
    check(r#","iss":"a""#, None, None, Ok(()));
    check(r#","iss":"a""#, Some("a"), None, Ok(()));
    check(r#","iss":"A""#, Some("a"), None, Err(r#"issued by "A", expected "a""#));
    check("", Some("a"), None, Err(r#"issued by "", expected "a""#));
    check(r#","iss":["a"]"#, Some("a"), None, Err("invalid type: sequence"));
    check(r#","aud":"chat""#, None, Some("chat"), Ok(()));
    check(r#","aud":["shop","chat"]"#, None, Some("chat"), Ok(()));
    check(r#","aud":["shop"]"#, None, Some("chat"), Err(r#"for ["shop"], expected ["chat"]"#));
    check("", None, Some("chat"), Err(r#"for [], expected ["chat"]"#));
    check(r#","aud":"shop""#, None, None, Err(r#"for ["shop"], expected []"#));
    check(r#","aud":7"#, None, Some("chat"), Err("its claims are not as they should be"));
}

#[test]
fn nobody_elses() {
    let token = ed(r#"{"sub":"Joe","exp":1000100}"#);
    for name in ["", "Joe", "joe", "JOE"] {
        assert_eq!(said(&token, name, &keys(), &rules()), Ok("Joe".into()), "{name:?}");
    }
    assert_eq!(said(&token, "eve", &keys(), &rules()), Err(r#"signed by ed: of Joe, shown by someone who wants to be "eve""#.into()));
}

#[test]
fn any_other_byte_makes_it_worthless() {
    for token in [ed(JOE), hs(JOE)] {
        for at in 0..token.len() {
            for other in *b"A_.x0=\n\xff" {
                let mut bytes = token.clone().into_bytes();
                if std::mem::replace(&mut bytes[at], other) != other {
                    assert!(open(&bytes, "", &keys(), &rules(), NOW_MS).is_err(), "{}", String::from_utf8_lossy(&bytes));
                }
            }
            assert!(open(&token.as_bytes()[..at], "", &keys(), &rules(), NOW_MS).is_err());
        }
    }
    check(&format!("{}.x", ed(JOE)), Err("three words"));
    check(&ed(&format!(r#"{{"sub":"joe","exp":1000100,"x":"{}"}}"#, "x".repeat(TOKEN_MAX))), Err("more than 8192"));
}

#[test]
fn what_looks_like_a_token() {
    #[track_caller]
    fn check(secret: &[u8], expect: bool) {
        assert_eq!(is_one(secret), expect, "{}", String::from_utf8_lossy(secret));
    }
    check(ed(JOE).as_bytes(), true);
    check(HS256_SIGNED.as_bytes(), true);
    check(format!("{}.e30.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)).as_bytes(), true);
    check(format!("{}.!.x", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)).as_bytes(), false);
    check(format!("{}.e30.x", URL_SAFE_NO_PAD.encode(r#"{"a":1}"#)).as_bytes(), false);
    check(format!("{}.e30.x.y", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)).as_bytes(), false);
    for secret in ["", ".", "..", "...", "a.b.c", "eyJ.e30.x", "horse battery staple", "3.14.15", "e..x"] {
        check(secret.as_bytes(), false);
    }
    check(b"\xff\xfe.a.b", false);
    let long = format!("e{}.b.c", "x".repeat(TOKEN_MAX));
    check(long.as_bytes(), true);
    check(&long.as_bytes()[1..], false);
}

#[track_caller]
fn check_bad(text: &str, complaint: &str) {
    assert_eq!(Keys::parse(text.as_bytes()).err().map(|(line, what)| format!("{line}: {what}")).as_deref(), Some(complaint));
}

#[test]
fn a_bad_line_is_named() {
    let ed = format!("a EdDSA {EDDSA_PUBLIC}");
    check_bad("a EdDSA", "1: expected kid, algorithm, key");
    check_bad("a EdDSA x y z", "1: expected kid, algorithm, key");
    check_bad(&format!("{ed}\n\na/b EdDSA {EDDSA_PUBLIC}"), "3: the name of a key has 1 to 64 letters, digits, `.`, `_` or `-`");
    check_bad("a none x", "1: the algorithm is neither EdDSA nor HS256");
    check_bad("a EdDSA *", "1: the key is not in base64url");
    check_bad("a EdDSA AAAA", "1: a public key of Ed25519 has 32 bytes");
    check_bad(&format!("a EdDSA {}", "A".repeat(43)), "1: this is no public key of Ed25519");
    check_bad(&format!("{ed} AAAA"), "1: a private key of Ed25519 has 32 bytes");
    check_bad(&format!("{ed} {}", "A".repeat(43)), "1: this is no private key of Ed25519");
    check_bad(&format!("{ed} {EDDSA_PUBLIC}"), "1: the private key does not belong to the public one");
    check_bad("a HS256 AAAA", "1: a key for HS256 has 32 to 1024 bytes");
    check_bad(&format!("a HS256 {HS256_KEY} AAAA"), "1: a key for HS256 has no second half");
    check_bad(&format!("{ed}\n{ed}"), "2: a key of this name stands in the file already");
    assert_eq!(Keys::parse(b"\xff").err(), Some((1, "not UTF-8")));
}

fn with_file(text: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("keys");
    std::fs::write(&file, text).unwrap();
    (dir, file)
}

fn start(file: &Path) -> Token {
    Token::start(&format!("file = '{}'", file.display())).unwrap()
}

fn ask<'a>(name: &'a str, secret: &'a str) -> Ask<'a> {
    Ask { ticket: 0, mechanism: "password", name, secret: secret.as_bytes(), kept: Kept::Nothing, peer: "192.0.2.7", listener: "irc" }
}

fn deny(why: &str) -> Verdict {
    Verdict::Deny(why.to_string())
}

/// Signed by a key of the file, good from now on for so long.
fn fresh(file: &Path, kid: &str, from_s: i64, for_s: u64) -> String {
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let from_s = now_s.checked_add_signed(from_s).unwrap();
    token(file, &Order { name: "joe", kid: Some(kid), issuer: None, audience: None, from_s, for_s }).unwrap()
}

#[test]
fn who_gets_in() {
    let (_dir, file) = with_file(&file_text());
    let plugin = start(&file);
    for kid in ["ed", "hs"] {
        let token = fresh(&file, kid, 0, 3600);
        assert_eq!(plugin.check(&ask("joe", &token)), Verdict::Accept(Some("joe".into())));
        assert_eq!(plugin.check(&ask("", &token)), Verdict::Accept(Some("joe".into())));
        assert_eq!(plugin.check(&ask("eve", &token)), deny(NOT_ACCEPTED));
        assert_eq!(plugin.check(&ask("joe", &fresh(&file, kid, -7200, 3600))), deny(EXPIRED));
        assert_eq!(plugin.check(&ask("joe", &fresh(&file, kid, 600, 3600))), deny(EARLY));
        assert_eq!(plugin.check(&ask("joe", &token[..token.len() - 1])), deny(NOT_ACCEPTED));
        assert_eq!(plugin.check(&Ask { mechanism: "certificate", ..ask("joe", &token) }), Verdict::Decline);
    }
    assert_eq!(plugin.check(&ask("joe", "sesame")), Verdict::Decline);
    assert_eq!(plugin.check(&ask("joe", "")), Verdict::Decline);
    assert_eq!(plugin.check(&Ask { mechanism: "none", ..ask("", "") }), Verdict::Decline);
}

#[test]
fn keys_are_changed_while_it_runs() {
    let lines = file_text();
    let (_dir, file) = with_file(&lines);
    let plugin = start(&file);
    let (old, joe) = (fresh(&file, "ed", 0, 3600), Verdict::Accept(Some("joe".into())));
    assert_eq!(plugin.check(&ask("joe", &old)), joe);
    // One more, then the old one goes.
    let new = key_line("new", Alg::EdDsa).unwrap();
    std::fs::write(&file, format!("{lines}{new}\n")).unwrap();
    let next = fresh(&file, "new", 0, 3600);
    assert_eq!(plugin.check(&ask("joe", &old)), joe);
    assert_eq!(plugin.check(&ask("joe", &next)), joe);
    std::fs::write(&file, &new).unwrap();
    assert_eq!(plugin.check(&ask("joe", &old)), deny(NOT_ACCEPTED));
    assert_eq!(plugin.check(&ask("joe", &next)), joe);
    // What can't be read changes nothing.
    std::fs::write(&file, "oops").unwrap();
    assert_eq!(plugin.check(&ask("joe", &next)), joe);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(plugin.check(&ask("joe", &next)), joe);
    std::fs::write(&file, "# nobody\n").unwrap();
    assert_eq!(plugin.check(&ask("joe", &next)), deny(NOT_ACCEPTED));
}

#[test]
fn a_bad_config_is_refused() {
    let (_dir, file) = with_file(&file_text());
    let check = |config: &str, complaint: &str| {
        let said = Token::start(&config.replace("FILE", &format!("file = '{}'", file.display()))).err().expect("a bad config is refused");
        assert!(said.contains(complaint), "said: {said}");
    };
    check("", "file is missing: it names the file with the keys");
    check("file = 7", "invalid type");
    check("FILE\nwidth = 3", "unknown field `width`");
    check("FILE\nleeway = 60", "invalid type");
    check("FILE\nleeway = '60'", "leeway = \"60\": must be a time with its unit (s or m), 0s to 10m");
    check("FILE\nleeway = '11m'", "leeway = \"11m\": must be");
    check("FILE\nissuer = ''", "issuer = \"\": must not be empty");
    check("FILE\naudience = ''", "audience = \"\": must not be empty");
    check("file = '/nowhere/at/all'", "file: /nowhere/at/all: No such file");
    std::fs::write(&file, "a none x").unwrap();
    check("FILE", "keys:1: the algorithm is neither EdDSA nor HS256");
}

#[test]
fn keys_and_tokens_made_here() {
    for alg in Alg::ALL {
        let line = key_line("k", alg).unwrap();
        assert_ne!(line, key_line("k", alg).unwrap(), "each is fresh");
        let keys = only(&line);
        assert_eq!(keys.only().unwrap().1.alg(), alg);
        let order = Order { name: "joe", kid: None, issuer: Some("me"), audience: Some("chat"), from_s: 1_000_000, for_s: 100 };
        let token = make::sign(&keys, &order).unwrap();
        let strict = Rules { issuer: Some("me".into()), audience: Some("chat".into()), leeway_s: 0 };
        assert_eq!(said(&token, "joe", &keys, &strict), Ok("joe".into()));
        #[track_caller]
        fn check(keys: &Keys, order: &Order<'_>, complaint: &str) {
            assert_eq!(make::sign(keys, order).err().map(|error| error.to_string()).as_deref(), Some(complaint));
        }
        check(&keys, &Order { kid: Some("other"), ..order }, "there is no key other in the file");
        check(
            &keys,
            &Order { name: "a b", ..order },
            "an account's name has 1 to 64 bytes, no spaces, no `:`, and does not begin with `#`",
        );
        check(&self::keys(), &order, "there are 2 keys in the file: say which one is to sign");
        let long = "x".repeat(TOKEN_MAX);
        assert!(matches!(make::sign(&keys, &Order { issuer: Some(&long), ..order }), Err(MakeError::TooLong(_))));
        if alg == Alg::EdDsa {
            let public = only(line.rsplit_once(' ').unwrap().0);
            check(&public, &order, "the key k only checks tokens: what it signs with is not in this file");
            assert_eq!(said(&token, "joe", &public, &strict), Ok("joe".into()));
        }
    }
    assert!(matches!(key_line("a b", Alg::Hs256), Err(MakeError::Kid)));
}

/// What fuzzers found, and what they started from. It is never accepted, and never anything worse.
#[test]
fn the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/token");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!files.is_empty());
    for bytes in files {
        is_one(&bytes);
        assert!(open(&bytes, "", &keys(), &rules(), NOW_MS).is_err());
    }
}
