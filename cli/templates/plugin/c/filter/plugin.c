/* The filter `{{name}}`: a word that nobody shall say becomes stars, and a topic with it is refused.
 *
 * Settings: `word = "text"`. Without it, everything passes.
 */
#include "chat_plugin.h"
#include "settings.h"
#include <stdlib.h>

typedef struct plugin {
    char word[64];
    const chat_host *host;
    const chat_metrics *metrics; /* null: this chatd counts nothing */
    uint32_t found;
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
    if (!made || !settings_read(config, "word", made->word, sizeof made->word, reason, sizeof reason)) {
        free(made);
        why.bytes(why.ctx, text(reason));
        return CHAT_INTERNAL;
    }
    made->host = host;
    made->metrics = host ? host->interface(host, CHAT_ID_METRICS) : 0;
    if (made->metrics)
        made->found = made->metrics->metric(host, CHAT_METRIC_COUNTER, text("found"), text("how often the word was said"));
    *self = made;
    return CHAT_OK;
}

static void plugin_stop(void *self) {
    free(self);
}

/* Where the word stands next, or the end. */
static size_t next(chat_bytes in, size_t from, const char *word, size_t len) {
    for (size_t at = from; at + len <= in.len; at++)
        if (memcmp(in.data + at, word, len) == 0)
            return at;
    return in.len;
}

/* what->argv: "message", "notice", "join" or "topic", group, text, nick, user, host, account, listener. It is asked one thing at a time. */
static chat_status judge(void *self, const chat_record *what, chat_bytes_sink out) {
    const plugin *me = self;
    chat_bytes kind = what->argv[0], said = what->argv[2];
    size_t len = strlen(me->word);
    size_t at = len ? next(said, 0, me->word, len) : said.len;
    /* What a later chatd asks about, and this one does not know, passes. */
    if (at == said.len || !(is(kind, "message") || is(kind, "notice") || is(kind, "topic")))
        return CHAT_OK;
    if (me->metrics)
        me->metrics->add(me->host, me->found, 1);
    if (is(kind, "topic")) {
        out.bytes(out.ctx, text("not in a topic"));
        return CHAT_DENY;
    }
    for (size_t start = 0; start < said.len;) {
        chat_bytes before = { said.data + start, at - start };
        out.bytes(out.ctx, before);
        for (size_t ix = 0; at < said.len && ix < len; ix++)
            out.bytes(out.ctx, text("*"));
        start = at < said.len ? at + len : at;
        at = next(said, start, me->word, len);
    }
    return CHAT_OK;
}

static const chat_filter filter = { sizeof filter, judge };

static const void *plugin_interface(void *self, const char *id) {
    (void)self;
    return strcmp(id, CHAT_ID_FILTER) == 0 ? &filter : 0;
}

static const chat_entry entry = { sizeof entry, CHAT_MAJOR, CHAT_MINOR, "{{name}}", "0.1.0", plugin_start, plugin_stop, plugin_interface };

/* What chatd finds in this library. */
const chat_entry *chat_entry_v1(void) {
    return &entry;
}
