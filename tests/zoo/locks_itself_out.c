/* verify: auth.threads HUNG check does not come back */
#define CHECK check
#include "zoo.h"
#include <stdatomic.h>
/* Two that ask at the same time wait for each other, for ever. */
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    static atomic_int inside, stuck;
    if (atomic_fetch_add(&inside, 1) > 0)
        atomic_store(&stuck, 1);
    for (volatile int work = 0; work < 200000; work++) {
    }
    while (atomic_load(&stuck)) {
    }
    atomic_fetch_sub(&inside, 1);
    return zoo_check(plugin, ticket, ask, who);
}
ZOO_AUTH
