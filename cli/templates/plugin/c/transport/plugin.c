/* The transport `{{name}}`: people talk to it in lines, with netcat if they like.
 *
 *   NICK joe                         what is sent: a command and its arguments; a last one with blanks begins with `:`
 *   ENTER #lobby
 *   MSG #lobby :hello, everyone
 *   [#lobby] <ann> hi joe            what comes: what is said in groups, ...
 *   = sent #lobby 12                 ... answers, ...
 *   ! NOGROUP no such group          ... refusals, ...
 *   * ping 1700000000                ... and whatever else happens. `PONG 1700000000` answers this one
 *
 * Settings: `prefix = "text"` stands before every line that is sent.
 */
#include "chat_plugin.h"
#include "settings.h"
#include <stdlib.h>

/* A longer line is not believed. */
#define LINE_MAX_BYTES 4096
/* What comes behind the last of these is ignored. */
#define WORDS_MAX 32

typedef struct plugin {
    char prefix[64];
} plugin;

/* What is known of one connection. Keep it small: there are many. */
typedef struct connection {
    uint32_t role;
} connection;

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
    if (made && settings_read(config, "prefix", made->prefix, sizeof made->prefix, reason, sizeof reason)) {
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

static chat_status conn_open(void *self, uint32_t role, void **conn) {
    connection *made = calloc(1, sizeof *made);
    (void)self;
    if (!made)
        return CHAT_INTERNAL;
    made->role = role;
    *conn = made;
    return CHAT_OK;
}

static void conn_close(void *self, void *conn) {
    (void)self;
    free(conn);
}

/* The words of a line. One that begins with `:` goes on to the end. */
static uint32_t split(const uint8_t *at, const uint8_t *end, chat_bytes *words) {
    uint32_t count = 0;
    while (count < WORDS_MAX) {
        while (at < end && *at == ' ')
            at++;
        if (at == end)
            break;
        if (*at == ':' && count > 0) {
            words[count].data = at + 1;
            words[count++].len = (size_t)(end - at - 1);
            break;
        }
        const uint8_t *start = at;
        while (at < end && *at != ' ')
            at++;
        words[count].data = start;
        words[count++].len = (size_t)(at - start);
    }
    return count;
}

static chat_status decode(void *self, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    size_t start = 0;
    (void)self;
    (void)conn;
    /* Whole lines only: what is left is offered again, with more behind it. */
    for (size_t at = 0; at < input.len; at++) {
        if (input.data[at] != '\n') {
            if (at - start >= LINE_MAX_BYTES)
                return CHAT_BROKEN;
            continue;
        }
        chat_bytes words[WORDS_MAX];
        const uint8_t *line = input.data + start, *end = input.data + at;
        if (end > line && end[-1] == '\r')
            end--;
        chat_record command = { CHAT_KIND_COMMAND, split(line, end, words), words };
        start = at + 1;
        *used = start;
        if (command.argc > 0 && out.record(out.ctx, &command) != CHAT_OK)
            return CHAT_OK;
    }
    return CHAT_OK;
}

/* All get the same bytes for the same event. */
static uint32_t class_of(void *self, const void *conn) {
    (void)self;
    (void)conn;
    return 0;
}

/* A line stays one, whatever somebody wrote. */
static void put(chat_bytes_sink out, chat_bytes bytes) {
    size_t start = 0;
    for (size_t at = 0; at <= bytes.len; at++) {
        if (at < bytes.len && bytes.data[at] >= ' ' && bytes.data[at] != 0x7f)
            continue;
        if (at > start) {
            chat_bytes part = { bytes.data + start, at - start };
            out.bytes(out.ctx, part);
        }
        if (at < bytes.len)
            out.bytes(out.ctx, text(" "));
        start = at + 1;
    }
}

/* The fields of an event are listed in docs/records.md; what is missing is empty. */
static chat_bytes field(const chat_record *event, uint32_t ix) {
    return ix < event->argc ? event->argv[ix] : text("");
}

static chat_status encode(void *self, uint32_t class_number, const chat_record *event, chat_bytes_sink out) {
    const plugin *me = self;
    chat_bytes name = field(event, 0);
    int push = event->kind == CHAT_KIND_PUSH;
    (void)class_number;
    if (push && (is(name, "return") || is(name, "away") || is(name, "call")))
        return CHAT_OK;
    put(out, text(me->prefix));
    if (push && (is(name, "message") || is(name, "join") || is(name, "part"))) {
        put(out, text("["));
        put(out, field(event, 1));
        put(out, text(is(name, "message") ? "] <" : "] "));
        put(out, field(event, 6));
        put(out, text(is(name, "message") ? "> " : is(name, "join") ? " came" : " left: "));
        if (is(name, "message"))
            put(out, field(event, 12));
        if (is(name, "part"))
            put(out, field(event, 11));
    } else {
        put(out, text(push ? "*" : event->kind == CHAT_KIND_ERROR ? "!" : "="));
        /* The name of an error is always `error`. */
        for (uint32_t ix = event->kind == CHAT_KIND_ERROR; ix < event->argc; ix++) {
            put(out, text(" "));
            put(out, event->argv[ix]);
        }
    }
    return out.bytes(out.ctx, text("\n"));
}

static chat_status encode_private(void *self, void *conn, const chat_record *event, chat_bytes_sink out) {
    return encode(self, class_of(self, conn), event, out);
}

static const chat_transport transport = { sizeof transport, conn_open, conn_close, decode, class_of, encode, encode_private };

static const void *plugin_interface(void *self, const char *id) {
    (void)self;
    return strcmp(id, CHAT_ID_TRANSPORT) == 0 ? &transport : 0;
}

static const chat_entry entry = { sizeof entry, CHAT_MAJOR, CHAT_MINOR, "{{name}}", "0.1.0", plugin_start, plugin_stop, plugin_interface };

/* What chatd finds in this library. */
const chat_entry *chat_entry_v1(void) {
    return &entry;
}
