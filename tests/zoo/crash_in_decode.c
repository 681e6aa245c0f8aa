/* verify: transport.decodes CRASHED SIGSEGV in decode */
#define DECODE decode
#include "zoo.h"
/* Takes for granted that something comes after the word. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    zoo_look(input.len ? memchr(input.data, ' ', input.len) : "");
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
