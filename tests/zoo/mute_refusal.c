/* verify: start.nonsense FAILED without saying why */
#define START start
#include "zoo.h"
/* Reads its table, and has nothing to say about it. */
static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    return config.len > 0 && config.data[0] == '=' ? CHAT_INTERNAL : zoo_start(host, config, plugin, why);
}
ZOO_FILTER
