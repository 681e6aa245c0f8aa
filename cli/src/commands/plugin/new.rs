//! `chatctl plugin new`: a project to begin with, which builds, passes its test, and keeps the contract.

use std::path::{Path, PathBuf};

use chatring_admin::{Failure, Form, Sheet};
use serde_json::json;

/// What is to be made.
#[derive(Debug, clap::Args)]
pub struct NewArgs {
    /// What it is called in configurations
    #[arg(value_parser = name)]
    name: String,
    /// What it is
    #[arg(long, value_enum)]
    kind: Kind,
    /// In which language
    #[arg(long, value_enum)]
    lang: Lang,
    /// Where to; NAME if it is not said
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The crate chatring-sdk, for a plugin in Rust; that of this chatctl if it is not said
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A codec: how people's programs talk
    Transport,
    /// Says who comes in
    Auth,
    /// Sees what people want to do, before it is done
    Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Lang {
    /// With the crate chatring-sdk
    Rust,
    /// With chat_plugin.h
    C,
}

macro_rules! template {
    ($file:literal) => {
        include_str!(concat!("../../../templates/plugin/", $file))
    };
}

/// A file of a project, and what is in it before names are filled in.
type Template = (&'static str, &'static str);

fn templates(kind: Kind, lang: Lang) -> Vec<Template> {
    let config = match kind {
        Kind::Transport => template!("transport.toml"),
        Kind::Auth => template!("auth.toml"),
        Kind::Filter => template!("filter.toml"),
    };
    let (common, [readme, source, test]): (Vec<Template>, _) = match lang {
        Lang::Rust => (
            vec![
                ("Cargo.toml", template!("rust/Cargo.toml.in")),
                (".gitignore", template!("rust/gitignore")),
                ("src/settings.rs", template!("rust/settings.rs")),
            ],
            match kind {
                Kind::Transport => {
                    [template!("rust/transport/README.md"), template!("rust/transport/lib.rs"), template!("rust/transport/test.rs")]
                }
                Kind::Auth => [template!("rust/auth/README.md"), template!("rust/auth/lib.rs"), template!("rust/auth/test.rs")],
                Kind::Filter => [template!("rust/filter/README.md"), template!("rust/filter/lib.rs"), template!("rust/filter/test.rs")],
            },
        ),
        Lang::C => (
            vec![
                ("Makefile", template!("c/Makefile")),
                (".gitignore", template!("c/gitignore")),
                ("settings.h", template!("c/settings.h")),
                ("test_support.h", template!("c/test_support.h")),
                ("chat_plugin.h", include_str!("../../../../plugins/abi/chat_plugin.h")),
            ],
            match kind {
                Kind::Transport => [template!("c/transport/README.md"), template!("c/transport/plugin.c"), template!("c/transport/test.c")],
                Kind::Auth => [template!("c/auth/README.md"), template!("c/auth/plugin.c"), template!("c/auth/test.c")],
                Kind::Filter => [template!("c/filter/README.md"), template!("c/filter/plugin.c"), template!("c/filter/test.c")],
            },
        ),
    };
    let own = match lang {
        Lang::Rust => [("README.md", readme), ("src/lib.rs", source), ("tests/plugin.rs", test), ("chatd.toml", config)],
        Lang::C => [("README.md", readme), ("plugin.c", source), ("test.c", test), ("chatd.toml", config)],
    };
    common.into_iter().chain(own).collect()
}

/// What stands for what in templates.
struct Names {
    name: String,
    ident: String,
    /// The library's file, and where it is once it is built.
    library: String,
    path: String,
    /// How the SDK is depended on.
    sdk: String,
}

impl Names {
    fn fill(&self, template: &str) -> String {
        let Names { name, ident, library, path, sdk } = self;
        let pairs = [("{{name}}", name), ("{{ident}}", ident), ("{{library}}", library), ("{{path}}", path), ("{{sdk}}", sdk)];
        pairs.iter().fold(template.to_string(), |text, (hole, filling)| text.replace(hole, filling))
    }
}

/// Makes a project.
pub fn run(args: NewArgs, output: &Form) -> Result<(), Failure> {
    let dir = args.dir.unwrap_or_else(|| PathBuf::from(&args.name));
    let trouble = |what: &Path, error: std::io::Error| Failure::refused(format!("{}: {error}", what.display()));
    if dir.read_dir().is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file() {
        return Err(Failure::refused(format!("{} is there already", dir.display())).advise("Say where to with --dir."));
    }
    let sdk = if args.lang == Lang::Rust { sdk(args.sdk.as_deref())? } else { String::new() };
    std::fs::create_dir_all(&dir).map_err(|error| trouble(&dir, error))?;
    let dir = dir.canonicalize().map_err(|error| trouble(&dir, error))?;
    let ident = args.name.replace('-', "_");
    let (library, built) = match args.lang {
        Lang::Rust => (format!("libchat_{ident}.so"), dir.join("target/release")),
        Lang::C => (format!("{}.so", args.name), dir.clone()),
    };
    let path = built.join(&library);
    let path = path.to_str().filter(|path| !path.contains(['"', '\\', '\n']));
    let path = path.ok_or_else(|| Failure::usage(format!("{}: no configuration can name a file there", dir.display())))?.to_string();
    let names = Names { name: args.name, ident, library, path, sdk };
    let mut files = Vec::new();
    for (file, template) in templates(args.kind, args.lang) {
        let to = dir.join(file);
        let written = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&to, names.fill(template)));
        written.map_err(|error| trouble(&to, error))?;
        files.push(file);
    }
    let next = match args.lang {
        Lang::Rust => "cargo test && cargo build --release",
        Lang::C => "make check && make",
    };
    let verify = format!("chatctl plugin verify {}", names.path);
    let rows =
        vec![("made", dir.display().to_string()), ("build", next.to_string()), ("verify", verify), ("load", "chatd.toml says how".into())];
    let value = json!({ "dir": dir.display().to_string(), "files": files, "library": names.path, "build": next });
    output.show(&Sheet::facts(rows, value))
}

