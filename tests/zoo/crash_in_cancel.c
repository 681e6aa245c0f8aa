/* verify: auth.cancels CRASHED SIGSEGV in cancel */
#define CANCEL cancel
#include "zoo.h"
/* Looks for the ticket in a list, and believes that it is there. */
static void cancel(void *plugin, uint64_t ticket) {
    UNUSED(plugin);
    *(volatile uint8_t *)(ticket == 0 ? 0 : &ticket) = 0;
}
ZOO_AUTH
