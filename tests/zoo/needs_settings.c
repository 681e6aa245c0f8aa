/* verify: start.given FAILED no word is forbidden */
#define START start
#include "zoo.h"
static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    if (config.len > 0)
        return zoo_start(host, config, plugin, why);
    why.bytes(why.ctx, zoo_text("no word is forbidden"));
    return CHAT_INTERNAL;
}
ZOO_FILTER
