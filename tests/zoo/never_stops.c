/* verify: transport.stops FAILED does not stop when told to */
#define DECODE decode
#include "zoo.h"
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    chat_bytes word = zoo_text("AGAIN");
    chat_record record = { CHAT_KIND_COMMAND, 1, &word };
    UNUSED(plugin);
    UNUSED(conn);
    *used = input.len;
    for (int times = 0; input.len > 0 && input.data[0] == 'P' && times < 5000; times++)
        out.record(out.ctx, &record);
    return CHAT_OK;
}
ZOO_TRANSPORT
