/* verify: transport.keeps CRASHED SIGSEGV in decode */
#define DECODE decode
#include "zoo.h"
/* Compares with the first byte of the call before, which is not there any more. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    zoo_conn *self = conn;
    if (self->kept)
        zoo_look(self->kept);
    self->kept = input.len > 0 ? input.data : 0;
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
