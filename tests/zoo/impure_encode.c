/* verify: transport.pure FAILED is not the same twice */
#define ENCODE encode
#include "zoo.h"
#include <stdio.h>
/* Numbers what it writes. */
static chat_status encode(void *plugin, uint32_t class_number, const chat_record *record, chat_bytes_sink out) {
    static unsigned long number;
    char text[32];
    snprintf(text, sizeof text, "%lu ", ++number);
    out.bytes(out.ctx, zoo_text(text));
    return zoo_encode(plugin, class_number, record, out);
}
ZOO_TRANSPORT
