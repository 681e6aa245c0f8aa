/* verify: filter.memory FAILED behind each time */
#define JUDGE judge
#include "zoo.h"
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    zoo_kept = malloc(what->argv[2].len + 1);
    return zoo_judge(plugin, what, out);
}
ZOO_FILTER
