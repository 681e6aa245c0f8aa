/* verify: auth.once FAILED of which it was not asked */
#define CHECK check
#include "zoo.h"
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    const chat_auth_host *answers = zoo_host->interface(zoo_host, CHAT_ID_AUTH_HOST);
    if (answers)
        answers->complete(zoo_host, ticket + 1000000, CHAT_OK, zoo_text("joe"));
    return zoo_check(plugin, ticket, ask, who);
}
ZOO_AUTH
