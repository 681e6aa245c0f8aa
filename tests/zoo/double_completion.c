/* verify: auth.once FAILED complete said OK, and then DENY */
#define CHECK check
#include "zoo.h"
#include <pthread.h>
static void *twice(void *ticket) {
    const chat_auth_host *answers = zoo_host->interface(zoo_host, CHAT_ID_AUTH_HOST);
    answers->complete(zoo_host, *(uint64_t *)ticket, CHAT_OK, zoo_text("joe"));
    answers->complete(zoo_host, *(uint64_t *)ticket, CHAT_DENY, zoo_text("on second thought"));
    free(ticket);
    return 0;
}
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    uint64_t *owed = malloc(sizeof *owed);
    pthread_t thread;
    if (zoo_is(ask->argv[0], "none") || !zoo_host->interface(zoo_host, CHAT_ID_AUTH_HOST)) {
        free(owed);
        return zoo_check(plugin, ticket, ask, who);
    }
    *owed = ticket;
    if (pthread_create(&thread, 0, twice, owed) == 0)
        pthread_detach(thread);
    return CHAT_PENDING;
}
ZOO_AUTH
