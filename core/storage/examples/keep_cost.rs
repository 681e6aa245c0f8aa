//! What keeping groups costs: CPU of the thread that writes, per entry and rate; time of the loop's thread to hand an entry over; time to load.
//!
//! `cargo run --release -p chatring-storage --example keep_cost [folder]`. CPU comes from `/proc/thread-self/schedstat`, so on Linux only.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chatring_machines::Time;
use chatring_machines::entry::{Content, Entry, MemberRow, Person, Rank, SayKind, Settings};
use chatring_machines::ids::{Birth, EntryId, SessionId, Term};
use chatring_machines::keeping::{Durability, IMAGE_EVERY, Image, Keep, Keeper, Keeping, Standing, Waiting};
use chatring_machines::names::{GroupName, Nick, NodeKey};
use chatring_machines::peer::CopyHead;
use chatring_machines::wire::{Argv, Field};
use chatring_storage::{GroupLogs, LogOptions};

const GATHER_MS: u64 = 20;

fn main() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let folder = std::env::args().nth(1).map_or(temporary.path().to_path_buf(), PathBuf::from);
    for (durability, rate, groups) in [
        (Durability::Replicated, 10_000, 1_000),
        (Durability::Replicated, 100_000, 1_000),
        (Durability::Replicated, 100_000, 10),
        (Durability::Disk, 10_000, 1_000),
        (Durability::Disk, 100_000, 1_000),
    ] {
        write(&folder.join("write.db"), durability, rate, groups);
    }
    hand_over();
    load(&folder.join("load.db"), 10_000, 20, 5);
    load(&folder.join("load.db"), 1_000, 1_000, 50);
}

fn open(path: &Path, durability: Durability) -> (GroupLogs, usize) {
    let key = NodeKey::new("192.0.2.1").expect("a key");
    let options = LogOptions { network: "net".into(), key, durability, age_ms_max: u64::MAX };
    let (logs, kept) = GroupLogs::open(path, options).expect("a file");
    (logs, kept.len())
}

fn fresh(path: &Path) {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(stat.split(' ').next().and_then(|first| first.parse().ok()).expect("a number"))
}

fn person() -> Arc<Person> {
    let nick = Nick::new("somebody").expect("a nick");
    Arc::new(Person { nick, user: "somebody".into(), host: "203.0.113.77".into(), account: "somebody".into(), real: "Some Body".into() })
}

fn entry(sender: &Arc<Person>, seq: u64) -> Arc<Entry> {
    let content =
        Content::Message { kind: SayKind::Message, text: "sixty-four bytes are about what people say in a line, as a rule.".into() };
    let id = EntryId { session: SessionId(0x1234_5678_9abc_def0), counter: seq };
    let term = Term { generation: 1, number: 42 };
    Arc::new(Entry { seq, term, id, time: Time(1_790_000_000_000 + seq), sender: sender.clone(), content })
}

fn image(sender: &Arc<Person>, seq: u64, members: u64) -> Keep {
    let head = CopyHead {
        seq,
        time: Time(1),
        settings: Settings::new(Time(1)),
        invited: Vec::new(),
        away: "".into(),
        log_from: seq.saturating_sub(1_000) + 1,
        former: None,
        in_doubt: false,
        begun: Term::default(),
        pruned: Time(1),
    };
    let node = NodeKey::new("192.0.2.1").expect("a key");
    let row = |n| (MemberRow { session: SessionId(n), person: sender.clone(), node: node.clone(), since: Time(1) }, Rank::default());
    let term = Term { generation: 1, number: 42 };
    Keep::Image(Box::new(Image { birth: Birth(1), term, head, members: (0..members).map(row).collect(), counters: Vec::new() }))
}

fn standing() -> Keep {
    Keep::Standing(Standing { whole: true, ..Standing::default() })
}

fn keeping(group: &GroupName, what: Keep) -> Keeping {
    Keeping { ticket: None, group: group.clone(), what }
}

fn names(count: u64) -> Vec<GroupName> {
    (0..count).map(|n| GroupName::new(&format!("#group{n}")).expect("a name")).collect()
}

