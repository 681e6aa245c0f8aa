/* verify: transport.nothing FAILED gave a record for no bytes */
#define DECODE decode
#include "zoo.h"
/* Greets whoever has not said a whole line yet, again and again. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    chat_bytes hello = zoo_text("HELLO");
    chat_record record = { CHAT_KIND_COMMAND, 1, &hello };
    chat_status status = zoo_decode(plugin, conn, input, used, out);
    if (status == CHAT_OK && *used == 0 && input.len > 0)
        out.record(out.ctx, &record);
    return status;
}
ZOO_TRANSPORT
