//! The file, and what it says of itself before anything of it is called.

use crate::plugin::{self, Finding};
use crate::word::Case;
use chatring_abi::ENTRY_SYMBOL;
use chatring_host::PluginError;
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(crate) fn readable(case: &Case) -> Finding {
    let begin = beginning(&case.file).map_err(|error| error.to_string())?;
    match begin.is_empty() {
        true => Err("is empty".into()),
        false => Ok("can be read".into()),
    }
}

pub(crate) fn architecture(case: &Case) -> Finding {
    let begin = beginning(&case.file).map_err(|error| error.to_string())?;
    let (found, here) = (kind(&begin), here());
    match found {
        Kind::Elf { machine, library: true } if machine == here => Ok(format!("a shared library for {here}")),
        Kind::Elf { machine, library: true } => Err(format!("is for {machine}, and this machine is {here}")),
        Kind::Elf { library: false, .. } => Err("is a program or an object file, no shared library: link it with -shared".into()),
        Kind::Other(what) => Err(format!("is {what}, no shared library of this system")),
    }
}

pub(crate) fn loads(case: &Case) -> Finding {
    match plugin::raw_entry(case) {
        Err(PluginError::Unreadable { source, .. }) => Err(source.to_string()),
        Err(PluginError::NotALibrary { why, .. }) => Err(format!("the loader refuses it: {why}")),
        _ => Ok("the loader takes it, and finds all it needs".into()),
    }
}

pub(crate) fn symbol(case: &Case) -> Finding {
    match plugin::raw_entry(case) {
        Ok(entry) if entry.is_null() => Err(format!("{ENTRY_SYMBOL} returned null")),
        Ok(_) => Ok(format!("exports {ENTRY_SYMBOL}")),
        Err(PluginError::NoEntry { .. }) => {
            Err(format!("has no function {ENTRY_SYMBOL} (a plugin in Rust is built with `--features export`; in C it must not be static)"))
        }
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn major(case: &Case) -> Finding {
    match plugin::entry(case) {
        Err(PluginError::WrongMajor { found, expected, .. }) => Err(format!("built for plugin interface {found}, and here is {expected}")),
        _ => Ok(format!("built for plugin interface {}", chatring_abi::MAJOR)),
    }
}

pub(crate) fn size(case: &Case) -> Finding {
    match plugin::entry(case) {
        Err(PluginError::TooSmall { what, size, needed, .. }) => Err(too_small(what, size, needed)),
        _ => Ok("its chat_entry has all fields of its version".into()),
    }
}

pub(crate) fn too_small(what: &str, size: u32, needed: u32) -> String {
    format!("its {what} says it has {size} bytes, and {needed} are needed: write `sizeof` there")
}

pub(crate) fn functions(case: &Case) -> Finding {
    match plugin::entry(case) {
        Err(PluginError::NullFunction { what, function, .. }) => Err(format!("`{function}` in its {what} is null")),
        _ => Ok("start, stop and interface are there".into()),
    }
}

pub(crate) fn name(case: &Case) -> Finding {
    let entry = plugin::entry(case).map_err(|error| error.to_string())?;
    // SAFETY: null or a C string, by the contract.
    match unsafe { chatring_host::vet::name(entry.name, "") } {
        Ok(name) => Ok(format!("is called {name}")),
        Err(_) => Err("its name is missing, or not made of 1 to 64 letters, digits, `-` and `_`".into()),
    }
}

fn beginning(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut begin = Vec::new();
    File::open(path)?.take(64).read_to_end(&mut begin)?;
    Ok(begin)
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Elf { machine: String, library: bool },
    Other(&'static str),
}

/// By its first bytes.
fn kind(begin: &[u8]) -> Kind {
    match begin {
        [0x7f, b'E', b'L', b'F', class, order, ..] if begin.len() >= 20 => {
            let word = |at: usize| match order {
                2 => u16::from_be_bytes([begin[at], begin[at + 1]]),
                _ => u16::from_le_bytes([begin[at], begin[at + 1]]),
            };
            Kind::Elf { machine: machine(word(18), *class, *order), library: word(16) == 3 }
        }
        [b'M', b'Z', ..] => Kind::Other("a Windows library"),
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xcf, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => Kind::Other("a macOS library"),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => Kind::Other("a static library"),
        [b'#', b'!', ..] => Kind::Other("a script"),
        _ => Kind::Other("something else"),
    }
}

fn machine(number: u16, class: u8, order: u8) -> String {
    let word = match number {
        3 => "x86",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 if class == 2 => "riscv64",
        243 => "riscv32",
        21 => "powerpc64",
        22 => "s390x",
        258 => "loongarch64",
        _ => return format!("machine {number} in ELF's list"),
    };
    if order == 2 && number != 22 { format!("{word}, big-endian") } else { word.to_string() }
}

fn here() -> String {
    let order = if cfg!(target_endian = "big") && std::env::consts::ARCH != "s390x" { ", big-endian" } else { "" };
    format!("{}{order}", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(begin: &[u8], expect: Kind) {
        assert_eq!(kind(begin), expect);
    }

    fn elf(order: u8, kind: [u8; 2], machine: [u8; 2]) -> Vec<u8> {
        let mut begin = b"\x7fELF\x02".to_vec();
        begin.push(order);
        begin.resize(16, 0);
        begin.extend(kind.into_iter().chain(machine));
        begin
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let is = |machine: &str, library| Kind::Elf { machine: machine.into(), library };
        check(&elf(1, [3, 0], [62, 0]), is("x86_64", true));
        check(&elf(1, [2, 0], [183, 0]), is("aarch64", false));
        check(&elf(2, [0, 3], [0, 21]), is("powerpc64, big-endian", true));
        check(&elf(1, [3, 0], [1, 2]), is("machine 513 in ELF's list", true));
        check(b"\x7fELF", Kind::Other("something else"));
        check(b"MZ\x90\0", Kind::Other("a Windows library"));
        check(b"!<arch>\n", Kind::Other("a static library"));
        check(b"", Kind::Other("something else"));
    }

    #[test]
    fn this_very_program_is_of_this_machine() {
        let begin = beginning(&std::env::current_exe().unwrap()).unwrap();
        if let Kind::Elf { machine, .. } = kind(&begin) {
            assert_eq!(machine, here());
        }
    }
}
