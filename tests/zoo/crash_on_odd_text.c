/* verify: filter.noise CRASHED SIGABRT in judge */
#define JUDGE judge
#include "zoo.h"
/* Does not believe in NUL. */
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    size_t nuls = 0;
    for (size_t at = 0; at < what->argv[2].len; at++)
        nuls += what->argv[2].data[at] == 0;
    if (nuls > 11)
        abort();
    return zoo_judge(plugin, what, out);
}
ZOO_FILTER
