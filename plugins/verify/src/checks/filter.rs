//! `chat.filter/1`.

use super::{affordable, count, quickest, shown};
use crate::calls::say;
use crate::memory::leak;
use crate::noise::Noise;
use crate::plugin::{Finding, Gathered, Plugin};
use crate::word::{Case, Word};
use chatring_abi::{ChatFilter, ChatStatus, DENY, INTERNAL, OK, id};
use chatring_sdk::What;
use std::time::Duration;

/// What someone wants to do, as chatd passes it on.
#[derive(Clone, Debug)]
struct Deed {
    argv: [String; 8],
}

impl Deed {
    fn new(what: &str, group: &str, text: &str, nick: &str, account: &str) -> Deed {
        Deed { argv: [what, group, text, nick, "user", "192.0.2.7", account, "irc"].map(String::from) }
    }

    fn lend(&self) -> Vec<&[u8]> {
        self.argv.iter().map(String::as_bytes).collect()
    }

    fn is(&self, what: What) -> bool {
        self.argv[0] == what.word()
    }
}

impl std::fmt::Display for Deed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.argv[0], self.argv[1].escape_debug(), shown(self.argv[2].as_bytes()))
    }
}

fn deeds() -> Vec<Deed> {
    let long = "wörd ".repeat(800);
    let texts = [
        "hello, world",
        "HELLO WORLD!!!! BUY NOW https://spam.example/?x=1 www.example.org joe@example.org",
        "\u{1}ACTION waves\u{1}",
        "\u{2}bold\u{3}04,12red\u{f}",
        "e\u{301}\u{301}\u{301} \u{202e}rtl\u{202c} \u{200b}\u{feff}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "!help",
        " ",
        &long,
    ];
    let mut deeds = Vec::new();
    for what in What::ALL {
        if what == What::Join {
            deeds.push(Deed::new(what.word(), "#g", "", "joe", ""));
            deeds.push(Deed::new(what.word(), "#a\u{1f980}", "", "j\u{f6}e", "joe"));
            continue;
        }
        deeds.extend(texts.iter().map(|text| Deed::new(what.word(), "#g", text, "joe", "joe")));
        if what == What::Topic {
            deeds.push(Deed::new(what.word(), "#g", "", "joe", ""));
        } else {
            deeds.push(Deed::new(what.word(), "bob", "just you", "joe", ""));
        }
    }
    deeds
}

/// Things of any kind with texts that nobody types.
fn odd(seed: u64, many: usize) -> Vec<Deed> {
    let mut noise = Noise::new(seed);
    let one = |_| {
        let what = What::ALL[noise.below(What::ALL.len())];
        let text = if what == What::Join { String::new() } else { noise.text(400) };
        Deed::new(what.word(), &format!("#{}", noise.text(10)), &text, &noise.text(8), &noise.text(8))
    };
    (0..many).map(one).collect()
}

fn started(case: &Case) -> Result<(&'static Plugin, &'static ChatFilter), String> {
    let plugin = Plugin::start(case)?;
    Ok((plugin, plugin.table(id::FILTER)?))
}

fn ask(plugin: &Plugin, table: &ChatFilter, deed: &Deed) -> (ChatStatus, Gathered) {
    say(&Word::Doing(format!("judging {deed}")));
    plugin.judge(table, &deed.lend())
}

fn is_answer(deed: &Deed, status: ChatStatus) -> Result<(), String> {
    match status {
        OK | DENY => Ok(()),
        INTERNAL => Err(format!("failed inside on {deed} (in Rust: it panicked)")),
        other => Err(format!("gave the unknown answer {other} to {deed}")),
    }
}

