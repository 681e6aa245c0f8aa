/* What all animals of the zoo share: a sound line codec, a sound authenticator and a sound filter, each function of which an animal may put
 * another in the place of, by defining its name before it includes this
 * file. The first line of an animal says which check has to name it. */
#ifndef ZOO_H
#define ZOO_H

#include "chat_plugin.h"
#include <stdlib.h>
#include <string.h>

#define UNUSED(x) (void)(x)

static inline chat_bytes zoo_text(const char *text) {
    chat_bytes bytes = { (const uint8_t *)text, strlen(text) };
    return bytes;
}

static inline int zoo_is(chat_bytes bytes, const char *text) {
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

/* Reads a byte, whether or not it is there. */
static inline void zoo_look(const void *byte) {
    (void)*(const volatile uint8_t *)byte;
}

/* What is put here nobody frees. */
__attribute__((unused)) static void *volatile zoo_kept;

/* ---- A line is a command of one word. A longer line than this is not believed. ---- */
#define ZOO_LINE_MAX 512

typedef struct zoo_conn {
    uint32_t lines;
    const uint8_t *kept;
} zoo_conn;

static inline chat_status zoo_open(void *plugin, uint32_t role, void **conn) {
    UNUSED(plugin);
    UNUSED(role);
    *conn = calloc(1, sizeof(zoo_conn));
    return *conn ? CHAT_OK : CHAT_INTERNAL;
}

static inline void zoo_close(void *plugin, void *conn) {
    UNUSED(plugin);
    free(conn);
}

static inline chat_status zoo_decode(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out) {
    size_t start = 0;
    UNUSED(plugin);
    for (size_t at = 0; at < input.len; at++) {
        if (input.data[at] == '\n') {
            chat_bytes line = { input.data + start, at - start };
            chat_record record = { CHAT_KIND_COMMAND, 1, &line };
            start = at + 1;
            ((zoo_conn *)conn)->lines++;
            if (out.record(out.ctx, &record) != CHAT_OK) {
                *used = start;
                return CHAT_OK;
            }
        } else if (at - start >= ZOO_LINE_MAX) {
            *used = start;
            return CHAT_BROKEN;
        }
    }
    *used = start;
    return CHAT_OK;
}

static inline uint32_t zoo_class_of(void *plugin, const void *conn) {
    UNUSED(plugin);
    UNUSED(conn);
    return 0;
}

static inline chat_status zoo_encode(void *plugin, uint32_t class_number, const chat_record *record, chat_bytes_sink out) {
    UNUSED(plugin);
    UNUSED(class_number);
    for (uint32_t ix = 0; ix < record->argc; ix++) {
        out.bytes(out.ctx, record->argv[ix]);
        out.bytes(out.ctx, zoo_text(" "));
    }
    return out.bytes(out.ctx, zoo_text("\n"));
}

static inline chat_status zoo_encode_private(void *plugin, void *conn, const chat_record *record, chat_bytes_sink out) {
    UNUSED(conn);
    return zoo_encode(plugin, 0, record, out);
}

/* ---- Lets joe in by the secret "sesame", and guests. ---- */
static inline chat_status zoo_check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    UNUSED(plugin);
    UNUSED(ticket);
    if (zoo_is(ask->argv[0], "none"))
        return CHAT_OK;
    if (zoo_is(ask->argv[1], "joe") && zoo_is(ask->argv[2], "sesame"))
        return who.bytes(who.ctx, zoo_text("joe"));
    who.bytes(who.ctx, zoo_text("not you"));
    return CHAT_DENY;
}

static inline void zoo_cancel(void *plugin, uint64_t ticket) {
    UNUSED(plugin);
    UNUSED(ticket);
}

/* ---- Has nothing against anything. ---- */
static inline chat_status zoo_judge(void *plugin, const chat_record *what, chat_bytes_sink out) {
    UNUSED(plugin);
    UNUSED(what);
    UNUSED(out);
    return CHAT_OK;
}

static const chat_host *zoo_host;

static inline chat_status zoo_start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    static int self;
    UNUSED(config);
    UNUSED(why);
    zoo_host = host;
    *plugin = &self;
    return CHAT_OK;
}

static inline void zoo_stop(void *plugin) {
    UNUSED(plugin);
}

#ifndef OPEN
#define OPEN zoo_open
#endif
#ifndef CLOSE
#define CLOSE zoo_close
#endif
#ifndef DECODE
#define DECODE zoo_decode
#endif
#ifndef CLASS_OF
#define CLASS_OF zoo_class_of
#endif
#ifndef ENCODE
#define ENCODE zoo_encode
#endif
#ifndef ENCODE_PRIVATE
#define ENCODE_PRIVATE zoo_encode_private
#endif
#ifndef CHECK
#define CHECK zoo_check
#endif
#ifndef CANCEL
#define CANCEL zoo_cancel
#endif
#ifndef JUDGE
#define JUDGE zoo_judge
#endif
#ifndef START
#define START zoo_start
#endif
#ifndef STOP
#define STOP zoo_stop
#endif
#ifndef ENTRY_SIZE
#define ENTRY_SIZE sizeof(chat_entry)
#endif
#ifndef MAJOR
#define MAJOR CHAT_MAJOR
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE(type) sizeof(type)
#endif

/* Each animal says which of the three it is, and has the functions that it needs to be bad. */
#define ZOO_ENTRY(id, table)                                                                                                     \
    static const void *zoo_interface(void *plugin, const char *asked) {                                                          \
        UNUSED(plugin);                                                                                                          \
        return strcmp(asked, id) == 0 ? (const void *)&table : 0;                                                                \
    }                                                                                                                            \
    static const chat_entry zoo_entry = { ENTRY_SIZE, MAJOR, CHAT_MINOR, "animal", "1", START, STOP, zoo_interface };            \
    const chat_entry *chat_entry_v1(void) {                                                                                      \
        return &zoo_entry;                                                                                                       \
    }

#define ZOO_TRANSPORT                                                                                                            \
    static const chat_transport zoo_table = { TABLE_SIZE(chat_transport), OPEN, CLOSE, DECODE, CLASS_OF, ENCODE, ENCODE_PRIVATE }; \
    ZOO_ENTRY(CHAT_ID_TRANSPORT, zoo_table)

#define ZOO_AUTH                                                                                                                 \
    static const chat_auth zoo_table = { TABLE_SIZE(chat_auth), CHECK, CANCEL };                                                 \
    ZOO_ENTRY(CHAT_ID_AUTH, zoo_table)

#define ZOO_FILTER                                                                                                               \
    static const chat_filter zoo_table = { TABLE_SIZE(chat_filter), JUDGE };                                                     \
    ZOO_ENTRY(CHAT_ID_FILTER, zoo_table)

#endif
