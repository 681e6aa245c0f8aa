//! Where in the file something stands, so that every complaint can point at it.

use std::fmt;
use std::ops::Deref;

/// What is wrong with a configuration: where, what was found, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ConfigError {
    /// The file, as it was named to us.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// A sentence: what was found and what was expected.
    pub message: String,
}

/// A place in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place(pub(crate) usize);

/// A value and where it was written. What was left out stands where its table begins.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    value: T,
    place: Place,
}

impl<T> Placed<T> {
    pub(crate) fn new(value: T, place: Place) -> Placed<T> {
        Placed { value, place }
    }

    /// Where it was written.
    pub fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Placed<U> {
        Placed { value: f(self.value), place: self.place }
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Display> fmt::Display for Placed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> From<toml::Spanned<T>> for Placed<T> {
    fn from(spanned: toml::Spanned<T>) -> Placed<T> {
        let place = Place(spanned.span().start);
        Placed { value: spanned.into_inner(), place }
    }
}

/// The text a configuration came from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) file: String,
    pub(crate) text: String,
}

impl Source {
    /// A complaint about what stands at a place.
    pub(crate) fn error(&self, place: Place, message: impl Into<String>) -> ConfigError {
        // A span may point past a text that ends too early.
        let before = self.text.get(..place.0).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConfigError {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }

    /// The parser's complaint, in our form.
    pub(crate) fn parse_error(&self, error: &toml::de::Error) -> ConfigError {
        let place = Place(error.span().map_or(0, |span| span.start));
        self.error(place, error.message().replace('\n', ", "))
    }
}
