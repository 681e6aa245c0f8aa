/* verify: transport.memory FAILED connections over which something was said leave */
#define DECODE decode
#include "zoo.h"
/* Copies what it is given, just in case. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    uint8_t *copy = malloc(input.len + 1);
    zoo_kept = copy;
    if (copy && input.len)
        memcpy(copy, input.data, input.len);
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
