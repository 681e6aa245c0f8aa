/* verify: transport.memory FAILED open files */
#define OPEN open_log
#include "zoo.h"
#include <fcntl.h>
#include <unistd.h>
static chat_status open_log(void *plugin, uint32_t role, void **conn) {
    static int last;
    /* Within what a process may have open. */
    int file = open("/dev/null", O_WRONLY);
    last = file >= 0 ? file : last;
    return zoo_open(plugin, role, conn);
}
ZOO_TRANSPORT
