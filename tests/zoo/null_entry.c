/* verify: file.symbol FAILED returned null */
#include "zoo.h"
const chat_entry *chat_entry_v1(void) {
    return 0;
}
