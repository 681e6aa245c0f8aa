/* verify: entry.size FAILED chat_entry says it has 24 bytes */
#define ENTRY_SIZE 24
#include "zoo.h"
ZOO_FILTER
