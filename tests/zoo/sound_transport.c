/* verify: passes */
#include "zoo.h"
ZOO_TRANSPORT
