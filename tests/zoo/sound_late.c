/* verify: passes */
#define CHECK check
#define START start
#include "zoo.h"
#include <pthread.h>

/* Answers all from threads of their own, after check has returned or before, as it comes. */
static void *later(void *ticket) {
    const chat_auth_host *answers = zoo_host->interface(zoo_host, CHAT_ID_AUTH_HOST);
    answers->complete(zoo_host, *(uint64_t *)ticket, CHAT_OK, zoo_text("joe"));
    free(ticket);
    return 0;
}

static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    uint64_t *owed = malloc(sizeof *owed);
    pthread_t thread;
    UNUSED(plugin);
    UNUSED(ask);
    UNUSED(who);
    *owed = ticket;
    if (pthread_create(&thread, 0, later, owed) != 0) {
        free(owed);
        return CHAT_INTERNAL;
    }
    pthread_detach(thread);
    return CHAT_PENDING;
}

/* Without chatd's help nothing can come later. */
static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    if (host->interface(host, CHAT_ID_AUTH_HOST))
        return zoo_start(host, config, plugin, why);
    why.bytes(why.ctx, zoo_text("this chatd takes no late answers"));
    return CHAT_INTERNAL;
}

ZOO_AUTH
