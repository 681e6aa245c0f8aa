/* verify: filter.time FAILED chatd waits */
#define JUDGE judge
#include "zoo.h"
#include <poll.h>
/* Looks something up, far away. */
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    if (zoo_is(what->argv[2], "!help"))
        poll(0, 0, 300);
    return zoo_judge(plugin, what, out);
}
ZOO_FILTER
