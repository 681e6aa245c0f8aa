/* verify: entry.functions FAILED `start` */
#define START 0
#include "zoo.h"
ZOO_FILTER
