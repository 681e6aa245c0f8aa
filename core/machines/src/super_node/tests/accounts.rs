//! Accounts that the directory keeps: what authenticators hear of them, and whose their nicks are.

use super::*;
use crate::charter::Account;
use crate::event::{Code, Reply};
use crate::machine::{Kept, Verdict};

/// A node whose directory keeps accounts, or is not there.
fn new() -> Bench {
    let mut bench = Bench::new(&[ME]);
    bench.has_no_accounts = false;
    bench
}

/// A person's program says this to a node whose directory may be slow.
fn says(bench: &mut Bench, conn: Conn, line: &str) {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    bench.give(Input::Heard { conn, command: Command::parse(&words) });
}

/// The directory says what it keeps of whatever it was asked about.
fn answer(bench: &mut Bench, secret: Option<&str>) -> usize {
    let tickets = bench.asked_of_accounts();
    for ticket in &tickets {
        let account = |secret: &str| Account { name: Nick::new("joe").unwrap(), secret: secret.into(), created: Time(1), changed: Time(1) };
        bench.tell(bench.home, LinkEvent::Account { ticket: *ticket, account: secret.map(|secret| Box::new(account(secret))) });
    }
    tickets.len()
}

/// What the authenticators are asked; they say yes.
fn judge(bench: &mut Bench) -> Option<Kept> {
    let judged = |effect: &Effect| match effect {
        Effect::Judge { ticket, ask, .. } => Some((*ticket, ask.account.clone(), ask.kept.clone())),
        _ => None,
    };
    let (ticket, account, kept) = bench.effects.iter().find_map(judged)?;
    bench.effects.retain(|effect| judged(effect).is_none());
    bench.give(Input::Judged { ticket, verdict: Verdict::Accept(account.map(|account| account.name)) });
    Some(kept)
}

fn is_welcome(bench: &mut Bench, conn: Conn) -> bool {
    bench.told(conn).iter().any(|event| matches!(event, Event::Reply(Reply::Welcome { .. })))
}

fn is_refused(bench: &mut Bench, conn: Conn) -> bool {
    bench.told(conn).iter().any(|event| matches!(event, Event::Reply(Reply::Error { code: Code::NickInUse, .. })))
}

#[test]
fn authenticators_hear_what_the_directory_keeps() {
    for (secret, kept) in [(Some("hash"), Kept::Secret("hash".into())), (None, Kept::Nothing)] {
        let mut bench = new();
        let conn = bench.open();
        says(&mut bench, conn, "LOGIN joe u r joe sesame");
        assert_eq!((judge(&mut bench), answer(&mut bench, secret)), (None, 1));
        assert_eq!(judge(&mut bench), Some(kept));
        // Their own nick is not looked at again.
        assert_eq!(answer(&mut bench, secret), 0);
        assert!(is_welcome(&mut bench, conn));
    }
}

#[test]
fn what_was_answered_last_counts_while_nobody_answers() {
    let mut bench = new();
    let story = [
        (Some(Some("hash")), Kept::Secret("hash".into())),
        (None, Kept::Secret("hash".into())),
        // Not for a gateway to know.
        (Some(Some("")), Kept::Unknown),
        (Some(None), Kept::Nothing),
        (None, Kept::Unknown),
    ];
    for (says_directory, kept) in story {
        let conn = bench.open();
        says(&mut bench, conn, "AUTH joe sesame");
        match says_directory {
            Some(secret) => assert_eq!(answer(&mut bench, secret), 1),
            None => {
                bench.asked_of_accounts();
                bench.wait(2_000);
            }
        }
        assert_eq!(judge(&mut bench), Some(kept));
    }
}

#[test]
fn an_accounts_nick_is_for_who_has_logged_in_to_it() {
    let mut bench = new();
    let (guest, joe) = (bench.open(), bench.open());
    says(&mut bench, guest, "LOGIN joe u r");
    judge(&mut bench);
    assert_eq!(answer(&mut bench, Some("hash")), 1);
    assert!(is_refused(&mut bench, guest));
    // They take another one, and do not get at it by that.
    says(&mut bench, guest, "LOGIN bob u r");
    assert_eq!(answer(&mut bench, None), 1);
    assert!(is_welcome(&mut bench, guest));
    says(&mut bench, guest, "NICK Joe");
    assert_eq!(answer(&mut bench, Some("hash")), 1);
    assert!(is_refused(&mut bench, guest));
    // What is theirs already is not looked at.
    says(&mut bench, guest, "NICK BOB");
    assert_eq!(answer(&mut bench, None), 0);
    says(&mut bench, joe, "LOGIN joe u r joe sesame");
    answer(&mut bench, Some("hash"));
    judge(&mut bench);
    assert!(is_welcome(&mut bench, joe));
}

#[test]
fn without_a_directory_nicks_are_anyones_a_moment_later() {
    let mut bench = new();
    let conn = bench.open();
    says(&mut bench, conn, "LOGIN joe u r");
    judge(&mut bench);
    assert_eq!(bench.asked_of_accounts().len(), 1);
    assert!(!is_welcome(&mut bench, conn));
    bench.wait(2_000);
    assert!(is_welcome(&mut bench, conn));
}
