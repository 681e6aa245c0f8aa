/* verify: transport.cuts FAILED records of */
#define DECODE decode
#include "zoo.h"
/* Takes each read for a message. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    chat_record record = { CHAT_KIND_COMMAND, 1, &input };
    UNUSED(plugin);
    UNUSED(conn);
    *used = input.len;
    if (input.len > 0)
        out.record(out.ctx, &record);
    return CHAT_OK;
}
ZOO_TRANSPORT
