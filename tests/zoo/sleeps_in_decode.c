/* verify: transport.time FAILED and everyone else waits */
#define DECODE decode
#include "zoo.h"
#include <poll.h>
/* Waits a little wherever much comes at once. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    if (input.len > 15000 && input.data[0] == 'P')
        poll(0, 0, 100);
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
