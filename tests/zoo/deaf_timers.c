/* verify: timers FAILED sets timer 7 */
#define START start
#include "zoo.h"
static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    const chat_timers *timers = host->interface(host, CHAT_ID_TIMERS);
    if (timers)
        timers->set(host, 7, 1000);
    return zoo_start(host, config, plugin, why);
}
ZOO_FILTER