/// So many entries a second, each for itself as they come, gathered as the thread gathers them, with images when they are due.
fn write(path: &Path, durability: Durability, rate: u64, groups: u64) {
    const SECONDS: u64 = 5;
    fresh(path);
    let (mut logs, _) = open(path, durability);
    let (names, sender) = (names(groups), person());
    logs.keep(&names.iter().map(|name| keeping(name, image(&sender, 0, 10))).collect::<Vec<_>>()).expect("room");
    let (mut seqs, mut next) = (vec![0; names.len()], 0);
    let (mut busy, mut wall, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let began = Instant::now();
    let batches = SECONDS * 1_000 / GATHER_MS;
    for batch in 0..batches {
        let mut keeps = Vec::new();
        for _ in 0..rate * GATHER_MS / 1_000 {
            let (name, seq) = (&names[next], &mut seqs[next]);
            *seq += 1;
            keeps.push(keeping(name, Keep::Entries(vec![entry(&sender, *seq)])));
            if *seq % IMAGE_EVERY == 0 {
                keeps.push(keeping(name, image(&sender, *seq, 10)));
            }
            next = (next + 1) % names.len();
        }
        let (cpu_before, wall_before) = (cpu(), Instant::now());
        logs.keep(&keeps).expect("room");
        if batch % (1_000 / GATHER_MS) == 0 {
            while logs.tidy(Time(0)).expect("room") {}
        }
        busy += cpu() - cpu_before;
        wall += wall_before.elapsed();
        slowest = slowest.max(wall_before.elapsed());
        let at = began + Duration::from_millis((batch + 1) * GATHER_MS);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
    }
    let entries = rate * SECONDS;
    println!(
        "{}, {rate} entries/s in {groups} groups: CPU {:.2} us per entry, {:.1} % of a core; a batch takes {:.1} ms, at most {:.0} ms; file {} MiB, took {:.1} s for {SECONDS}",
        durability.as_str(),
        busy.as_secs_f64() * 1e6 / entries as f64,
        busy.as_secs_f64() * 100.0 / SECONDS as f64,
        wall.as_secs_f64() * 1e3 / batches as f64,
        slowest.as_secs_f64() * 1e3,
        std::fs::metadata(path).map_or(0, |file| file.len() >> 20),
        began.elapsed().as_secs_f64(),
    );
}

/// What the loop's thread pays for an entry, and what encoding it into arguments costs the other.
fn hand_over() {
    const ENTRIES: u64 = 1_000_000;
    let (names, sender) = (names(1_000), person());
    let entries: Vec<_> = (0..1_000).map(|seq| entry(&sender, seq)).collect();
    let waiting = Mutex::new(Waiting::new(usize::MAX));
    let began = Instant::now();
    for n in 0..ENTRIES as usize {
        let keeping = keeping(&names[n % names.len()], Keep::Entries(vec![entries[n % entries.len()].clone()]));
        waiting.lock().expect("whole").push(keeping);
    }
    println!("handing over: {} ns per entry", began.elapsed().as_nanos() as u64 / ENTRIES);
    let (mut argv, mut bytes) = (Argv::default(), 0);
    let began = Instant::now();
    for n in 0..ENTRIES as usize {
        argv.clear();
        entries[n % entries.len()].put(&mut argv);
        bytes += argv.bytes_len();
    }
    println!("encoding: {} ns per entry of {} bytes", began.elapsed().as_nanos() as u64 / ENTRIES, bytes as u64 / ENTRIES);
}

fn load(path: &Path, groups: u64, entries: u64, members: u64) {
    fresh(path);
    let (mut logs, _) = open(path, Durability::Replicated);
    let (names, sender) = (names(groups), person());
    for names in names.chunks(500) {
        let group = |name| {
            let log = Keep::Entries((1..=entries).map(|seq| entry(&sender, seq)).collect());
            [image(&sender, 0, members), log, image(&sender, entries, members), standing()].map(|what| keeping(name, what))
        };
        logs.keep(&names.iter().flat_map(group).collect::<Vec<_>>()).expect("room");
    }
    logs.close().expect("room");
    drop(logs);
    let began = Instant::now();
    let (_logs, found) = open(path, Durability::Replicated);
    println!(
        "loading {found} groups of {members} members and {entries} entries: {} ms, file {} MiB",
        began.elapsed().as_millis(),
        std::fs::metadata(path).map_or(0, |file| file.len() >> 20)
    );
}
