/* verify: transport.threads FAILED when several threads encode */
#define ENCODE encode
#include "zoo.h"
/* Gathers in one buffer for all. */
static chat_status encode(void *plugin, uint32_t class_number, const chat_record *record, chat_bytes_sink out) {
    static uint8_t gathered[1 << 16];
    static volatile size_t len;
    UNUSED(plugin);
    UNUSED(class_number);
    len = 0;
    for (uint32_t ix = 0; ix < record->argc; ix++)
        for (size_t at = 0; at < record->argv[ix].len; at++)
            if (len < sizeof gathered)
                gathered[len++ % sizeof gathered] = record->argv[ix].data[at];
    chat_bytes all = { gathered, len };
    return out.bytes(out.ctx, all);
}
ZOO_TRANSPORT
