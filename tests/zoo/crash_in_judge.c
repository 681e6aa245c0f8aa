/* verify: filter.answers CRASHED SIGSEGV in judge */
#define JUDGE judge
#include "zoo.h"
/* Believes that everything has a text. */
static chat_status judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    zoo_look(what->argv[2].len ? what->argv[2].data : 0);
    return zoo_judge(plugin, what, out);
}
ZOO_FILTER
