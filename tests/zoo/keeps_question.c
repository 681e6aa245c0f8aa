/* verify: auth.keeps CRASHED SIGSEGV in check */
#define CHECK check
#include "zoo.h"
/* Remembers who was asked for last by where it stood. */
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    static const uint8_t *last;
    if (last)
        zoo_look(last);
    last = ask->argv[1].len ? ask->argv[1].data : 0;
    return zoo_check(plugin, ticket, ask, who);
}
ZOO_AUTH
