/* verify: transport.hoards FAILED one connection keeps */
#define CLOSE close_all
#define DECODE decode
#include "zoo.h"
/* Takes all that comes, and keeps it until its line is whole. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    uint8_t **kept = (uint8_t **)&((zoo_conn *)conn)->kept;
    uint32_t *len = &((zoo_conn *)conn)->lines;
    UNUSED(plugin);
    for (size_t at = 0; at < input.len;) {
        const uint8_t *end = memchr(input.data + at, '\n', input.len - at);
        size_t count = end ? (size_t)(end - input.data) - at : input.len - at;
        uint8_t *more = realloc(*kept, *len + count + 1);
        if (!more)
            return CHAT_INTERNAL;
        memcpy(more + *len, input.data + at, count);
        *kept = more;
        *len += (uint32_t)count;
        at += count + (end ? 1 : 0);
        *used = at;
        if (end) {
            chat_bytes line = { *kept, *len };
            chat_record record = { CHAT_KIND_COMMAND, 1, &line };
            chat_status flow = out.record(out.ctx, &record);
            *len = 0;
            if (flow != CHAT_OK)
                return CHAT_OK;
        }
    }
    return CHAT_OK;
}

static void close_all(void *plugin, void *conn) {
    free((void *)((zoo_conn *)conn)->kept);
    zoo_close(plugin, conn);
}
ZOO_TRANSPORT
