/* verify: auth.answers CRASHED SIGSEGV in check */
#define CHECK check
#include "zoo.h"
/* Believes that there is always a name. */
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    zoo_look(ask->argv[1].len ? ask->argv[1].data : 0);
    return zoo_check(plugin, ticket, ask, who);
}
ZOO_AUTH
