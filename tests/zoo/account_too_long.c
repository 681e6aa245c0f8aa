/* verify: auth.texts FAILED more than 1024 bytes */
#define CHECK check
#include "zoo.h"
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    UNUSED(plugin);
    UNUSED(ticket);
    UNUSED(ask);
    for (int times = 0; times < 300; times++)
        who.bytes(who.ctx, zoo_text("joe and "));
    return CHAT_OK;
}
ZOO_AUTH
