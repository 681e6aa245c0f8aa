/* verify: filter.texts FAILED a text that is not UTF-8 */
#define JUDGE judge
#include "zoo.h"
/* Shortens long messages, wherever that is. */
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    chat_bytes text = what->argv[2];
    UNUSED(plugin);
    if (text.len <= 400 || !zoo_is(what->argv[0], "message"))
        return CHAT_OK;
    text.len = 398;
    return out.bytes(out.ctx, text);
}
ZOO_FILTER
