/* verify: entry.major FAILED built for plugin interface 2 */
#define MAJOR 2
#include "zoo.h"
ZOO_FILTER
