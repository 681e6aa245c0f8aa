/* verify: transport.keeps CRASHED SIGSEGV in decode */
#define DECODE decode
#include "zoo.h"
/* Believes that there is a NUL behind its input. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    if (input.len > 0)
        zoo_look(input.data + input.len);
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
