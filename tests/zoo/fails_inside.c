/* verify: transport.decodes FAILED failed inside */
#define DECODE decode
#include "zoo.h"
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    return input.len > 0 && input.data[0] == '*' ? CHAT_INTERNAL : zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
