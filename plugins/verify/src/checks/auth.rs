//! `chat.auth/1`.

use super::{affordable, count, shown};
use crate::calls::say;
use crate::host::Answer;
use crate::memory::leak;
use crate::noise::Noise;
use crate::plugin::{Finding, Gathered, Plugin};
use crate::word::{Case, Word};
use chatring_abi::{ChatAuth, ChatStatus, DECLINE, DENY, INTERNAL, OK, PENDING, id};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What someone shows, as chatd passes it on.
#[derive(Clone, Debug)]
struct Question {
    argv: [Vec<u8>; 7],
}

impl Question {
    fn new(mechanism: &str, name: &str, secret: impl AsRef<[u8]>, kept: (&str, &str)) -> Question {
        let [mechanism, name, peer, listener, kept, kept_secret] =
            [mechanism, name, "192.0.2.7", "irc", kept.0, kept.1].map(|text| text.as_bytes().to_vec());
        Question { argv: [mechanism, name, secret.as_ref().to_vec(), peer, listener, kept, kept_secret] }
    }

    fn lend(&self) -> Vec<&[u8]> {
        self.argv.iter().map(Vec::as_slice).collect()
    }
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [mechanism, name, secret, ..] = &self.argv;
        write!(f, "{} {} with {}", mechanism.escape_ascii(), shown(name), shown(secret))
    }
}

/// Of a password nobody here knows, hashed so cheaply that an argon2 authenticator answers at once.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzYWx0$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";

/// Those that tell most come first: a slow authenticator is not asked all.
fn questions(seed: u64) -> Vec<Question> {
    let nothing = ("nothing", "");
    let mut all = vec![
        Question::new("none", "", "", nothing),
        Question::new("password", "joe", "sesame", nothing),
        Question::new("password", "joe", "sesame", ("secret", HASH)),
        Question::new("password", "joe", "sesame", ("secret", "no hash at all")),
        Question::new("password", "joe", "sesame", ("unknown", "")),
        Question::new("password", "joe", "", nothing),
        Question::new("password", "", "sesame", nothing),
        Question::new("password", "jo\u{e9}\u{1f980}", b"\xff\x00\r\n", nothing),
        Question::new("none", "joe", "", nothing),
        Question::new("password", "a\r\nb\0c", "sesame", ("secret", "")),
        Question::new("password", &"x".repeat(1000), "y".repeat(10_000), nothing),
        Question::new("from-a-later-version", "joe", "sesame", ("later", "still")),
    ];
    let mut noise = Noise::new(seed);
    for _ in 0..8 {
        all.push(Question::new("password", &noise.text(30), noise.bytes(60), ("secret", &noise.text(80))));
    }
    all
}

/// How long a check goes on asking, once it has asked a few.
const LONG: Duration = Duration::from_secs(2);
const FEW: usize = 3;

struct Asked {
    plugin: &'static Plugin,
    table: &'static ChatAuth,
    patience: Duration,
    next: AtomicU64,
    /// Every ticket, and how its check ended.
    ended: Mutex<BTreeMap<u64, (Question, ChatStatus)>>,
}

impl Asked {
    fn start(case: &Case) -> Result<Asked, String> {
        let plugin = Plugin::start(case)?;
        let patience = Duration::from_millis(case.patience_ms);
        // Not from 1: a ticket is a number of chatd's, and may be any.
        let next = AtomicU64::new((case.seed << 20) | 1);
        Ok(Asked { plugin, table: plugin.table(id::AUTH)?, patience, next, ended: Mutex::default() })
    }

    fn ask(&self, question: &Question) -> (u64, ChatStatus, Gathered) {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let (status, who) = self.plugin.check(self.table, ticket, &question.lend());
        self.ended.lock().expect("nobody panics with it").insert(ticket, (question.clone(), status));
        (ticket, status, who)
    }

    /// Asks all, or as many as there is time for.
    fn ask_all(&self, case: &Case, mut hear: impl FnMut(&Question, ChatStatus, &Gathered) -> Result<(), String>) -> Result<usize, String> {
        let began = Instant::now();
        let mut asked = 0;
        for question in questions(case.seed) {
            if asked >= FEW && began.elapsed() > LONG {
                break;
            }
            say(&Word::Doing(format!("asking for {question}")));
            let (_, status, who) = self.ask(&question);
            asked += 1;
            hear(&question, status, &who)?;
        }
        Ok(asked)
    }

