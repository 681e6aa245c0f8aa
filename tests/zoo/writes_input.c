/* verify: transport.keeps CRASHED SIGSEGV in decode */
#define DECODE decode
#include "zoo.h"
/* Ends lines as C likes it, and puts back what was there. */
static chat_status decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    uint8_t *end = input.len ? memchr(input.data, '\n', input.len) : 0;
    if (end) {
        *(volatile uint8_t *)end = 0;
        *(volatile uint8_t *)end = '\n';
    }
    return zoo_decode(plugin, conn, input, used, out);
}
ZOO_TRANSPORT