pub(crate) fn answers(case: &Case) -> Finding {
    let (plugin, table) = started(case)?;
    let (mut passed, mut rewritten, mut refused) = (0, 0, 0);
    for deed in deeds() {
        let (status, said) = ask(plugin, table, &deed);
        is_answer(&deed, status)?;
        match (status, said.bytes.is_empty()) {
            (OK, true) => passed += 1,
            (OK, false) => rewritten += 1,
            _ => refused += 1,
        }
    }
    // A later chatd may ask of more, and say more.
    let mut later = Deed::new("from-a-later-version", "#g", "", "joe", "").argv.to_vec();
    later.push("and more".into());
    let later: Vec<&[u8]> = later.iter().map(String::as_bytes).collect();
    say(&Word::Doing("judging what only a later chatd asks of".into()));
    let (status, said) = plugin.judge(table, &later);
    if status != OK || !said.bytes.is_empty() {
        return Err(format!("what it does not know is none of its business, and has to pass: said {status}"));
    }
    Ok(format!("{passed} pass, {rewritten} with another text, {refused} refused"))
}

pub(crate) fn texts(case: &Case) -> Finding {
    let (plugin, table) = started(case)?;
    for deed in deeds().into_iter().chain(odd(case.seed, 200)) {
        let (status, said) = ask(plugin, table, &deed);
        let what = if status == OK { "a text" } else { "a reason" };
        match (said.misdeed, std::str::from_utf8(&said.bytes)) {
            (Some(misdeed), _) => return Err(format!("{misdeed}, on {deed}")),
            (None, Err(_)) => return Err(format!("gave {what} that is not UTF-8 on {deed}: {}", shown(&said.bytes))),
            (None, Ok(text)) if status == OK && !text.is_empty() && deed.is(What::Join) => {
                return Err(format!("gave a text for a join, which has none: {}", shown(text.as_bytes())));
            }
            (None, Ok(text)) if status == OK && text.contains(['\r', '\n', '\0']) && !deed.argv[2].contains(['\r', '\n', '\0']) => {
                return Err(format!("put a line break into the text of {deed}"));
            }
            (None, Ok(_)) => {}
        }
    }
    Ok("texts and reasons are UTF-8, and no longer than they may be".into())
}

pub(crate) fn keeps(case: &Case) -> Finding {
    let (plugin, table) = started(case)?;
    plugin.lend();
    for deed in deeds() {
        is_answer(&deed, ask(plugin, table, &deed).0)?;
    }
    Ok("reads nothing of what it judged after the call, or behind its end".into())
}

pub(crate) fn noise(case: &Case) -> Finding {
    let (plugin, table) = started(case)?;
    let deeds = odd(case.seed, 2000);
    let (one, other) = deeds.split_at(deeds.len() / 2);
    let judge_all = |deeds: &[Deed]| deeds.iter().try_for_each(|deed| is_answer(deed, ask(plugin, table, deed).0));
    judge_all(one)?;
    // One at a time, though not always from the same thread.
    std::thread::scope(|scope| scope.spawn(|| judge_all(other)).join().map_err(|_| "a thread failed".to_string())?)?;
    Ok(format!("{} with odd texts, from two threads in turn", count(deeds.len(), "thing")))
}

pub(crate) fn memory(case: &Case) -> Finding {
    let (plugin, table) = started(case)?;
    let deeds = deeds();
    say(&Word::Doing("judging the same things again and again".into()));
    let once = || deeds.iter().for_each(|deed| drop(plugin.judge(table, &deed.lend())));
    match leak(affordable(100, once), once) {
        Some(leak) => Err(format!("{} leave {leak} behind each time", count(deeds.len(), "thing"))),
        None => Ok("what is judged leaves nothing behind".into()),
    }
}

/// What chatd waits where its configuration says nothing else.
const BUDGET: Duration = Duration::from_millis(250);

pub(crate) fn time(case: &Case) -> Finding {
    let (plugin, table) = started(case)?;
    let mut slowest = (Duration::ZERO, String::new());
    for deed in deeds() {
        let took = quickest(3, || drop(ask(plugin, table, &deed)));
        if took >= slowest.0 {
            slowest = (took, deed.to_string());
        }
    }
    let (took, deed) = slowest;
    let ms = took.as_secs_f64() * 1000.0;
    match took > BUDGET {
        true => Err(format!("{deed} takes {ms:.0} ms at best: chatd waits {} ms (super_node.timing.filter_budget)", BUDGET.as_millis())),
        false => Ok(format!("the slowest is {deed}: {ms:.1} ms")),
    }
}
