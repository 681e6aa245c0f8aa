/* verify: filter.keeps CRASHED SIGSEGV in judge */
#define JUDGE judge
#include "zoo.h"
/* Compares with what was said before, by where it stood. */
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    static chat_bytes before;
    if (before.len)
        zoo_look(before.data);
    before = what->argv[2];
    return zoo_judge(plugin, what, out);
}
ZOO_FILTER
