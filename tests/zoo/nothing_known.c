/* verify: interfaces.known FAILED offers neither */
#include "zoo.h"
static const chat_auth table = { sizeof(chat_auth), zoo_check, zoo_cancel };
ZOO_ENTRY("chat.auth/9", table)
