/* verify: transport.encodes CRASHED SIGSEGV in encode */
#define ENCODE encode
#include "zoo.h"
/* Takes for granted that every event has a name. */
static chat_status encode(void *plugin, uint32_t class_number, const chat_record *record, chat_bytes_sink out) {
    zoo_look(record->argc ? record->argv : 0);
    return zoo_encode(plugin, class_number, record, out);
}
ZOO_TRANSPORT
