/* verify: filter.answers FAILED none of its business */
#define JUDGE judge
#include "zoo.h"
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    chat_bytes kind = what->argv[0];
    int known = zoo_is(kind, "message") || zoo_is(kind, "notice") || zoo_is(kind, "join") || zoo_is(kind, "topic");
    return known ? zoo_judge(plugin, what, out) : CHAT_DENY;
}
ZOO_FILTER
