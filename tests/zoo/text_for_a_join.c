/* verify: filter.texts FAILED a text for a join */
#define JUDGE judge
#include "zoo.h"
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    UNUSED(plugin);
    if (!zoo_is(what->argv[0], "join"))
        return CHAT_OK;
    return out.bytes(out.ctx, zoo_text("censored"));
}
ZOO_FILTER
