/* verify: transport.pure FAILED in another order */
#define ENCODE encode
#include "zoo.h"
/* Leaves out the name of an event that is called as the one before. */
static chat_status encode(void *plugin, uint32_t class_number, const chat_record *record, chat_bytes_sink out) {
    static char before[64] = "";
    chat_bytes name = record->argc ? record->argv[0] : zoo_text("");
    int same = name.len < sizeof before && zoo_is(name, before);
    size_t len = name.len < sizeof before ? name.len : 0;
    if (len)
        memcpy(before, name.data, len);
    before[len] = 0;
    out.bytes(out.ctx, zoo_text(same ? "also " : "first "));
    return zoo_encode(plugin, class_number, record, out);
}
ZOO_TRANSPORT
