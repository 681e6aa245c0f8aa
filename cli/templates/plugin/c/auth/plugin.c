/* The authenticator `{{name}}`: whoever knows the secret comes in, under the name they say.
 *
 * Settings: `secret = "text"`. Without it, it has no opinion of anybody.
 */
#include "chat_plugin.h"
#include "settings.h"
#include <stdlib.h>

/* Nothing of it changes after the start: it is asked from several threads at a time. */
typedef struct plugin {
    char secret[128];
} plugin;

static chat_bytes text(const char *from) {
    chat_bytes bytes = { (const uint8_t *)from, strlen(from) };
    return bytes;
}

static int is(chat_bytes bytes, const char *word) {
    return bytes.len == strlen(word) && memcmp(bytes.data, word, bytes.len) == 0;
}

static chat_status plugin_start(const chat_host *host, chat_bytes config, void **self, chat_bytes_sink why) {
    plugin *made = calloc(1, sizeof *made);
    char reason[128] = "no memory";
    (void)host;
    if (made && settings_read(config, "secret", made->secret, sizeof made->secret, reason, sizeof reason)) {
        *self = made;
        return CHAT_OK;
    }
    free(made);
    why.bytes(why.ctx, text(reason));
    return CHAT_INTERNAL;
}

static void plugin_stop(void *self) {
    free(self);
}

/* Takes as long for a wrong one that is nearly right as for any other of its length. */
static int same(chat_bytes shown, const char *secret) {
    unsigned differs = 0;
    if (shown.len != strlen(secret))
        return 0;
    for (size_t at = 0; at < shown.len; at++)
        differs |= (unsigned)(shown.data[at] ^ (uint8_t)secret[at]);
    return differs == 0;
}

/* ask->argv: mechanism, name, secret, peer, listener, and what the directory keeps of that account. */
static chat_status check_in(void *self, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    const plugin *me = self;
    chat_bytes name = ask->argv[1];
    (void)ticket;
    /* Who shows nothing may still be let in by the next authenticator, as a guest. */
    if (!is(ask->argv[0], "password") || me->secret[0] == 0)
        return CHAT_DECLINE;
    if (name.len == 0 || !same(ask->argv[2], me->secret)) {
        who.bytes(who.ctx, text("wrong name or secret"));
        return CHAT_DENY;
    }
    who.bytes(who.ctx, name);
    return CHAT_OK;
}

static void cancel(void *self, uint64_t ticket) {
    (void)self;
    (void)ticket;
}

static const chat_auth auth = { sizeof auth, check_in, cancel };

static const void *plugin_interface(void *self, const char *id) {
    (void)self;
    return strcmp(id, CHAT_ID_AUTH) == 0 ? &auth : 0;
}

static const chat_entry entry = { sizeof entry, CHAT_MAJOR, CHAT_MINOR, "{{name}}", "0.1.0", plugin_start, plugin_stop, plugin_interface };

/* What chatd finds in this library. */
const chat_entry *chat_entry_v1(void) {
    return &entry;
}
