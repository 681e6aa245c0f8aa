/* verify: passes */
#include "zoo.h"
ZOO_AUTH
