/* verify: entry.name FAILED its name is missing */
#include "zoo.h"
static const void *interface(void *plugin, const char *id) {
    UNUSED(plugin);
    UNUSED(id);
    return 0;
}
static const chat_entry entry = { sizeof(chat_entry), CHAT_MAJOR, CHAT_MINOR, "two words", "1", zoo_start, zoo_stop, interface };
const chat_entry *chat_entry_v1(void) {
    return &entry;
}
