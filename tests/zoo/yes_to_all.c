/* verify: interfaces.known FAILED must be null */
#include "zoo.h"
static const chat_filter table = { sizeof(chat_filter), zoo_judge };
static const void *interface(void *plugin, const char *id) {
    UNUSED(plugin);
    UNUSED(id);
    return &table;
}
static const chat_entry entry = { sizeof(chat_entry), CHAT_MAJOR, CHAT_MINOR, "animal", "1", zoo_start, zoo_stop, interface };
const chat_entry *chat_entry_v1(void) {
    return &entry;
}
