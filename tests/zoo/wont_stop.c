/* verify: transport.stops FAILED loses or repeats something when it is stopped */
#define DECODE decode
#include "zoo.h"
/* Throws away what comes behind a record after which it is told to stop. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    uint32_t before = ((zoo_conn *)conn)->lines;
    chat_status status = zoo_decode(plugin, conn, input, used, out);
    size_t left = input.len - *used;
    if (status == CHAT_OK && ((zoo_conn *)conn)->lines > before && left > 0 && memchr(input.data + *used, '\n', left))
        *used = input.len;
    return status;
}
ZOO_TRANSPORT
