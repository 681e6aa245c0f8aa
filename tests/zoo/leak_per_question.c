/* verify: auth.memory FAILED leaves */
#define CHECK check
#include "zoo.h"
/* Remembers every ticket. */
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    uint64_t *one = malloc(sizeof *one);
    if (one)
        *one = ticket;
    zoo_kept = one;
    return zoo_check(plugin, ticket, ask, who);
}
ZOO_AUTH
