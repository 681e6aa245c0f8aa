//! What operators want of the plugins: who may, and in which shape they are answered. The driver does it.

use super::Edge;
use crate::command::PluginAsk;
use crate::event::{Code, Event, Reply};
use crate::ids::{Conn, Ticket};
use crate::machine::{Effect, PluginWish};
use crate::super_node::ctx::Ctx;
use crate::wire::{Rest, Text};

impl Edge {
    pub(super) fn wish_of_plugins(&mut self, ctx: &mut Ctx<'_>, conn: Conn, what: PluginAsk, name: Option<Text>, file: Option<Text>) {
        let Some(session) = self.session(conn) else { return };
        let needs = |wanted: bool, given: &Option<Text>| wanted && given.is_none();
        let (by_name, by_file) = (what != PluginAsk::List, matches!(what, PluginAsk::Load | PluginAsk::Swap));
        // LOAD has a file and no name: that is all there is in its place.
        let (name, file) = if what == PluginAsk::Load { (Some(Text::from("")), file.or(name)) } else { (name, file) };
        let refusal = if needs(by_name, &name) {
            Some((Code::Syntax, "argument 'name' is missing".to_string()))
        } else if needs(by_file, &file) {
            Some((Code::Syntax, "argument 'file' is missing".to_string()))
        } else {
            None
        };
        if let Some((code, text)) = refusal {
            return self.say(ctx, conn, Event::error(code, text));
        }
        let (slot, ticket) = (session.slots.open(), ctx.ids.ticket());
        self.wishes.insert(ticket, (conn, slot, what));
        let wish = PluginWish { what, name: name.unwrap_or_else(|| "".into()), file: file.unwrap_or_else(|| "".into()) };
        ctx.effects.push(Effect::Plugin { ticket, wish });
    }

    /// It is done, or can't be.
    pub fn plugged(&mut self, ctx: &mut Ctx<'_>, ticket: Ticket, result: Result<Vec<Text>, Text>) {
        let Some((conn, slot, what)) = self.wishes.remove(&ticket) else { return };
        let event = match (result, what) {
            (Err(why), _) => Event::error(Code::Err, why),
            (Ok(cells), PluginAsk::List) => Reply::Plugins { cells: Rest(cells) }.into(),
            (Ok(pairs), PluginAsk::Show | PluginAsk::Load | PluginAsk::Swap) => Reply::PluginIs { pairs: Rest(pairs) }.into(),
            (Ok(_), PluginAsk::Disable | PluginAsk::Enable) => Event::ok(),
        };
        self.fill(ctx, conn, slot, vec![event]);
    }
}
