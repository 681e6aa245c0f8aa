/* verify: auth.answers FAILED unknown answer 42 */
#define CHECK check
#include "zoo.h"
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    return ask->argv[2].len == 0 ? zoo_check(plugin, ticket, ask, who) : 42;
}
ZOO_AUTH
