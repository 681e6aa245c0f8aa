//! The desk by hand, and children that are shell scripts.

use crate::desk::{Bounds, Desk, Effect};
use crate::{Answer, Child, LINE_MAX, QUEUE_MAX, Settings, Trouble, milliseconds, reason};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
enum Said {
    Yes { to: String },
    No,
}

impl Answer for Said {
    fn flaw(&self) -> Option<&'static str> {
        matches!(self, Said::Yes { to } if to.is_empty()).then_some("yes to nobody")
    }
}

fn yes(to: &str) -> Result<Said, Trouble> {
    Ok(Said::Yes { to: to.to_string() })
}

/// 100 ms for an answer, two at a time.
struct Bench(Desk<&'static str, Said>);

impl Bench {
    fn new() -> Bench {
        Bench(Desk::new(Bounds { timeout_ms: 100, parallel: 2 }, 0))
    }

    fn ask(&mut self, now: u64, who: &'static str) -> &mut Bench {
        self.0.ask(now, who, format!(r#"{{"who":"{who}"}}"#).into_bytes());
        self
    }

    fn hear(&mut self, now: u64, line: &str) -> &mut Bench {
        self.0.hear(now, line.as_bytes());
        self
    }

    /// What is to be done now, as lines.
    #[track_caller]
    fn expect(&mut self, expect: &[&str]) -> &mut Bench {
        let effects = std::mem::take(&mut self.0.effects);
        let shown: Vec<String> = effects.iter().map(shown).collect();
        assert_eq!(shown, expect);
        self
    }

    #[track_caller]
    fn tick(&mut self, now: u64, expect: &[&str]) -> &mut Bench {
        self.0.tick(now);
        self.expect(expect)
    }
}

fn shown(effect: &Effect<&'static str, Said>) -> String {
    match effect {
        Effect::Tell(who, Ok(said)) => format!("{who}: {said:?}"),
        Effect::Tell(who, Err(trouble)) => format!("{who}: {trouble:?}"),
        Effect::Write(line) => format!("> {}", String::from_utf8_lossy(line).trim_end()),
        Effect::End(why) => format!("end: {why}"),
        Effect::Start => "start".to_string(),
    }
}

#[test]
fn answers_come_in_any_order() {
    let mut bench = Bench::new();
    bench.ask(0, "a").ask(0, "b").ask(0, "c");
    bench.expect(&[r#"> {"id":1,"who":"a"}"#, r#"> {"id":2,"who":"b"}"#]);
    bench.hear(1, "{\"id\":2,\"answer\":\"no\"}\n").expect(&["b: No", r#"> {"id":3,"who":"c"}"#]);
    bench.hear(2, "{ \"answer\":\"yes\", \"to\":\"x\", \"id\":3, \"more\":[1] }\n{\"id\":1,").expect(&[r#"c: Yes { to: "x" }"#]);
    bench.hear(3, "\"answer\":").hear(3, "\"no\"}\r").expect(&[]);
    bench.hear(4, "\n").expect(&["a: No"]);
    assert_eq!((bench.0.load(), bench.0.deadline()), ((0, 0), None));
}

#[test]
fn what_is_late_keeps_its_place() {
    let mut bench = Bench::new();
    bench.ask(0, "a").ask(50, "b").ask(60, "c");
    bench.expect(&[r#"> {"id":1,"who":"a"}"#, r#"> {"id":2,"who":"b"}"#]);
    assert_eq!(bench.0.deadline(), Some(100));
    bench.tick(99, &[]).tick(100, &["a: Late"]);
    assert_eq!((bench.0.load(), bench.0.deadline()), ((1, 2), Some(150)));
    // It answers after all; nobody hears it, and there is room again.
    bench.hear(120, "{\"id\":1,\"answer\":\"no\"}\n").expect(&[r#"> {"id":3,"who":"c"}"#]);
    bench.tick(160, &["b: Late", "c: Late"]);
    // What was handed out later may be answered later: the child is not late with that one before 220.
    bench.ask(170, "d").tick(220, &["d: Stalled"]).ask(221, "e").expect(&["e: Stalled"]);
    assert_eq!(bench.0.load(), (0, 2));
    bench.hear(300, "{\"id\":3,\"answer\":\"no\"}\n").ask(301, "f").expect(&[r#"> {"id":4,"who":"f"}"#]);
}

#[test]
fn one_that_hangs_is_ended() {
    let mut bench = Bench::new();
    bench.ask(0, "a").ask(10, "b").0.effects.clear();
    bench.tick(110, &["a: Late", "b: Late"]);
    assert_eq!(bench.0.deadline(), Some(510));
    bench.tick(509, &[]).tick(510, &["end: it has answered nothing for 500 ms"]);
    bench.ask(511, "c").expect(&["c: Down"]);
    assert_eq!(bench.0.deadline(), Some(610));
    bench.tick(609, &[]).tick(610, &["start"]).tick(611, &[]);
    bench.ask(612, "d").expect(&["d: Down"]);
    bench.0.started(613);
    bench.ask(614, "e").expect(&[r#"> {"id":3,"who":"e"}"#]);
    // Of the one before.
    bench.hear(615, "{\"id\":1,\"answer\":\"no\"}\n").expect(&["end: it answers 1, which it was not asked", "e: Down"]);
}

#[test]
fn nonsense_ends_it() {
    #[track_caller]
    fn check(said: &str, why: &str) {
        let mut bench = Bench::new();
        bench.ask(0, "a").ask(0, "b").ask(0, "c").0.effects.clear();
        bench.hear(1, said);
        let effects: Vec<String> = std::mem::take(&mut bench.0.effects).iter().map(shown).collect();
        assert!(effects.iter().any(|effect| effect.starts_with("end: ") && effect.contains(why)), "{effects:?}");
        assert_eq!(effects.iter().filter(|effect| effect.ends_with(": Down")).count(), 3, "{effects:?}");
        bench.hear(2, "{\"id\":1,\"answer\":\"no\"}\n").expect(&[]);
    }
    check("\n", "EOF while parsing");
    check("hello\n", "expected value at line 1");
    check("[]\n", "a line of its is no answer");
    check("{\"id\":1}\n", "missing field `answer`");
    check("{\"answer\":\"no\"}\n", "missing field `id`");
    check("{\"id\":\"1\",\"answer\":\"no\"}\n", "invalid type: string");
    check("{\"id\":-1,\"answer\":\"no\"}\n", "invalid value");
    check("{\"id\":1,\"answer\":\"perhaps\"}\n", "unknown variant `perhaps`");
    check("{\"id\":1,\"answer\":\"yes\"}\n", "missing field `to`");
    check("{\"id\":1,\"answer\":\"yes\",\"to\":\"\"}\n", "an answer of its is wrong: yes to nobody");
    check("{\"id\":3,\"answer\":\"no\"}\n", "it answers 3, which it was not asked");
    check("{\"id\":1,\"answer\":\"no\"} x\n", "trailing characters");
    check(&"x".repeat(LINE_MAX + 1), "more than 131072 bytes");
    check(&format!("{}\n", "x".repeat(LINE_MAX + 1)), "more than 131072 bytes");
}

#[test]
fn pauses_grow_and_are_forgotten() {
    let mut bench = Bench::new();
    let mut now = 0;
    for pause in [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
        bench.0.ended(now);
        assert_eq!(bench.0.deadline(), Some(now + pause));
        now += pause;
        bench.tick(now, &["start"]);
        bench.0.started(now);
    }
    bench.0.ended(now + 10_000);
    assert_eq!(bench.0.deadline(), Some(now + 10_100));
    bench.tick(now + 10_100, &["start"]);
    // It can't be started.
    bench.0.ended(now + 10_100);
    assert_eq!(bench.0.deadline(), Some(now + 10_300));
}

#[test]
fn everything_is_bounded() {
    let mut bench = Bench::new();
    (0..QUEUE_MAX + 2).for_each(|_| bench.0.ask(0, "a", b"{}".to_vec()));
    assert_eq!((bench.0.effects.len(), bench.0.load()), (2, (QUEUE_MAX, 2)));
    bench.0.effects.clear();
    bench.ask(0, "b").expect(&["b: Full"]);
    let mut bench = Bench::new();
    bench.0.ask(0, "a", vec![b'x'; LINE_MAX + 1]);
    bench.expect(&["a: TooLong"]);
}

#[test]
fn what_is_forgotten_is_not_told() {
    let mut bench = Bench::new();
    bench.ask(0, "a").ask(0, "b").ask(0, "c").ask(0, "d").0.effects.clear();
    bench.0.forget(|who| *who == "a" || *who == "c");
    assert_eq!(bench.0.load(), (1, 2));
    bench.hear(1, "{\"id\":1,\"answer\":\"no\"}\n").expect(&[r#"> {"id":3,"who":"d"}"#]);
    bench.tick(100, &["b: Late", "d: Late"]);
}

#[test]
fn settings() {
    #[track_caller]
    fn check(text: &str, ms: Option<u64>) {
        assert_eq!(milliseconds(text), ms, "{text:?}");
    }
    check("2s", Some(2000));
    check("200 ms", Some(200));
    check("2", None);
    check("", None);
    check("2m", None);
    check("-2s", None);
    check("99999999999999999999s", None);
    assert_eq!(reason(&"ä".repeat(300)), "ä".repeat(195));
    assert_eq!(reason("\ta\nb\0"), "a b");
}

#[derive(Serialize)]
struct Who {
    who: &'static str,
}

/// A child that is this script.
fn child(script: &str, timeout_ms: u64, parallel: usize) -> Child<Said> {
    let command = ["/bin/sh", "-c", script].map(str::to_string).to_vec();
    Child::start(Settings { command, timeout_ms, parallel }).unwrap()
}

fn ask(child: &Child<Said>, ticket: u64, who: &'static str) -> Receiver<Result<Said, Trouble>> {
    let (tell, told) = channel();
    child.ask(ticket, &Who { who }, Box::new(move |outcome| drop(tell.send(outcome))));
    told
}

#[track_caller]
fn told(answer: &Receiver<Result<Said, Trouble>>) -> Result<Said, Trouble> {
    answer.recv_timeout(Duration::from_secs(20)).expect("an answer in time")
}

/// Asks until it is answered, as people do.
#[track_caller]
fn told_at_last(child: &Child<Said>, who: &'static str) -> Said {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        match told(&ask(child, 0, who)) {
            Ok(said) => return said,
            Err(trouble) => assert!(std::time::Instant::now() < until, "still {trouble:?}"),
        }
    }
}

/// Says yes to everyone, in the order in which they come.
const ECHO: &str = r#"while read -r line; do
    id=${line#*:}; id=${id%%,*}; who=${line#*who\":\"}
    printf '{"id":%s,"answer":"yes","to":"%s"}\n' "$id" "${who%%\"*}"
done"#;

#[test]
fn a_child_answers() {
    let child = child(ECHO, 20_000, 2);
    let all: Vec<_> = ["a", "b", "c", "d"].map(|who| (who, ask(&child, 0, who))).into();
    for (who, answer) in all {
        assert_eq!(told(&answer), yes(who));
    }
}

#[test]
fn one_that_ends_is_started_again() {
    let child = child(r#"read -r line; printf '{"id":1,"answer":"no"}\n'; read -r line; echo bye >&2; exit 3"#, 20_000, 2);
    assert_eq!(told(&ask(&child, 0, "a")), Ok(Said::No));
    assert_eq!(told(&ask(&child, 0, "b")), Err(Trouble::Down));
    // The next one takes itself for the first, too, and answers what it was not asked.
    assert_eq!(told(&ask(&child, 0, "c")), Err(Trouble::Down));
}

#[test]
fn one_that_is_killed_is_started_again() {
    let dir = tempfile::tempdir().unwrap();
    // The first one ends itself, the others answer.
    let script = format!("if mkdir {}; then read -r line; kill -9 $$; fi; {ECHO}", dir.path().join("been").display());
    let child = child(&script, 20_000, 2);
    assert_eq!(told(&ask(&child, 0, "a")), Err(Trouble::Down));
    assert_eq!(told_at_last(&child, "b"), Said::Yes { to: "b".into() });
}

#[test]
fn one_that_reads_nothing_holds_nobody_up() {
    let child = child("exec sleep 1000", 50, 2);
    let all: Vec<_> = (0..100).map(|ticket| ask(&child, ticket, "a")).collect();
    assert!(all.iter().all(|answer| matches!(told(answer), Err(Trouble::Late | Trouble::Stalled | Trouble::Down))));
}

#[test]
fn its_own_children_go_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let child = child(&format!("sh -c 'exec sleep 1000 9> {}' & {ECHO}", fifo.display()), 20_000, 2);
    let (tell, told_of) = channel();
    // The grandchild has the only writing end: opening waits for it, and reading ends with it.
    std::thread::spawn(move || {
        let mut fifo = std::fs::File::open(fifo).unwrap();
        tell.send("it is there").unwrap();
        assert_eq!(fifo.read_to_end(&mut Vec::new()).unwrap(), 0);
        tell.send("it is gone").unwrap();
    });
    let patience = Duration::from_secs(20);
    assert_eq!(told_of.recv_timeout(patience), Ok("it is there"));
    assert_eq!(told(&ask(&child, 0, "a")), yes("a"));
    drop(child);
    assert_eq!(told_of.recv_timeout(patience), Ok("it is gone"));
}

#[test]
fn it_gets_little_of_the_environment() {
    let script = r#"test -n "$PATH" && test -z "$CARGO_MANIFEST_DIR" && answer=yes; read -r line; printf '{"id":1,"answer":"yes","to":"%s"}\n' "$answer"; cat"#;
    assert_eq!(told(&ask(&child(script, 20_000, 1), 0, "a")), yes("yes"));
}
