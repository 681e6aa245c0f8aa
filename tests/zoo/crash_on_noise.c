/* verify: transport.noise CRASHED SIGFPE in decode */
#define DECODE decode
#include "zoo.h"
#include <signal.h>
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    size_t high = 0;
    for (size_t at = 0; at < input.len; at++)
        high += input.data[at] >= 0xf0;
    if (high > 60)
        raise(SIGFPE);
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
