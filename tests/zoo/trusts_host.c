/* verify: start.old-host CRASHED SIGSEGV in start */
#define START start
#include "zoo.h"
static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    const chat_log *log = host->interface(host, CHAT_ID_LOG);
    log->log(host, 3, zoo_text("here I am"));
    return zoo_start(host, config, plugin, why);
}
ZOO_FILTER