    /// Waits for what is owed, and then until nothing more comes. How many came, and how many did not.
    fn settle(&self) -> (usize, usize) {
        let (came, missing) = self.await_owed();
        self.plugin.host.quiet(Duration::from_millis(100));
        (came, missing)
    }

    /// Waits for what is owed; what does not come is cancelled. How many came, and how many did not.
    fn await_owed(&self) -> (usize, usize) {
        let pending: Vec<u64> = {
            let ended = self.ended.lock().expect("nobody panics with it");
            ended.iter().filter(|(_, (_, status))| *status == PENDING).map(|(ticket, _)| *ticket).collect()
        };
        say(&Word::Doing("waiting for answers that come later".into()));
        let missing = self.plugin.host.wait(&pending, self.patience, &self.plugin.firing());
        missing.iter().for_each(|ticket| self.plugin.cancel(self.table, *ticket));
        (pending.len() - missing.len(), missing.len())
    }

    /// Tickets with more than one answer, or none that was owed.
    fn doubles(&self) -> Result<(), String> {
        let ended = self.ended.lock().expect("nobody panics with it");
        let mut heard: BTreeMap<u64, Answer> = BTreeMap::new();
        for answer in self.plugin.host.answers() {
            let now = status_word(answer.status);
            match ended.get(&answer.ticket) {
                None => return Err(format!("answered ticket {}, of which it was not asked", answer.ticket)),
                Some((question, status)) if *status != PENDING => {
                    let first = status_word(*status);
                    return Err(format!("answered twice when asked for {question}: check said {first}, and complete said {now}"));
                }
                Some((question, _)) => {
                    if let Some(first) = heard.insert(answer.ticket, answer) {
                        let first = status_word(first.status);
                        return Err(format!("answered twice when asked for {question}: complete said {first}, and then {now}"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn status_word(status: ChatStatus) -> String {
    match status {
        OK => "OK".into(),
        DENY => "DENY".into(),
        DECLINE => "DECLINE".into(),
        PENDING => "PENDING".into(),
        INTERNAL => "INTERNAL".into(),
        other => other.to_string(),
    }
}

/// How often each answer was given.
fn tally(tally: &BTreeMap<String, usize>) -> String {
    let one = |(word, times): (&String, &usize)| format!("{times} {word}");
    tally.iter().map(one).collect::<Vec<_>>().join(", ")
}

pub(crate) fn answers(case: &Case) -> Finding {
    let asked = Asked::start(case)?;
    let mut said = BTreeMap::new();
    let times = asked.ask_all(case, |question, status, _| {
        *said.entry(status_word(status)).or_insert(0) += 1;
        match status {
            OK | DENY | DECLINE | PENDING => Ok(()),
            INTERNAL => Err(format!("failed inside when asked for {question} (in Rust: it panicked)")),
            other => Err(format!("gave the unknown answer {other} when asked for {question}")),
        }
    })?;
    asked.settle();
    for answer in asked.plugin.host.answers() {
        if !matches!(answer.status, OK | DENY | DECLINE) {
            return Err(format!("complete said {}, which is no answer", status_word(answer.status)));
        }
    }
    Ok(format!("{}: {}", count(times, "question"), tally(&said)))
}

pub(crate) fn texts(case: &Case) -> Finding {
    let asked = Asked::start(case)?;
    let what = |status: ChatStatus| if status == OK { "an account" } else { "a reason" };
    asked.ask_all(case, |question, status, who| match (&who.misdeed, std::str::from_utf8(&who.bytes)) {
        (Some(misdeed), _) => Err(format!("{misdeed} when asked for {question}")),
        (None, Err(_)) => Err(format!("gave {} that is not UTF-8 when asked for {question}: {}", what(status), shown(&who.bytes))),
        (None, Ok(_)) => Ok(()),
    })?;
    asked.settle();
    for answer in asked.plugin.host.answers() {
        if std::str::from_utf8(&answer.who).is_err() {
            return Err(format!("complete gave {} that is not UTF-8: {}", what(answer.status), shown(&answer.who)));
        }
        if answer.who.len() > 1024 {
            return Err(format!("complete gave {} of {} bytes, and 1024 are the most", what(answer.status), answer.who.len()));
        }
    }
    Ok("accounts and reasons are UTF-8, and no longer than they may be".into())
}

pub(crate) fn once(case: &Case) -> Finding {
    let asked = Asked::start(case)?;
    asked.ask_all(case, |_, _, _| Ok(()))?;
    let (came, missing) = asked.settle();
    asked.doubles()?;
    match (came, missing) {
        (0, 0) => Ok("answers at once, and never later".into()),
        (came, 0) => Ok(format!("{} came later, each once", count(came, "answer"))),
        (came, missing) => {
            Ok(format!("{} came later, each once; {missing} did not come in time, and chatd gives up on such", count(came, "answer")))
        }
    }
}

pub(crate) fn cancels(case: &Case) -> Finding {
    let asked = Asked::start(case)?;
    say(&Word::Doing("cancelling tickets that nobody has asked of".into()));
    [0, 1, u64::MAX, case.seed].iter().for_each(|ticket| asked.plugin.cancel(asked.table, *ticket));
    let mut tickets = Vec::new();
    let began = Instant::now();
    for question in questions(case.seed) {
        if tickets.len() >= FEW && began.elapsed() > LONG {
            break;
        }
        say(&Word::Doing(format!("asking for {question}, and cancelling it")));
        let (ticket, ..) = asked.ask(&question);
        // Twice, since it is a hint and not a promise.
        (0..2).for_each(|_| asked.plugin.cancel(asked.table, ticket));
        tickets.push(ticket);
    }
    asked.plugin.host.quiet(Duration::from_millis(100));
    asked.doubles()?;
    say(&Word::Doing("asking once more".into()));
    let (_, status, _) = asked.ask(&Question::new("none", "", "", ("nothing", "")));
    asked.settle();
    match status {
        OK | DENY | DECLINE | PENDING => Ok(format!("{} cancelled, twice each, and it goes on", count(tickets.len(), "ticket"))),
        other => Err(format!("says {} after tickets were cancelled", status_word(other))),
    }
}

pub(crate) fn keeps(case: &Case) -> Finding {
    let asked = Asked::start(case)?;
    // Answers that come later can't need what is not there any more.
    asked.plugin.lend();
    asked.ask_all(case, |_, _, _| Ok(()))?;
    asked.settle();
    Ok("reads nothing of a question after its call, or behind its end".into())
}

pub(crate) fn threads(case: &Case) -> Finding {
    const THREADS: usize = 4;
    // So many rounds, and so many questions of each thread in one. Between two rounds what is owed is waited for, since chatd has a bounded number of logins waiting, too.
    const ROUNDS: usize = 12;
    const EACH: usize = 16;
    let asked = &Asked::start(case)?;
    let began = Instant::now();
    for round in 0..ROUNDS {
        say(&Word::Doing(format!("asking from {THREADS} threads")));
        let bad = std::thread::scope(|scope| {
            let ask = |thread: usize| {
                let mut questions = questions(case.seed);
                let first = (round * EACH + thread) % questions.len();
                questions.rotate_left(first);
                for (ix, question) in questions.iter().cycle().take(EACH).enumerate() {
                    if ix >= FEW && began.elapsed() > LONG {
                        break;
                    }
                    let (_, status, _) = asked.ask(question);
                    if !matches!(status, OK | DENY | DECLINE | PENDING) {
                        return Some(format!("says {} for {question} when several threads ask", status_word(status)));
                    }
                }
                None
            };
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || ask(thread))).collect();
            threads.into_iter().find_map(|thread| thread.join().unwrap_or_else(|_| Some("a thread failed".into())))
        });
        if let Some(bad) = bad {
            return Err(bad);
        }
        asked.await_owed();
        if began.elapsed() > LONG {
            break;
        }
    }
    asked.plugin.host.quiet(Duration::from_millis(100));
    asked.doubles()?;
    let times = asked.ended.lock().expect("nobody panics with it").len();
    Ok(format!("{} from {THREADS} threads at a time", count(times, "question")))
}

pub(crate) fn memory(case: &Case) -> Finding {
    let asked = Asked::start(case)?;
    let firing = asked.plugin.firing();
    for question in questions(case.seed).into_iter().take(2) {
        say(&Word::Doing(format!("asking for {question}, again and again")));
        // The sum of what is remembered here must stay the same.
        let once = || {
            let ticket = asked.next.fetch_add(1, Ordering::Relaxed);
            let (status, _) = asked.plugin.check(asked.table, ticket, &question.lend());
            if status == PENDING {
                for missing in asked.plugin.host.wait(&[ticket], asked.patience.min(Duration::from_millis(500)), &firing) {
                    asked.plugin.cancel(asked.table, missing);
                }
            }
            asked.plugin.host.forget_answers();
        };
        if let Some(leak) = leak(affordable(1000, once), once) {
            return Err(format!("each question for {question} leaves {leak} behind"));
        }
    }
    Ok("questions leave nothing behind".into())
}
