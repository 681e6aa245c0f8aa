/* verify: transport.decodes HUNG decode does not come back */
#define DECODE decode
#include "zoo.h"
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    static volatile int waits = 1;
    while (waits && input.len > 3 && memcmp(input.data, "PING", 4) == 0) {
    }
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
