/* verify: transport.records FAILED gave a record whose argument 0 is null */
#define DECODE decode
#include "zoo.h"
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    chat_bytes hole = { 0, 4 };
    chat_record record = { CHAT_KIND_COMMAND, 1, &hole };
    if (input.len > 0 && input.data[0] == 'h')
        out.record(out.ctx, &record);
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
