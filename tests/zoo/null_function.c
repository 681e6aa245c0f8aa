/* verify: interfaces.functions FAILED `class_of` */
#define CLASS_OF 0
#include "zoo.h"
ZOO_TRANSPORT
