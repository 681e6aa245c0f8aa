/* verify: transport.opens FAILED opened a null connection */
#define OPEN open_none
#define CLOSE close_none
#include "zoo.h"
static chat_status open_none(void *plugin, uint32_t role, void **conn) {
    UNUSED(plugin);
    UNUSED(role);
    UNUSED(conn);
    return CHAT_OK;
}
static void close_none(void *plugin, void *conn) {
    UNUSED(plugin);
    UNUSED(conn);
}
ZOO_TRANSPORT
