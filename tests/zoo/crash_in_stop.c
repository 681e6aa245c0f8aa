/* verify: stop CRASHED SIGABRT in stop */
#define STOP stop
#include "zoo.h"
static void stop(void *plugin) {
    UNUSED(plugin);
    abort();
}
ZOO_FILTER
