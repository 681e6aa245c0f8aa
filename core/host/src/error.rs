//! What can go wrong with a plugin: [`PluginError`] when it is taken in, [`PluginFault`] when it is called.

use chatring_sdk::raw::BadRecord;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// Why a plugin was not taken in. `origin` is its file, or "linked in".
#[derive(Debug, Error)]
pub enum PluginError {
    /// The file is not there, or may not be read.
    #[error("{}: can't be read: {source}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system's loader refuses the file.
    #[error("{}: not a shared library this system can load: {why}", path.display())]
    NotALibrary {
        /// As it was given.
        path: PathBuf,
        /// What the loader says.
        why: String,
    },
    /// A library, but no plugin.
    #[error("{}: has no function chat_entry_v1 (a plugin in Rust is built with `--features export`)", path.display())]
    NoEntry {
        /// As it was given.
        path: PathBuf,
    },
    /// The entry function returned nothing.
    #[error("{origin}: chat_entry_v1 returned null")]
    NullEntry {
        /// Where the plugin comes from.
        origin: String,
    },
    /// Built for another major version of the plugin interface.
    #[error("{origin}: built for plugin interface {found}, this chatd has {expected}")]
    WrongMajor {
        /// Where the plugin comes from.
        origin: String,
        /// What the plugin says.
        found: u16,
        /// What is spoken here.
        expected: u16,
    },
    /// A struct ends before the fields that its version has.
    #[error("{origin}: its {what} says it has {size} bytes, at least {needed} are needed")]
    TooSmall {
        /// Where the plugin comes from.
        origin: String,
        /// Which struct: `chat_entry` or the name of an interface.
        what: &'static str,
        /// What the plugin says.
        size: u32,
        /// What this version needs.
        needed: u32,
    },
    /// A function that every plugin must have is null.
    #[error("{origin}: `{function}` in its {what} is null")]
    NullFunction {
        /// Where the plugin comes from.
        origin: String,
        /// Which struct: `chat_entry` or the name of an interface.
        what: &'static str,
        /// Which function.
        function: &'static str,
    },
    /// No name, or one that is no text.
    #[error("{origin}: its name is missing, or not made of letters, digits, `-` and `_`")]
    BadName {
        /// Where the plugin comes from.
        origin: String,
    },
    /// There is a plugin of that name already.
    #[error("{origin}: the name {name} is taken by the plugin from {first}")]
    NameTaken {
        /// Where the plugin comes from.
        origin: String,
        /// Its name.
        name: String,
        /// Where the other one comes from.
        first: String,
    },
    /// It is to take the place of a plugin of another name.
    #[error("{origin}: its name is {name}; one named {expected} was wanted")]
    OtherName {
        /// Where the plugin comes from.
        origin: String,
        /// Its name.
        name: String,
        /// Whose place it is to take.
        expected: String,
    },
    /// It is to take the place of a plugin that is something it is not.
    #[error("{origin}: has no {what}, which the plugin {name} that is there has")]
    Lacks {
        /// Where the plugin comes from.
        origin: String,
        /// Its name.
        name: String,
        /// The interface.
        what: &'static str,
    },
    /// There is no plugin of this name.
    #[error("there is no plugin {name}; there are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that are there.
        known: String,
    },
    /// The plugin itself said no.
    #[error("plugin {name} did not start: {why}")]
    StartFailed {
        /// Its name.
        name: String,
        /// In its own words.
        why: String,
    },
    /// It started, yet is neither a transport nor an authenticator nor a filter.
    #[error("plugin {name} offers nothing this chatd knows (chat.transport/1, chat.auth/1 or chat.filter/1)")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// It broke the contract in a call.
    #[error(transparent)]
    Fault(#[from] PluginFault),
}

/// A started plugin broke the contract.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("plugin {plugin}: {call}: {what}")]
pub struct PluginFault {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// Which of its functions.
    pub call: &'static str,
    /// What it did.
    pub what: Misdeed,
}

/// What a plugin did that it must not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Misdeed {
    /// It failed inside and said so: in Rust, it panicked.
    #[error("failed inside")]
    Internal,
    /// An answer this function doesn't have.
    #[error("gave the unknown answer {0}")]
    Status(i32),
    /// It claims bytes that it was not given.
    #[error("used {used} of {len} bytes")]
    UsedTooMuch {
        /// What it claims.
        used: usize,
        /// What it was given.
        len: usize,
    },
    /// No connection although it said it opened one.
    #[error("opened a null connection")]
    NullConnection,
    /// What it gave is no record.
    #[error("gave {0}")]
    BadRecord(BadRecord),
    /// A null pointer with a length.
    #[error("gave null bytes")]
    NullBytes,
    /// A record without using input and without having been stopped: it would come again and again.
    #[error("gave a record for no bytes")]
    RecordForNothing,
    /// It goes on for thousands of calls after it was told to stop.
    #[error("does not stop when told to")]
    WontStop,
    /// More bytes than any event may have.
    #[error("gave more than {0} bytes")]
    TooLong(usize),
    /// An account name or a reason that is not UTF-8.
    #[error("gave a text that is not UTF-8")]
    NotText,
    /// An account's name that is no word of at most 64 bytes.
    #[error("gave an account's name that is no word of at most 64 bytes")]
    NotAName,
    /// A ticket was asked again while its first answer is still owed. The caller's mistake, not the plugin's.
    #[error("was asked a ticket twice")]
    TicketInUse,
    /// It owes more answers than chatd waits for.
    #[error("owes too many answers")]
    TooManyPending,
}

/// What may come after a sink said stop: the rest of one line or frame.
pub const AFTER_STOP_MAX: u32 = 4096;