/// How a project depends on the SDK: by where it is said to be, by where this program was built, or by where that came from.
fn sdk(said: Option<&Path>) -> Result<String, Failure> {
    let built_beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/sdk");
    let path = said.unwrap_or(&built_beside);
    match path.canonicalize().ok().filter(|path| path.join("Cargo.toml").is_file()) {
        Some(path) => match path.to_str().filter(|path| !path.contains(['"', '\\', '\n'])) {
            Some(path) => Ok(format!("path = \"{path}\"")),
            None => Err(Failure::usage(format!("{}: no manifest can name a folder of this name", path.display()))),
        },
        None if said.is_some() => Err(Failure::usage(format!("{}: there is no crate", path.display()))),
        None if !env!("CARGO_PKG_REPOSITORY").is_empty() => Ok(format!("git = \"{}\"", env!("CARGO_PKG_REPOSITORY"))),
        None => {
            Err(Failure::usage("the sources that this program was built from are not there")
                .advise("Say where chatring-sdk is: --sdk PATH."))
        }
    }
}

/// The name of a plugin, which is also that of a crate and of a file.
fn name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    match text.bytes().all(plain) && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 40 {
        true => Ok(text.to_string()),
        false => Err("write it in lower-case letters, digits, `-` and `_`, beginning with a letter, 40 at most".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_filled() {
        let fill = |text: &str| text.to_string();
        let names =
            Names { name: fill("a-b"), ident: fill("a_b"), library: fill("l.so"), path: fill("/p/l.so"), sdk: fill("path = \"/s\"") };
        for kind in [Kind::Transport, Kind::Auth, Kind::Filter] {
            for lang in [Lang::Rust, Lang::C] {
                for (file, template) in templates(kind, lang) {
                    let text = names.fill(template);
                    // `{{` may stand in C and Rust by itself; our holes are words.
                    let hole = ["name", "ident", "library", "path", "sdk"].iter().find(|word| text.contains(&format!("{{{{{word}}}}}")));
                    assert_eq!(hole, None, "{kind:?} {lang:?} {file}");
                }
            }
        }
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "word-list", "x_2"] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", "2x", "Word", "a b", "a/b", "../a", "-a", "ü", &"x".repeat(41)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_sdk_is_found() {
        assert!(sdk(None).unwrap().ends_with("plugins/sdk\""));
        assert!(sdk(Some(Path::new("/nowhere/at/all"))).is_err());
    }
}
