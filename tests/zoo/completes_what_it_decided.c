/* verify: auth.once FAILED check said DENY, and complete said OK */
#define CHECK check
#include "zoo.h"
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    const chat_auth_host *answers = zoo_host->interface(zoo_host, CHAT_ID_AUTH_HOST);
    chat_status status = zoo_check(plugin, ticket, ask, who);
    if (answers && status == CHAT_DENY)
        answers->complete(zoo_host, ticket, CHAT_OK, zoo_text("joe"));
    return status;
}
ZOO_AUTH
