/* verify: stop CRASHED exit code 3 */
#define STOP stop
#include "zoo.h"
static void stop(void *plugin) {
    UNUSED(plugin);
    exit(3);
}
ZOO_FILTER
