/* verify: transport.used FAILED used */
#define DECODE decode
#include "zoo.h"
/* Counts the line break of a line that has not come to its end. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    chat_status status = zoo_decode(plugin, conn, input, used, out);
    if (input.len > 0 && *used < input.len)
        *used = input.len + 1;
    return status;
}
ZOO_TRANSPORT
