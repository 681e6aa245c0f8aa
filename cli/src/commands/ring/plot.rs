//! `chatctl ring plot`: the circle, on the terminal or as a picture.

use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;

use chatring_admin::plot::{GROUPS_DRAWN, Picture, Screen};
use chatring_admin::{Failure, Form, Output, render};
use chatring_machines::machine::GroupPlace;
use clap::Args;

use super::super::Global;
use super::{census, plan};

/// Columns where nobody says how many there are.
const COLUMNS: usize = 80;

/// How it is drawn.
#[derive(Clone, Debug, Args)]
pub struct PlotArgs {
    /// Write a picture to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draw what this plan would move, too: a file that `ring plan --out` has written
    #[arg(long, value_name = "PLAN")]
    plan: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &PlotArgs, global: &Global) -> Result<(), Failure> {
    let (view, loads) = census::loads(global, census::ring())?;
    let plan = args.plan.as_deref().map(|file| plan::fresh(plan::read(file)?, &view)).transpose()?;
    let mut places = census::places(global, GROUPS_DRAWN)?;
    // What moves is drawn, also where not all groups are.
    for moved in plan.iter().flat_map(|plan| &plan.steps).flat_map(|step| &step.moves).take(GROUPS_DRAWN) {
        if let Err(at) = places.binary_search_by(|place| place.group.cmp(&moved.group)) {
            let place =
                GroupPlace { group: moved.group.clone(), master: moved.from.clone(), members: moved.members, near: moved.near, seq: 0 };
            places.insert(at, place);
        }
    }
    let picture = Picture::of(&view, &loads, &places, plan.as_ref()).map_err(|why| Failure::refused(why.to_string()))?;
    if let Some(file) = &args.svg {
        std::fs::write(file, picture.svg()).map_err(|error| Failure::refused(format!("{} can't be written: {error}", file.display())))?;
        return global.output.show(&render::fact("picture", file.display().to_string()));
    }
    let screen = screen();
    let sheet = picture.sheet(&screen);
    if global.output != Form::of(Output::Table) {
        return global.output.show(&sheet);
    }
    let mut out = std::io::stdout().lock();
    // A reader that went away is not an error.
    let _ = writeln!(out, "{}", sheet.text(out.is_terminal() && screen.unicode)).and_then(|()| out.flush());
    Ok(())
}

fn screen() -> Screen {
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    let is_terminal = std::io::stdout().is_terminal();
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    let width = columns.or_else(|| env("COLUMNS").parse().ok()).unwrap_or(COLUMNS);
    let unicode = shows_unicode(&env("TERM"), [env("LC_ALL"), env("LC_CTYPE"), env("LANG")]);
    let colour = is_terminal && env("TERM") != "dumb" && env("NO_COLOR").is_empty();
    Screen { width, unicode, colour }
}

/// Of what says it, the first that says anything counts.
fn shows_unicode(term: &str, locales: [String; 3]) -> bool {
    let locale = locales.into_iter().find(|locale| !locale.is_empty()).unwrap_or_default().to_ascii_lowercase();
    term != "dumb" && (locale.contains("utf-8") || locale.contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(term: &str, locales: [&str; 3], expect: bool) {
        assert_eq!(shows_unicode(term, locales.map(str::to_string)), expect, "{term} {locales:?}");
    }

    #[test]
    fn what_a_terminal_shows() {
        check("xterm", ["", "", "en_US.UTF-8"], true);
        check("xterm", ["", "C.utf8", "C"], true);
        check("xterm", ["C", "", "en_US.UTF-8"], false);
        check("xterm", ["", "", ""], false);
        check("dumb", ["", "", "en_US.UTF-8"], false);
        check("", ["", "", "en_US.UTF-8"], true);
    }
}
