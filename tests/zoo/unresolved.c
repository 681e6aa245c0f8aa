/* verify: file.loads FAILED nowhere_to_be_found */
#define STOP stop
#include "zoo.h"
void nowhere_to_be_found(void);
static void stop(void *plugin) {
    UNUSED(plugin);
    nowhere_to_be_found();
}
ZOO_FILTER
