/* verify: auth.texts FAILED an account that is not UTF-8 */
#define CHECK check
#include "zoo.h"
/* Has learned its names in another century. */
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    UNUSED(plugin);
    UNUSED(ticket);
    if (zoo_is(ask->argv[1], "joe"))
        return who.bytes(who.ctx, zoo_text("j\366e"));
    return CHAT_DECLINE;
}
ZOO_AUTH
