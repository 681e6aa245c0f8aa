/* verify: transport.limits FAILED bytes unread after */
#define DECODE decode
#include "zoo.h"
/* Waits for the end of a line as long as it takes. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    if (input.len == 0 || !memchr(input.data, '\n', input.len)) {
        *used = 0;
        return CHAT_OK;
    }
    UNUSED(plugin);
    UNUSED(conn);
    for (size_t at = 0, start = 0; at < input.len; at++) {
        if (input.data[at] == '\n') {
            chat_bytes line = { input.data + start, at - start };
            chat_record record = { CHAT_KIND_COMMAND, 1, &line };
            start = at + 1;
            *used = start;
            if (out.record(out.ctx, &record) != CHAT_OK)
                break;
        }
    }
    return CHAT_OK;
}
ZOO_TRANSPORT
